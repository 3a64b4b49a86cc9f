"""The name of an execution that an event starts: the same for every report that the same person left.

A name is made of whom it is about and of *which* of their departures: the date since which WorkMail has
them enabled. Redelivered events, several events of one provider, and the reports of several providers
have all of that in common. Somebody who was hired again has a later date, and so another name.
"""

import hashlib
import re
from dataclasses import dataclass

_LONGEST = 80
_DIGEST = 16


@dataclass(frozen=True)
class Departure:
    """Whose departure an execution is about, and which one.

    Attributes
    ----------
    organization_id
        The organization.
    entity_id
        The user's id in WorkMail, where it could be found.
    address
        The user's address or, where only that is known, login; or None.
    since
        What tells this departure from another one of the same person.
    """

    organization_id: str
    entity_id: str | None
    address: str | None
    since: str


def execution_name(departure: Departure) -> str:
    """Make the name of the execution.

    Parameters
    ----------
    departure
        Whose departure, and which one.

    Returns
    -------
    str
        At most 80 characters of `[0-9A-Za-z_-]`: the initials and the domain of the address, the
        entity's id, and a digest, like `d-l-at-example-com_12a3b4c5-…_0f1e2d3c4b5a6978`.
    """
    who = departure.entity_id or departure.address or ""
    key = "\x00".join((departure.organization_id, who.casefold(), departure.since))
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST]
    parts = [_label(departure.address), _clean(departure.entity_id or "")[:40], digest]
    tail = "_".join(part for part in parts[1:] if part)
    label = parts[0][: _LONGEST - len(tail) - 1].strip("-")
    return f"{label}_{tail}" if label else tail


def _label(address: str | None) -> str:
    """Return the initials and the domain: enough to recognise somebody, too little to write to them."""
    if not address:
        return ""
    local, _, domain = address.rpartition("@")
    if not local:
        local, domain = domain, ""
    initials = "-".join(word[0] for word in re.split(r"[^0-9A-Za-z]+", local) if word)
    return _clean((f"{initials}-at-{domain}" if domain else initials).lower())


def _clean(value: str) -> str:
    return re.sub(r"[^0-9A-Za-z_]+", "-", value).strip("-")

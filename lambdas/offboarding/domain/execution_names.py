"""The name of an execution that an event starts: the same for every report that the same person left.

A name is made of whom it is about and of *which* of their departures: the date on which WorkMail last
registered them. Redelivered events, several events of one provider, and the reports of several providers
have all of that in common. Somebody who was hired again has a later date, and so another name. Nothing in
it can change while an execution runs, as an address can.
"""

import hashlib
import re
from dataclasses import dataclass

_LONGEST = 80
_LONGEST_LABEL = 20
_DIGEST = 16


@dataclass(frozen=True)
class Departure:
    """Whose departure an execution is about, and which one.

    Attributes
    ----------
    organization_id
        The organization.
    entity_id
        The user's id in WorkMail, or None for what is no user.
    name
        The user's name; for what is no user, how the request calls it.
    departure
        What tells this departure from another one of the same entity.
    """

    organization_id: str
    entity_id: str | None
    name: str
    departure: str


def execution_name(departure: Departure) -> str:
    """Make the name of the execution.

    Parameters
    ----------
    departure
        Whose departure, and which one.

    Returns
    -------
    str
        At most 80 characters of `[0-9A-Za-z_-]`: the initials of the name, the user's id, and a digest,
        like `d-l_12a3b4c5-…_0f1e2d3c4b5a6978`. No address and no name in clear.
    """
    who = departure.entity_id or departure.name.casefold()
    key = "\x00".join((departure.organization_id, who, departure.departure))
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST]
    label = _initials(departure.name)[:_LONGEST_LABEL].strip("-")
    entity_id = re.sub(r"[^0-9A-Za-z]+", "-", departure.entity_id or "")
    room = _LONGEST - len(label) - len(digest) - 2
    return "_".join(part for part in (label, entity_id[:room].strip("-"), digest) if part)


def _initials(name: str) -> str:
    """Return the initials of what stands before an @: enough to recognise somebody, too little to write to them."""
    words = re.split(r"[^0-9A-Za-z]+", name.partition("@")[0])
    return "-".join(word[0] for word in words if word).lower()

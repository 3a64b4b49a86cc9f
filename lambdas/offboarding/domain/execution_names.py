"""The name of an execution that an event starts: the same for every report that the same person left.

A name is made of the entity and of *which* of its departures is meant: the date on which WorkMail last registered it.
Redelivered events, several events of one provider, and the reports of several providers have all of that in common.
Somebody who was hired again has a later date, and so another name. Nothing in a name can change while an execution
runs, as an address can. If a departure needs another execution, the name of the former one is part of the next one's:
no counter is kept, and two reports of it still get one name.
"""

import hashlib
import re
from dataclasses import dataclass

from offboarding.domain.identifiers import lower_ascii

_MAX_NAME_LENGTH = 80
_MAX_LABEL_LENGTH = 20
_DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Departure:
    """The departure that an execution is about.

    Attributes
    ----------
    organization_id
        The organization.
    entity_id
        The user's id in WorkMail; None for a group or a resource.
    name
        The user's name; for a group or a resource, how the request calls it.
    registration_key
        What tells this departure from another one of the same entity.
    former_name
        The name of the former execution of this departure, after which it needs another one.
    """

    organization_id: str
    entity_id: str | None
    name: str
    registration_key: str
    former_name: str | None = None


def execution_name(departure: Departure) -> str:
    """Make the name of the execution.

    Parameters
    ----------
    departure
        The departure.

    Returns
    -------
    str
        At most 80 characters of `[0-9A-Za-z_-]`: the initials of the name, the user's id, and a digest,
        like `d-l_12a3b4c5-…_0f1e2d3c4b5a6978`. No address and no name in clear.
    """
    subject = departure.entity_id or lower_ascii(departure.name)
    former = [departure.former_name] if departure.former_name else []
    key = "\x00".join((departure.organization_id, subject, departure.registration_key, *former))
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_LENGTH]
    label = _initials(departure.name)[:_MAX_LABEL_LENGTH].strip("-")
    entity_id = re.sub(r"[^0-9A-Za-z]+", "-", departure.entity_id or "")
    room = _MAX_NAME_LENGTH - len(label) - len(digest) - 2
    return "_".join(part for part in (label, entity_id[:room].strip("-"), digest) if part)


def _initials(name: str) -> str:
    """Return the initials of what stands before an @: enough to recognise somebody, too little to write to them."""
    words = re.split(r"[^0-9A-Za-z]+", name.partition("@")[0])
    return "-".join(word[0] for word in words if word).lower()

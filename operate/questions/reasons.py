"""Why offboardings need an approval, in sentences that are the same for all who need it for one reason."""

from collections.abc import Mapping, Sequence
from typing import Any


def generalize_reason(reason: str, entity: Mapping[str, Any]) -> str:
    """Return a reason without the id of the entity, with which the sentences about lists begin."""
    entity_id = entity.get("Id")
    return f"It{reason.removeprefix(entity_id)}" if entity_id and reason.startswith(f"{entity_id} ") else reason


def has_reason(reasons: Sequence[str], text: str) -> bool:
    """Return whether one of some reasons contains a text, without regard to case."""
    return any(text.casefold() in reason.casefold() for reason in reasons)

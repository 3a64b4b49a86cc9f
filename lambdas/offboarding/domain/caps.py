"""The two caps: after how many deregistrations of an organization within 24 hours a person has to approve the next."""

from collections.abc import Mapping
from enum import StrEnum


class CapKind(StrEnum):
    """Which cap counts an offboarding. The value is the name of its setting."""

    PROVIDERS = "dailyCap"
    HAND = "handCap"


def select_cap(request: Mapping[str, object]) -> CapKind:
    """Return the cap that counts an offboarding, by the members of its request that the record keeps."""
    return CapKind.PROVIDERS if "Requester" in request else CapKind.HAND


def render_cap_reason(kind: CapKind, size: int) -> str:
    """Render why an offboarding needs an approval, if `size` of a kind have a slot within 24 hours."""
    starter = "by hand" if kind is CapKind.HAND else "by identity providers"
    return (
        f"The setting {kind} limits offboardings {starter} in this organization to {size} within 24 hours, and this "
        "number is reached."
    )

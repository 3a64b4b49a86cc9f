"""Doubts whether an event is about the person who has the entity now. A doubt asks for an approval."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum


class Doubt(StrEnum):
    """Why an event may be about somebody else."""

    PROVIDER_USER_MOVED = "ProviderUserMoved"
    NAMES_DIFFER = "NamesDiffer"
    FOUND_DISABLED = "FoundDisabled"
    EVENT_IS_OLD = "EventIsOld"


_REASONS = {
    Doubt.PROVIDER_USER_MOVED: (
        "The identity provider's user stood for another entity before, or another one of its users for this entity. "
        "The address may belong to a new person."
    ),
    Doubt.NAMES_DIFFER: (
        "The identity provider's display name and WorkMail's have no word in common. The event may be about somebody "
        "else."
    ),
    Doubt.FOUND_DISABLED: (
        "The identity provider's user was found disabled after some change, and may have been disabled for long. The "
        "person may need the mailbox all the same."
    ),
    Doubt.EVENT_IS_OLD: "The event was read long after it happened. The person may have come back since.",
}


def list_reasons(doubts: Iterable[str]) -> list[str]:
    """Return a sentence for each doubt, for the person who approves."""
    return [_REASONS[Doubt(doubt)] for doubt in doubts]


def can_be_disabled_for_long(user_created_at: datetime | None, occurred_at: datetime, stale_after: timedelta) -> bool:
    """Return whether a provider's user, who was read as disabled after an event, may have been disabled long before.

    Parameters
    ----------
    user_created_at
        When the provider's user was created, if that is known: a new user cannot have been disabled for long.
    occurred_at
        When the event happened.
    stale_after
        How long ago is long.
    """
    return user_created_at is None or occurred_at - user_created_at > stale_after


def has_different_name(provider_name: str | None, workmail_name: str | None) -> bool:
    """Return whether two names of a person have no word in common, regardless of case, accents and punctuation.

    An initial fits a word that begins with it. Without one of the names there is nothing to compare.
    """
    words, other_words = _split_words(provider_name), _split_words(workmail_name)
    if not words or not other_words:
        return False
    return not any(_is_same_word(word, other_word) for word in words for other_word in other_words)


def _split_words(name: str | None) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", name or "")
    without_accents = "".join(character for character in decomposed if not unicodedata.combining(character))
    return re.findall(r"[^\W_]+", without_accents.casefold())


def _is_same_word(word: str, other_word: str) -> bool:
    shorter, longer = sorted((word, other_word), key=len)
    return shorter == longer or (len(shorter) == 1 and longer.startswith(shorter))

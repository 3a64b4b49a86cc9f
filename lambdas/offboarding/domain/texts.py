"""Texts that come from outside."""


def is_unicode(text: str) -> bool:
    """Return whether a text consists of whole characters: JSON can have halves of them, which no service takes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)

"""How the names, addresses and ids of entities are compared: narrowly to find one, widely to protect one.

Which names WorkMail itself takes for the same is documented nowhere, and Unicode's rules take `strasse` for `straße`.
So an identifier finds only an entity that has it character by character, apart from the case of the letters A to Z. In
doubt nothing is found, and nothing is disabled. To protect somebody, whatever can be the same counts as the same.
"""

import string
import unicodedata

_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def lower_ascii(identifier: str) -> str:
    """Return an identifier with the letters A to Z in lower case, and all other characters as they are."""
    return identifier.translate(_LOWER_CASE)


def is_same_identifier(identifier: str, compared: str) -> bool:
    """Return whether two identifiers are those of one entity: the narrow comparison.

    Two texts that differ in their Unicode form only (NFC, NFD) can be the names of two entities, so they differ.
    """
    return lower_ascii(identifier) == lower_ascii(compared)


def casefolded(*identifiers: str | None) -> frozenset[str]:
    """Return identifiers for the wide comparison: without regard to case, in both Unicode forms; None is left out."""
    return frozenset(
        unicodedata.normalize(form, identifier).casefold()
        for identifier in identifiers
        if identifier
        for form in ("NFC", "NFD")
    )

"""The wildcards of IAM."""

import re
from functools import lru_cache


def matches_pattern(pattern: str, text: str) -> bool:
    """Tell whether a text matches a pattern with ``*`` for anything and ``?`` for one character.

    Examples
    --------
    >>> matches_pattern("arn:aws:s3:::archive/*", "arn:aws:s3:::archive/m-1/dana.zip")
    True
    """
    return _compile_pattern(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    return re.compile("".join(wildcards.get(character) or re.escape(character) for character in pattern), re.DOTALL)

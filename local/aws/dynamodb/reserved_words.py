"""Reserved words in expressions, which AWS refuses; moto refuses them in update expressions only.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

_EXPRESSIONS = ("KeyConditionExpression", "ConditionExpression", "FilterExpression", "ProjectionExpression")
_SYNTAX = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
_NAME = re.compile(r"(?<![#:\w])[A-Za-z]\w*(?!\w*\s*\()")
"""The name of an attribute, as it is: neither a placeholder nor a function."""


def refuse_reserved_words(request: Mapping[str, Any]) -> None:
    """Refuse a request that has a reserved word in one of its expressions."""
    for name, expression in _list_expressions(request):
        _refuse_in_expression(name, expression)


def _list_expressions(request: Any) -> Iterator[tuple[str, str]]:
    """Yield the expressions of a request, those of a transaction's operations too."""
    if isinstance(request, Mapping):
        yield from ((name, request[name]) for name in _EXPRESSIONS if isinstance(request.get(name), str))
        for item in request.get("TransactItems", ()):
            for operation in item.values():
                yield from _list_expressions(operation)


@lru_cache(maxsize=256)
def _refuse_in_expression(name: str, expression: str) -> None:
    reserved = {word.upper() for word in ReservedKeywords.get_reserved_keywords()} - _SYNTAX
    for word in _NAME.findall(expression):
        if word.upper() in reserved:
            raise MockValidationException(
                f"Invalid {name}: Attribute name is a reserved keyword; reserved keyword: {word}"
            )

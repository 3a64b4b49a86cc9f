"""Requests to DynamoDB.

- A condition on the ``size`` of a missing attribute is not met; moto raises an error.
- An empty string set or binary set is refused as an expression's value; moto refuses only an empty number set.
- A reserved word in an expression is refused.
- A key with another type than the table's is refused; moto answers as if there were no such item.
- One request runs at a time, so that nothing comes between a condition and its write.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from moto.dynamodb.comparisons import FuncSize
from moto.dynamodb.exceptions import MockValidationException, ProvidedKeyDoesNotExist
from moto.dynamodb.responses import DynamoHandler

from local.aws.dynamodb.reserved_words import refuse_reserved_words
from local.hooks import Hooks

_SETS = {"SS": "string", "BS": "binary"}


def install(hooks: Hooks, request_lock: threading.RLock) -> None:
    """Have requests answered as on AWS for as long as the hooks are in place.

    Parameters
    ----------
    hooks
        The hooks.
    request_lock
        The lock that each request holds.
    """
    size, values, call = FuncSize.expr, DynamoHandler._get_expr_attr_values, DynamoHandler.call_action

    def expr(self: FuncSize, item: Any) -> int | None:
        return None if self.attr.get_type(item) is None else int(size(self, item))

    def get_expr_attr_values(self: DynamoHandler) -> dict[str, Any]:
        expression_values: dict[str, Any] = values(self)
        for value in expression_values.values():
            for kind, name in _SETS.items():
                if value.get(kind) == []:
                    raise MockValidationException(
                        f"One or more parameter values were invalid: An {name} set  may not be empty"
                    )
        return expression_values

    def call_action(self: DynamoHandler) -> Any:
        request = json.loads(self.body)
        refuse_reserved_words(request)
        _refuse_mismatched_keys(self, request)
        with request_lock:
            return call(self)

    hooks.replace(FuncSize, "expr", expr)
    hooks.replace(DynamoHandler, "_get_expr_attr_values", get_expr_attr_values)
    hooks.replace(DynamoHandler, "call_action", call_action)


def _refuse_mismatched_keys(handler: DynamoHandler, request: dict[str, Any]) -> None:
    """Refuse a request that names an item by a key of another type than the table's."""
    operations = [operation for item in request.get("TransactItems", ()) for operation in item.values()]
    for operation in [request, *operations]:
        table = handler.dynamodb_backend.tables.get(operation.get("TableName"))
        if table is None or "Key" not in operation:
            continue
        types = {table.hash_key_attr: table.hash_key_type, table.range_key_attr: table.range_key_type}
        if any([*value] != [types.get(name)] for name, value in operation["Key"].items()):
            raise ProvidedKeyDoesNotExist

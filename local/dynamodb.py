"""Amazon DynamoDB where moto's differs from AWS's.

- A condition on the ``size`` of an attribute that is not there is not met; moto breaks down.
- An empty string set or binary set is refused as an expression's value; moto refuses an empty number set only.
- One request is carried out at a time, so that nothing comes between a condition and its write.
"""

from __future__ import annotations

import threading
from typing import Any

from moto.dynamodb.comparisons import FuncSize
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.responses import DynamoHandler

from local.hooks import Hooks

_SETS = {"SS": "string", "BS": "binary"}


def install(hooks: Hooks) -> None:
    """Mend it for as long as the hooks are in place."""
    size, values, call = FuncSize.expr, DynamoHandler._get_expr_attr_values, DynamoHandler.call_action
    one_at_a_time = threading.RLock()

    def expr(self: FuncSize, item: Any) -> int | None:
        return None if self.attr.get_type(item) is None else int(size(self, item))

    def get_expr_attr_values(self: DynamoHandler) -> dict[str, Any]:
        given: dict[str, Any] = values(self)
        for value in given.values():
            for kind, name in _SETS.items():
                if value.get(kind) == []:
                    raise MockValidationException(
                        f"One or more parameter values were invalid: An {name} set  may not be empty"
                    )
        return given

    def call_action(self: DynamoHandler) -> Any:
        with one_at_a_time:
            return call(self)

    hooks.replace(FuncSize, "expr", expr)
    hooks.replace(DynamoHandler, "_get_expr_attr_values", get_expr_attr_values)
    hooks.replace(DynamoHandler, "call_action", call_action)

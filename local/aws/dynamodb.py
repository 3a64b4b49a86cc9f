"""Amazon DynamoDB where moto's differs from AWS's.

- A condition on the ``size`` of an attribute that is not there is not met; moto breaks down.
- An empty string set or binary set is refused as an expression's value; moto refuses an empty number set only.
- One request is carried out at a time, so that nothing comes between a condition and its write.

And made faster: moto reads an update expression twice, and then goes through it ten times, asking each node
again which classes the pass is about. That took a quarter of an offboarding's time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from functools import cache, lru_cache
from typing import Any

from moto.dynamodb.comparisons import FuncSize
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Expression, Node, UpdateExpressionFunction
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
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
    # What validates an expression works on a copy of what was read, so that this can be kept.
    hooks.replace(UpdateExpressionParser, "make", staticmethod(lru_cache(maxsize=256)(UpdateExpressionParser.make)))
    hooks.replace(DepthFirstTraverser, "traverse", _traverse)
    hooks.replace(Node, "find_clauses", _find_clauses)


@cache
def _has_clauses(kind: type) -> bool:
    return issubclass(kind, (Expression, UpdateExpressionFunction))


def _find_clauses(self: Node, kinds: Collection[type]) -> list[Node]:
    """Find the nodes of some kinds, in the order of the expression."""
    found: list[Node] = []
    for child in self.children or ():
        if type(child) in kinds:
            found.append(child)
        elif _has_clauses(type(child)):
            found += _find_clauses(child, kinds)
    return found


def _traverse(self: DepthFirstTraverser, root: Node) -> Node:
    """Go through an expression depth first, and put what a node's processor returns into its place."""
    processors: dict[type, Callable[[Node], Node]] = self._processing_map()
    by_kind: dict[type, Callable[[Node], Node] | None] = {}

    def visit(node: Node, position: int) -> Node:
        parent = node.parent
        for number, child in enumerate(node.children or ()):
            self.pre_processing_of_child(node, number)
            if isinstance(child, Node):
                visit(child, number)
        kind = type(node)
        if kind not in by_kind:
            by_kind[kind] = next((do for known, do in processors.items() if issubclass(kind, known)), None)
        process = by_kind[kind]
        if process is None:
            return node
        processed = process(node)
        processed.parent = parent
        if parent:
            parent.children[position] = processed
        return processed

    return visit(root, -1)

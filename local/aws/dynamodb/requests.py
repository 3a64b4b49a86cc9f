"""Requests to DynamoDB.

- A condition on the ``size`` of a missing attribute is not met; moto raises an error.
- An empty string set or binary set is refused as an expression's value; moto refuses only an empty number set.
- A reserved word in an expression is refused.
- A key with another type than the table's is refused; moto answers as if there were no such item.
- One request runs at a time, so that nothing comes between a condition and its write.

It is also faster: moto parses an update expression twice, copies it node by node, and then traverses it ten times, with
a class check for each node. That took a quarter of an offboarding's time.
"""

from __future__ import annotations

import base64
import copy
import json
import pickle
import threading
from collections import deque
from collections.abc import Callable, Collection
from functools import cache, lru_cache
from typing import Any

from moto.dynamodb.comparisons import ConditionExpressionParser, FuncSize
from moto.dynamodb.exceptions import MockValidationException, ProvidedKeyDoesNotExist
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Expression, Node, UpdateExpressionFunction
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
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
        refuse_reserved_words(self.body)
        _refuse_mismatched_keys(self)
        with request_lock:
            return call(self)

    hooks.replace(FuncSize, "expr", expr)
    hooks.replace(DynamoHandler, "_get_expr_attr_values", get_expr_attr_values)
    hooks.replace(DynamoHandler, "call_action", call_action)
    # The validation works on a copy of the parsed expression, so the expression can be cached.
    hooks.replace(validators, "deepcopy", _copy)
    hooks.replace(UpdateExpressionParser, "make", staticmethod(lru_cache(maxsize=256)(UpdateExpressionParser.make)))
    hooks.replace(DepthFirstTraverser, "traverse", _traverse)
    hooks.replace(Node, "find_clauses", _find_clauses)
    hooks.replace(DynamoType, "to_regular_json", _render)
    hooks.replace(ConditionExpressionParser, "_lex_condition_expression", _lex_condition)


def _refuse_mismatched_keys(handler: DynamoHandler) -> None:
    """Refuse a request that names an item by a key of another type than the table's."""
    request = json.loads(handler.body)
    operations = [operation for item in request.get("TransactItems", ()) for operation in item.values()]
    for operation in [request, *operations]:
        table = handler.dynamodb_backend.tables.get(operation.get("TableName"))
        if table is None or "Key" not in operation:
            continue
        types = {table.hash_key_attr: table.hash_key_type, table.range_key_attr: table.range_key_type}
        if any([*value] != [types.get(name)] for name, value in operation["Key"].items()):
            raise ProvidedKeyDoesNotExist


def _copy(value: Any) -> Any:
    return pickle.loads(_dump(value)) if isinstance(value, Node) else copy.deepcopy(value)  # noqa: S301 (made below)


@lru_cache(maxsize=256)
def _dump(expression: Node) -> bytes:
    return pickle.dumps(expression, pickle.HIGHEST_PROTOCOL)


@cache
def _has_clauses(kind: type) -> bool:
    return issubclass(kind, (Expression, UpdateExpressionFunction))


def _find_clauses(self: Node, kinds: Collection[type]) -> list[Node]:
    """Find the nodes of some kinds, in the order of the expression."""
    nodes: list[Node] = []
    for child in self.children or ():
        if type(child) in kinds:
            nodes.append(child)
        elif _has_clauses(type(child)):
            nodes += _find_clauses(child, kinds)
    return nodes


def _lex_condition(self: ConditionExpressionParser) -> deque[Any]:
    return deque(_lex_once(self.condition_expression))


_lex = ConditionExpressionParser._lex_condition_expression


@lru_cache(maxsize=256)
def _lex_once(condition: str) -> tuple[Any, ...]:
    """Split a condition into its tokens, which depend on its text alone and are never changed."""
    return tuple(_lex(ConditionExpressionParser(condition, None, None)))


def _render(self: DynamoType) -> dict[str, Any]:
    """Render a value in DynamoDB's notation; moto first copies all of it, and renders the copy."""
    value = self.value
    if isinstance(value, dict):
        value = {name: _render_member(member) for name, member in value.items()}
    elif isinstance(value, list):
        value = [_render_member(member) for member in value]
    elif self.is_binary() and isinstance(value, str):
        value = base64.b64decode(value)
    return {self.type: value}


def _render_member(member: Any) -> Any:
    return _render(member) if isinstance(member, DynamoType) else copy.deepcopy(member)


@cache
def _is_node(kind: type) -> bool:
    return issubclass(kind, Node)


@cache
def _find_processed_kind(kind: type, processed_kinds: tuple[type, ...]) -> type | None:
    """Return the kind whose processor is for nodes of a kind, if there is one."""
    return next((processed_kind for processed_kind in processed_kinds if issubclass(kind, processed_kind)), None)


def _traverse(self: DepthFirstTraverser, root: Node) -> Node:
    """Traverse an expression depth first, and replace each node by the result of its processor."""
    processors: dict[type, Callable[[Node], Node]] = self._processing_map()
    processed_kinds = tuple(processors)
    is_preparing = type(self).pre_processing_of_child is not DepthFirstTraverser.pre_processing_of_child

    def visit(node: Node, position: int) -> Node:
        for number, child in enumerate(node.children or ()):
            if is_preparing:
                self.pre_processing_of_child(node, number)
            if _is_node(type(child)):
                visit(child, number)
        kind = _find_processed_kind(type(node), processed_kinds)
        if kind is None:
            return node
        parent = node.parent
        processed = processors[kind](node)
        processed.parent = parent
        if parent:
            parent.children[position] = processed
        return processed

    return visit(root, -1)

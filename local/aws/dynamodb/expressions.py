"""Expressions of DynamoDB, in less time: speed only.

moto parses an update expression twice, copies it node by node, and then traverses it ten times, with a class check for
each node: for a new item, all of this twice. Three of the traversals check nothing but the expression and the names of
its attributes, and two look for nodes that most expressions never have. moto parses a condition again for each check.
"""

from __future__ import annotations

import copy
import pickle
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import cache, lru_cache
from typing import Any

from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import (
    DepthFirstTraverser,
    Expression,
    Node,
    UpdateExpressionAddAction,
    UpdateExpressionDeleteAction,
    UpdateExpressionFunction,
    UpdateExpressionPath,
    UpdateExpressionRemoveAction,
    UpdateExpressionSetAction,
)
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.parsing.validators import (
    ActionCountValidator,
    NoneExistingPathChecker,
    OverlappingPathsValidator,
    UpdateExpressionFunctionEvaluator,
    UpdateExpressionValidator,
    UpdateHashRangeKeyValidator,
    Validator,
)

from local.hooks import Hooks

_KEPT_EXPRESSIONS = 1024
_KEPT_CONDITIONS = 64
"""A condition is kept with its values, so that only the checks of one request find it again."""
_NAME_CHECKS = [ActionCountValidator, OverlappingPathsValidator, UpdateHashRangeKeyValidator]
"""The first traversals. They need neither the item nor the values, and they change nothing."""
_ACTIONS = frozenset(
    {UpdateExpressionAddAction, UpdateExpressionDeleteAction, UpdateExpressionRemoveAction, UpdateExpressionSetAction}
)


def install(hooks: Hooks) -> None:
    """Shorten the work on expressions for as long as the hooks are in place."""
    # The validation works on a copy of the parsed expression, so the expression can be cached.
    hooks.replace(validators, "deepcopy", _copy)
    make = lru_cache(maxsize=_KEPT_EXPRESSIONS)(UpdateExpressionParser.make)
    hooks.replace(UpdateExpressionParser, "make", staticmethod(make))
    hooks.replace(DepthFirstTraverser, "traverse", _traverse)
    hooks.replace(Node, "find_clauses", _find_clauses)
    hooks.replace(Validator, "__init__", _make_validator)
    hooks.replace(Validator, "validate", _validate)
    hooks.replace(ConditionExpressionParser, "_lex_condition_expression", _lex_condition)
    hooks.replace(ConditionExpressionParser, "parse", _parse_condition)


def _copy(value: Any) -> Any:
    return pickle.loads(_dump(value)) if isinstance(value, Node) else copy.deepcopy(value)  # noqa: S301 (made below)


@lru_cache(maxsize=_KEPT_EXPRESSIONS)
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


_initialize_validator = Validator.__init__


def _make_validator(self: Validator, expression: Node, *args: Any, **kwargs: Any) -> None:
    self.local_expression = expression
    _initialize_validator(self, expression, *args, **kwargs)


def _validate(self: Validator) -> Node:
    """Validate an expression; what depends on its text and its names alone, only once."""
    processors = self.processors
    if type(self) is UpdateExpressionValidator and [type(p) for p in processors[:3]] == _NAME_CHECKS:
        names = self.expression_attribute_names
        _check_names(
            self.local_expression, None if names is None else tuple(names.items()), tuple(self.table.table_key_attrs)
        )
        unneeded = _find_unneeded_processors(self.local_expression)
        processors = [processor for processor in processors[3:] if type(processor) not in unneeded]
    node = self.node_to_validate
    for processor in processors:
        node = processor.traverse(node)
    return node


@lru_cache(maxsize=_KEPT_EXPRESSIONS)
def _check_names(expression: Node, name_pairs: tuple[tuple[str, str], ...] | None, keys: tuple[str, ...]) -> None:
    """Make the checks of `_NAME_CHECKS`; an error is raised each time, because only answers are cached."""
    names: Any = None if name_pairs is None else dict(name_pairs)
    ActionCountValidator().traverse(expression)
    OverlappingPathsValidator(names).traverse(expression)
    UpdateHashRangeKeyValidator(list(keys), names or {}).traverse(expression)


@lru_cache(maxsize=_KEPT_EXPRESSIONS)
def _find_unneeded_processors(expression: Node) -> frozenset[type]:
    """Return the processors for nodes that an expression does not have, and that none of its nodes is replaced by."""
    unneeded: set[type] = set()
    nodes = list(_iterate_nodes(expression))
    if not any(isinstance(node, UpdateExpressionFunction) for node in nodes):
        unneeded.add(UpdateExpressionFunctionEvaluator)
    # The path of an action is its first child, and stays. A path elsewhere becomes its value, which can be missing.
    if all(_is_path_of_action(node) for node in nodes if isinstance(node, UpdateExpressionPath)):
        unneeded.add(NoneExistingPathChecker)
    return frozenset(unneeded)


def _is_path_of_action(node: Node) -> bool:
    return type(node.parent) in _ACTIONS and node.parent.children[0] is node


def _iterate_nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children or ():
        if _is_node(type(child)):
            yield from _iterate_nodes(child)


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


def _lex_condition(self: ConditionExpressionParser) -> deque[Any]:
    return deque(_lex_once(self.condition_expression))


_lex = ConditionExpressionParser._lex_condition_expression


@lru_cache(maxsize=_KEPT_EXPRESSIONS)
def _lex_once(condition: str) -> tuple[Any, ...]:
    """Split a condition into its tokens, which depend on its text alone and are never changed."""
    return tuple(_lex(ConditionExpressionParser(condition, None, None)))


_parse = ConditionExpressionParser.parse


def _parse_condition(self: ConditionExpressionParser) -> Any:
    if not self.condition_expression:
        return _parse(self)
    operands = pickle.dumps((self.expression_attribute_names, self.expression_attribute_values))
    condition, names, values = _parse_once(self.condition_expression, operands)
    self.expr_attr_names_found.extend(names)
    self.expr_attr_values_found.extend(values)
    return condition


@lru_cache(maxsize=_KEPT_CONDITIONS)
def _parse_once(condition: str, operands: bytes) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """Parse a condition into an object that a check of an item does not change."""
    parser = ConditionExpressionParser(condition, *pickle.loads(operands))  # noqa: S301 (made above)
    parsed = _parse(parser)
    return parsed, tuple(parser.expr_attr_names_found), tuple(parser.expr_attr_values_found)

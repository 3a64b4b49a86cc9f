"""DynamoDB's ``TransactWriteItems``.

All conditions are checked against the state before the transaction; only if they are met is anything written. moto
writes one operation after the other, and first copies each table for the case that one fails: that takes seconds for a
large table, and afterwards the tables are other objects. It also ignores ``ClientRequestToken``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    ERROR_TYPE_PREFIX,
    ConditionalCheckFailed,
    DynamodbException,
    MockValidationException,
    MultipleTransactionsException,
    ProvidedKeyDoesNotExist,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from local.aws.dynamodb.changes import Changes, find_item
from local.hooks import Hooks

_MAX_OPERATIONS = 100
_TOKEN_LIFETIME = timedelta(minutes=10)

_Reason = tuple[str | None, str | None, Any]
_NO_REASON: _Reason = (None, None, None)


@dataclass(frozen=True)
class _Operation:
    """One of the operations of a transaction."""

    kind: str
    table: Table
    members: Mapping[str, Any]

    @property
    def key(self) -> dict[str, Any]:
        """The attributes of the item's key."""
        attributes = self.members["Item"] if self.kind == "Put" else self.members["Key"]
        names = set(self.table.table_key_attrs)
        if not names <= attributes.keys() or (self.kind != "Put" and names != attributes.keys()):
            raise ProvidedKeyDoesNotExist
        return {name: attributes[name] for name in self.table.table_key_attrs}

    @property
    def expression_members(self) -> tuple[Any, Any]:
        """The names and the values of its expressions."""
        return self.members.get("ExpressionAttributeNames", {}), self.members.get("ExpressionAttributeValues", {})

    def find_failure(self) -> _Reason:
        """Return why its condition is not met, in the state of now."""
        item = find_item(self.table, self.key)
        condition = get_filter_expression(self.members.get("ConditionExpression"), *self.expression_members)
        if condition.expr(item):
            return _NO_REASON
        returns_item = self.members.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        attributes = item.to_json()["Attributes"] if returns_item and item is not None else None
        return "ConditionalCheckFailed", ConditionalCheckFailed().message, attributes

    def write(self, backend: DynamoDBBackend) -> None:
        """Write the item, without looking at the condition."""
        if self.kind == "Put":
            self.table.put_item(self.members["Item"], overwrite=True)
        elif self.kind == "Delete":
            hash_key, range_key = backend.get_keys_value(self.table, self.key)
            self.table.delete_item(hash_key, range_key)
        elif self.kind == "Update":
            expression = self.members["UpdateExpression"].strip()
            backend.update_item(self.table.name, self.key, expression, *self.expression_members)


@dataclass(frozen=True)
class _Token:
    """A request that succeeded under a client's token, by its SHA-256: ten minutes of requests are many megabytes."""

    request: bytes
    expires_at: datetime


def install(hooks: Hooks, changes: Changes) -> None:
    """Have transactions written as on AWS for as long as the hooks are in place."""
    respond = DynamoHandler.transact_write_items
    tokens: dict[tuple[str, str, str], _Token] = {}

    def transact_write_items(self: DynamoHandler) -> ActionResult:
        _require_valid_request(self)
        text = json.dumps(self.body["TransactItems"], sort_keys=True, default=str)
        now, request = datetime.now(UTC), hashlib.sha256(text.encode()).digest()
        # The first token expires first, unless the clock was set back meanwhile.
        while tokens and next(iter(tokens.values())).expires_at <= now:
            del tokens[next(iter(tokens))]
        key = (self.current_account, self.region, self.body.get("ClientRequestToken", ""))
        if key in tokens and tokens[key].expires_at > now:
            if tokens[key].request != request:
                raise DynamodbException(
                    ERROR_TYPE_PREFIX + "IdempotentParameterMismatchException",
                    "The request uses the same client token as a previous, but non-identical request.",
                )
            return ActionResult({"ConsumedCapacity": [], "ItemCollectionMetrics": {}})
        answer = respond(self)
        if key[-1]:
            tokens.pop(key, None)
            tokens[key] = _Token(request, now + _TOKEN_LIFETIME)
        return answer

    def write(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        operations = [_parse_operation(self, item) for item in transact_items]
        _require_distinct_items(operations)
        with changes.transaction():
            _write(self, operations)

    hooks.replace(DynamoHandler, "transact_write_items", transact_write_items)
    hooks.replace(DynamoDBBackend, "transact_write_items", write)


def _require_valid_request(handler: DynamoHandler) -> None:
    """Check what can be checked without the tables; moto checks the expressions."""
    body = handler.body
    if len(body["TransactItems"]) > _MAX_OPERATIONS:
        raise TooManyTransactionsException
    for item in body["TransactItems"]:
        if len(item) != 1:
            raise TransactWriteSingleOpException
        [handler.body] = item.values()
        try:
            handler._get_expr_attr_values()
        finally:
            handler.body = body


def _parse_operation(backend: DynamoDBBackend, item: Mapping[str, Any]) -> _Operation:
    [(kind, members)] = item.items()
    return _Operation(kind, backend.get_table(members["TableName"]), members)


def _require_distinct_items(operations: list[_Operation]) -> None:
    keys: set[tuple[Any, ...]] = set()
    for operation in operations:
        try:
            key = (operation.table.table_arn, *map(DynamoType, operation.key.values()))
        except ProvidedKeyDoesNotExist:
            continue
        if key in keys:
            raise MultipleTransactionsException
        keys.add(key)


def _write(backend: DynamoDBBackend, operations: list[_Operation]) -> None:
    """Check all conditions, then write; raise the reasons if anything is wrong."""
    reasons = []
    for operation in operations:
        try:
            reasons.append(operation.find_failure())
        except MockValidationException as error:
            reasons.append(_validation_error(error))
    if reasons == [_NO_REASON] * len(operations):
        for number, operation in enumerate(operations):
            try:
                operation.write(backend)
            except DynamodbException as error:
                reasons[number] = _validation_error(error)
    if reasons != [_NO_REASON] * len(operations):
        raise TransactionCanceledException(reasons)


def _validation_error(error: DynamodbException) -> _Reason:
    return "ValidationError", str(error.message), None

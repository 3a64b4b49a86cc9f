"""The DynamoDB table, whatever is in it: reads, conditional updates, transactions and queries.

Its key is `Id` and `Part`. Attribute names are never written into an expression as they are, because DynamoDB reserves
many words: a condition spells them with `#`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from offboarding import configuration
from offboarding.adapters.aws import PageTokens, client, error_code, unavailable_error

Item = Mapping[str, Any]
Action = Mapping[str, Mapping[str, Any]]
"""One write of a transaction, as TransactWriteItems has it, still without the table's name."""

database = client("dynamodb")

_CONDITION_FAILED = "ConditionalCheckFailedException"
_CANCELED = "TransactionCanceledException"
_CONFLICT_ATTEMPTS = 5
"""How often a transaction is tried while another one writes to the same items, which takes milliseconds."""


class Key(NamedTuple):
    """The key of one item."""

    id: str
    part: str

    def render(self) -> dict[str, Any]:
        """Return it as the API has it."""
        return _serialize({"Id": self.id, "Part": self.part})


@dataclass(eq=False)
class ConditionFailedError(Exception):
    """An item is not as a condition wants it, and nothing was written.

    Attributes
    ----------
    positions
        The writes whose conditions failed, by their position in the transaction.
    item
        The item of a single write, as it is.
    """

    positions: frozenset[int] = frozenset({0})
    item: Item | None = None


def build_update(
    key: Key, assignments: Item, removed: Sequence[str] = (), *, condition: str | None = None, **values: object
) -> dict[str, Any]:
    """Return the parameters that assign and remove attributes of an item, and create it if it does not exist.

    Parameters
    ----------
    condition
        A condition expression, with `#Name` for an attribute and `:name` for a value.
    values
        The condition's values.
    """
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in assignments) if assignments else ""
    if removed:
        expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
    names = {*assignments, *removed, *re.findall(r"#(\w+)", condition or "")}
    parameters: dict[str, Any] = {
        "Key": key.render(),
        "UpdateExpression": expression.strip(),
        "ExpressionAttributeNames": {f"#{name}": name for name in sorted(names)},
    }
    all_values = {f":{name}": value for name, value in {**assignments, **values}.items()}
    if all_values:
        parameters["ExpressionAttributeValues"] = _serialize(all_values)
    if condition:
        parameters["ConditionExpression"] = condition
    return parameters


def build_check(key: Key, condition: str, **values: object) -> dict[str, Any]:
    """Return the parameters that require a condition of an item which is not written."""
    return {
        "Key": key.render(),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in re.findall(r"#(\w+)", condition)},
        "ExpressionAttributeValues": _serialize({f":{name}": value for name, value in values.items()}),
    }


def build_put(item: Item) -> dict[str, Any]:
    """Return the parameters that write a whole item."""
    return {"Item": _serialize(item)}


class Table:
    """The table. Every method can raise `RecordUnavailable`, `AccessDenied` and `UnexpectedAnswer`."""

    def __init__(self) -> None:
        self._name = configuration.records_table()

    def read(self, key: Key) -> dict[str, Any] | None:
        """Read an item, consistently.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
        """
        answer = self._call("GetItem", Key=key.render(), ConsistentRead=True)
        return parse_item(answer["Item"]) if "Item" in answer else None

    def update(self, parameters: Mapping[str, Any], *, returns_old: bool = False) -> dict[str, Any]:
        """Change one item; return it as it was before, if that is asked for.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html

        Raises
        ------
        ConditionFailedError
            With the item as it is, if that is asked for.
        """
        returned = {"ReturnValues": "ALL_OLD", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        answer = self._call("UpdateItem", **parameters, **(returned if returns_old else {}))
        return parse_item(answer.get("Attributes", {}))

    def try_update(self, parameters: Mapping[str, Any]) -> bool:
        """Change one item; False if it is not as the condition wants it."""
        try:
            self.update(parameters)
        except ConditionFailedError:
            return False
        return True

    def put(self, item: Item) -> None:
        """Write a whole item.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
        """
        self._call("PutItem", **build_put(item))

    def delete(self, key: Key) -> None:
        """Delete an item, if it exists.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteItem.html
        """
        self._call("DeleteItem", Key=key.render())

    def transact(self, actions: Sequence[Action]) -> None:
        """Make all writes or none, at most 100.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

        Raises
        ------
        ConditionFailedError
            If a condition failed.
        """
        items = [
            {kind: {"TableName": self._name, **parameters} for kind, parameters in action.items()} for action in actions
        ]
        attempt = 1
        while True:
            try:
                self._call("TransactWriteItems", TransactItems=items)
            except _TransactionConflictError as conflict:
                if attempt == _CONFLICT_ATTEMPTS:
                    raise unavailable_error("dynamodb:TransactWriteItems", conflict.error) from None
                attempt += 1
            else:
                return

    def try_transact(self, actions: Sequence[Action]) -> bool:
        """Make all writes; False, and none of them, if a condition failed."""
        try:
            self.transact(actions)
        except ConditionFailedError:
            return False
        return True

    def query(self, condition: str, *, index: str | None = None, **values: object) -> Iterator[dict[str, Any]]:
        """Go through the items of one partition in the order of the sort key, a page at a time.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html

        Parameters
        ----------
        condition
            A key condition, with `#Name` for an attribute and `:name` for a value.
        index
            The index; without one the table itself is read, consistently.
        """
        parameters: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {f"#{name}": name for name in re.findall(r"#(\w+)", condition)},
            "ExpressionAttributeValues": _serialize({f":{name}": value for name, value in values.items()}),
            **({"IndexName": index} if index else {"ConsistentRead": True}),
        }
        keys = PageTokens("dynamodb:Query was answered")
        while True:
            answer = self._call("Query", **parameters)
            yield from map(parse_item, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            keys.require_new(answer["LastEvaluatedKey"])
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _call(self, operation: str, **parameters: object) -> dict[str, Any]:
        method, is_of_one_table = _METHODS[operation], operation != "TransactWriteItems"
        try:
            answer: dict[str, Any] = getattr(database, method)(
                **({"TableName": self._name} if is_of_one_table else {}), **parameters
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == _CONDITION_FAILED:
                raise ConditionFailedError(item=parse_item(error.response.get("Item", {}))) from None
            if code == _CANCELED:
                _raise_condition_failure(error)
            raise unavailable_error(f"dynamodb:{operation}", error) from None
        except BotoCoreError as error:
            raise unavailable_error(f"dynamodb:{operation}", error) from None
        return answer


_METHODS = {
    "DeleteItem": "delete_item",
    "GetItem": "get_item",
    "PutItem": "put_item",
    "Query": "query",
    "TransactWriteItems": "transact_write_items",
    "UpdateItem": "update_item",
}


class _TransactionConflictError(Exception):
    """Another write to the same items was in progress; nothing was written."""

    def __init__(self, error: ClientError) -> None:
        super().__init__()
        self.error = error


def _raise_condition_failure(error: ClientError) -> None:
    """Raise what cancelled a transaction if that is a condition or a conflict."""
    codes = [reason.get("Code") for reason in error.response.get("CancellationReasons", ())]
    positions = frozenset(position for position, code in enumerate(codes) if code == "ConditionalCheckFailed")
    if positions:
        raise ConditionFailedError(positions) from None
    if error_code(error) == "TransactionConflict":
        raise _TransactionConflictError(error) from None


def _serialize(values: Item) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(_to_decimal(value)) for name, value in values.items()}


def parse_item(item: Item) -> dict[str, Any]:
    """Return an item of DynamoDB's own notation as plain values."""
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def _to_decimal(value: object) -> object:
    """Return a float as a decimal, which is what DynamoDB has numbers for."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {name: _to_decimal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_to_decimal(inner) for inner in value]
    return value


def to_json_numbers(value: Any) -> Any:  # noqa: ANN401 (an attribute is any JSON)
    """Return an attribute with whole numbers and floats in place of decimals, which JSON does not have."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {name: to_json_numbers(member) for name, member in value.items()}
    return [to_json_numbers(member) for member in value] if isinstance(value, list) else value

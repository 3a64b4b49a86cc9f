"""The table: its expressions, its transactions, its pages, and what its errors mean."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from offboarding.adapters import table as table_module
from offboarding.adapters.table import (
    ConditionFailedError,
    Key,
    Table,
    build_check,
    build_put,
    build_update,
)
from offboarding.domain import errors
from tests.unit import conftest
from tests.unit.conftest import client, configure, deserialize, make_key, make_raiser

KEY = Key("id", "part")
RESERVED = {"Name": "a", "Status": "b", "Count": 1, "Value": None, "Date": ["c"]}
CONFLICT_ATTEMPTS = 5


@pytest.fixture
def adapter(table: conftest.Table) -> Table:
    return Table()


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Table:
    """The adapter without a table behind it."""
    configure(monkeypatch, RECORDS_TABLE="records")
    return Table()


def read(key: Key = KEY) -> dict[str, Any] | None:
    item = client("dynamodb").get_item(TableName="records", Key=make_key(*key)).get("Item")
    return deserialize(item) if item else None


def put(key: Key = KEY, **members: object) -> dict[str, Any]:
    return {"Put": build_put({"Id": key.id, "Part": key.part, **members})}


def make_cancellation(*codes: str | None) -> ClientError:
    """Make the error of a transaction that was cancelled for a reason for each of its writes."""
    reasons = [{"Code": code or "None", **({"Message": "dana is secret"} if code else {})} for code in codes]
    error = {"Code": "TransactionCanceledException", "Message": "dana is secret"}
    return ClientError({"Error": error, "CancellationReasons": reasons}, "TransactWriteItems")


def answer_in_turn(monkeypatch: pytest.MonkeyPatch, *answers: Exception | None) -> list[object]:
    """Make DynamoDB answer transactions in this order; return the list of calls, which grows."""
    calls: list[object] = []

    def transact(**parameters: object) -> dict[str, Any]:
        answer = answers[len(calls)]
        calls.append(parameters)
        if answer:
            raise answer
        return {}

    monkeypatch.setattr(table_module.database, "transact_write_items", transact)
    return calls


def test_reserved_words_can_be_assigned_required_and_removed(adapter: Table) -> None:
    adapter.update(build_update(KEY, RESERVED))
    assert read() == {"Id": "id", "Part": "part", **RESERVED}

    condition = "#Name = :former AND attribute_exists(#Status) AND #Count < :limit"
    adapter.update(
        build_update(KEY, {"Name": "z"}, ["Status", "Date", "Absent"], condition=condition, former="a", limit=2)
    )

    assert read() == {"Id": "id", "Part": "part", "Name": "z", "Count": 1, "Value": None}


def test_an_expression_spells_every_attribute_with_a_number_sign() -> None:
    parameters = build_update(KEY, {"Name": "z"}, ["Date"], condition="#Item.#Status = :status", status="b")

    assert parameters == {
        "Key": {"Id": {"S": "id"}, "Part": {"S": "part"}},
        "UpdateExpression": "SET #Name = :Name REMOVE #Date",
        "ConditionExpression": "#Item.#Status = :status",
        "ExpressionAttributeNames": {"#Name": "Name", "#Date": "Date", "#Item": "Item", "#Status": "Status"},
        "ExpressionAttributeValues": {":Name": {"S": "z"}, ":status": {"S": "b"}},
    }


def test_an_update_that_only_removes_has_no_values(adapter: Table) -> None:
    adapter.update(build_update(KEY, RESERVED))
    parameters = build_update(KEY, {}, ["Name", "Date"])

    assert parameters["UpdateExpression"] == "REMOVE #Name, #Date"
    assert "ExpressionAttributeValues" not in parameters
    adapter.update(parameters)
    assert read() == {"Id": "id", "Part": "part", "Status": "b", "Count": 1, "Value": None}


def test_a_number_with_a_fraction_is_written_exactly(adapter: Table) -> None:
    numbers = {"Size": 0.1, "Parts": [{"Share": 2.5}, 1536.25], "Nested": {"Size": 0.3, "Flags": [True, None, 2]}}
    adapter.put({"Id": "id", "Part": "part", **numbers})

    assert adapter.read(KEY) == {
        "Id": "id",
        "Part": "part",
        "Size": Decimal("0.1"),
        "Parts": [{"Share": Decimal("2.5")}, Decimal("1536.25")],
        "Nested": {"Size": Decimal("0.3"), "Flags": [True, None, 2]},
    }


def test_an_item_is_read_replaced_and_deleted(adapter: Table) -> None:
    assert adapter.read(KEY) is None
    adapter.put({"Id": "id", "Part": "part", "Name": "a"})
    adapter.put({"Id": "id", "Part": "part", "Status": "b"})
    adapter.put({"Id": "id", "Part": "another"})
    assert adapter.read(KEY) == {"Id": "id", "Part": "part", "Status": "b"}

    adapter.delete(KEY)
    adapter.delete(KEY)

    assert adapter.read(KEY) is None
    assert adapter.read(Key("id", "another")) is not None


def test_an_update_returns_the_item_as_it_was_only_if_that_is_asked_for(adapter: Table) -> None:
    assert adapter.update(build_update(KEY, {"Name": "a"}), returns_old=True) == {}
    assert adapter.update(build_update(KEY, {"Name": "b"}), returns_old=True)["Name"] == "a"
    assert adapter.update(build_update(KEY, {"Name": "c"})) == {}


def test_a_failed_condition_has_the_item_as_it_is_only_if_that_is_asked_for(adapter: Table) -> None:
    adapter.update(build_update(KEY, {"Name": "a"}))
    update = build_update(KEY, {"Name": "c"}, condition="#Name = :former", former="b")

    with pytest.raises(ConditionFailedError) as failure:
        adapter.update(update, returns_old=True)
    assert failure.value.item == {"Id": "id", "Part": "part", "Name": "a"}
    assert failure.value.positions == {0}
    with pytest.raises(ConditionFailedError) as failure:
        adapter.update(update)
    assert not failure.value.item
    assert not adapter.try_update(update)
    assert adapter.try_update(build_update(KEY, {"Name": "c"}, condition="#Name = :former", former="a"))
    assert read() == {"Id": "id", "Part": "part", "Name": "c"}


def test_a_transaction_makes_all_writes_or_none(adapter: Table) -> None:
    adapter.put({"Id": "id", "Part": "part", "Name": "a"})
    second, third = Key("id", "another"), Key("id", "third")
    actions = [
        {"ConditionCheck": build_check(KEY, "#Name = :name", name="b")},
        put(second),
        {"Update": build_update(third, {"Name": "c"}, condition="attribute_exists(#Id)")},
    ]

    with pytest.raises(ConditionFailedError) as failure:
        adapter.transact(actions)
    assert failure.value.positions == {0, 2}
    assert not adapter.try_transact(actions)
    assert (read(second), read(third)) == (None, None)

    adapter.put({"Id": "id", "Part": "third"})
    assert adapter.try_transact([{"ConditionCheck": build_check(KEY, "#Name = :name", name="a")}, *actions[1:]])
    assert read(second) is not None
    assert read(third) == {"Id": "id", "Part": "third", "Name": "c"}


def test_a_transaction_writes_100_items_at_most(adapter: Table) -> None:
    actions = [put(Key("id", f"{number:03}")) for number in range(101)]

    adapter.transact(actions[:100])

    assert len(list(adapter.query("#Id = :id", id="id"))) == 100
    with pytest.raises(errors.UnexpectedAnswer, match="dynamodb:TransactWriteItems was answered with Validation"):
        adapter.transact(actions)


def test_a_query_goes_through_the_items_of_one_partition_in_their_order(adapter: Table) -> None:
    for key in (Key("id", "c"), Key("id", "a"), Key("id", "b"), Key("another", "a")):
        adapter.put({"Id": key.id, "Part": key.part})

    assert [item["Part"] for item in adapter.query("#Id = :id", id="id")] == ["a", "b", "c"]
    assert [item["Part"] for item in adapter.query("#Id = :id AND #Part > :part", id="id", part="a")] == ["b", "c"]
    assert list(adapter.query("#Id = :id", id="third")) == []


@pytest.mark.parametrize(
    ("index", "expected"), [(None, {"ConsistentRead": True}), ("ByStatus", {"IndexName": "ByStatus"})]
)
def test_a_query_reads_to_the_last_page(unreachable: Table, index: str | None, expected: dict[str, Any]) -> None:
    item, last = {"Id": {"S": "id"}, "Part": {"S": "a"}}, {"Id": {"S": "id"}, "Part": {"S": "b"}}
    parameters = {
        "TableName": "records",
        "KeyConditionExpression": "#Status = :status",
        "ExpressionAttributeNames": {"#Status": "Status"},
        "ExpressionAttributeValues": {":status": {"S": "open"}},
        **expected,
    }
    with Stubber(table_module.database) as stub:
        stub.add_response("query", {"Items": [item], "LastEvaluatedKey": last}, parameters)
        stub.add_response("query", {"Items": [last]}, {**parameters, "ExclusiveStartKey": last})
        items = unreachable.query("#Status = :status", index=index, status="open")
        assert [item["Part"] for item in items] == ["a", "b"]


def test_a_query_whose_last_key_repeats_is_unavailable(unreachable: Table) -> None:
    with Stubber(table_module.database) as stub:
        for part in ("a", "b", "a"):
            stub.add_response("query", {"Items": [], "LastEvaluatedKey": {"Id": {"S": "id"}, "Part": {"S": part}}})
        with pytest.raises(errors.RecordUnavailable, match="dynamodb:Query was answered with the token of an earlier"):
            list(unreachable.query("#Id = :id", id="id"))
        stub.assert_no_pending_responses()


def test_a_read_is_consistent(unreachable: Table) -> None:
    with Stubber(table_module.database) as stub:
        stub.add_response("get_item", {}, {"TableName": "records", "Key": KEY.render(), "ConsistentRead": True})
        assert unreachable.read(KEY) is None


CALLS = [
    pytest.param("get_item", lambda table: table.read(KEY), "dynamodb:GetItem", id="read"),
    pytest.param("update_item", lambda table: table.update(build_update(KEY, {})), "dynamodb:UpdateItem", id="update"),
    pytest.param("put_item", lambda table: table.put({"Id": "id", "Part": "part"}), "dynamodb:PutItem", id="put"),
    pytest.param("delete_item", lambda table: table.delete(KEY), "dynamodb:DeleteItem", id="delete"),
    pytest.param("query", lambda table: list(table.query("#Id = :id", id="id")), "dynamodb:Query", id="query"),
    pytest.param(
        "transact_write_items", lambda table: table.transact([put()]), "dynamodb:TransactWriteItems", id="transact"
    ),
]


@pytest.mark.parametrize(("method", "call", "action"), CALLS)
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ProvisionedThroughputExceededException", errors.RecordUnavailable),
        ("ThrottlingException", errors.RecordUnavailable),
        ("RequestLimitExceeded", errors.RecordUnavailable),
        ("InternalServerError", errors.RecordUnavailable),
        ("TransactionConflictException", errors.RecordUnavailable),
        ("TransactionInProgressException", errors.RecordUnavailable),
        ("TransactionCanceledException", errors.RecordUnavailable),
        ("ResourceNotFoundException", errors.RecordUnavailable),
        ("AccessDeniedException", errors.AccessDenied),
        ("UnrecognizedClientException", errors.AccessDenied),
        ("ValidationException", errors.UnexpectedAnswer),
    ],
)
def test_each_error_of_dynamodb_is_mapped_to_one_error(
    unreachable: Table, method: str, call: Callable[[Table], object], action: str, code: str, error: type[Exception]
) -> None:
    with Stubber(table_module.database) as stub:
        stub.add_client_error(method, code, "dana@example.com is secret")
        with pytest.raises(errors.OffboardingError) as failure:
            call(unreachable)

    assert type(failure.value) is error
    assert f"{action} " in str(failure.value)
    assert code in str(failure.value)
    assert "dana" not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(("method", "call", "action"), CALLS)
@pytest.mark.parametrize("error", [ConnectTimeoutError, ReadTimeoutError, EndpointConnectionError])
def test_a_call_to_dynamodb_without_an_answer_is_unavailable(
    unreachable: Table,
    method: str,
    call: Callable[[Table], object],
    action: str,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table_module.database, method, make_raiser(error(endpoint_url="https://dynamodb")))

    with pytest.raises(errors.RecordUnavailable, match=rf"{action} failed \({error.__name__}\)"):
        call(unreachable)


@pytest.mark.parametrize(
    ("codes", "error", "code"),
    [
        ((None, "ThrottlingError"), errors.RecordUnavailable, "ThrottlingError"),
        (("ProvisionedThroughputExceeded",), errors.RecordUnavailable, "ProvisionedThroughputExceeded"),
        ((None, "ValidationError", "TransactionConflict"), errors.UnexpectedAnswer, "ValidationError"),
        (("ItemCollectionSizeLimitExceeded",), errors.RecordUnavailable, "ItemCollectionSizeLimitExceeded"),
        ((), errors.RecordUnavailable, "TransactionCanceledException"),
        ((None, None), errors.RecordUnavailable, "TransactionCanceledException"),
    ],
)
def test_a_cancelled_transaction_is_mapped_by_its_first_reason(
    unreachable: Table,
    monkeypatch: pytest.MonkeyPatch,
    codes: tuple[str | None, ...],
    error: type[Exception],
    code: str,
) -> None:
    calls = answer_in_turn(monkeypatch, make_cancellation(*codes))

    with pytest.raises(errors.OffboardingError) as failure:
        unreachable.try_transact([put()])

    assert type(failure.value) is error
    assert f"dynamodb:TransactWriteItems was answered with {code}." in str(failure.value) or (
        f"dynamodb:TransactWriteItems failed ({code})." in str(failure.value)
    )
    assert "dana" not in str(failure.value)
    assert len(calls) == 1


def test_a_failed_condition_counts_more_than_a_conflict(unreachable: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_in_turn(monkeypatch, make_cancellation("TransactionConflict", "ConditionalCheckFailed", None))

    with pytest.raises(ConditionFailedError) as failure:
        unreachable.transact([put()])

    assert failure.value.positions == {1}


def test_a_transaction_is_tried_again_after_a_conflict(unreachable: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    conflict = make_cancellation(None, "TransactionConflict")
    calls = answer_in_turn(monkeypatch, *[conflict] * (CONFLICT_ATTEMPTS - 1), None)

    unreachable.transact([put()])

    assert len(calls) == CONFLICT_ATTEMPTS
    assert all(call == calls[0] for call in calls)


def test_a_transaction_is_given_up_after_five_conflicts(unreachable: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answer_in_turn(monkeypatch, *[make_cancellation("TransactionConflict")] * CONFLICT_ATTEMPTS)

    with pytest.raises(errors.RecordUnavailable, match=r"TransactWriteItems failed \(TransactionConflict\)"):
        unreachable.try_transact([put()])

    assert len(calls) == CONFLICT_ATTEMPTS


def test_another_failure_after_a_conflict_is_not_tried_again(
    unreachable: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict, failure = make_cancellation("TransactionConflict"), make_cancellation("ConditionalCheckFailed")
    calls = answer_in_turn(monkeypatch, conflict, failure)

    assert not unreachable.try_transact([put()])
    assert len(calls) == 2

"""The checks of every request and answer find what the service model forbids."""

from typing import Any

import pytest

from tests.service_models import list_answer_problems, list_request_problems
from tests.unit.local.workmail.conftest import error_problem

USER = "0123456789abcdef"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"Nickname": "Dana"}, ".Nickname is not in the model"),
        ({"Name": 7}, ".Name: 7 is no string"),
        ({"EnabledDate": "monday"}, ".EnabledDate: 'monday' is no time with a zone"),
        ({"State": "GONE"}, ".State: 'GONE' is none of ENABLED, DISABLED, DELETED"),
        ({"UserId": "short"}, ".UserId: the size or value 5 is not in 12..256"),
        ({"HiddenFromGlobalAddressList": None}, ".HiddenFromGlobalAddressList: None is no boolean"),
        ({"Email": "no address"}, ".Email: 'no address' does not match "),
        ({"State": "ENABLED", "Email": "dana@example.com"}, None),
    ],
)
def test_the_check_of_answers_finds_what_the_model_forbids(answer: dict[str, Any], problem: str | None) -> None:
    problems = list_answer_problems("workmail", "DescribeUser", answer)
    if problem is None:
        assert problems == []
    else:
        assert any(text.startswith(f"workmail:DescribeUser{problem}") for text in problems), problems


def test_the_check_of_answers_includes_lists() -> None:
    answer = {"Users": [{"Id": USER}, {"Id": USER, "Nick": "Dana"}]}

    assert list_answer_problems("workmail", "ListUsers", answer) == [
        "workmail:ListUsers.Users[1].Nick is not in the model"
    ]


@pytest.mark.parametrize(
    ("service", "operation", "request_body", "problem"),
    [
        ("ssm", "GetParameter", {"Name": "a" * 2049}, ".Name: the size or value 2049 is not in 1..2048"),
        ("ssm", "GetParameter", {}, ".Name is missing"),
        ("stepfunctions", "StartExecution", {"stateMachineArn": "a", "name": "n" * 81}, ".name: the size or value 81"),
        ("stepfunctions", "ListExecutions", {"statusFilter": "DONE"}, ".statusFilter: 'DONE' is none of RUNNING"),
        ("dynamodb", "GetItem", {"TableName": "t", "Key": {"Id": {"S": 1}}}, ".Key['Id'].S: 1 is no string"),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": []},
            ".TransactItems: the size or value 0 is not in 1..100",
        ),
        ("dynamodb", "Query", {"TableName": "t", "Limit": True}, ".Limit: True is no integer"),
        ("events", "PutEvents", {"Entries": [{"EventBusName": "two words"}]}, ".Entries[0].EventBusName: 'two words'"),
        ("sqs", "SendMessage", {"QueueUrl": "q", "MessageBody": "b", "Delay": 1}, ".Delay is not in the model"),
    ],
)
def test_the_check_of_requests_finds_what_a_model_forbids(
    service: str, operation: str, request_body: dict[str, Any], problem: str
) -> None:
    [text] = list_request_problems(service, operation, request_body)

    assert text.startswith(f"{service}:{operation}{problem}")


def test_the_check_of_errors_finds_one_that_the_operation_does_not_list() -> None:
    assert error_problem("DescribeUser", "NameAvailabilityException") is not None
    assert error_problem("DescribeUser", "EntityNotFoundException") is None

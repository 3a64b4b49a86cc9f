"""The check of every answer finds what the service model forbids."""

import pytest

from tests.unit.local.workmail.conftest import answer_problems, error_problem


@pytest.mark.parametrize(
    "answer",
    [
        {"Nickname": "Dana"},
        {"Name": 7},
        {"EnabledDate": "monday"},
        {"State": "GONE"},
        {"UserId": "short"},
        {"HiddenFromGlobalAddressList": None},
    ],
)
def test_the_check_of_answers_finds_members_that_the_model_forbids(answer):
    assert answer_problems("DescribeUser", answer) != []


def test_the_check_of_answers_includes_lists():
    assert answer_problems("ListUsers", {"Users": [{"Id": "0123456789abcdef", "Nick": "Dana"}]}) != []


def test_the_check_of_errors_finds_one_that_the_operation_does_not_list():
    assert error_problem("DescribeUser", "NameAvailabilityException") is not None
    assert error_problem("DescribeUser", "EntityNotFoundException") is None

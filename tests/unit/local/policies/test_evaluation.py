"""Policies are evaluated as IAM evaluates them: operators, principals, negated elements, and explicit denials.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import json
from typing import Any

import pytest

from local.policies import Decision, PolicyError, evaluate_policy

OBJECT = "arn:aws:s3:::archive/m-1/dana.zip"
ROLE = "arn:aws:iam::123456789012:role/export"


def evaluate(*statements: dict[str, Any], principals: tuple[str, ...] = (), **context: str) -> Decision:
    whole = [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": OBJECT, **entry} for entry in statements]
    document = json.dumps({"Version": "2012-10-17", "Statement": whole})
    values = {name.replace("_", ":"): value for name, value in context.items()}
    return evaluate_policy(document, "s3:PutObject", OBJECT, values, principals)


@pytest.mark.parametrize(
    ("operator", "expected", "value", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringLike", "m-1/*", "m-1/dana", True),
        ("StringLike", "m-1/?", "m-1/dana", False),
        ("StringNotLike", "m-1/*", "m-1/dana", False),
        ("ArnLike", "arn:aws:workmail:*:*:organization/*", "arn:aws:workmail:us-east-1:1:organization/m-1", True),
        ("ArnLike", "arn:*:organization/m-1", "arn:aws:workmail:us-east-1:1:organization/m-1", False),
        ("ArnEquals", "arn:aws:workmail:*:1:organization/m-1", "arn:aws:workmail:us-east-1:1:organization/m-1", True),
        ("ArnEquals", "arn:aws:s3:::archive", "archive", False),
        ("ArnNotEquals", "arn:aws:s3:::a", "arn:aws:s3:::b", True),
        ("ArnNotLike", "arn:aws:s3:::*", "arn:aws:s3:::b", False),
        ("Bool", "false", "false", True),
        ("Bool", False, "false", True),
        ("Bool", "false", "true", False),
        ("Bool", "false", None, False),
        ("BoolIfExists", "false", None, True),
        ("NumericLessThan", "1.2", "1.1", True),
        ("NumericLessThan", 1.2, "1.2", False),
        ("Null", "true", None, True),
        ("Null", "true", "a", False),
        ("Null", False, "a", True),
        ("Null", "false", None, False),
        ("ForAllValues:StringLike", "a*", "ab", True),
        ("ForAllValues:StringLike", "a*", "b", False),
        ("ForAllValues:StringLike", "a*", None, True),
    ],
)
def test_an_operator_compares_a_key_with_the_expected_values(
    operator: str, expected: Any, value: str | None, holds: bool
) -> None:
    context = {} if value is None else {"s3_key": value}

    decision = evaluate({"Condition": {operator: {"s3:key": expected}}}, **context)

    assert decision is (Decision.ALLOWED if holds else Decision.NOT_MENTIONED)


def test_all_conditions_have_to_hold_and_keys_are_compared_without_case() -> None:
    condition = {"StringEquals": {"s3:one": "1", "S3:Two": "2"}, "Bool": {"s3:three": "true"}}

    assert evaluate({"Condition": condition}, s3_one="1", s3_two="2", s3_three="true") is Decision.ALLOWED
    for missing in ("s3_one", "s3_two", "s3_three"):
        context = {"s3_one": "1", "s3_two": "2", "s3_three": "true", missing: "0"}
        assert evaluate({"Condition": condition}, **context) is Decision.NOT_MENTIONED


def test_a_denial_wins_and_a_policy_without_a_matching_statement_says_nothing() -> None:
    assert evaluate({}, {"Effect": "Deny"}) is Decision.DENIED
    assert evaluate({"Action": "s3:GetObject"}, {"Effect": "Deny", "Resource": f"{OBJECT}?"}) is Decision.NOT_MENTIONED
    assert evaluate() is Decision.NOT_MENTIONED


@pytest.mark.parametrize(
    ("principal", "matches"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": ROLE}, True),
        ({"AWS": ["arn:aws:iam::1:role/x", ROLE]}, True),
        ({"AWS": ROLE, "Service": "lambda.amazonaws.com"}, True),
        ({"Service": "lambda.amazonaws.com"}, False),
        ({"AWS": f"{ROLE}s"}, False),
        ({"AWS": "arn:aws:iam::123456789012:role/*"}, False),
    ],
)
def test_a_statement_is_about_its_principals(principal: Any, matches: bool) -> None:
    decision = evaluate({"Principal": principal}, principals=(ROLE,))

    assert decision is (Decision.ALLOWED if matches else Decision.NOT_MENTIONED)


def test_negated_elements_match_everything_else() -> None:
    def negated(element: str, value: Any) -> Decision:
        document = {"Effect": "Allow", "Action": "*", "Resource": "*", f"Not{element}": value}
        del document[element]
        text = json.dumps({"Statement": document})
        return evaluate_policy(text, "s3:PutObject", OBJECT, {})

    assert negated("Action", ["s3:GetObject", "kms:*"]) is Decision.ALLOWED
    assert negated("Action", "s3:put*") is Decision.NOT_MENTIONED
    assert negated("Resource", "arn:aws:s3:::other/*") is Decision.ALLOWED
    assert negated("Resource", "arn:aws:s3:::archive/*") is Decision.NOT_MENTIONED


@pytest.mark.parametrize(
    "statement",
    [
        {"NotPrincipal": {"AWS": ROLE}},
        {"Condition": {}},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}},
        {"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}},
        {"Condition": {"StringEquals": {}}},
    ],
)
def test_what_cannot_be_evaluated_is_an_error(statement: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="not supported here"):
        evaluate(statement)

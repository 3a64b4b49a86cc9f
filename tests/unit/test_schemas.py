"""A wrong input gets one sentence that names what is wrong and what would be right."""

import ast
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from offboarding.domain.errors import InvalidRequest
from offboarding.edge import schemas
from offboarding.edge.schemas import DECISION, INPUT, OFFBOARDING_REQUESTED, RESTORE, Schema, compile_schemas, validated
from offboarding.edge.steps import DecisionInput, OffboardingInput, RestoreInput

LAMBDAS = Path(__file__).resolve().parents[2] / "lambdas"
ORGANIZATION = "m-d281d0a2fd824be5b6cd3d3ce909fd27"
GOOD = {"OrganizationId": ORGANIZATION, "EntityId": "alice@example.com"}


ARN = "arn:aws:states:us-east-1:123456789012:execution:offboarding:d_0f1e2d3c"
DECIDED = {"ExecutionArn": ARN, "Decision": "Approved", "DecidedBy": "boss", "Reason": "left"}


def sentence(value: object, schema: Schema = INPUT) -> str:
    with pytest.raises(InvalidRequest) as failure:
        validated(value, schema, dict)
    return str(failure.value)


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        {**GOOD, "EntityId": "a"},
        {**GOOD, "EntityId": "x" * 256},
        {**GOOD, "EntityId": "S-1-1-12-1-2-3-4"},
        {**GOOD, "EntityId": "r-0123456789abcdef0123456789abcdef"},
        {**GOOD, "Expected": {"Type": "USER", "Name": "alice", "Email": "a@b.cd", "DisplayName": "Alice"}},
        {**GOOD, "Expected": {}},
        {**GOOD, "DryRun": True},
        {**GOOD, "DryRun": False},
        {**GOOD, "NotBefore": "2026-12-22T17:00:00Z"},
        {**GOOD, "NotBefore": "2026-12-22T17:00:00+01:00"},
        {**GOOD, "NotBefore": "2026-12-22T17:00:00.123456-05:30"},
        {**GOOD, "Reason": "x" * 1024, "RequestedBy": "boss"},
        {**GOOD, "Requester": {"Provider": "okta", "EventId": "u-1", "RequestedBy": "it.admin@example.com"}},
    ],
)
def test_what_the_api_reference_allows_is_taken(value: dict[str, Any]) -> None:
    assert validated(value, INPUT, OffboardingInput) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"EntityId": "a"}, "lacks OrganizationId, which must be a WorkMail organization id"),
        ({"OrganizationId": ORGANIZATION}, "lacks EntityId, which must be the id, name or e-mail"),
        ({}, "lacks OrganizationId"),
        ({**GOOD, "DryRn": True}, "has an unknown member: DryRn. The members are OrganizationId, EntityId, Expected"),
        ({**GOOD, "dryRun": True, "Zed": 1}, "has an unknown member: Zed, dryRun."),
        ({**GOOD, 'x"\n': 1}, "has an unknown member: x??."),
        ({**GOOD, "Expected": {"Tpe": "USER"}}, "Expected has an unknown member: Tpe. The members are Type,"),
        ({**GOOD, "Expected": {"Type": "user"}}, "Expected.Type must be USER, GROUP or RESOURCE."),
        ({**GOOD, "Expected": "USER"}, "Expected must be a JSON object."),
        ({**GOOD, "EntityId": ""}, "EntityId must be the id, name or e-mail address"),
        ({**GOOD, "EntityId": "x" * 257}, "1 to 256 characters"),
        ({**GOOD, "EntityId": "alice smith"}, "letters, digits and . _ % + @ -"),
        ({**GOOD, "EntityId": "alice\n"}, "EntityId must be"),
        ({**GOOD, "EntityId": "älice"}, "EntityId must be"),
        ({**GOOD, "EntityId": 7}, "EntityId must be"),
        ({**GOOD, "EntityId": None}, "EntityId must be"),
        ({**GOOD, "EntityId": ["alice"]}, "EntityId must be"),
        ({**GOOD, "OrganizationId": "M-" + ORGANIZATION[2:]}, "OrganizationId must be a WorkMail organization id"),
        ({**GOOD, "OrganizationId": ORGANIZATION + "0"}, "32 hexadecimal digits"),
        ({**GOOD, "OrganizationId": ORGANIZATION + "\n"}, "OrganizationId must be"),
        ({**GOOD, "DryRun": "true"}, "DryRun must be true or false."),
        ({**GOOD, "DryRun": "false"}, "DryRun must be true or false."),
        ({**GOOD, "DryRun": 1}, "DryRun must be true or false."),
        ({**GOOD, "DryRun": 0}, "DryRun must be true or false."),
        ({**GOOD, "DryRun": None}, "DryRun must be true or false."),
        ({**GOOD, "NotBefore": "2026-12-22T17:00:00"}, "NotBefore must be an RFC 3339 timestamp with its offset"),
        ({**GOOD, "NotBefore": "2026-12-22"}, "NotBefore must be an RFC 3339 timestamp with its offset"),
        ({**GOOD, "NotBefore": "2026-W52-2T17:00:00Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "NotBefore": "20261222T170000Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "NotBefore": "2026-12-22 17:00:00Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "NotBefore": "2026-12-22T17:00Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "NotBefore": "2026-12-22T17:00:00Z\n"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "NotBefore": "22.12.2026"}, "like 2026-12-22T17:00:00+01:00."),
        ({**GOOD, "NotBefore": 1798000000}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "NotBefore": None}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "NotBefore": ""}, "NotBefore must be an RFC 3339 timestamp"),
        ({**GOOD, "Reason": "x" * 1025}, "Reason must be a text of 1 to 1,024 characters."),
        ({**GOOD, "Requester": {"Provider": "okta"}}, "Requester lacks EventId, which must be a text"),
        ([GOOD], "The execution's input must be a JSON object."),
        ("alice@example.com", "The execution's input must be a JSON object."),
        (None, "The execution's input must be a JSON object."),
    ],
)
def test_what_is_wrong_gets_a_sentence(value: object, says: str) -> None:
    assert says in sentence(value)


def test_the_sentence_does_not_repeat_the_value() -> None:
    assert "alice" not in sentence({**GOOD, "EntityId": "alice smith"})


@pytest.mark.parametrize("value", [DECIDED, {**DECIDED, "Decision": "Rejected", "Reason": "stays after all"}])
def test_a_decision_is_taken(value: dict[str, Any]) -> None:
    assert validated(value, DECISION, DecisionInput) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "lacks ExecutionArn, which must be the ARN of an execution"),
        ({**DECIDED, "ExecutionArn": "d_0f1e2d3c"}, "ExecutionArn must be the ARN of an execution"),
        ({**DECIDED, "ExecutionArn": ARN.replace("execution", "stateMachine", 1)}, "ExecutionArn must be the ARN"),
        ({**DECIDED, "ExecutionArn": f"{ARN} "}, "ExecutionArn must be the ARN"),
        ({**DECIDED, "ExecutionArn": ARN + "x" * 512}, "ExecutionArn must be the ARN"),
        ({**DECIDED, "Decision": "approved"}, "Decision must be Approved or Rejected."),
        ({**DECIDED, "Decision": True}, "Decision must be Approved or Rejected."),
        ({"ExecutionArn": ARN, "Decision": "Approved"}, "lacks DecidedBy, which must be who decides"),
        ({"ExecutionArn": ARN, "Decision": "Approved", "DecidedBy": "boss"}, "lacks Reason, which must be why"),
        ({**DECIDED, "DecidedBy": "<who you are>"}, "DecidedBy must be who decides: 1 to 256 characters, without <"),
        ({**DECIDED, "Reason": "<why>"}, "Reason must be why: 1 to 1,024 characters, without < and >."),
        ({**DECIDED, "Reason": ""}, "Reason must be why"),
        ({**DECIDED, "DecidedBy": ""}, "DecidedBy must be who decides"),
        ({**DECIDED, "TaskToken": "x"}, "has an unknown member: TaskToken."),
    ],
)
def test_a_decision_that_is_wrong_gets_a_sentence(value: object, says: str) -> None:
    assert says in sentence(value, DECISION)


@pytest.mark.parametrize(
    "value",
    [GOOD, {"ExecutionArn": ARN}, {**GOOD, "Reason": "came back", "RequestedBy": "boss"}],
)
def test_a_request_to_restore_is_taken(value: dict[str, Any]) -> None:
    assert validated(value, RESTORE, RestoreInput) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"ExecutionArn": "nobody"}, "ExecutionArn must be the ARN of an execution"),
        ({**GOOD, "OrganizationId": "m-1"}, "OrganizationId must be a WorkMail organization id"),
        ({**GOOD, "EntityId": "alice smith"}, "EntityId must be the id, name or e-mail address"),
        ({**GOOD, "DryRun": True}, "has an unknown member: DryRun."),
        ({**GOOD, "NotBefore": "2026-12-22T17:00:00Z"}, "has an unknown member: NotBefore."),
        (None, "The execution's input must be a JSON object."),
    ],
)
def test_a_request_to_restore_that_is_wrong_gets_a_sentence(value: object, says: str) -> None:
    assert says in sentence(value, RESTORE)


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("DryRun", "true", "DryRun must be true or false."),
        ("NotBefore", "2026-12-22", "NotBefore must be an RFC 3339 timestamp with its offset"),
        ("NotBefore", "2026-12-22T17:00:00", "NotBefore must be an RFC 3339 timestamp with its offset"),
    ],
)
def test_an_event_asks_for_a_plan_or_a_date_as_an_input_does(member: str, value: object, says: str) -> None:
    event = {"RequestId": "r-1", "EntityId": "alice"}

    assert says in sentence({**event, member: value}, OFFBOARDING_REQUESTED)
    assert validated({**event, "DryRun": True, "NotBefore": "2026-12-22T17:00:00Z"}, OFFBOARDING_REQUESTED, dict)


HANDLERS = sorted(path for path in LAMBDAS.glob("*.py") if "compile_schemas(" in path.read_text(encoding="utf-8"))


def schemas_given_to(function: str, tree: ast.AST) -> set[str]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    given = (argument for call in calls if call.func.id == function for argument in call.args)
    return {argument.id for argument in given if isinstance(argument, ast.Name) and argument.id.isupper()}


@pytest.mark.parametrize("path", HANDLERS, ids=[path.stem for path in HANDLERS])
def test_a_function_compiles_what_it_checks_while_it_is_initialized(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_import = [node for node in tree.body if isinstance(node, ast.Expr)]
    prepared = set().union(*(schemas_given_to("compile_schemas", node) for node in at_import))

    assert prepared == schemas_given_to("validated", tree) | schemas_given_to("validated_step", tree) != set()


def test_a_schema_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    compile_ = fastjsonschema.compile
    monkeypatch.setattr(schemas, "_compiled", {})
    monkeypatch.setattr(fastjsonschema, "compile", lambda schema: compiled.append(schema) or compile_(schema))
    schema = {"type": "object", "description": "an object"}
    compile_schemas(schema)
    validated({"a": 1}, schema, dict)
    validated({"a": 2}, dict(schema), dict)

    assert compiled == [schema]

"""An invalid input is refused with one sentence, which names the member and the values that are valid."""

import ast
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.domain import validation
from offboarding.domain.errors import InvalidRequest
from offboarding.edge.schemas import (
    DECISION,
    ERASURE,
    INPUT,
    OFFBOARDING_REQUESTED,
    RESTORE,
    Schema,
    compile_schemas,
    validated,
)
from offboarding.edge.steps import DecisionInput, OffboardingInput, OffboardingRequest, RestoreInput
from tests.unit.conftest import USER_ID

LAMBDAS = Path(__file__).resolve().parents[2] / "lambdas"
VALID_INPUT = {"OrganizationId": ORGANIZATION_ID, "EntityId": "alice@example.com"}
EXECUTION_ARN = "arn:aws:states:us-east-1:123456789012:execution:offboarding:d_0f1e2d3c"
VALID_REQUEST = {"RequestId": "r-1", "EntityId": "alice"}
VALID_DECISION = {"ExecutionArn": EXECUTION_ARN, "Decision": "Approved", "DecidedBy": "boss", "Reason": "left"}


def read_refusal(value: object, schema: Schema = INPUT) -> str:
    with pytest.raises(InvalidRequest) as failure:
        validated(value, schema, dict)
    return str(failure.value)


VALID_VALUES: list[tuple[Schema, type, list[dict[str, Any]]]] = [
    (
        INPUT,
        OffboardingInput,
        [
            VALID_INPUT,
            {**VALID_INPUT, "EntityId": "a"},
            {**VALID_INPUT, "EntityId": "x" * 256},
            {**VALID_INPUT, "EntityId": "S-1-1-12-1-2-3-4"},
            {**VALID_INPUT, "EntityId": "r-0123456789abcdef0123456789abcdef"},
            {**VALID_INPUT, "Expected": {"Type": "USER", "Name": "alice", "Email": "a@b.cd", "DisplayName": "Alice"}},
            {**VALID_INPUT, "Expected": {}},
            {**VALID_INPUT, "DryRun": True},
            {**VALID_INPUT, "DryRun": False},
            {**VALID_INPUT, "NotBefore": "2026-12-22T17:00:00Z"},
            {**VALID_INPUT, "NotBefore": "2026-12-22T17:00:00+01:00"},
            {**VALID_INPUT, "NotBefore": "2026-12-22T17:00:00.123456-05:30"},
            {**VALID_INPUT, "Reason": "x" * 1024, "RequestedBy": "boss"},
            {**VALID_INPUT, "Requester": {"Provider": "okta", "EventId": "u-1", "RequestedBy": "it.admin@example.com"}},
        ],
    ),
    (
        DECISION,
        DecisionInput,
        [
            VALID_DECISION,
            {**VALID_DECISION, "Decision": "Rejected", "Reason": "stays after all"},
            {**VALID_DECISION, "Decision": "Withdrawn"},
        ],
    ),
    (
        RESTORE,
        RestoreInput,
        [VALID_INPUT, {"ExecutionArn": EXECUTION_ARN}, {**VALID_INPUT, "Reason": "came back", "RequestedBy": "boss"}],
    ),
    (
        OFFBOARDING_REQUESTED,
        OffboardingRequest,
        [
            VALID_REQUEST,
            {**VALID_REQUEST, "DryRun": True, "NotBefore": "2026-12-22T17:00:00Z"},
        ],
    ),
]


@pytest.mark.parametrize(
    ("schema", "kind", "value"), [(schema, kind, value) for schema, kind, values in VALID_VALUES for value in values]
)
def test_a_valid_value_is_returned(schema: Schema, kind: type, value: dict[str, Any]) -> None:
    assert validated(value, schema, kind) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"EntityId": "a"}, "lacks OrganizationId, which must be a WorkMail organization id"),
        ({"OrganizationId": ORGANIZATION_ID}, "lacks EntityId, which must be the id, name or e-mail"),
        ({}, "lacks OrganizationId"),
        (
            {**VALID_INPUT, "DryRn": True},
            "has an unknown member: DryRn. The members are OrganizationId, EntityId, Expected",
        ),
        ({**VALID_INPUT, "dryRun": True, "Zed": 1}, "has an unknown member: Zed, dryRun."),
        ({**VALID_INPUT, 'x"\n': 1}, "has an unknown member: x??."),
        ({**VALID_INPUT, "Expected": {"Tpe": "USER"}}, "Expected has an unknown member: Tpe. The members are Type,"),
        ({**VALID_INPUT, "Expected": {"Type": "user"}}, "Expected.Type must be USER, GROUP or RESOURCE."),
        ({**VALID_INPUT, "Expected": "USER"}, "Expected must be a JSON object."),
        ({**VALID_INPUT, "EntityId": ""}, "EntityId must be the id, name or e-mail address"),
        ({**VALID_INPUT, "EntityId": "x" * 257}, "1 to 256 characters"),
        ({**VALID_INPUT, "EntityId": "alice smith"}, "letters, digits and . _ % + @ -"),
        ({**VALID_INPUT, "EntityId": "alice\n"}, "EntityId must be"),
        ({**VALID_INPUT, "EntityId": "älice"}, "EntityId must be"),
        ({**VALID_INPUT, "EntityId": 7}, "EntityId must be"),
        ({**VALID_INPUT, "EntityId": None}, "EntityId must be"),
        ({**VALID_INPUT, "EntityId": ["alice"]}, "EntityId must be"),
        (
            {**VALID_INPUT, "OrganizationId": "M-" + ORGANIZATION_ID[2:]},
            "OrganizationId must be a WorkMail organization id",
        ),
        ({**VALID_INPUT, "OrganizationId": ORGANIZATION_ID + "0"}, "32 hexadecimal digits"),
        ({**VALID_INPUT, "OrganizationId": ORGANIZATION_ID + "\n"}, "OrganizationId must be"),
        ({**VALID_INPUT, "DryRun": "true"}, "DryRun must be true or false."),
        ({**VALID_INPUT, "DryRun": "false"}, "DryRun must be true or false."),
        ({**VALID_INPUT, "DryRun": 1}, "DryRun must be true or false."),
        ({**VALID_INPUT, "DryRun": 0}, "DryRun must be true or false."),
        ({**VALID_INPUT, "DryRun": None}, "DryRun must be true or false."),
        (
            {**VALID_INPUT, "NotBefore": "2026-12-22T17:00:00"},
            "NotBefore must be an RFC 3339 timestamp with its offset",
        ),
        ({**VALID_INPUT, "NotBefore": "2026-12-22"}, "NotBefore must be an RFC 3339 timestamp with its offset"),
        ({**VALID_INPUT, "NotBefore": "2026-W52-2T17:00:00Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "NotBefore": "20261222T170000Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "NotBefore": "2026-12-22 17:00:00Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "NotBefore": "2026-12-22T17:00Z"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "NotBefore": "2026-12-22T17:00:00Z\n"}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "NotBefore": "22.12.2026"}, "like 2026-12-22T17:00:00+01:00."),
        ({**VALID_INPUT, "NotBefore": 1798000000}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "NotBefore": None}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "NotBefore": ""}, "NotBefore must be an RFC 3339 timestamp"),
        ({**VALID_INPUT, "Reason": "x" * 1025}, "Reason must be a text of 1 to 1,024 characters."),
        ({**VALID_INPUT, "Requester": {"Provider": "okta"}}, "Requester lacks EventId, which must be a text"),
        ([VALID_INPUT], "The execution's input must be a JSON object."),
        ("alice@example.com", "The execution's input must be a JSON object."),
        (None, "The execution's input must be a JSON object."),
    ],
)
def test_an_invalid_input_is_refused_with_a_sentence(value: object, message: str) -> None:
    assert message in read_refusal(value)


@pytest.mark.parametrize("identifiers", [[""], ["alice", 7], ["x" * 1025], ["\ud83d"], ["alice"] * 101, "alice", None])
def test_a_list_with_an_invalid_element_is_refused_with_a_sentence(identifiers: object) -> None:
    request = {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID, "RequestedBy": "boss"}
    assert validated(request, ERASURE, dict) == request
    for valid in ([], ["x" * 1024], ["Alice O'Brien \U0001f600\n"], ["alice"] * 100):
        validated({**request, "Identifiers": valid}, ERASURE, dict)

    message = read_refusal({**request, "Identifiers": identifiers}, ERASURE)

    assert message == "Identifiers must be a list of up to 100 texts of 1 to 1,024 characters."


def test_the_sentence_does_not_repeat_the_value() -> None:
    assert "alice" not in read_refusal({**VALID_INPUT, "EntityId": "alice smith"})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "lacks ExecutionArn, which must be the ARN of an execution"),
        ({**VALID_DECISION, "ExecutionArn": "d_0f1e2d3c"}, "ExecutionArn must be the ARN of an execution"),
        (
            {**VALID_DECISION, "ExecutionArn": EXECUTION_ARN.replace("execution", "stateMachine", 1)},
            "ExecutionArn must be the ARN",
        ),
        ({**VALID_DECISION, "ExecutionArn": f"{EXECUTION_ARN} "}, "ExecutionArn must be the ARN"),
        ({**VALID_DECISION, "ExecutionArn": EXECUTION_ARN + "x" * 512}, "ExecutionArn must be the ARN"),
        ({**VALID_DECISION, "Decision": "approved"}, "Decision must be Approved, Rejected or Withdrawn."),
        ({**VALID_DECISION, "Decision": True}, "Decision must be Approved, Rejected or Withdrawn."),
        (
            {"ExecutionArn": EXECUTION_ARN, "Decision": "Approved"},
            "lacks DecidedBy, which must be the name of the person who decides",
        ),
        (
            {"ExecutionArn": EXECUTION_ARN, "Decision": "Approved", "DecidedBy": "boss"},
            "lacks Reason, which must be the reason for the decision",
        ),
        (
            {**VALID_DECISION, "DecidedBy": "<who you are>"},
            "DecidedBy must be the name of the person who decides: 1 to 256 characters, without <",
        ),
        (
            {**VALID_DECISION, "Reason": "<why>"},
            "Reason must be the reason for the decision: 1 to 1,024 characters, without < and >.",
        ),
        ({**VALID_DECISION, "Reason": ""}, "Reason must be the reason for the decision"),
        ({**VALID_DECISION, "DecidedBy": ""}, "DecidedBy must be the name of the person who decides"),
        ({**VALID_DECISION, "TaskToken": "x"}, "has an unknown member: TaskToken."),
    ],
)
def test_an_invalid_decision_is_refused_with_a_sentence(value: object, message: str) -> None:
    assert message in read_refusal(value, DECISION)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"ExecutionArn": "nobody"}, "ExecutionArn must be the ARN of an execution"),
        ({**VALID_INPUT, "OrganizationId": "m-1"}, "OrganizationId must be a WorkMail organization id"),
        ({**VALID_INPUT, "EntityId": "alice smith"}, "EntityId must be the id, name or e-mail address"),
        ({**VALID_INPUT, "DryRun": True}, "has an unknown member: DryRun."),
        ({**VALID_INPUT, "NotBefore": "2026-12-22T17:00:00Z"}, "has an unknown member: NotBefore."),
        (None, "The execution's input must be a JSON object."),
    ],
)
def test_an_invalid_request_to_restore_is_refused_with_a_sentence(value: object, message: str) -> None:
    assert message in read_refusal(value, RESTORE)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({**VALID_REQUEST, "DryRun": "true"}, "DryRun must be true or false."),
        ({**VALID_REQUEST, "NotBefore": "2026-12-22"}, "NotBefore must be an RFC 3339 timestamp with its offset"),
        (
            {**VALID_REQUEST, "NotBefore": "2026-12-22T17:00:00"},
            "NotBefore must be an RFC 3339 timestamp with its offset",
        ),
    ],
)
def test_an_invalid_offboarding_request_is_refused_with_a_sentence(value: object, message: str) -> None:
    assert message in read_refusal(value, OFFBOARDING_REQUESTED)


HANDLERS = sorted(path for path in LAMBDAS.glob("*.py") if "compile_schemas(" in path.read_text(encoding="utf-8"))


def find_schema_arguments(function: str, tree: ast.AST) -> set[str]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    arguments = (argument for call in calls if call.func.id == function for argument in call.args)
    return {argument.id for argument in arguments if isinstance(argument, ast.Name) and argument.id.isupper()}


@pytest.mark.parametrize("path", HANDLERS, ids=[path.stem for path in HANDLERS])
def test_a_function_compiles_its_schemas_while_it_is_initialized(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_import = [node for node in tree.body if isinstance(node, ast.Expr)]
    compiled = set().union(*(find_schema_arguments("compile_schemas", node) for node in at_import))

    assert compiled == find_schema_arguments("validated", tree) | find_schema_arguments("validated_step", tree) != set()


def test_a_schema_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    compile_ = fastjsonschema.compile
    monkeypatch.setattr(validation, "_compiled", {})
    monkeypatch.setattr(fastjsonschema, "compile", lambda schema: compiled.append(schema) or compile_(schema))
    schema = {"type": "object", "description": "an object"}
    compile_schemas(schema)
    validated({"a": 1}, schema, dict)
    validated({"a": 2}, dict(schema), dict)

    assert compiled == [schema]

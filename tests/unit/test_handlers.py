"""The function of each state accepts the events that its schema describes, typed as its step, and no others."""

import importlib
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from offboarding.domain import errors
from offboarding.domain.exports import Archive
from offboarding.edge import schemas, steps
from tests.unit.conftest import NOW, Context

STEP_TYPES = {
    "resolve_entity": (schemas.RESOLVE_ENTITY, steps.ResolveStep),
    "check_organization": (schemas.CHECK_ORGANIZATION, steps.CheckStep),
    "plan_offboarding": (schemas.PLAN_OFFBOARDING, steps.PlanStep),
    "record_offboarding": (schemas.RECORD_OFFBOARDING, steps.RecordStep),
    "wait_for_date": (schemas.WAIT_FOR_DATE, steps.WaitForDateStep),
    "await_approval": (schemas.AWAIT_APPROVAL, steps.AwaitApprovalStep),
    "start_export": (schemas.START_EXPORT, steps.ExportStep),
    "check_export": (schemas.CHECK_EXPORT, steps.ExportStep),
    "deregister_entity": (schemas.DEREGISTER_ENTITY, steps.DeregisterStep),
    "verify_cleanup": (schemas.VERIFY_CLEANUP, steps.VerifyStep),
    "decide_approval": (schemas.DECIDE_APPROVAL, steps.InputStep),
    "register_entity": (schemas.REGISTER_ENTITY, steps.InputStep),
    "restore_aliases_and_groups": (schemas.RESTORE_ALIASES_AND_GROUPS, steps.RestoreStep),
}
INPUT_TYPES = {
    "ERASURE": steps.ErasureInput,
    "INPUT": steps.OffboardingInput,
    "OFFBOARDING_REQUESTED": steps.OffboardingRequest,
    "OFFBOARDING_WITHDRAWN": steps.OffboardingWithdrawal,
    "DECISION": steps.DecisionInput,
    "RESTORE": steps.RestoreInput,
}
TYPED_SCHEMAS = [*STEP_TYPES.values(), *((getattr(schemas, name), kind) for name, kind in INPUT_TYPES.items())]
EXAMPLES_BY_PATTERN = {schemas.ORGANIZATION_ID["pattern"]: f"m-{'0' * 32}", schemas.TIMESTAMP["pattern"]: NOW}


def make_example(schema: schemas.Schema) -> Any:
    """Make the smallest value that a schema lets through."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        return None
    values: dict[str, Callable[[], Any]] = {
        "object": lambda: {name: make_example(schema["properties"][name]) for name in schema.get("required", ())},
        "array": lambda: [make_example(schema["items"])],
        "string": lambda: EXAMPLES_BY_PATTERN.get(schema.get("pattern", ""), "a"),
        "boolean": lambda: False,
        "integer": lambda: 0,
    }
    return values[kind]()


@pytest.mark.parametrize("module", STEP_TYPES)
def test_an_event_with_an_unknown_member_is_unexpected(module: str) -> None:
    event = {**make_example(STEP_TYPES[module][0]), "More": 1}

    with pytest.raises(errors.UnexpectedAnswer, match="The event of the state has an unknown member: More"):
        importlib.import_module(module).handler(event, Context())


@pytest.mark.parametrize(
    ("module", "member"),
    [(module, member) for module, (schema, _) in STEP_TYPES.items() for member in schema["required"]],
)
def test_an_event_that_lacks_a_member_is_unexpected(module: str, member: str) -> None:
    event = {name: value for name, value in make_example(STEP_TYPES[module][0]).items() if name != member}

    with pytest.raises(errors.UnexpectedAnswer, match=f"The event of the state lacks {member}"):
        importlib.import_module(module).handler(event, Context())


def read_members(schema: schemas.Schema, kind: Any, path: str = "") -> tuple[dict[str, bool], dict[str, bool]]:
    """Return the members of a schema and of a TypedDict by their paths, each with whether it is required."""
    in_schema = {f"{path}{name}": name in schema["required"] for name in schema["properties"]}
    in_type = {f"{path}{name}": name in kind.__required_keys__ for name in get_type_hints(kind)}
    for name, hint in get_type_hints(kind).items():
        nested = next((part for part in (hint, *get_args(hint)) if is_typeddict(part)), None)
        # An archive is what CheckExport has returned, and not described once more.
        if nested and get_origin(hint) is not list and nested is not Archive:
            in_nested = read_members(schema["properties"][name], nested, f"{path}{name}.")
            in_schema, in_type = in_schema | in_nested[0], in_type | in_nested[1]
    return in_schema, in_type


@pytest.mark.parametrize(("schema", "kind"), TYPED_SCHEMAS, ids=[kind.__name__ for _, kind in TYPED_SCHEMAS])
def test_a_step_has_the_members_of_its_schema(schema: schemas.Schema, kind: Any) -> None:
    in_schema, in_type = read_members(schema, kind)

    assert in_schema == in_type


def test_every_typed_dict_of_the_steps_is_compared_with_a_schema() -> None:
    compared = {path.rpartition(".")[0] for schema, kind in TYPED_SCHEMAS for path in read_members(schema, kind)[1]}
    kinds = {name for name, kind in vars(steps).items() if is_typeddict(kind) and kind.__module__ == steps.__name__}

    assert {"", "Expected", "Requester", "Entity", "Request", "Request.Requester", "Planned"} <= compared
    assert kinds - {kind.__name__ for _, kind in TYPED_SCHEMAS} == {
        *("Expected", "Requester", "RecordedRequest"),  # types of members
        *("Step", "EntityStep"),  # base types
    }

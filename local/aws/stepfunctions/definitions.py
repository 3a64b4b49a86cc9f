"""What AWS refuses in a definition when a state machine is created or updated, and moto accepts.

- A transition to a state that does not exist, a state to which nothing leads, and a machine without an end.
- A JSONata expression that cannot be parsed.

The error is ``InvalidDefinition``, with AWS's codes and nearly its texts. AWS refuses more, such as a bare name in an
expression: ``make check`` has two validators of the Amazon States Language.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from moto.stepfunctions.parser.api import InvalidDefinition
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local.aws.stepfunctions import jsonata
from local.hooks import Hooks

_TERMINAL_TYPES = frozenset({"Succeed", "Fail"})


def install(hooks: Hooks) -> None:
    """Have definitions checked as on AWS for as long as the hooks are in place."""
    validate = StepFunctionsParserBackend._validate_definition
    accepted: set[str] = set()

    def validate_definition(definition: str) -> None:
        if definition in accepted:
            return
        validate(definition)
        if problems := list_problems(definition):
            raise InvalidDefinition(f"Invalid State Machine Definition: '{', '.join(problems)}'")
        accepted.add(definition)

    hooks.replace(StepFunctionsParserBackend, "_validate_definition", staticmethod(validate_definition))


@lru_cache(maxsize=128)
def list_problems(definition: str) -> tuple[str, ...]:
    """Check a definition that moto accepts.

    Parameters
    ----------
    definition
        Its JSON.

    Returns
    -------
    tuple[str, ...]
        The problems, in AWS's words.
    """
    content = json.loads(definition)
    return (*_list_wrong_transitions(content, ""), *_list_wrong_expressions(content, ""))


def _list_wrong_transitions(machine: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the problems of the transitions of a machine, a branch or an iteration."""
    states: dict[str, dict[str, Any]] = machine["States"]
    targets = [(f"{path}/StartAt", machine["StartAt"])]
    targets += [target for name, state in states.items() for target in _list_targets(state, f"{path}/States/{name}")]
    for location, target in targets:
        if target not in states:
            yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {target} at {location}"
    if not any(state.get("End") or state["Type"] in _TERMINAL_TYPES for state in states.values()):
        yield "MISSING_END_STATE: Workflow has no terminal state at null"
    else:
        reached = {target for _, target in targets}
        for name in (name for name in states if name not in reached):
            yield f'MISSING_TRANSITION_TARGET: State "{name}" is not reachable. at {path}/States/{name}'
    for name, state in states.items():
        for inner_path, inner in _list_inner_machines(state, f"{path}/States/{name}"):
            yield from _list_wrong_transitions(inner, inner_path)


def _list_targets(state: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the transitions of a state, each with its location."""
    for field in ("Next", "Default"):
        if field in state:
            yield f"{path}/{field}", state[field]
    for field in ("Choices", "Catch"):
        for index, rule in enumerate(state.get(field, [])):
            if "Next" in rule:
                yield f"{path}/{field}[{index}]/Next", rule["Next"]


def _list_inner_machines(state: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, branch in enumerate(state.get("Branches", [])):
        yield f"{path}/Branches[{index}]", branch
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield f"{path}/{field}", state[field]


def _list_wrong_expressions(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _list_wrong_expressions(item, f"{path}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _list_wrong_expressions(item, f"{path}[{index}]")
    elif (
        isinstance(value, str)
        and value.startswith("{%")
        and value.endswith("%}")
        and (problem := jsonata.find_syntax_error(value[2:-2]))
    ):
        yield f"INVALID_JSONATA_EXPRESSION: {problem} at {path}"

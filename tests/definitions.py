"""The outcomes of the state machines, read from the definitions in ``statemachine/``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEFINITIONS = Path(__file__).parents[1] / "statemachine"
ERROR_AS_RAISED = "{% $states.errorOutput.Error %}"
"""The expression with which a catcher keeps the name of the error."""


def read_definition(machine: str) -> dict[str, Any]:
    """Read the definition of `offboarding`, `approval` or `restore`."""
    definition: dict[str, Any] = json.loads((DEFINITIONS / f"{machine}.asl.json").read_text())
    return definition


def list_outcomes(machine: str) -> dict[str, str]:
    """Return the outcomes of a state machine, each with the status of the execution: `SUCCEEDED` or `FAILED`."""
    states = read_definition(machine)["States"]
    outcomes = {outcome: "FAILED" for state in states.values() for outcome in _list_errors(state)}
    for state in states.values():
        if state["Type"] == "Succeed":
            outcomes[_read_outcome(state["Output"])] = "SUCCEEDED"
    return outcomes


def _list_errors(state: dict[str, Any]) -> Iterator[str]:
    for rule in state.get("Catch", []):
        if rule["Next"] == "Failed":
            error = rule["Assign"]["outcome"]
            yield from rule["ErrorEquals"] if error == ERROR_AS_RAISED else [error]
    if state.get("Default") == "Failed":
        yield state["Assign"]["outcome"]


def _read_outcome(output: dict[str, Any] | str) -> str:
    if isinstance(output, dict):
        return str(output["Outcome"])
    [outcome] = re.findall(r"'Outcome': '(\w+)'", output)
    return str(outcome)


def list_expressions() -> frozenset[str]:
    """Return every JSONata expression of the three definitions, without its delimiters."""
    return frozenset(
        text.removeprefix("{%").removesuffix("%}").strip()
        for file in DEFINITIONS.glob("*.asl.json")
        for text in _list_texts(json.loads(file.read_text()))
        if text.startswith("{%")
    )


def _list_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _list_texts(item)

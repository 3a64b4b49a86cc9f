"""What the state machines' definitions can end as, read from the files in ``statemachine/``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEFINITIONS = Path(__file__).parents[1] / "statemachine"
ERROR_AS_RAISED = "{% $states.errorOutput.Error %}"
"""The expression by which a catcher passes on the name of the error."""


def definition(machine: str) -> dict[str, Any]:
    """Read the definition of `offboarding`, `approval` or `restore`."""
    flow: dict[str, Any] = json.loads((DEFINITIONS / f"{machine}.asl.json").read_text())
    return flow


def outcomes(machine: str) -> dict[str, str]:
    """Return the outcomes of a state machine, each with the status of the execution: `SUCCEEDED` or `FAILED`."""
    states = definition(machine)["States"]
    found = {outcome: "FAILED" for state in states.values() for outcome in _failures(state)}
    for state in states.values():
        if state["Type"] == "Succeed":
            found[_outcome(state["Output"])] = "SUCCEEDED"
    return found


def _failures(state: dict[str, Any]) -> Iterator[str]:
    for rule in state.get("Catch", []):
        if rule["Next"] == "Failed":
            error = rule["Assign"]["error"]
            yield from rule["ErrorEquals"] if error == ERROR_AS_RAISED else [error]
    if state.get("Default") == "Failed":
        yield state["Assign"]["error"]


def _outcome(output: dict[str, Any] | str) -> str:
    if isinstance(output, dict):
        return str(output["Outcome"])
    [outcome] = re.findall(r"'Outcome': '(\w+)'", output)
    return str(outcome)

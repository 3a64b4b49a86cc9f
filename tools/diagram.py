"""The flow as a Mermaid diagram, from the definition itself, so that the README can be held to it.

`python -m tools.diagram` prints it.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEFINITION = Path(__file__).parents[1] / "statemachine" / "offboarding.asl.json"


def diagram(definition: str) -> str:
    """Draw a definition: what leads where, and in one box everything that a state can fail as.

    Parameters
    ----------
    definition
        A state machine in the Amazon States Language, as text.

    Returns
    -------
    str
        A Mermaid flowchart, one line a state and one line an arrow.
    """
    states: dict[str, dict[str, Any]] = json.loads(definition)["States"]
    lines = ["flowchart TD"]
    for name, state in states.items():
        if state["Type"] != "Fail":
            lines.append(f"    {_id(name)}{_shape(state['Type'], name)}")
    for name, state in states.items():
        lines += [f"    {arrow}" for arrow in _arrows(name, state, states)]
    return "\n".join(lines) + "\n"


def _arrows(name: str, state: dict[str, Any], states: dict[str, dict[str, Any]]) -> Iterator[str]:
    for choice in state.get("Choices", []):
        if states[choice["Next"]]["Type"] == "Fail":
            yield f'{_id(name)} -. "{choice["Comment"]}" .-> {_id(name)}_fails[/"{choice["Next"]}"/]'
        else:
            yield f'{_id(name)} -- "{choice["Comment"]}" --> {_id(choice["Next"])}'
    following = state.get("Next") or state.get("Default")
    if following and states[following]["Type"] != "Fail":
        yield f"{_id(name)} --> {_id(following)}"
    caught = list(dict.fromkeys(rule["Next"] for rule in state.get("Catch", [])))
    for ending in caught:
        if states[ending]["Type"] != "Fail":
            yield f"{_id(name)} -.-> {_id(ending)}"
    failures = [ending for ending in caught if states[ending]["Type"] == "Fail"]
    if failures:
        yield f'{_id(name)} -. fails .-> {_id(name)}_fails[/"{"<br>".join(failures)}"/]'


def _id(name: str) -> str:
    return re.sub(r"\W", "", name)


def _shape(kind: str, name: str) -> str:
    left, right = {"Choice": ("{", "}"), "Succeed": ("([", "])"), "Wait": ("[/", "\\]")}.get(kind, ("[", "]"))
    return f'{left}"{name}"{right}'


if __name__ == "__main__":
    sys.stdout.write(diagram(DEFINITION.read_text()))

"""The flow as a Mermaid diagram, from the definition itself, so that the README can be held to it.

`python -m tools.diagram` prints it.
"""

import json
import re
import sys
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

DEFINITION = Path(__file__).parents[1] / "statemachine" / "offboarding.asl.json"


def diagram(definition: str) -> str:
    """Draw a definition: what leads where. Failures are left out, because every step can fail.

    Parameters
    ----------
    definition
        A state machine in the Amazon States Language, as text.

    Returns
    -------
    str
        A Mermaid flowchart. A dotted arrow is an error that leads to an outcome of its own.
    """
    states: dict[str, dict[str, Any]] = {
        name: state for name, state in json.loads(definition)["States"].items() if state["Type"] != "Fail"
    }
    shapes = [_shape(name, state["Type"]) for name, state in states.items()]
    arrows = [arrow for name, state in states.items() for arrow in _arrows(name, state, states)]
    lines = [*filter(None, shapes), *arrows, *_caught(states)]
    return "\n    ".join(["flowchart TD", *lines]) + "\n"


def _arrows(name: str, state: dict[str, Any], states: Container[str]) -> Iterator[str]:
    for choice in state.get("Choices", []):
        yield f'{_id(name)} -- "{choice["Comment"]}" --> {_id(choice["Next"])}'
    following = state.get("Next", state.get("Default", ""))
    if following in states:
        yield f"{_id(name)} --> {_id(following)}"


def _caught(states: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Draw one arrow for each outcome to which errors lead, from all states that catch them."""
    sources: dict[str, list[str]] = {}
    for name, state in states.items():
        for rule in state.get("Catch", []):
            if rule["Next"] in states:
                sources.setdefault(rule["Next"], []).append(_id(name))
    for outcome, names in sources.items():
        yield f"{' & '.join(names)} -.-> {_id(outcome)}"


def _id(name: str) -> str:
    return re.sub(r"\W", "", name)


def _shape(name: str, kind: str) -> str | None:
    """Return the line that gives a state another shape than the rectangle which Mermaid draws by default."""
    brackets = {"Choice": ("{", "}"), "Succeed": ("([", "])"), "Wait": ("[/", "\\]")}.get(kind)
    return f'{_id(name)}{brackets[0]}"{name}"{brackets[1]}' if brackets else None


if __name__ == "__main__":
    sys.stdout.write(diagram(DEFINITION.read_text()))

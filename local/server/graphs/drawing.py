"""Draws a state machine as SVG, from its definition."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from local.server.graphs.layouts import LAYOUTS, LabelPlace, Layout
from local.server.graphs.shapes import (
    LINE_HEIGHT,
    Box,
    Route,
    render_clock,
    render_connection,
    render_polygon,
    render_rectangle,
    render_text,
)

STYLE_SHEET = Path(__file__).with_name("graph.css")
_CHOICE_POINT = 12
_ANY_STEP = ["Any step can fail:", "the Error is the outcome."]
_ERROR_WORDS = {"States.Timeout": "Its time is over"}
"""What an error means that is no failure."""
_CALLBACK_RESOURCE = "arn:aws:states:::lambda:invoke.waitForTaskToken"


class UnknownGraphError(ValueError):
    """A definition has a state for which no layout has a place."""


@dataclass(frozen=True)
class Transition:
    """One way from a state to another."""

    source: str
    target: str
    label: str = ""
    is_caught: bool = False


def draw_graph(definition: Mapping[str, Any], name: str, *, standalone: bool = False) -> str:
    """Draw a state machine: each state and where it leads to.

    What leads to a Fail state, and errors that several states catch, are summarized below the box that they lead to.

    Parameters
    ----------
    definition
        A definition in the Amazon States Language, parsed.
    name
        What the drawing calls the state machine.
    standalone
        Whether the drawing brings its style sheet with it, for use as an image. Otherwise `STYLE_SHEET` is the page's.

    Returns
    -------
    str
        An SVG element. States have `data-state`; connections have `data-from` and `data-to`.

    Raises
    ------
    UnknownGraphError
        No layout has a place for each of the states.
    """
    states: dict[str, dict[str, Any]] = definition["States"]
    layout = next((candidate for candidate in LAYOUTS if candidate.has_places(states)), None)
    if layout is None:
        message = f"No layout of local/server/graphs/layouts.py has a place for each state of {name}."
        raise UnknownGraphError(message)
    drawn, summarized = _divide(list(read_transitions(states)), states)
    title = f"The state machine {name}"
    size = f'width="{layout.width}" height="{layout.height}" viewBox="0 0 {layout.width} {layout.height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" {size} role="img" aria-label={quoteattr(title)}>',
            f"<title>{escape(title)}</title>",
            *([f"<style>\n{STYLE_SHEET.read_text()}</style>"] if standalone else []),
            *(_render_edge(layout, transition) for transition in drawn),
            *(_render_state(state, content, layout.boxes[state]) for state, content in states.items()),
            *(_render_summary(target, sources, states, layout.boxes[target]) for target, sources in summarized.items()),
            *_render_labels(layout, drawn),
            "</svg>",
            "",
        ]
    )


def read_transitions(states: Mapping[str, Mapping[str, Any]]) -> Iterator[Transition]:
    """Yield every way from one state to another that a definition has.

    Parameters
    ----------
    states
        The definition's states.
    """
    for name, state in states.items():
        for choice in state.get("Choices", []):
            yield Transition(name, choice["Next"], choice.get("Comment", ""))
        for target in filter(None, (state.get("Next"), state.get("Default"))):
            yield Transition(name, target)
        for catcher in state.get("Catch", []):
            errors = (_ERROR_WORDS.get(error, error) for error in catcher["ErrorEquals"])
            yield Transition(name, catcher["Next"], " or ".join(errors), is_caught=True)


def _divide(
    transitions: list[Transition], states: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Transition], dict[str, list[str]]]:
    """Separate what is drawn from what is summarized: failures, and an error that several states catch."""
    sources: dict[str, list[str]] = {}
    for transition in transitions:
        is_failure = states[transition.target]["Type"] == "Fail"
        if (is_failure or transition.is_caught) and transition.source not in sources.setdefault(transition.target, []):
            sources[transition.target].append(transition.source)
    summarized = {
        target: names for target, names in sources.items() if len(names) > 1 or states[target]["Type"] == "Fail"
    }
    drawn = [
        transition
        for transition in transitions
        if states[transition.target]["Type"] != "Fail"
        and not (transition.is_caught and transition.target in summarized)
    ]
    return drawn, summarized


def _render_edge(layout: Layout, transition: Transition) -> str:
    ends = (transition.source, transition.target)
    route = layout.routes.get(ends, Route())
    path = render_connection(route.points(layout.boxes[transition.source], layout.boxes[transition.target]))
    css_class = "edge caught" if transition.is_caught else "edge"
    return (
        f'<path class="{css_class}" data-from={quoteattr(transition.source)} data-to={quoteattr(transition.target)} '
        f'd="{path}"/>'
    )


def _render_labels(layout: Layout, transitions: list[Transition]) -> Iterator[str]:
    for transition in transitions:
        place: LabelPlace | None = layout.labels.get((transition.source, transition.target))
        if place and transition.label:
            lines = textwrap.wrap(transition.label, place.columns)
            yield render_text(lines, place.x, place.y, "label", place.anchor)


def _render_state(name: str, state: Mapping[str, Any], box: Box) -> str:
    kind = state["Type"].lower()
    awaits_callback = state.get("Resource") == _CALLBACK_RESOURCE
    classes = f"state {kind} callback" if awaits_callback else f"state {kind}"
    comment = state.get("Comment", "")
    title = f"{name}: {comment}" if comment else name
    parts = [
        f"<title>{escape(title)}</title>",
        _render_shape(kind, box),
        *([render_clock((box.left + 3, box.top + 3))] if awaits_callback or kind == "wait" else []),
        render_text([name], box.x, box.y + 4, "name"),
    ]
    return f'<g class="{classes}" data-state={quoteattr(name)}>{"".join(parts)}</g>'


def _render_shape(kind: str, box: Box) -> str:
    if kind == "choice":
        middle, right, bottom = box.y, box.left + box.width, box.top + box.height
        inner_left, inner_right = box.left + _CHOICE_POINT, right - _CHOICE_POINT
        return render_polygon(
            [
                *((box.left, middle), (inner_left, box.top), (inner_right, box.top)),
                *((right, middle), (inner_right, bottom), (inner_left, bottom)),
            ]
        )
    return render_rectangle(box, {"succeed": box.height / 2, "pass": box.height / 2}.get(kind, 6))


def _render_summary(target: str, sources: list[str], states: Mapping[str, Mapping[str, Any]], box: Box) -> str:
    """Say below a box which states lead to it without a connection of their own."""
    tasks = {name for name, state in states.items() if state["Type"] == "Task"}
    lines = (
        ["Any step can fail:", "the Error is the outcome."]
        if tasks <= set(sources)
        else [f"also after any of {len(sources)} steps"]
    )
    text = render_text(lines, box.x, box.top + box.height + 1 + LINE_HEIGHT * len(lines), "label")
    title = f"{target} is also reached from: {', '.join(sources)}"
    return (
        f'<g class="summary" data-from={quoteattr(" ".join(sources))} data-to={quoteattr(target)}>'
        f"<title>{escape(title)}</title>{text}</g>"
    )

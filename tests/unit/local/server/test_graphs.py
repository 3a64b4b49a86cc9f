"""The drawing of a state machine shows every state and every way between states, and can be read."""

import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from local.server.graphs import UnknownGraphError, draw_graph
from local.server.graphs.drawing import read_transitions
from local.server.graphs.layouts import LAYOUTS

ROOT = Path(__file__).parents[4]
MACHINES = ("approval", "offboarding", "restore")
SVG = "{http://www.w3.org/2000/svg}"
MAX_WIDTH = 1012


def definition_of(machine):
    return json.loads((ROOT / "statemachine" / f"{machine}.asl.json").read_text())


def drawing_of(machine):
    return ET.fromstring(draw_graph(definition_of(machine), machine))  # noqa: S314 (the project's own drawing)


def layout_of(machine):
    return next(layout for layout in LAYOUTS if layout.has_places(definition_of(machine)["States"]))


def points_of(path):
    """Return the corners of a drawn connection, without its arrow head."""
    commands = path.get("d").split(" M")[0].replace("M", "").replace("L", "").replace("Q", "").split()
    return [tuple(map(float, command.split(","))) for command in commands]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_is_drawn_with_its_kind(machine):
    states = {
        group.get("data-state"): group.get("class").split()[1]
        for group in drawing_of(machine).iter(f"{SVG}g")
        if group.get("data-state")
    }

    assert states == {name: state["Type"].lower() for name, state in definition_of(machine)["States"].items()}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_way_between_states_is_drawn_or_summarized(machine):
    drawing = drawing_of(machine)
    drawn = {(path.get("data-from"), path.get("data-to")) for path in drawing.iter(f"{SVG}path") if path.get("data-to")}
    summarized = {
        (source, group.get("data-to"))
        for group in drawing.iter(f"{SVG}g")
        if group.get("class") == "summary"
        for source in group.get("data-from").split()
    }

    transitions = {(way.source, way.target) for way in read_transitions(definition_of(machine)["States"])}

    assert drawn | summarized == transitions


def test_a_condition_is_written_at_its_connection():
    texts = [" ".join(span.text for span in text) for text in drawing_of("offboarding").iter(f"{SVG}text")]
    comments = [
        choice["Comment"]
        for state in definition_of("offboarding")["States"].values()
        for choice in state.get("Choices", [])
    ]

    assert [comment for comment in comments if comment not in texts] == []


@pytest.mark.parametrize("machine", MACHINES)
def test_a_layout_has_places_and_routes_of_this_definition_only(machine):
    layout, definition = layout_of(machine), definition_of(machine)
    transitions = {(way.source, way.target) for way in read_transitions(definition["States"])}

    assert set(layout.boxes) == set(definition["States"])
    assert set(layout.routes) | set(layout.labels) <= transitions


@pytest.mark.parametrize("machine", MACHINES)
def test_boxes_are_apart_and_inside_the_drawing(machine):
    layout = layout_of(machine)
    assert layout.width <= MAX_WIDTH

    for box in layout.boxes.values():
        assert box.left >= 0
        assert box.left + box.width <= layout.width
        assert box.top >= 0
        assert box.top + box.height <= layout.height
    for box, neighbour in itertools.combinations(layout.boxes.values(), 2):
        is_beside = abs(box.x - neighbour.x) >= (box.width + neighbour.width) / 2
        assert is_beside or abs(box.y - neighbour.y) >= (box.height + neighbour.height) / 2


@pytest.mark.parametrize("machine", MACHINES)
def test_no_connection_crosses_a_box(machine):
    layout = layout_of(machine)
    crossed = []
    for path in drawing_of(machine).iter(f"{SVG}path"):
        if not path.get("data-to"):
            continue
        for start, end in itertools.pairwise(points_of(path)):
            for name, box in layout.boxes.items():
                is_apart = (
                    max(start[0], end[0]) <= box.left
                    or min(start[0], end[0]) >= box.left + box.width
                    or max(start[1], end[1]) <= box.top
                    or min(start[1], end[1]) >= box.top + box.height
                )
                if not is_apart:
                    crossed.append((path.get("data-from"), path.get("data-to"), name))

    assert crossed == []


def test_a_drawing_in_a_page_has_no_style_of_its_own():
    drawing = draw_graph(definition_of("offboarding"), "workmail-offboarding")

    assert "style" not in drawing
    assert "<script" not in drawing


def test_a_drawing_that_stands_alone_is_readable_in_the_dark():
    drawing = draw_graph(definition_of("offboarding"), "workmail-offboarding", standalone=True)

    assert "prefers-color-scheme: dark" in drawing
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "")


def test_a_hostile_name_stays_text():
    drawing = draw_graph(definition_of("approval"), "<img src=x onerror=alert(1)>")

    assert "<img" not in drawing
    assert "&lt;img" in drawing


def test_a_state_without_a_place_is_refused_with_the_file_to_change():
    definition = definition_of("approval")
    definition["States"]["SomethingNew"] = {"Type": "Succeed"}

    with pytest.raises(UnknownGraphError, match=r"layouts\.py"):
        draw_graph(definition, "approval")

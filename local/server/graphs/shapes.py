"""The parts of a drawing: boxes, connections with rounded corners and an arrow head, and lines of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

Side = Literal["left", "right", "top", "bottom"]
Point = tuple[float, float]

CORNER_RADIUS = 8.0
LINE_HEIGHT = 14.0
_HEAD_LENGTH = 6.0
_HEAD_HALF_WIDTH = 3.5


@dataclass(frozen=True)
class Box:
    """A rectangle by its centre and size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        """The x of the left edge."""
        return self.x - self.width / 2

    @property
    def top(self) -> float:
        """The y of the top edge."""
        return self.y - self.height / 2

    def port(self, side: Side, shift: float = 0) -> Point:
        """Return the point of an edge at which a connection begins or ends.

        Parameters
        ----------
        side
            The edge.
        shift
            How far the point is from the middle of the edge: to the right, or downwards.
        """
        if side in {"left", "right"}:
            return self.x + self.width / 2 * (1 if side == "right" else -1), self.y + shift
        return self.x + shift, self.y + self.height / 2 * (1 if side == "bottom" else -1)


@dataclass(frozen=True)
class Route:
    """How a connection leads from one box to another: in horizontal and vertical lines only.

    `lanes` are the x and y coordinates, in turn, at which it bends between the two ports.
    """

    start: Side = "bottom"
    end: Side = "top"
    lanes: tuple[float, ...] = ()
    start_shift: float = 0
    end_shift: float = 0

    def points(self, source: Box, target: Box) -> list[Point]:
        """Return the corners of the connection between two boxes, with both ends.

        Parameters
        ----------
        source, target
            The boxes.
        """
        points = [source.port(self.start, self.start_shift)]
        destination = target.port(self.end, self.end_shift)
        is_horizontal = self.start in {"left", "right"}
        for lane in self.lanes:
            x, y = points[-1]
            points.append((lane, y) if is_horizontal else (x, lane))
            is_horizontal = not is_horizontal
        if is_horizontal != (self.end in {"left", "right"}):
            x, y = points[-1]
            points.append((destination[0], y) if is_horizontal else (x, destination[1]))
        return [*points, destination]


def render_connection(points: Sequence[Point]) -> str:
    """Return the data of an SVG path along these points, with rounded corners and an arrow head at its end.

    Parameters
    ----------
    points
        The corners, from the beginning to the end.
    """
    commands = [f"M{_pair(points[0])}"]
    for previous, corner, following in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER_RADIUS, _distance(previous, corner) / 2, _distance(corner, following) / 2)
        commands.append(f"L{_pair(_toward(corner, previous, radius))}")
        commands.append(f"Q{_pair(corner)} {_pair(_toward(corner, following, radius))}")
    commands.append(f"L{_pair(points[-1])}")
    return " ".join([*commands, *_arrow_head(points[-2], points[-1])])


def render_text(lines: Sequence[str], x: float, y: float, css_class: str, anchor: str = "middle") -> str:
    """Return SVG text of some lines.

    Parameters
    ----------
    lines
        The lines.
    x, y
        The anchor, and the baseline of the last line.
    css_class
        The class that gives it size and colour.
    anchor
        What of each line is at `x`: `start`, `middle` or `end`.
    """
    top = y - LINE_HEIGHT * (len(lines) - 1)
    spans = "".join(
        f'<tspan x="{_number(x)}" y="{_number(top + LINE_HEIGHT * index)}">{escape(line)}</tspan>'
        for index, line in enumerate(lines)
    )
    return f'<text class="{css_class}" text-anchor="{anchor}">{spans}</text>'


def render_rectangle(box: Box, radius: float, css_class: str = "shape") -> str:
    """Return an SVG rectangle with rounded corners."""
    return (
        f'<rect class="{css_class}" x="{_number(box.left)}" y="{_number(box.top)}" width="{_number(box.width)}" '
        f'height="{_number(box.height)}" rx="{_number(radius)}"/>'
    )


def render_polygon(points: Sequence[Point], css_class: str = "shape") -> str:
    """Return an SVG polygon."""
    return f'<polygon class="{css_class}" points="{" ".join(map(_pair, points))}"/>'


def render_clock(centre: Point) -> str:
    """Return a small clock, the sign of a state that waits."""
    x, y = centre
    circle = f'<circle class="badge" cx="{_number(x)}" cy="{_number(y)}" r="7"/>'
    return f'{circle}<path class="hands" d="M{_number(x)},{_number(y - 4)} V{_number(y)} H{_number(x + 3)}"/>'


def _arrow_head(previous: Point, tip: Point) -> list[str]:
    """Return an open arrow head, which takes its colour from the connection."""
    length = _distance(previous, tip)
    across, down = (tip[0] - previous[0]) / length, (tip[1] - previous[1]) / length
    base = (tip[0] - across * _HEAD_LENGTH, tip[1] - down * _HEAD_LENGTH)
    wings = [(base[0] - down * _HEAD_HALF_WIDTH * side, base[1] + across * _HEAD_HALF_WIDTH * side) for side in (1, -1)]
    return [f"M{_pair(wings[0])}", f"L{_pair(tip)}", f"L{_pair(wings[1])}"]


def _distance(start: Point, end: Point) -> float:
    return abs(start[0] - end[0]) + abs(start[1] - end[1])


def _toward(start: Point, end: Point, distance: float) -> Point:
    share = distance / (_distance(start, end) or 1)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _pair(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

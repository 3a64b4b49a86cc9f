"""Where each state of the product's state machines is drawn, and how the connections lead around the boxes.

Everything is placed by hand: a reader compares two versions of a picture that change only where the definition does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.server.graphs.shapes import Box, Route, Side

Edge = tuple[str, str]
_HEIGHT = 34


@dataclass(frozen=True)
class LabelPlace:
    """The baseline of the last line of a connection's label, and how many characters a line has."""

    x: float
    y: float
    anchor: str = "start"
    columns: int = 60


@dataclass(frozen=True)
class Layout:
    """The drawing of one state machine; a connection without a route leads straight down."""

    width: int
    height: int
    boxes: Mapping[str, Box]
    routes: Mapping[Edge, Route]
    labels: Mapping[Edge, LabelPlace] = field(default_factory=dict)

    def has_places(self, states: Iterable[str]) -> bool:
        """Return whether every one of these states has its place."""
        return set(states) <= set(self.boxes)


def _row(number: float) -> float:
    return 24 + number * 70


_LEFT: Side = "left"
_RIGHT: Side = "right"
_OUTCOME_Y = {
    "CleanupVerified": _row(9) - 104,
    "Reenabled": _row(9) - 52,
    "ReenabledAfterRetention": _row(9),
    "EntityRemoved": _row(9) + 52,
    "ServiceEnded": _row(9) + 104,
}
_VERDICT = "WhatDidWorkMailShow?"

_OFFBOARDING = Layout(
    width=1012,
    height=800,
    boxes={
        "Begin": Box(530, _row(0), 84, 30),
        "ResolveEntity": Box(530, _row(1), 164, _HEIGHT),
        "CheckOrganization": Box(530, _row(2), 164, _HEIGHT),
        "WhatIsAskedFor?": Box(530, _row(3), 164, _HEIGHT),
        "RecordOffboarding": Box(530, _row(4), 164, _HEIGHT),
        "MayItGoOn?": Box(530, _row(5), 164, _HEIGHT),
        "DeregisterEntity": Box(530, _row(6), 164, _HEIGHT),
        "WaitForRetention": Box(530, _row(7), 164, _HEIGHT),
        "VerifyCleanup": Box(530, _row(8), 164, _HEIGHT),
        _VERDICT: Box(530, _row(9), 184, _HEIGHT),
        "NothingToDo": Box(265, _row(2.2), 140, _HEIGHT),
        "PlanOffboarding": Box(265, _row(3), 140, _HEIGHT),
        "Planned": Box(96, _row(3), 120, _HEIGHT),
        "WaitForDate": Box(265, _row(4), 140, _HEIGHT),
        "AwaitApproval": Box(265, _row(5), 140, _HEIGHT),
        "WhatWasDecided?": Box(102, _row(5), 148, _HEIGHT),
        "Rejected": Box(265, _row(5.8), 140, _HEIGHT),
        "Withdrawn": Box(265, _row(6.5), 140, _HEIGHT),
        "AlreadyInProgress": Box(265, _row(7.35), 140, _HEIGHT),
        "StartExport": Box(812, _row(5), 150, _HEIGHT),
        "WaitForExport": Box(812, _row(4), 150, _HEIGHT),
        "CheckExport": Box(812, _row(3), 150, _HEIGHT),
        "IsItExported?": Box(812, _row(2), 150, _HEIGHT),
        "WaitBeforeLookingAgain": Box(226, _row(8.5), 196, _HEIGHT),
        "Failed": Box(265, _row(10), 140, _HEIGHT),
    }
    | {name: Box(911, y, 190, _HEIGHT) for name, y in _OUTCOME_Y.items()},
    routes={
        ("WhatIsAskedFor?", "NothingToDo"): Route(_LEFT, _RIGHT, (434,), -6),
        ("WhatIsAskedFor?", "PlanOffboarding"): Route(_LEFT, _RIGHT),
        ("PlanOffboarding", "Planned"): Route(_LEFT, _RIGHT),
        ("MayItGoOn?", "WaitForDate"): Route(_LEFT, _RIGHT, (434,), -6),
        ("MayItGoOn?", "AwaitApproval"): Route(_LEFT, _RIGHT),
        ("MayItGoOn?", "StartExport"): Route(_RIGHT, _LEFT, (), 6, 6),
        ("WaitForDate", "WhatWasDecided?"): Route(_LEFT, "top", (), 6),
        ("WaitForDate", "ResolveEntity"): Route(_LEFT, _LEFT, (18,), -6, 6),
        ("AwaitApproval", "WhatWasDecided?"): Route(_LEFT, _RIGHT),
        ("WhatWasDecided?", "ResolveEntity"): Route(_LEFT, _LEFT, (6,), 0, -6),
        ("WhatWasDecided?", "Rejected"): Route("bottom", _LEFT, (), -55),
        ("WhatWasDecided?", "Withdrawn"): Route("bottom", _LEFT, (), -55),
        ("WhatWasDecided?", "AlreadyInProgress"): Route("bottom", _LEFT, (), -55),
        ("StartExport", "WaitForExport"): Route("top", "bottom"),
        ("WaitForExport", "CheckExport"): Route("top", "bottom"),
        ("CheckExport", "IsItExported?"): Route("top", "bottom"),
        ("IsItExported?", "ResolveEntity"): Route("top", _RIGHT),
        ("IsItExported?", "WaitForExport"): Route(_RIGHT, _RIGHT, (912,)),
        ("IsItExported?", "StartExport"): Route(_LEFT, _LEFT, (722,), 0, -6),
        (_VERDICT, "WaitBeforeLookingAgain"): Route(_LEFT, "bottom"),
        ("WaitBeforeLookingAgain", "VerifyCleanup"): Route("top", _LEFT),
    }
    | {(_VERDICT, name): Route(_RIGHT, _LEFT, (642,)) for name in _OUTCOME_Y if name != "ReenabledAfterRetention"}
    | {(_VERDICT, "ReenabledAfterRetention"): Route(_RIGHT, _LEFT)},
    labels={
        ("WhatIsAskedFor?", "NothingToDo"): LabelPlace(342, _row(2.2) - 6, columns=16),
        ("WhatIsAskedFor?", "PlanOffboarding"): LabelPlace(342, _row(3) - 6),
        ("MayItGoOn?", "WaitForDate"): LabelPlace(342, _row(4) - 6, columns=14),
        ("MayItGoOn?", "AwaitApproval"): LabelPlace(342, _row(5) - 6, columns=12),
        ("MayItGoOn?", "StartExport"): LabelPlace(620, _row(5), columns=15),
        ("MayItGoOn?", "DeregisterEntity"): LabelPlace(538, _row(5.5) + 4),
        ("WaitForDate", "ResolveEntity"): LabelPlace(26, _row(4) - 12),
        ("WhatWasDecided?", "ResolveEntity"): LabelPlace(12, _row(4.5) + 6),
        ("WhatWasDecided?", "Rejected"): LabelPlace(56, _row(5.8) - 6),
        ("WhatWasDecided?", "Withdrawn"): LabelPlace(56, _row(6.5) - 6),
        ("WhatWasDecided?", "AlreadyInProgress"): LabelPlace(56, _row(7.35) - 6, columns=22),
        ("IsItExported?", "ResolveEntity"): LabelPlace(622, _row(1) - 6),
        ("IsItExported?", "WaitForExport"): LabelPlace(918, _row(3) + 10, columns=10),
        ("IsItExported?", "StartExport"): LabelPlace(714, _row(3.5) + 14, "end", columns=15),
        (_VERDICT, "WaitBeforeLookingAgain"): LabelPlace(330, _row(9) - 6),
    }
    | {(_VERDICT, name): LabelPlace(652, y - 6, columns=26) for name, y in _OUTCOME_Y.items()},
)

_APPROVAL = Layout(
    width=480,
    height=165,
    boxes={
        "DecideApproval": Box(110, 30, 164, _HEIGHT),
        "Decided": Box(380, 30, 140, _HEIGHT),
        "Failed": Box(110, 110, 140, _HEIGHT),
    },
    routes={("DecideApproval", "Decided"): Route(_RIGHT, _LEFT)},
)

_RESTORE = Layout(
    width=1012,
    height=185,
    boxes={
        "RegisterEntity": Box(92, 60, 150, _HEIGHT),
        "RestoreAliasesAndGroups": Box(305, 60, 200, _HEIGHT),
        "IsEverythingBack?": Box(525, 60, 164, _HEIGHT),
        "Restored": Box(918, 32, 140, _HEIGHT),
        "RestoredInPart": Box(918, 88, 140, _HEIGHT),
        "Failed": Box(92, 130, 140, _HEIGHT),
    },
    routes={
        ("RegisterEntity", "RestoreAliasesAndGroups"): Route(_RIGHT, _LEFT),
        ("RestoreAliasesAndGroups", "IsEverythingBack?"): Route(_RIGHT, _LEFT),
        ("IsEverythingBack?", "Restored"): Route(_RIGHT, _LEFT, (630,)),
        ("IsEverythingBack?", "RestoredInPart"): Route(_RIGHT, _LEFT, (630,)),
    },
    labels={
        ("IsEverythingBack?", "Restored"): LabelPlace(640, 26),
        ("IsEverythingBack?", "RestoredInPart"): LabelPlace(640, 82),
    },
)

LAYOUTS = (_APPROVAL, _RESTORE, _OFFBOARDING)

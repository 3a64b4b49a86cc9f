"""The picture of the architecture: from a leaver's report to WorkMail, the record, and the people who are told.

Its boxes name the stack's resources by the beginnings of their logical ids. A test compares them with the template.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.server.graphs.drawing import STYLE_SHEET
from local.server.graphs.shapes import LINE_HEIGHT, Box, Route, render_connection, render_rectangle, render_text

OWN_STYLE_SHEET = Path(__file__).with_name("architecture.css")
TITLE = "The architecture of WorkMail offboarding"
_WIDTH, _HEIGHT = 1012, 930
_COLUMNS = (84, 284, 497, 711, 918)
_WIDTHS = (152, 164, 172, 176, 172)


@dataclass(frozen=True)
class Node:
    """A box: its name, what kind of thing it is in a few words, and the resources of the stack that it stands for."""

    css_class: str
    name: str
    lines: tuple[str, ...]
    box: Box
    resources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """A connection between two boxes; its label begins at `label_at`, or ends or is centred there."""

    source: str
    target: str
    route: Route
    label: str = ""
    label_at: tuple[float, float] = (0, 0)
    anchor: str = "middle"


def _place(column: int, y: float, height: float = 44) -> Box:
    return Box(_COLUMNS[column], y, _WIDTHS[column], height)


_OFFBOARDING_STEPS = (
    *("ResolveEntity", "CheckOrganization", "PlanOffboarding", "RecordOffboarding", "WaitForDate", "AwaitApproval"),
    *("StartExport", "CheckExport", "DeregisterEntity", "VerifyCleanup"),
)
_INTAKE_RULES = (
    *("IntakeOkta", "IntakeAuth0", "IntakeSailPoint", "IntakeIdentityCenter", "IntakeSsoDirectoryCalls"),
    *("IntakeIdentityStoreCalls", "IntakeScimCalls", "IntakeOffboardingRequested"),
)
_PROVIDERS = ("Okta", "Auth0", "SailPoint", "Identity Center", "Your systems")

FRAMES = {
    "Providers": ("", Box(84, 107, 164, 190)),
    "Machines": ("AWS Step Functions", Box(497, 376, 196, 286)),
    "Functions": ("AWS Lambda", Box(711, 376, 200, 286)),
}

NODES = {
    **{name: Node("actor", name, (), Box(84, 35 + 36 * row, 140, 28)) for row, name in enumerate(_PROVIDERS)},
    "Rules": Node("bus", "Rules by provider", ("Amazon EventBridge",), _place(1, 107), _INTAKE_RULES),
    "Queue of events": Node(
        "store", "Queue of events", ("Amazon SQS",), _place(2, 107), ("IntakeEvents", "IntakeUndeliveredEvents")
    ),
    "StartOffboarding": Node(
        "function", "StartOffboarding", ("AWS Lambda",), _place(3, 107), ("IntakeStartOffboardingFunction",)
    ),
    "Refused events": Node(
        "store", "Refused events", ("dead letters, with reasons",), _place(4, 107), ("IntakeDeadLetters",)
    ),
    "Administrators": Node("actor", "IT administrators", ("start, plan,", "approve, restore"), _place(0, 320, 62)),
    "Console": Node("service", "Console", ("of Step Functions",), _place(1, 288)),
    "Command": Node("service", "offboarding", ("the command",), _place(1, 352)),
    "Offboarding": Node(
        "machine",
        "Offboarding",
        ("one execution per leaver,", "for 30 days and more"),
        _place(2, 320, 62),
        ("OffboardingStateMachine",),
    ),
    "Approval": Node("machine", "Approval", ("approve or reject",), _place(2, 428), ("ApprovalStateMachine",)),
    "Restore": Node("machine", "Restore", ("within the 30 days",), _place(2, 486), ("RestoreStateMachine",)),
    "Offboarding steps": Node(
        "function",
        "",
        _OFFBOARDING_STEPS,
        _place(3, 320, 154),
        tuple(f"{name}Function" for name in _OFFBOARDING_STEPS),
    ),
    "Approval step": Node("function", "", ("DecideApproval",), _place(3, 428, 30), ("DecideApprovalFunction",)),
    "Restore steps": Node(
        "function",
        "",
        ("RegisterEntity", "RestoreAliasesAndGroups"),
        _place(3, 486, 44),
        ("RegisterEntityFunction", "RestoreAliasesAndGroupsFunction"),
    ),
    "WorkMail": Node("service", "Amazon WorkMail", ("users, groups, resources",), _place(4, 320, 62)),
    "Archives": Node("store", "Archives", ("S3, with a KMS key",), _place(4, 428), ("ArchivesBucket", "ArchivesKey")),
    "Starts and ends": Node(
        "bus",
        "Starts and ends",
        ("Amazon EventBridge",),
        _place(1, 600),
        ("StatusChangesExecutionEnded", "StatusChangesExecutionStarted"),
    ),
    "Queue of ends": Node(
        "store",
        "Queue of ends",
        ("Amazon SQS",),
        _place(2, 600),
        ("StatusChangesEvents", "StatusChangesDeadLetters", "StatusChangesUndeliveredEvents"),
    ),
    "CloseRecord": Node(
        "function", "CloseRecord", ("AWS Lambda",), _place(3, 600), ("StatusChangesCloseRecordFunction",)
    ),
    "Schedule": Node("bus", "Every 12 hours", ("EventBridge Scheduler",), _place(2, 660), ("StatusChangesSchedule",)),
    "SweepRecords": Node(
        "function", "SweepRecords", ("AWS Lambda",), _place(3, 660), ("StatusChangesSweepRecordsFunction",)
    ),
    "Records": Node(
        "store",
        "The records",
        ("Amazon DynamoDB:", "who asked, the entity", "as it was, each step"),
        _place(4, 630, 104),
        ("RecordsTable",),
    ),
    "ErasePerson": Node(
        "function", "ErasePerson", ("AWS Lambda, by hand",), _place(1, 660), ("ErasureErasePersonFunction",)
    ),
    "NotifySubscribers": Node(
        "teller", "NotifySubscribers", ("AWS Lambda",), _place(3, 755), ("NotificationsNotifySubscribersFunction",)
    ),
    "Mails": Node("teller", "Mails", ("Amazon SNS topic",), _place(2, 740), ("NotificationsTopic",)),
    "Events": Node("bus", "Events", ("Amazon EventBridge",), _place(2, 796)),
    "Other systems": Node("actor", "Your systems", ("tickets, HR, chat",), _place(1, 796)),
    "People": Node("actor", "IT administrators", ("are told what", "needs a person"), _place(0, 740, 62)),
    "Alarms": Node("service", "Alarms", ("Amazon CloudWatch",), _place(1, 868)),
    "Changes of alarms": Node(
        "bus", "Changes of alarms", ("Amazon EventBridge",), _place(2, 868), ("AlarmsStateChanged",)
    ),
    "Queue to tell": Node("store", "Queue to tell", ("Amazon SQS",), _place(3, 868), ("NotificationsRetries",)),
    "Not told": Node("store", "Not told", ("dead letters",), _place(4, 868), ("NotificationsDeadLetters",)),
    "Alarm mails": Node(
        "teller", "Mail of last resort", ("an SNS topic of its own",), _place(4, 796), ("NotificationsAlarmTopic",)
    ),
}

_ACROSS, _BACK = Route("right", "left"), Route("left", "right")
LINKS = (
    Link("Providers", "Rules", _ACROSS),
    Link("Rules", "Queue of events", _ACROSS),
    Link("Queue of events", "StartOffboarding", _ACROSS),
    Link("StartOffboarding", "Refused events", _ACROSS),
    Link("StartOffboarding", "Offboarding", Route("bottom", "top", (190,), 0, 56), "starts an execution", (632, 184)),
    Link("Administrators", "Console", Route("right", "left", (180,), -6)),
    Link("Administrators", "Command", Route("right", "left", (180,), 6)),
    Link("Console", "Machines", Route("right", "left", (), 0, 288 - 376)),
    Link("Command", "Machines", Route("right", "left", (), 0, 352 - 376)),
    Link("Offboarding", "Offboarding steps", _ACROSS),
    Link("Approval", "Approval step", _ACROSS),
    Link("Restore", "Restore steps", _ACROSS),
    Link("Functions", "WorkMail", Route("right", "left", (), 320 - 376)),
    Link("Functions", "Records", Route("right", "top", (), 500 - 376), "records each step", (911, 540), "end"),
    Link("WorkMail", "Archives", Route(), "exports, if wanted", (910, 382), "end"),
    Link("Machines", "Starts and ends", Route("bottom", "top", (552,)), "an offboarding starts or ends", (390, 546)),
    Link("Starts and ends", "Queue of ends", _ACROSS),
    Link("Queue of ends", "CloseRecord", _ACROSS),
    Link("CloseRecord", "Records", Route("right", "left", (), 0, -30)),
    Link("Schedule", "SweepRecords", _ACROSS),
    Link("SweepRecords", "Records", Route("right", "left", (), 0, 30)),
    Link("Records", "NotifySubscribers", Route("bottom", "right"), "stream", (926, 715), "start"),
    Link("NotifySubscribers", "Mails", Route("left", "right", (), -15)),
    Link("NotifySubscribers", "Events", Route("left", "right", (602,), 10)),
    Link("Mails", "People", _BACK),
    Link("Events", "Other systems", _BACK),
    Link("Alarms", "Changes of alarms", _ACROSS),
    Link("Changes of alarms", "Queue to tell", _ACROSS),
    Link("Queue to tell", "NotifySubscribers", Route("top", "bottom", (), -24, -24)),
    Link("NotifySubscribers", "Queue to tell", Route("bottom", "top", (), 24, 24), "tries again", (743, 816), "start"),
    Link("Queue to tell", "Not told", _ACROSS),
    Link("Not told", "Alarm mails", Route("top", "bottom"), "alarm", (926, 836), "start"),
)
"""The ends are keys of `NODES` or `FRAMES`."""

_NOTE = (
    "Also in the stack: the settings as parameters of Systems Manager, a dashboard, saved queries, "
    "and the log of each function."
)


def draw_architecture() -> str:
    """Draw the architecture as an SVG image that brings its style sheet with it."""
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" {size} role="img" aria-label="{TITLE}">',
            f"<title>{TITLE}</title>",
            f"<style>\n{STYLE_SHEET.read_text()}{OWN_STYLE_SHEET.read_text()}</style>",
            *(_render_frame(name, box) for name, box in FRAMES.values()),
            *(_render_link(link) for link in LINKS),
            *(_render_node(node) for node in NODES.values()),
            *(render_text([link.label], *link.label_at, "label", link.anchor) for link in LINKS if link.label),
            render_text([_NOTE], _WIDTH / 2, _HEIGHT - 12, "label"),
            "</svg>",
            "",
        ]
    )


def _find_box(key: str) -> Box:
    return NODES[key].box if key in NODES else FRAMES[key][1]


def _render_frame(name: str, box: Box) -> str:
    text = render_text([name], box.left + 10, box.top - 6, "label", "start") if name else ""
    return f'<g class="frame">{render_rectangle(box, 10)}{text}</g>'


def _render_link(link: Link) -> str:
    path = render_connection(link.route.points(_find_box(link.source), _find_box(link.target)))
    return f'<path class="edge" d="{path}"/>'


def _render_node(node: Node) -> str:
    resources = f' data-resources="{" ".join(node.resources)}"' if node.resources else ""
    return f'<g class="{node.css_class}"{resources}>{render_rectangle(node.box, 6)}{"".join(_render_lines(node))}</g>'


def _render_lines(node: Node) -> Iterator[str]:
    """Yield the name and the lines below it, centred in the box."""
    lines: Sequence[str] = [node.name, *node.lines] if node.name else node.lines
    first_baseline = node.box.y + 4 - LINE_HEIGHT * (len(lines) - 1) / 2
    if node.name:
        yield render_text([node.name], node.box.x, first_baseline, "name")
    if node.lines:
        last_baseline = first_baseline + LINE_HEIGHT * (len(lines) - 1)
        yield render_text(node.lines, node.box.x, last_baseline, "kind")

"""What waits, and who is in the window: from the table of records, as the command `offboarding status` reads it."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any

from local.server.page.entities import count_days
from local.server.page.stack import StackView
from operate.questions.offboardings import Offboarding
from operate.wording.statuses import find_status_wording

MAX_ROWS = 100
_WAITING = ("AwaitingApproval", "Scheduled", "Exporting")
_WINDOW = ("InWindow", "Unwatched")


def list_waiting(stack: StackView) -> dict[str, Any]:
    """List the offboardings that a person can decide on, or withdraw; what is due first comes first."""
    return _list(stack, _WAITING)


def list_window(stack: StackView) -> dict[str, Any]:
    """List who is in the window, and can be restored; whose mailbox is removed first comes first."""
    return _list(stack, _WINDOW)


def find_offboarding(stack: StackView, execution_arn: str) -> Offboarding | None:
    """Read the record of an execution; None without one."""
    records = stack.records
    record = records.find_record(execution_arn) if records else None
    return Offboarding.from_record(record) if record else None


def render_offboarding(offboarding: Offboarding, now: datetime) -> dict[str, Any]:
    """Return one as the page shows it."""
    due_at = offboarding.next_at
    return {
        "ExecutionArn": offboarding.execution_arn,
        "OrganizationId": offboarding.organization_id,
        "EntityId": offboarding.entity_id,
        "Label": offboarding.label,
        "Name": offboarding.entity.get("Name", ""),
        "Status": offboarding.status,
        "Phrase": find_status_wording(offboarding.status).phrase,
        "NextEvent": find_status_wording(offboarding.status).next_event,
        "DueAt": due_at,
        "DaysLeft": count_days(datetime.fromisoformat(due_at) - now) if due_at else None,
        "RequestedBy": offboarding.requester_label,
        "Reason": offboarding.reason or "",
        "ApprovalReasons": list(offboarding.reasons),
        "PendingDecision": offboarding.pending_decision,
    }


def _list(stack: StackView, statuses: tuple[str, ...]) -> dict[str, Any]:
    records = stack.records
    if records is None:
        return {"Rows": [], "HasMore": False}
    rows: list[dict[str, Any]] = []
    now = stack.environment.clock.now()
    for status in statuses:
        due = islice(records.iterate_due(status), MAX_ROWS + 1 - len(rows))
        rows += [render_offboarding(Offboarding.from_record(record), now) for record in due]
    return {"Rows": rows[:MAX_ROWS], "HasMore": len(rows) > MAX_ROWS}

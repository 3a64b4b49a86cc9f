"""One row for each thing that happened."""

from typing import Any

from operate.reporting.counts import Step, read_label
from operate.wording.steps import describe_step

COLUMNS = (
    *("At", "Step", "What", "OrganizationId", "Who", "EntityId", "Type", "Name", "Email", "RequestedBy", "Provider"),
    *("EventId", "Reason", "Decision", "DecidedBy", "Outcome", "Cause", "MailboxTouched", "Plan", "DeregisteredAt"),
    *("RetentionEndsAt", "ExecutionArn"),
)
"""The names of the columns, as `offboarding list` has them."""


def make_row(step: Step) -> dict[str, Any]:
    """Make the row of a step; what it does not say is None."""
    requester = step.get("Requester") or {}
    id_ = str(step["Id"])
    return {
        "At": step["At"],
        "Step": step["Step"],
        "What": describe_step(step),
        "OrganizationId": step.get("OrganizationId"),
        "Who": read_label(step),
        "EntityId": step.get("EntityId"),
        "Type": step.get("EntityType"),
        "Name": step.get("EntityName"),
        "Email": step.get("EntityEmail"),
        "RequestedBy": step.get("RequestedBy") or requester.get("RequestedBy"),
        "Provider": step.get("Provider") or requester.get("Provider"),
        "EventId": step.get("EventId") or requester.get("EventId"),
        "Reason": step.get("Reason"),
        "Decision": step.get("Decision"),
        "DecidedBy": step.get("DecidedBy"),
        "Outcome": step.get("Outcome") or step.get("Error"),
        "Cause": step.get("Cause"),
        "MailboxTouched": step.get("MailboxTouched"),
        "Plan": True if step.get("DryRun") else None,
        "DeregisteredAt": step.get("DeregisteredAt"),
        "RetentionEndsAt": step.get("RetentionEndsAt"),
        "ExecutionArn": id_ if id_.startswith("arn:") else None,
    }


def make_cells(step: Step) -> list[object]:
    """Make the cells of a step's line of CSV."""
    return ["true" if cell is True else cell for cell in map(make_row(step).__getitem__, COLUMNS)]

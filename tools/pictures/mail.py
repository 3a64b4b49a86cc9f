"""The picture of a mail, with the text that the function that tells gives it."""

import sys
import textwrap
from pathlib import Path

from tools.pictures.texts import draw_window

sys.path.append(str(Path(__file__).parents[2] / "lambdas"))

from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.notifications.mails import MailOptions, make_mail
from offboarding.domain.notifications.steps import ToldStep
from offboarding.domain.protection import approval_required_by_settings

_COLUMNS = 128
_EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:2f6d1c0e"
_ENTITY = Entity(
    EntityType.USER,
    "12a3b4c5-0000-4000-8000-000000000001",
    "dana",
    EntityState.ENABLED,
    email="dana@example.com",
)


def draw_mail() -> str:
    """Draw the mail about an offboarding that waits for an approval.

    Raises
    ------
    LookupError
        No mail is made of such a step any more.
    """
    mail = make_mail(_make_step(), MailOptions(has_names=True, stack_name="workmail-offboarding"))
    if mail is None:
        message = "No mail is made of a step that waits for an approval."
        raise LookupError(message)
    lines = [
        line
        for paragraph in mail.text.strip().splitlines()
        for line in textwrap.wrap(paragraph, _COLUMNS, break_on_hyphens=False) or [""]
    ]
    return draw_window(mail.subject, ["From: WorkMail offboarding", "To: helpdesk@example.com"], lines)


def _make_step() -> ToldStep:
    """Make a step as AwaitApproval records it, of an offboarding whose approval the settings require."""
    reason = approval_required_by_settings(["dana@*"], _ENTITY, ())
    return {
        "Id": _EXECUTION,
        "Part": "Step 2026-11-24T09:00:00.000Z AwaitApproval",
        "Step": "AwaitApproval",
        "At": "2026-11-24T09:00:00.000Z",
        "OrganizationId": "m-d281d0a2fd824be5b6cd3d3ce909fd27",
        "EntityId": _ENTITY.id,
        "EntityType": _ENTITY.type,
        "EntityName": _ENTITY.name,
        "EntityEmail": _ENTITY.email or "",
        "Reasons": [reason or ""],
        "Until": "2026-12-08T09:00:00.000Z",
        "CapIsReached": False,
        "IsFirstOfCap": False,
        "Request": {"RequestedBy": "helpdesk", "Reason": "Leaves on Friday"},
    }

"""Mailboxes as JSON: what `/local/mailboxes` takes and returns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import isodate

from local.workmail import MailboxContents, MailItem, WorkMailBackend

HINT = (
    'Send {"EntityId": "<an id, name or address>", "SizeMB": 1.5, "Contacts": 2, "Notes": 1, "Tasks": 0, '
    '"Messages": [{"Folder": "Inbox", "Subject": "Hello", "From": "kim@example.com", "To": "dana@example.com", '
    '"Date": "2026-11-22T17:00:00Z", "Body": "Hello."}], '
    '"CalendarItems": [{"Subject": "Lunch", "Start": "2026-11-23T12:00:00Z", "Duration": "PT1H"}]}. '
    "Only EntityId is needed. OrganizationId is the first organization unless you send it."
)

_MEMBERS = frozenset(
    {"CalendarItems", "Contacts", "EntityId", "Messages", "Notes", "OrganizationId", "SizeMB", "Tasks"}
)
_MESSAGE_MEMBERS = frozenset({"Body", "Date", "Folder", "From", "Subject", "To"})
_CALENDAR_MEMBERS = _MESSAGE_MEMBERS | {"Duration", "Start"}
_COUNTS = ("Contacts", "Notes", "Tasks")
_MAX_COUNT = 1_000_000
_MAX_SIZE_MB = 1_000_000
_MAX_DURATION = timedelta(days=366)
_ADDRESS = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9.-]+", re.ASCII)
_FOLDER = re.compile(r"(?!\.{1,2}(?:/|$))[^/\\\x00-\x1f\x7f:]+(?:/(?!\.{1,2}(?:/|$))[^/\\\x00-\x1f\x7f:]+)*")
_LINE = re.compile(r"[^\x00-\x1f\x7f]*")


@dataclass(frozen=True)
class FilledMailbox:
    """A request to fill a mailbox.

    Attributes
    ----------
    organization_id
        None for the first organization.
    size_mb
        None to keep the size.
    """

    organization_id: str | None
    entity_id: str
    contents: MailboxContents
    size_mb: float | None


def parse_mailbox(text: bytes, now: datetime) -> FilledMailbox:
    """Parse the body of a request.

    Parameters
    ----------
    text
        JSON; `HINT` has an example.
    now
        The date of items that have none.

    Raises
    ------
    ValueError
        With a sentence, if the body cannot be used.
    """
    try:
        body = json.loads(text)
    except ValueError:
        raise ValueError("the body is not JSON") from None
    _require_members("the mailbox", body, _MEMBERS)
    messages = [_parse_item(item, _MESSAGE_MEMBERS, now) for item in _read_list(body, "Messages")]
    meetings = [_parse_item(item, _CALENDAR_MEMBERS, now) for item in _read_list(body, "CalendarItems")]
    counts = {name.lower(): int(_read_number(body, name, 0, _MAX_COUNT, int)) for name in _COUNTS}
    return FilledMailbox(
        organization_id=_read_line(body, "OrganizationId", "") or None,
        entity_id=_read_line(body, "EntityId", None),
        contents=MailboxContents((*messages, *meetings), **counts),
        size_mb=_read_number(body, "SizeMB", 0, _MAX_SIZE_MB, int | float) if "SizeMB" in body else None,
    )


def fill_mailbox(workmail: WorkMailBackend, mailbox: FilledMailbox) -> None:
    """Fill a mailbox.

    Raises
    ------
    ValueError
        With a sentence, if there is no such mailbox.
    """
    organization_id = mailbox.organization_id or next(iter(workmail.organizations), "")
    try:
        workmail.fill_mailbox(organization_id, mailbox.entity_id, mailbox.contents)
        if mailbox.size_mb is not None:
            workmail.set_mailbox_size(organization_id, mailbox.entity_id, mailbox.size_mb)
    except LookupError as error:
        raise ValueError(str(error.args[0])) from None


def render_mailboxes(workmail: WorkMailBackend) -> list[dict[str, Any]]:
    """Return what every mailbox holds, in numbers."""
    return [
        {
            "OrganizationId": organization.id,
            "EntityId": entity.id,
            "Name": entity.name,
            "SizeMB": mailbox.size,
            "Messages": sum(item.starts_at is None for item in contents.items),
            "CalendarItems": sum(item.starts_at is not None for item in contents.items),
            "Folders": contents.folders,
            "Contacts": contents.contacts,
            "Notes": contents.notes,
            "Tasks": contents.tasks,
        }
        for organization in list(workmail.organizations.values())
        for entity in list(organization.entities.values())
        if (mailbox := entity.mailbox) is not None
        for contents in (entity.read_contents(mailbox),)
    ]


def _parse_item(item: Any, members: frozenset[str], now: datetime) -> MailItem:
    is_meeting = "Start" in members
    _require_members("an item", item, members)
    if is_meeting and "Start" not in item:
        raise ValueError("a calendar item needs a Start")
    timing = {"starts_at": _read_time(item, "Start", now), "duration": _read_duration(item)} if is_meeting else {}
    return MailItem(
        folder=_read_line(item, "Folder", "Calendar" if is_meeting else "Inbox", _FOLDER),
        subject=_read_line(item, "Subject", ""),
        sender=_read_line(item, "From", "sender@example.com", _ADDRESS),
        recipient=_read_line(item, "To", "recipient@example.com", _ADDRESS),
        sent_at=_read_time(item, "Date", now),
        body=_read_text(item, "Body", ""),
        **timing,
    )


def _require_members(subject: str, value: Any, members: frozenset[str]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{subject} must be a JSON object")  # noqa: TRY004 (one kind for bad input)
    if not value.keys() <= members:
        raise ValueError(f"the members of {subject} are {', '.join(sorted(members))}")


def _read_list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list")  # noqa: TRY004 (one kind for bad input)
    return value


def _read_text(body: Mapping[str, Any], name: str, default: str | None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")  # noqa: TRY004 (one kind for bad input)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} has a character that is not Unicode") from None
    return value


def _read_line(body: Mapping[str, Any], name: str, default: str | None, pattern: re.Pattern[str] = _LINE) -> str:
    value = _read_text(body, name, default)
    if pattern.fullmatch(value) is None:
        raise ValueError(f"{name} has a character or a form that is not possible")
    return value


def _read_number(body: Mapping[str, Any], name: str, least: int, most: int, kind: Any) -> float:
    value = body.get(name, least)
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}")
    return float(value)


def _read_time(body: Mapping[str, Any], name: str, default: datetime) -> datetime:
    if name not in body:
        return default
    try:
        time = datetime.fromisoformat(body[name])
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a time such as 2026-11-22T17:00:00Z") from None
    if time.tzinfo is None:
        raise ValueError(f"{name} needs a time zone, such as Z")
    return time


def _read_duration(body: Mapping[str, Any]) -> timedelta:
    try:
        duration = isodate.parse_duration(body.get("Duration", "PT1H"), as_timedelta_if_possible=True)
    except (TypeError, ValueError, OverflowError):
        duration = None
    # One with months is no timedelta, because it has no fixed length.
    if not isinstance(duration, timedelta) or not timedelta(0) <= duration <= _MAX_DURATION:
        raise ValueError("Duration must be an ISO 8601 duration in days, hours and minutes, such as PT1H")
    return duration

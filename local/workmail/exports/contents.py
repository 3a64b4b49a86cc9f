"""What a mailbox holds: messages and calendar items, which are exported, and items that are not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class MailItem:
    """A message or, if it has a start, a calendar item.

    Attributes
    ----------
    folder
        The folder; ``/`` separates it from the folders around it.
    sender, recipient
        Addresses.
    sent_at
        With a time zone.
    starts_at
        The start of a meeting, with a time zone.
    """

    folder: str
    subject: str
    sender: str
    recipient: str
    sent_at: datetime
    body: str = ""
    starts_at: datetime | None = None
    duration: timedelta = _HOUR


@dataclass(frozen=True)
class MailboxContents:
    """Everything in a mailbox.

    Attributes
    ----------
    items
        The messages and calendar items.
    contacts, notes, tasks
        How many of each there are. An export leaves them out and counts them.
    """

    items: tuple[MailItem, ...] = ()
    contacts: int = 0
    notes: int = 0
    tasks: int = 0

    @property
    def folders(self) -> list[str]:
        """The folders of the items, in alphabetical order."""
        return sorted({item.folder for item in self.items})

    @property
    def not_exportable(self) -> int:
        """How many items an export leaves out."""
        return self.contacts + self.notes + self.tasks


def generate_contents(name: str, address: str, provisioned_at: datetime) -> MailboxContents:
    """Make the contents of a mailbox that nobody filled: the same for the same name, address and time.

    Parameters
    ----------
    name, address
        The entity's.
    provisioned_at
        When the mailbox was created. The generated items were sent before, as those that a migration brings.
    """
    count = 3 + sha256(name.encode()).digest()[0] % 4
    messages = [
        MailItem(
            folder="Sent Items" if number % 3 == 2 else "Inbox",
            subject=f"Generated message {number + 1} of {count}",
            sender=address if number % 3 == 2 else "colleague@example.com",
            recipient="colleague@example.com" if number % 3 == 2 else address,
            sent_at=provisioned_at - (count - number) * _DAY,
            body=f"This is generated message {number + 1} in the mailbox of {name}.\n",
        )
        for number in range(count)
    ]
    meeting = MailItem(
        folder="Calendar",
        subject="Generated meeting",
        sender=address,
        recipient=address,
        sent_at=provisioned_at - _DAY,
        starts_at=provisioned_at + _DAY,
    )
    return MailboxContents((*messages, meeting), contacts=2, notes=1)


def render_item(item: MailItem) -> bytes:
    """Render an item in MIME format: the same bytes for the same item."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = item.sender, item.recipient, item.subject
    message["Date"] = format_datetime(item.sent_at)
    message["Message-ID"] = f"<{sha256(repr(item).encode()).hexdigest()[:32]}@workmail.example.com>"
    if item.starts_at is None:
        message.set_content(item.body)
    else:
        message.set_content(_render_event(item, item.starts_at), subtype="calendar")
    return message.as_bytes()


def _render_event(item: MailItem, starts_at: datetime) -> str:
    """Render a meeting as in RFC 5545."""
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.com//WorkMail//EN", "BEGIN:VEVENT",
        f"UID:{sha256(repr(item).encode()).hexdigest()[:32]}", f"DTSTAMP:{_render_time(item.sent_at)}",
        f"DTSTART:{_render_time(starts_at)}", f"DTEND:{_render_time(starts_at + item.duration)}",
        f"SUMMARY:{_escape(item.subject)}", f"DESCRIPTION:{_escape(item.body)}",
        f"ORGANIZER:mailto:{item.sender}", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    return "\r\n".join([*lines, ""])


def _render_time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escape(text: str) -> str:
    for character, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r", ""), ("\n", "\\n")):
        text = text.replace(character, escaped)
    return text

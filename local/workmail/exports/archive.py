"""The archive of an export, and its output log.

Documented in https://docs.aws.amazon.com/workmail/latest/adminguide/mail-export.html:

- a ``.zip`` file with all messages and calendar items in MIME format; contacts, notes and tasks are not exported;
- the output log's members, whose values are texts, in the guide's example.

Not documented, and assumed here:

- the paths in the archive: the folder, and a number with the extension ``.eml``;
- where the log is (see `Behaviour.export_log`), and that its name ends with ``.json``;
- ``sha384Hash`` is about the bytes of the archive, in lower-case hexadecimal digits. A log inside of the archive cannot
  have that hash: there it is about the MIME files, one after the other, in the archive's order;
- ``totalBytes`` is the size of the MIME files, and ``totalMessages`` counts messages and calendar items;
- ``startTime`` and ``endTime`` are seconds since 1970: the guide's example has four of them for 76 messages.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha384

from .contents import MailboxContents, MailItem, render_item

LOG_NAME_IN_ARCHIVE = "export-log.json"

_EARLIEST_ZIP_TIME = datetime(1980, 1, 1, tzinfo=UTC)
_UNIX, _REGULAR_FILE_MODE = 3, 0o100644


@dataclass(frozen=True)
class Archive:
    """A finished archive.

    Attributes
    ----------
    data
        The bytes of the ``.zip`` file.
    log
        The output log, as JSON.
    """

    data: bytes
    log: bytes


def make_archive(contents: MailboxContents, start: datetime, end: datetime, *, has_log: bool) -> Archive:
    """Make the archive of a mailbox: the same bytes for the same contents and times.

    Parameters
    ----------
    contents
        What to export, and to count.
    start, end
        The times of the job.
    has_log
        Whether the log is a file of the archive.
    """
    files = [(_render_path(number, item), item.sent_at, render_item(item)) for number, item in _number(contents)]
    if has_log:
        log = _render_log(contents, files, b"".join(data for _, _, data in files), start, end)
        return Archive(_zip([*files, (LOG_NAME_IN_ARCHIVE, end, log)]), log)
    data = _zip(files)
    return Archive(data, _render_log(contents, files, data, start, end))


_File = tuple[str, datetime, bytes]


def _number(contents: MailboxContents) -> list[tuple[int, MailItem]]:
    return list(enumerate(sorted(contents.items, key=lambda item: (item.folder, item.sent_at)), start=1))


def _render_path(number: int, item: MailItem) -> str:
    return f"{item.folder}/{number:06}.eml"


def _zip(files: list[_File]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, time, data in files:
            moment = max(time.astimezone(UTC), _EARLIEST_ZIP_TIME)
            info = zipfile.ZipInfo(path, moment.timetuple()[:6])
            # Otherwise it depends on the platform.
            info.create_system, info.external_attr = _UNIX, _REGULAR_FILE_MODE << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


def _render_log(contents: MailboxContents, files: list[_File], hashed: bytes, start: datetime, end: datetime) -> bytes:
    members = {
        "totalNonExportableItems": contents.not_exportable,
        "totalMessages": len(files),
        "sha384Hash": sha384(hashed).hexdigest(),
        "totalBytes": sum(len(data) for _, _, data in files),
        "totalFolders": len(contents.folders),
        "startTime": int(start.timestamp()),
        "endTime": int(end.timestamp()),
    }
    return json.dumps({name: str(value) for name, value in members.items()}, indent=2).encode()

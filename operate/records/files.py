"""The format of an export: JSON Lines in UTF-8, readable by anything that reads JSON.

The first line is `{"Header": {"Format", "Version", "Stack", "Account", "Region", "Table", "ExportedAt"}}`. Then follows
one line for each item, `{"Item": …}` in DynamoDB's own notation, with binary values in Base64. The last line is
`{"Footer": {"Items", "Sha256"}}`: the number of items, and the digest of all bytes before it. A file without it is not
complete.
"""

import base64
import binascii
import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from boto3.dynamodb.types import TypeDeserializer

from operate.errors import Refusal

FORMAT = "workmail-offboarding-records"
VERSION = 1
HEADER_MEMBERS = frozenset({"Format", "Version", "Stack", "Account", "Region", "Table", "ExportedAt"})
_MAX_LINE_BYTES = 16_000_000
"""An item has 400 KB at most, and JSON can escape each byte of it."""
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR

Item = dict[str, dict[str, Any]]
"""An item in DynamoDB's own notation."""
Header = Mapping[str, Any]


class RecordsWriter:
    """Writes an export, line by line.

    Attributes
    ----------
    count
        How many items were written.
    """

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.count = 0
        self._write({"Header": {"Format": FORMAT, "Version": VERSION, **header}})

    def write_item(self, item: Item) -> None:
        """Write one item."""
        self._write({"Item": item})
        self.count += 1

    def finish(self) -> None:
        """Write the last line, which proves that the file is complete."""
        self._write({"Footer": {"Items": self.count, "Sha256": self._digest.hexdigest()}})

    def _write(self, line: Mapping[str, object]) -> None:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_encode_binary)
        data = text.encode() + b"\n"
        self._digest.update(data)
        self._file.write(data)


def _encode_binary(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not a value of DynamoDB")


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that only its owner can read, and that is there in full or not at all.

    Parameters
    ----------
    path
        The file, which is replaced if it exists.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(descriptor, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class RecordsReader:
    """Reads an export. Each pass over it checks all lines, and the last line at its end.

    Attributes
    ----------
    header
        The members of the first line.

    Raises
    ------
    Refusal
        If a line is not as the format has it; the sentence has the number of the line.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        for header in self._iterate_lines(is_header_only=True):
            self.header: Header = header["Header"]

    def iterate_items(self) -> Iterator[Item]:
        """Go through the items, from the first one."""
        return (line["Item"] for line in self._iterate_lines() if "Item" in line)

    def _iterate_lines(self, *, is_header_only: bool = False) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        digest, count, number = hashlib.sha256(), 0, 0
        while data := self._file.readline(_MAX_LINE_BYTES):
            number += 1
            line = _parse_line(data, number)
            if number == 1:
                _require_header(line)
            elif "Footer" in line:
                _require_footer(line["Footer"], count, digest.hexdigest(), number)
                if self._file.read(1):
                    raise _line_error(number + 1, "follows the last line of the export")
                return
            else:
                _require_item(line, number)
                count += 1
            digest.update(data)
            yield line
            if is_header_only:
                return
        raise Refusal(f"The file is not complete: it ends after line {number}, without the last line of an export.")


def _line_error(number: int, problem: str) -> Refusal:
    return Refusal(f"Line {number} of the file {problem}; nothing of it can be trusted.")


def _parse_line(data: bytes, number: int) -> dict[str, Any]:
    try:
        line = json.loads(data)
    except (ValueError, RecursionError):
        raise _line_error(number, "is not JSON") from None
    if not isinstance(line, dict) or len(line) != 1 or not line.keys() <= {"Header", "Item", "Footer"}:
        raise _line_error(number, "is no line of an export of records")
    return line


def _require_header(line: dict[str, Any]) -> None:
    header = line.get("Header")
    if not isinstance(header, dict) or header.get("Format") != FORMAT:
        raise _line_error(1, "is not the header of an export of records")
    if header.get("Version") != VERSION:
        raise Refusal(f"The file has version {header.get('Version')} of the format, and this command reads {VERSION}.")
    if not header.keys() >= HEADER_MEMBERS:
        raise _line_error(1, "lacks a member of the header")


def _require_item(line: dict[str, Any], number: int) -> None:
    """Require an item with its key, and decode its binary values in place."""
    try:
        item = {name: _parse_value(value) for name, value in line["Item"].items()}
        is_whole = all(isinstance(item[name].get("S"), str) and item[name]["S"] for name in ("Id", "Part"))
        for value in item.values():
            TypeDeserializer().deserialize(value)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError):
        is_whole = False
    if not is_whole:
        raise _line_error(number, "is not an item with a key, in DynamoDB's notation")
    line["Item"] = item


def _parse_value(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value with decoded binary content; ValueError or ArithmeticError if it is none."""
    [(kind, content)] = value.items()
    if kind == "B":
        return {kind: _decode(content)}
    if kind == "BS":
        return {kind: [_decode(element) for element in content]}
    numbers = {"N": [content], "NS": content}.get(kind, ())
    if not all(Decimal(number).is_finite() for number in numbers):
        raise ValueError
    if kind == "L":
        return {kind: [_parse_value(element) for element in content]}
    if kind == "M":
        return {kind: {name: _parse_value(element) for name, element in content.items()}}
    return value


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None


def _require_footer(footer: object, count: int, digest: str, number: int) -> None:
    if footer != {"Items": count, "Sha256": digest}:
        raise _line_error(number, "does not fit the lines before it: the file was changed or is damaged")

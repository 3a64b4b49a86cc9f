"""Reads the body of a request once, and says in a sentence why one cannot be read."""

from __future__ import annotations

import io
import json
import re
from typing import Any

MAX_JSON_DEPTH = 200
"""How deep JSON may be nested. DynamoDB's limit of 32 levels is 64 in its JSON; no API of AWS needs as much as this."""
READ_TIMEOUT_SECONDS = 5.0
"""How long the next part of a body may take. Clients are on this machine."""

_JSON_PARTS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_PART_BYTES = 1 << 20
_MAX_DIGITS = 18
_LENGTH = re.compile(r"[0-9]+", re.ASCII)
_TEXT_TYPES = ("application/x-amz-json", "application/x-www-form-urlencoded")


class BodyError(ValueError):
    """The body of a request cannot be read; the message is a sentence for its sender."""


def read_body(environ: dict[str, Any]) -> None:
    """Read the whole body, and put it back for the application.

    Parameters
    ----------
    environ
        The request, as WSGI has it. Afterwards ``wsgi.input`` has the body and ``CONTENT_LENGTH`` its length.

    Raises
    ------
    BodyError
        The body is shorter than announced, its chunks are malformed, or its text is not what its headers say.
    """
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.settimeout(READ_TIMEOUT_SECONDS)
    body = _read_chunks(environ) if "HTTP_TRANSFER_ENCODING" in environ else _read_length(environ)
    if connection is not None:
        connection.settimeout(None)
    if _is_text(environ):
        _require_text(body, environ)
    environ["wsgi.input"] = io.BytesIO(body)
    if environ.pop("HTTP_TRANSFER_ENCODING", None) or body:
        environ["CONTENT_LENGTH"] = str(len(body))


def _read_chunks(environ: dict[str, Any]) -> bytes:
    if "CONTENT_LENGTH" in environ or environ["HTTP_TRANSFER_ENCODING"].strip().lower() != "chunked":
        raise BodyError("Send either Content-Length or Transfer-Encoding: chunked.")
    try:
        body: bytes = environ["wsgi.input"].read()
    except TimeoutError:
        raise BodyError("The chunks of the body did not end in time.") from None
    except (OSError, ValueError):
        raise BodyError("The chunks of the body are malformed.") from None
    return body


def _read_length(environ: dict[str, Any]) -> bytes:
    text = environ.get("CONTENT_LENGTH") or "0"
    if not _LENGTH.fullmatch(text):
        raise BodyError("Content-Length is not a whole number.")
    remaining, parts = int(text[:_MAX_DIGITS]), []
    while remaining:
        try:
            part = environ["wsgi.input"].read(min(remaining, _PART_BYTES))
        except OSError:
            part = b""
        if not part:
            raise BodyError("The body is shorter than its Content-Length.")
        parts.append(part)
        remaining -= len(part)
    return b"".join(parts)


def _is_text(environ: dict[str, Any]) -> bool:
    is_api_call = "HTTP_X_AMZ_TARGET" in environ or environ.get("CONTENT_TYPE", "").lower().startswith(_TEXT_TYPES)
    return is_api_call or environ["PATH_INFO"].startswith("/local")


def _require_text(body: bytes, environ: dict[str, Any]) -> None:
    try:
        body.decode()
    except UnicodeDecodeError:
        raise BodyError("The body is not UTF-8.") from None
    if "form" in environ.get("CONTENT_TYPE", ""):
        return
    if is_nested_too_deep(body):
        raise BodyError(f"The JSON of the body is nested deeper than {MAX_JSON_DEPTH} levels.")
    if body and "HTTP_X_AMZ_TARGET" in environ and not _is_json_object(body):
        raise BodyError("The body is not a JSON object.")


def _is_json_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def is_nested_too_deep(text: bytes) -> bool:
    """Tell whether JSON, or JSON in one of its strings, is nested deeper than `MAX_JSON_DEPTH`.

    Examples
    --------
    >>> is_nested_too_deep(b"[" * 201 + b"]" * 201)
    True
    """
    if text.count(b"[") + text.count(b"{") <= MAX_JSON_DEPTH:
        return False
    depth = 0
    for match in _JSON_PARTS.finditer(text):
        part = match.group()
        if part in b"[{":
            depth += 1
        elif part in b"]}":
            depth -= 1
        elif len(part) > MAX_JSON_DEPTH and _is_string_nested_too_deep(part):
            return True
        if depth > MAX_JSON_DEPTH:
            return True
    return False


def _is_string_nested_too_deep(literal: bytes) -> bool:
    try:
        text = json.loads(literal)
    except ValueError:
        return False
    return text.lstrip()[:1] in {"[", "{"} and is_nested_too_deep(text.encode(errors="replace"))

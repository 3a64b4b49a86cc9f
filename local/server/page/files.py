"""The page and its files, for a browser; an SDK's `GET /` is S3's ListBuckets, and stays that."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from werkzeug.wrappers import Response

from local.server.answers import error_response
from local.server.graphs.drawing import STYLE_SHEET

FILES_PATH = "/local/page/files/"
_FOLDER = Path(__file__).parent / "files"
_PAGE = "index.html"
_PAGE_PATHS = frozenset({"", "/local"})
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SIGNED_QUERY = ("x-amz-", "awsaccesskeyid", "action")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text ever becomes markup or code: the browser refuses innerHTML and its like.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
PAGE_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
"""The headers of the page and its files."""
IS_PAGE = "local.is_page"
"""The key of a request's WSGI environment that tells the gate which headers its answer needs: no client can set it."""


def is_page_request(environ: dict[str, Any]) -> bool:
    """Return whether a browser asks for the page: it wants HTML, and the request has no signature of AWS.

    Parameters
    ----------
    environ
        The request, as WSGI has it.
    """
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"} or environ["PATH_INFO"].rstrip("/") not in _PAGE_PATHS:
        return False
    is_signed = "HTTP_AUTHORIZATION" in environ or any(
        name.lower().startswith(_SIGNED_QUERY) for name in parse_qs(environ.get("QUERY_STRING", ""), True)
    )
    return not is_signed and "text/html" in environ.get("HTTP_ACCEPT", "").lower()


def is_file_request(environ: dict[str, Any]) -> bool:
    """Return whether a request is for a file of the page."""
    return environ["REQUEST_METHOD"] in {"GET", "HEAD"} and environ["PATH_INFO"].startswith(FILES_PATH)


def answer_file(environ: dict[str, Any]) -> Response:
    """Return the page or one of its files, and mark the request for the gate.

    Parameters
    ----------
    environ
        A request for which `is_page_request` or `is_file_request` is true.
    """
    path = environ["PATH_INFO"]
    name = path.removeprefix(FILES_PATH) if path.startswith(FILES_PATH) else _PAGE
    # The name is looked up among those of the folder, so that it cannot lead out of it.
    file = {file.name: file for file in (*_FOLDER.iterdir(), STYLE_SHEET)}.get(name)
    if file is None:
        return error_response(environ, "NotFound", "The page has no such file.", HTTPStatus.NOT_FOUND)
    environ[IS_PAGE] = True
    headers = {"Cache-Control": "no-store"}
    return Response(file.read_bytes(), headers=headers, content_type=_CONTENT_TYPES[file.suffix])

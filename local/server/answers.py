"""Answers of the local server."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response


def json_response(body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a JSON answer."""
    return Response(json.dumps(body, indent=2) + "\n", status=status, content_type="application/json")


def error_response(environ: Mapping[str, Any], code: str, message: str, status: HTTPStatus) -> Response:
    """Return an error in the format of the request's protocol: SDKs show the message to people.

    Parameters
    ----------
    environ
        The request, as WSGI has it.
    code, message, status
        The error's name, a sentence, and the status.
    """
    is_query = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if is_query and not environ["PATH_INFO"].startswith("/local"):
        error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return Response(f"<ErrorResponse>{error}</ErrorResponse>\n", status=status, content_type="text/xml")
    response = json_response({"Error": message, "__type": code, "message": message}, status)
    response.headers["x-amzn-ErrorType"] = code
    return response

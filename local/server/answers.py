"""Answers of the local server."""

import json
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Response


def json_response(body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a JSON answer."""
    return Response(json.dumps(body, indent=2) + "\n", status=status, content_type="application/json")


def error_response(code: str, message: str, status: HTTPStatus) -> Response:
    """Return an error for people and for SDKs, which show the message of their JSON protocols."""
    response = json_response({"Error": message, "__type": code, "message": message}, status)
    response.headers["x-amzn-ErrorType"] = code
    return response

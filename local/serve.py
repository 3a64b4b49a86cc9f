"""The embedded AWS over HTTP, for real clients: moto's server, and `/local/…` for what AWS has no API for.

Everything is in memory: when the server ends, so does all that was made in it.
"""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import isodate
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from local.environment import Environment
from local.settings import ACCOUNT, ORGANIZATION_ALIAS, ORGANIZATION_ID, REGION

HOST = "127.0.0.1"
_ADVANCE = 'Send {"advance": "P30D"}: an ISO 8601 duration, not negative.'
_HELP = {
    "About": "AWS on this machine. Everything is in memory and gone when the server ends.",
    "GET /local/clock": "tells the time",
    "POST /local/clock": f"moves the clock and answers when everything that is due has run. {_ADVANCE}",
    "GET /local/stack": "tells the stack's outputs, the account, the Region and the organization",
}


class BadRequest(Exception):  # noqa: N818
    """A request to `/local/…` that is wrong; the message says what would be right."""


class LocalApi:
    """The WSGI application: `/local/…` here, everything else to moto's server.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._aws = DomainDispatcherApplication(create_backend_app)
        self._routes: dict[tuple[str, str], Callable[[Request], dict[str, Any]]] = {
            ("GET", "/local"): lambda _: _HELP,
            ("GET", "/local/clock"): self._tell_time,
            ("POST", "/local/clock"): self._move_clock,
            ("GET", "/local/stack"): self._tell_stack,
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one request."""
        path = environ["PATH_INFO"].rstrip("/")
        if path != "/local" and not path.startswith("/local/"):
            return self._aws(environ, start_response)
        return self._answer(Request(environ), path)(environ, start_response)

    def _answer(self, request: Request, path: str) -> Response:
        route = self._routes.get((request.method, path))
        if route is None:
            return _json({"Error": f"There is no {request.method} {path}.", **_HELP}, HTTPStatus.NOT_FOUND)
        try:
            return _json(route(request))
        except BadRequest as error:
            return _json({"Error": str(error)}, HTTPStatus.BAD_REQUEST)

    def _tell_time(self, _: Request) -> dict[str, Any]:
        return {"Now": _rfc3339(self._environment.clock.now())}

    def _move_clock(self, request: Request) -> dict[str, Any]:
        before = self._environment.clock.now()
        self._environment.clock.move_to(before + _duration(request))
        return {"Before": _rfc3339(before), "Now": _rfc3339(self._environment.clock.now())}

    def _tell_stack(self, _: Request) -> dict[str, Any]:
        return {
            "Account": ACCOUNT,
            "Region": REGION,
            "Organization": {"Id": ORGANIZATION_ID, "Alias": ORGANIZATION_ALIAS},
            "Outputs": self._environment.outputs,
        }


def server(environment: Environment, port: int) -> BaseWSGIServer:
    """Make the HTTP server on 127.0.0.1; port 0 takes a free one. The caller runs and closes it.

    Raises
    ------
    OSError
        If the port is taken. (Werkzeug itself would end the process.)
    """
    with socket.create_server((HOST, port)) as listener:
        taken = listener.getsockname()[1]
        return make_server(HOST, taken, LocalApi(environment), threaded=True, fd=listener.fileno())


def _duration(request: Request) -> Any:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise BadRequest(f"The body is not JSON. {_ADVANCE}") from None
    if not isinstance(body, dict) or set(body) != {"advance"}:
        raise BadRequest(f"The body must have the one member advance. {_ADVANCE}")
    try:
        duration = isodate.parse_duration(body["advance"])
        start = datetime(2027, 1, 1, tzinfo=UTC)
        negative = start + duration < start
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(f"advance is not an ISO 8601 duration. {_ADVANCE}") from None
    if negative:
        raise BadRequest(f"The clock moves forward only. {_ADVANCE}")
    return duration


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(json.dumps(body, indent=2) + "\n", status=status, content_type="application/json")

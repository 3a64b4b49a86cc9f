"""The embedded AWS over HTTP, for real clients: moto's server, and `/local/…` for what AWS has no API for.

Everything is in memory: when the server ends, so does all that was made in it.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import isodate
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from local.defaults import ACCOUNT, ORGANIZATION_ALIAS, ORGANIZATION_ID, REGION
from local.environment import Environment
from local.faults import read_faults

HOST = "127.0.0.1"
_ADVANCE = 'Send {"advance": "P30D"}: an ISO 8601 duration, not negative.'
_FAULTS = (
    'Send a list such as [{"service": "workmail", "operation": "DescribeUser", "error": "ThrottlingException", '
    '"times": 2}]; instead of error also latency (seconds) or afterEffect (an error, but what was asked for is done).'
)
_SWITCHES = 'Send the switches to change, such as {"email_of_disabled": "absent"}; GET shows them all.'
_HELP = {
    "About": "AWS on this machine. Everything is in memory and gone when the server ends.",
    "GET /local/clock": "tells the time",
    "POST /local/clock": f"moves the clock and answers when everything that is due has run. {_ADVANCE}",
    "GET /local/faults": "tells the faults, and how often each has happened",
    "POST /local/faults": f"lets calls of the stack's functions and state machines fail. {_FAULTS}",
    "DELETE /local/faults": "lets all calls succeed again",
    "GET /local/behaviour": "tells how WorkMail answers what its documentation leaves open, and how else it could",
    "POST /local/behaviour": f"changes that. {_SWITCHES}",
    "GET /local/stack": "tells the stack's outputs, the account, the Region and the organization",
}


class BadRequest(Exception):  # noqa: N818 (it is named as HTTP names it)
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
            ("GET", "/local/faults"): self._tell_faults,
            ("POST", "/local/faults"): self._add_faults,
            ("DELETE", "/local/faults"): self._clear_faults,
            ("GET", "/local/behaviour"): self._tell_behaviour,
            ("POST", "/local/behaviour"): self._change_behaviour,
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

    def _tell_faults(self, _: Request | None = None) -> dict[str, Any]:
        return {"Faults": [{**fault.to_members(), "Happened": hits} for fault, hits in self._environment.faults.hits()]}

    def _add_faults(self, request: Request) -> dict[str, Any]:
        try:
            faults = read_faults(request.get_data())
        except ValueError as error:
            raise BadRequest(f"{_sentence(error)} {_FAULTS}") from None
        self._environment.faults.add(*faults)
        return self._tell_faults()

    def _clear_faults(self, _: Request) -> dict[str, Any]:
        self._environment.faults.clear()
        return self._tell_faults()

    def _tell_behaviour(self, _: Request | None = None) -> dict[str, Any]:
        behaviour = self._environment.workmail.behaviour
        return {"Behaviour": asdict(behaviour), "Answers": {**behaviour.answers(), "describe_lag_seconds": "0 to 120"}}

    def _change_behaviour(self, request: Request) -> dict[str, Any]:
        workmail = self._environment.workmail
        try:
            workmail.behaviour = workmail.behaviour.changed_by(request.get_data())
        except ValueError as error:
            raise BadRequest(f"{_sentence(error)} {_SWITCHES}") from None
        return self._tell_behaviour()


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


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(json.dumps(body, indent=2) + "\n", status=status, content_type="application/json")

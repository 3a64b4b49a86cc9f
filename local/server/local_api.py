"""The WSGI application of `make serve`: AWS, and `/local/…` for everything that AWS has no API for."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import isodate
from werkzeug.wrappers import Request, Response

from local.aws.identity_store import StoreUser
from local.aws.quotas import POSSIBLE_QUOTAS
from local.cdk.deployment import read_outputs
from local.defaults import ACCOUNT, IDENTITY_STORE_ID, REGION
from local.environment import Environment
from local.faults import read_faults
from local.server.answers import error_response, json_response
from local.server.aws_api import AwsApi, replace_queue_url
from local.server.bodies import BodyError, read_body
from local.server.clock_moves import NEXT, NothingDueError
from local.server.delivered_events import HINT as EVENT_HINT
from local.server.delivered_events import parse_event, put_event
from local.server.mailboxes import HINT, fill_mailbox, parse_mailbox, render_mailboxes
from local.server.page.api import PageApi
from local.server.page.files import answer_file, is_file_request, is_page_request
from local.server.page.stack import PageError
from local.server.switches import change_switches, render_switches
from local.workmail.behaviour import POSSIBLE_NUMBERS

_CLOCK_HINT = (
    'Send {"advance": "P30D"}: an ISO 8601 duration, not negative; or {"advance": "next"}: to what is due next.'
)
_FAULTS_HINT = (
    'Send a list such as [{"service": "workmail", "operation": "DescribeUser", "error": "ThrottlingException", '
    '"times": 2}]; instead of error, also latency (seconds) or afterEffect (an error after the operation took effect).'
)
_IDENTITY_STORE_HINT = (
    'Send {"UserId": "<the id of a user>", "UserStatus": "DISABLED"} or ENABLED; IdentityStoreId is optional.'
)
_BEHAVIOUR_HINT = 'Send the switches to change, such as {"email_of_disabled": "absent"}; GET shows them all.'
_STATUS_MEMBERS = frozenset({"IdentityStoreId", "UserId", "UserStatus"})
_STORE_USER_ID = re.compile(r"([0-9a-f]{10}-)?[A-Fa-f0-9]{8}(-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}")
_HELP = {
    "About": "The embedded AWS. Everything is in memory and is lost when the server ends. A browser gets a page at /.",
    "GET /local/clock": "returns the time",
    "POST /local/clock": f"moves the clock, and answers when everything that is due has run. {_CLOCK_HINT}",
    "GET /local/faults": "returns the faults, and how often each has happened",
    "POST /local/faults": f"adds faults: calls of the stack's functions and state machines fail. {_FAULTS_HINT}",
    "DELETE /local/faults": "removes all faults",
    "GET /local/behaviour": "returns switches for WorkMail's undocumented behaviour and AWS's quotas, with values",
    "POST /local/behaviour": f"changes switches. {_BEHAVIOUR_HINT}",
    "GET /local/identity-store": "returns the users of Identity Center that are known, with their statuses",
    "POST /local/identity-store": f"sets a status, and sends Identity Center's event. {_IDENTITY_STORE_HINT}",
    "GET /local/mailboxes": "returns how many messages and other items each mailbox holds, and its size",
    "POST /local/mailboxes": f"replaces what a mailbox holds, for its export. {HINT}",
    "POST /local/events": f"puts an event of an identity provider on its bus. {EVENT_HINT}",
    "GET /local/stack": "returns the outputs of the deployed stacks, the account, the Region and the organizations",
}


class BadRequest(Exception):  # noqa: N818 (it is named as HTTP names it)
    """An invalid request to `/local/…`; the message says how to correct it."""


class LocalApi:
    """The WSGI application: `/local/…` is answered here, everything else as by AWS.

    Parameters
    ----------
    environment
        An open environment.
    identity_store_id
        The identity store of users for which a request names none.
    """

    def __init__(self, environment: Environment, identity_store_id: str = IDENTITY_STORE_ID) -> None:
        self._environment = environment
        self._identity_store_id = identity_store_id
        self._aws = AwsApi()
        self._page = PageApi(environment)
        self._routes: dict[tuple[str, str], Callable[[Request], dict[str, Any]]] = {
            ("GET", "/local"): lambda _: _HELP,
            ("GET", "/local/clock"): self._read_clock,
            ("POST", "/local/clock"): self._move_clock,
            ("GET", "/local/stack"): self._read_stack,
            ("GET", "/local/faults"): self._read_faults,
            ("POST", "/local/faults"): self._add_faults,
            ("DELETE", "/local/faults"): self._clear_faults,
            ("GET", "/local/behaviour"): self._read_behaviour,
            ("POST", "/local/behaviour"): self._change_behaviour,
            ("GET", "/local/identity-store"): self._read_identity_store,
            ("POST", "/local/identity-store"): self._set_user_status,
            ("GET", "/local/mailboxes"): self._read_mailboxes,
            ("POST", "/local/mailboxes"): self._fill_mailbox,
            ("POST", "/local/events"): self._put_event,
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one request."""
        try:
            read_body(environ)
        except BodyError as error:
            answer = error_response(environ, "SerializationException", str(error), HTTPStatus.BAD_REQUEST)
            return answer(environ, start_response)
        if is_page_request(environ) or is_file_request(environ):
            return answer_file(environ)(environ, start_response)
        path = environ["PATH_INFO"].rstrip("/")
        if path != "/local" and not path.startswith("/local/"):
            return self._aws(environ, start_response)
        return self._answer(Request(environ), path)(environ, start_response)

    def _answer(self, request: Request, path: str) -> Response:
        route = self._routes.get((request.method, path)) or self._page.find_route(request.method, path)
        if route is None:
            return json_response({"Error": f"There is no {request.method} {path}.", **_HELP}, HTTPStatus.NOT_FOUND)
        try:
            return json_response(route(request))
        except (BadRequest, PageError) as error:
            return json_response({"Error": str(error)}, HTTPStatus.BAD_REQUEST)

    def _read_clock(self, _: Request) -> dict[str, Any]:
        return {"Now": _render_time(self._environment.clock.now())}

    def _move_clock(self, request: Request) -> dict[str, Any]:
        duration = _parse_duration(request)
        try:
            if duration is not None:
                start, end = self._page.moves.advance(duration)
                return {"Before": _render_time(start), "Now": _render_time(end)}
            start, end, due = self._page.moves.advance_to_next()
        except NothingDueError:
            raise BadRequest("Nothing is due: the clock stands where it was.") from None
        return {"Before": _render_time(start), "Now": _render_time(end), "Due": due}

    def _read_stack(self, request: Request) -> dict[str, Any]:
        organizations = [
            {"Id": organization.id, "Alias": organization.alias, "MailDomains": list(organization.domains)}
            for organization in list(self._environment.workmail.organizations.values())
        ]
        outputs = read_outputs(region=REGION, account=ACCOUNT)
        return {
            "Account": ACCOUNT,
            "Region": REGION,
            "Organization": {name: organizations[0][name] for name in ("Id", "Alias")} if organizations else None,
            "Organizations": organizations,
            "Outputs": {name: replace_queue_url(value, request.host) for name, value in outputs.items()},
        }

    def _read_faults(self, _: Request | None = None) -> dict[str, Any]:
        return {
            "Faults": [{**fault.to_members(), "Happened": hits} for fault, hits in self._environment.faults.list_hits()]
        }

    def _add_faults(self, request: Request) -> dict[str, Any]:
        try:
            self._environment.faults.add(*read_faults(request.get_data()))
        except ValueError as error:
            raise BadRequest(f"{_as_sentence(error)} {_FAULTS_HINT}") from None
        return self._read_faults()

    def _clear_faults(self, _: Request) -> dict[str, Any]:
        self._environment.faults.clear()
        return self._read_faults()

    def _read_behaviour(self, _: Request | None = None) -> dict[str, Any]:
        behaviour = self._environment.workmail.behaviour
        return {
            "Behaviour": render_switches((behaviour, self._environment.quotas.settings)),
            "Answers": {**behaviour.possible_values(), **POSSIBLE_NUMBERS, **POSSIBLE_QUOTAS},
        }

    def _change_behaviour(self, request: Request) -> dict[str, Any]:
        workmail, quotas = self._environment.workmail, self._environment.quotas
        try:
            workmail.behaviour, quotas.settings = change_switches(
                (workmail.behaviour, quotas.settings), request.get_data()
            )
        except ValueError as error:
            raise BadRequest(f"{_as_sentence(error)} {_BEHAVIOUR_HINT}") from None
        return self._read_behaviour()

    def _read_identity_store(self, _: Request | None = None) -> dict[str, Any]:
        return {"Users": [_render_store_user(user) for user in self._environment.identity_store.list_users()]}

    def _set_user_status(self, request: Request) -> dict[str, Any]:
        user_id, status, identity_store_id = _parse_user_status(request, self._identity_store_id)
        try:
            self._environment.identity_store.set_status(user_id, status, identity_store_id)
        except ValueError as error:
            raise BadRequest(f"{_as_sentence(error)} {_IDENTITY_STORE_HINT}") from None
        return self._read_identity_store()

    def _read_mailboxes(self, _: Request | None = None) -> dict[str, Any]:
        return {"Mailboxes": render_mailboxes(self._environment.workmail)}

    def _fill_mailbox(self, request: Request) -> dict[str, Any]:
        try:
            mailbox = parse_mailbox(request.get_data(), self._environment.clock.now())
            fill_mailbox(self._environment.workmail, mailbox)
        except ValueError as error:
            raise BadRequest(f"{_as_sentence(error)} {HINT}") from None
        return self._read_mailboxes()

    def _put_event(self, request: Request) -> dict[str, Any]:
        try:
            return {"EventId": put_event(self._environment, parse_event(request.get_data()))}
        except ValueError as error:
            raise BadRequest(f"{_as_sentence(error)} {EVENT_HINT}") from None


def _parse_user_status(request: Request, default_store_id: str) -> tuple[str, str, str]:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise BadRequest(f"The body is not JSON. {_IDENTITY_STORE_HINT}") from None
    if not isinstance(body, dict) or not set(body) <= _STATUS_MEMBERS:
        raise BadRequest(f"The members are {', '.join(sorted(_STATUS_MEMBERS))}. {_IDENTITY_STORE_HINT}")
    user_id, store = body.get("UserId"), body.get("IdentityStoreId", default_store_id)
    if not isinstance(user_id, str) or not _STORE_USER_ID.fullmatch(user_id):
        raise BadRequest(f"UserId must be the id of a user in an identity store. {_IDENTITY_STORE_HINT}")
    if not isinstance(store, str) or not store:
        raise BadRequest(f"IdentityStoreId must be a text. {_IDENTITY_STORE_HINT}")
    return user_id, body.get("UserStatus", ""), store


def _render_store_user(user: StoreUser) -> dict[str, str]:
    return {
        "IdentityStoreId": user.identity_store_id,
        "UserId": user.user_id,
        "UserStatus": user.status,
        "CreatedAt": _render_time(user.created_at),
        "UpdatedAt": _render_time(user.updated_at),
    }


def _parse_duration(request: Request) -> Any:
    """Return the duration of a request; None if it is until what is due next."""
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise BadRequest(f"The body is not JSON. {_CLOCK_HINT}") from None
    if not isinstance(body, dict) or set(body) != {"advance"}:
        raise BadRequest(f"The body must have exactly one member, advance. {_CLOCK_HINT}")
    if body["advance"] == NEXT:
        return None
    try:
        duration = isodate.parse_duration(body["advance"])
        start = datetime(2027, 1, 1, tzinfo=UTC)
        is_negative = start + duration < start
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(f"advance is not an ISO 8601 duration. {_CLOCK_HINT}") from None
    if is_negative:
        raise BadRequest(f"The clock cannot move backwards. {_CLOCK_HINT}")
    return duration


def _as_sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


def _render_time(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""The JSON behind the page: `/local/page/…`. Every action is a call of AWS's API, and every error is a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from xml.etree import ElementTree

from botocore.exceptions import BotoCoreError, ClientError
from werkzeug.wrappers import Request

from local.aws.dynamodb.changes import Change
from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from local.server.clock_moves import ClockMoves
from local.server.graphs import UnknownGraphError, draw_graph
from local.server.page.entities import create_person, list_entities, list_organizations
from local.server.page.executions import Executions
from local.server.page.messages import Inbox, list_messages, summarize_news
from local.server.page.offboardings import find_offboarding, list_waiting, list_window
from local.server.page.samples import build_sample, list_samples, put_event
from local.server.page.stack import PageError, StackView

PATH = "/local/page/"
_PERSON = {"OrganizationId": str, "Name": str, "DisplayName": str, "Domain": str, "IdentityCenter": bool}
_START = {"Machine": str, "Input": str}
_EVENT = {"Entry": dict}
_MAX_ENDED = 5
_EXECUTION_WAIT = "execution "
_EXPORT_JOB = "export job "
_DELAYED_DELIVERY = "delayed delivery from "
"""Only one queue of the stack has a delay: that of the status changes of executions."""
_DUE = {
    "AwaitingApproval": "the approval of {} times out",
    "Scheduled": "the date of {} comes",
    "Exporting": "the export of {} is looked at",
    "InWindow": "the clean-up of {} is verified",
    "Unwatched": "the clean-up of {} is verified",
    "Restored": "the offboarding of {} ends",
}
"""By the status of a record: what is due when the wait of its execution ends."""


class PageApi:
    """Answers the requests of the page.

    Parameters
    ----------
    environment
        An open environment.

    Attributes
    ----------
    moves
        Moves the clock.
    """

    def __init__(self, environment: Environment) -> None:
        self._stack = StackView(environment)
        self._inbox = Inbox(self._stack)
        self._executions = Executions(self._stack)
        self._lists: tuple[Any, dict[str, Any]] = (None, {})
        self._change_count = 0
        environment.table_changes.listeners.append(self._count_change)
        self.moves = ClockMoves(environment.clock, self._describe_due)
        self._routes: dict[tuple[str, str], Callable[[Request], dict[str, Any]]] = {
            ("GET", f"{PATH}overview"): self._read_overview,
            ("GET", f"{PATH}entities"): self._list_entities,
            ("GET", f"{PATH}executions"): self._list_executions,
            ("GET", f"{PATH}messages"): self._list_messages,
            ("GET", f"{PATH}news"): self._read_news,
            ("GET", f"{PATH}samples"): lambda _: {"Samples": list_samples(self._stack)},
            ("POST", f"{PATH}people"): self._create_person,
            ("POST", f"{PATH}executions"): self._start_execution,
            ("POST", f"{PATH}events"): self._put_event,
        }
        self._readers: dict[str, Callable[[str, Request], dict[str, Any]]] = {
            f"{PATH}executions/": self._read_execution,
            f"{PATH}graphs/": self._draw_graph,
            f"{PATH}samples/": self._build_sample,
        }

    def find_route(self, method: str, path: str) -> Callable[[Request], dict[str, Any]] | None:
        """Return what answers a request; None if nothing does.

        Parameters
        ----------
        method, path
            Of the request, without a `/` at the end.
        """
        route = self._routes.get((method, path))
        for prefix, read in self._readers.items():
            if route is None and method == "GET" and path.startswith(prefix):
                route = partial(read, path.removeprefix(prefix))
        return None if route is None else partial(self._call, route)

    def _call(self, route: Callable[[Request], dict[str, Any]], request: Request) -> dict[str, Any]:
        """Answer a request, and turn the errors of AWS and of this page into a sentence."""
        try:
            return route(request)
        except ClientError as error:
            details = error.response["Error"]
            raise PageError(
                f"{error.operation_name} was refused: {_end(details.get('Message') or details['Code'])}"
            ) from None
        except BotoCoreError as error:
            raise PageError(_end(" ".join(str(error).split()))) from None
        except TimeoutError as error:
            raise PageError(f"It was started, and has not come to an end yet. {_end(str(error))}") from None

    def _read_overview(self, _: Request) -> dict[str, Any]:
        stack = self._stack
        return {
            "Now": stack.environment.clock.now().isoformat(),
            "IsMoving": self.moves.is_moving,
            "Account": ACCOUNT,
            "Region": REGION,
            "Machines": list(stack.machines),
            "Organizations": list_organizations(stack),
            **self._read_lists(),
        }

    def _read_lists(self) -> dict[str, Any]:
        """Return what depends on the records and the time, which is read again when one of them has changed."""
        due = self.moves.find_next()
        version = (self._change_count, self._stack.environment.clock.now(), due, self._stack.machines)
        known_version, lists = self._lists
        if version != known_version:
            lists = {
                "Next": {"At": due[0].isoformat(), "Name": self._describe_due(due[1])} if due else None,
                "Waiting": list_waiting(self._stack),
                "Window": list_window(self._stack),
            }
            self._lists = version, lists
        return lists

    def _count_change(self, _: Sequence[Change]) -> None:
        self._change_count += 1

    def _describe_due(self, name: str) -> str:
        """Return what is due in words for a person: whose execution goes on, if it is one."""
        if name.startswith(_DELAYED_DELIVERY):
            return "the stack records which executions started or ended"
        if name.startswith(_EXPORT_JOB):
            return "WorkMail ends the export of a mailbox"
        machine = self._stack.machines.get("offboarding")
        if machine is None or not name.startswith(_EXECUTION_WAIT):
            return name
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name.removeprefix(_EXECUTION_WAIT)}"
        offboarding = find_offboarding(self._stack, arn)
        if offboarding is None:
            return name
        return _DUE.get(offboarding.status, "the offboarding of {} goes on").format(offboarding.label)

    def _list_entities(self, request: Request) -> dict[str, Any]:
        query = request.args
        return list_entities(
            self._stack,
            query.get("organization", ""),
            query.get("search", ""),
            query.get("state", ""),
            _parse_number(request, "offset"),
        )

    def _list_executions(self, request: Request) -> dict[str, Any]:
        machine, status = request.args.get("machine", "offboarding"), request.args.get("status", "")
        return self._executions.list_page(machine, status, _parse_number(request, "offset"))

    def _read_execution(self, arn: str, _: Request) -> dict[str, Any]:
        return self._executions.read(arn)

    def _draw_graph(self, arn: str, _: Request) -> dict[str, Any]:
        definition, name = self._executions.read_definition(arn)
        try:
            drawing = ElementTree.fromstring(draw_graph(definition, name))  # noqa: S314 (the server's own drawing)
            return {"Drawing": _render_tree(drawing)}
        except UnknownGraphError:
            return {"Drawing": None}

    def _list_messages(self, request: Request) -> dict[str, Any]:
        return list_messages(self._stack, self._inbox, request.args.get("kind", ""), _parse_number(request, "offset"))

    def _read_news(self, request: Request) -> dict[str, Any]:
        # What an action has caused is complete when nothing runs any more.
        self._stack.environment.clock.settle()
        since = _parse_number(request, "since")
        ended = self._inbox.list_ended(since)
        summaries = self._executions.summarize_existing(ended[:_MAX_ENDED])
        news = summarize_news(self._stack, self._inbox, since)
        return {**news, "Ended": {"Total": len(ended), "Rows": summaries}}

    def _build_sample(self, sample_id: str, request: Request) -> dict[str, Any]:
        query = request.args
        return build_sample(self._stack, sample_id, query.get("organization", ""), query.get("person", ""))

    def _create_person(self, request: Request) -> dict[str, Any]:
        return create_person(self._stack, _parse_members(request, _PERSON))

    def _start_execution(self, request: Request) -> dict[str, Any]:
        members = _parse_members(request, _START)
        return self._executions.start(members["Machine"], members["Input"])

    def _put_event(self, request: Request) -> dict[str, Any]:
        return put_event(self._stack, _parse_members(request, _EVENT)["Entry"])


def _render_tree(element: ElementTree.Element) -> dict[str, Any]:
    """Return a drawing as the page can build it without parsing markup, which its policy forbids."""
    return {
        "Tag": element.tag.rpartition("}")[2],
        "Attributes": dict(element.attrib),
        "Text": (element.text or "").strip(),
        "Children": [_render_tree(child) for child in element],
    }


def _parse_members(request: Request, members: Mapping[str, type]) -> dict[str, Any]:
    """Return the members of a request's body, all of which are required and no others are allowed."""
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise PageError("The body is not JSON.") from None
    if not isinstance(body, dict) or set(body) != set(members):
        raise PageError(f"The body must be a JSON object with exactly the members {', '.join(members)}.")
    for name, kind in members.items():
        if not isinstance(body[name], kind):
            raise PageError(f"{name} has a value of the wrong kind.")
    return body


def _parse_number(request: Request, name: str) -> int:
    text = request.args.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise PageError(f"{name} must be a whole number.")
    return int(text)


def _end(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."

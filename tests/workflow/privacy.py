"""Nothing that is personal stands where `docs/operate.md` says that it does not, in whatever a test does.

The table there says what each place may hold. When an environment is closed, every place is searched for what its
people are called, their addresses, their telephone numbers and passwords, and the task tokens that were given out.
"""

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.logs.models import logs_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from local.organization import PERSONAL

Texts = Mapping[str, list[str]]

MORE_PERSONAL = {"Telephone": "+1-555-0142", "Street": "17 Unlisted Lane"}
"""What every user has beside what `local.organization` and a test give them."""

_TABLE = Path(__file__).parents[2] / "docs" / "operate.md"
_HEADER = "| where | names | e-mail addresses | telephone numbers, postal addresses | task tokens | passwords |"
# The sample in what the product says of wrong inputs is nobody's.
_ADDRESS = r"(?<![\w.%+-])(?!alice@example\.com\b)[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"
_SHORTEST = 4

found: list[str] = []
"""What was found in the environments that were closed since somebody looked."""


@functools.cache
def allowed() -> dict[str, dict[str, bool]]:
    """Read the table: by place and kind, whether it may stand there."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    start = lines.index(_HEADER)
    kinds = _cells(_HEADER)[1:]
    places = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        place, *cells = _cells(line)
        places[place] = {kind: cell != "no" for kind, cell in zip(kinds, cells, strict=True)}
    return places


class Secrets:
    """What is personal in one environment, and what its functions have sent where.

    Parameters
    ----------
    environment
        An environment that has just been opened.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._passwords: set[str] = set()
        self._tokens: set[str] = set()
        self._sent: defaultdict[str, list[str]] = defaultdict(list)
        environment.workmail.after.append(self._workmail_did)
        environment.permissions.listeners.append(self._function_calls)

    def leaks(self) -> list[str]:
        """Say what stands where the table says that it does not."""
        secrets = self._secrets()
        leaks = []
        for place, texts in self._places().items():
            for kind, may_stand_there in allowed()[place].items():
                if not may_stand_there and secrets[kind]:
                    leaks += _search(place, kind, texts, secrets[kind])
        return leaks

    def _workmail_did(self, operation: str, parameters: Mapping[str, Any]) -> None:
        if parameters.get("Password"):
            self._passwords.add(parameters["Password"])
        if operation == "CreateUser":
            for user in self._users():
                if user.name == parameters["Name"]:
                    user.attributes = {**MORE_PERSONAL, **user.attributes}

    def _function_calls(self, action: str, parameters: Mapping[str, Any]) -> None:
        place = _SENT.get(action)
        if place is not None:
            self._sent[place].append(json.dumps(parameters, ensure_ascii=False))
        elif action == "sqs:SendMessage":
            self._sent["attributes of messages in the queues"].append(json.dumps(parameters.get("MessageAttributes")))
            self._sent["queues of identity providers' events"].append(parameters["MessageBody"])
        elif action == "dynamodb:UpdateItem" and ":TaskToken" in parameters.get("ExpressionAttributeValues", {}):
            self._tokens.add(parameters["ExpressionAttributeValues"][":TaskToken"]["S"])

    def _users(self) -> Iterator[Any]:
        for organization in self._environment.workmail.organizations.values():
            for entity in organization.entities.values():
                if entity.type == "USER":
                    yield entity

    def _secrets(self) -> dict[str, re.Pattern[str] | None]:
        users = list(self._users())
        # One that is no more than a name may be any word.
        known_as = {user.name for user in users if "." in user.name}
        called = {user.display_name for user in users} | known_as
        called |= {
            user.attributes[key] for user in users for key in ("FirstName", "LastName") if key in user.attributes
        }
        other = {
            value for user in users for key, value in user.attributes.items() if key not in {"FirstName", "LastName"}
        }
        names = {user.name for user in users} - known_as
        texts = (called - names, (), other, self._tokens, self._passwords)
        kinds = _cells(_HEADER)[1:]
        secrets = {kind: _alternation(words) for kind, words in zip(kinds, texts, strict=True)}
        return {**secrets, kinds[1]: re.compile(_ADDRESS)}

    def _places(self) -> Texts:
        places: defaultdict[str, list[str]] = defaultdict(list, {k: [*v] for k, v in self._sent.items()})
        lines = self._environment.all_logs()
        places["metrics"] = [line for line in lines if '"_aws"' in line]
        places["logs of the functions"] = [line for line in lines if '"_aws"' not in line]
        for group in logs_backends[ACCOUNT][REGION].groups.values():
            by_states = group.name.startswith("/aws/vendedlogs/states/")
            place = "logs of the state machines" if by_states else "logs of the functions"
            for stream in group.streams.values():
                places[place] += [event.message for event in stream.events if '"_aws"' not in event.message]
        for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
            for execution in machine.executions:
                places["names of executions"].append(execution.name)
                whole = (execution.execution_input, execution.output, execution.error, execution.cause)
                places["executions"].append(json.dumps(whole, ensure_ascii=False, default=str))
        self._add_queues(places)
        for table in dynamodb_backends[ACCOUNT][REGION].tables.values():
            places["table of records"] += [json.dumps(item.to_json(), ensure_ascii=False) for item in table.all_items()]
        return places

    def _add_queues(self, places: dict[str, list[str]]) -> None:
        ours = set(self._environment.stack.resources.values()) if self._environment.stack else set()
        for queue in sqs_backends[ACCOUNT][REGION].queues.values():
            if not {queue.name, queue.physical_resource_id} & ours:
                continue
            of_states = "StatusChanges" in queue.name
            place = "queues of status changes" if of_states else "queues of identity providers' events"
            for message in queue._messages:
                places[place].append(message.body)
                attributes = json.dumps(message.message_attributes, ensure_ascii=False, default=str)
                places["attributes of messages in the queues"].append(attributes)


def watch() -> None:
    """Have every environment of this process looked through when it is closed."""
    if getattr(Environment, "watched_for_privacy", False):
        return
    enter = Environment._enter

    def entering(environment: Environment, opened: ExitStack) -> None:
        enter(environment, opened)
        secrets = Secrets(environment)
        opened.callback(lambda: found.extend(secrets.leaks()))

    Environment._enter = entering
    Environment.watched_for_privacy = True


@pytest.fixture(scope="module", autouse=True)
def no_environment_of_a_module_tells_what_is_personal() -> Iterator[None]:
    watch()
    yield
    _insist_on_none()


@pytest.fixture(autouse=True)
def no_environment_tells_what_is_personal() -> Iterator[None]:
    yield
    _insist_on_none()


def _insist_on_none() -> None:
    leaks = list(found)
    found.clear()
    assert leaks == []


def _search(place: str, kind: str, texts: Iterable[str], secret: re.Pattern[str]) -> Iterator[str]:
    for text in texts:
        match = secret.search(text)
        if match:
            around = text[max(0, match.start() - 100) : match.end() + 100]
            yield f"{place}: {kind}: {match.group()!r} in {around!r}"


def _alternation(words: Iterable[str]) -> re.Pattern[str] | None:
    """Match any of these; what is very short could be part of anything."""
    beginnings = tuple(PERSONAL.values())
    # All that begin alike are one, or hundreds of people would take minutes.
    shortened = {next((begins for begins in beginnings if word.startswith(begins)), word) for word in words}
    spelled = sorted(re.escape(word) for word in shortened if len(word) >= _SHORTEST)
    return re.compile("|".join(spelled)) if spelled else None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


_SENT = {
    "sns:Publish": "messages of the approval topic",
    "events:PutEvents": "events that the product puts",
}

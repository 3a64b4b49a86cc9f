"""Personal data appears only in the places that `docs/reference.md` allows, in every test of this folder.

The table there states which personal data each place may hold. When an environment is closed, every place is searched
for the names, e-mail addresses, telephone numbers and passwords of its users, and for the task tokens of its approvals.
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
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from local.organization import PERSONAL

Texts = Mapping[str, list[str]]

ADDITIONAL_ATTRIBUTES = {"Telephone": "+1-555-0142", "Street": "17 Unlisted Lane"}
"""Attributes that every user has in addition to those that `local.organization` and a test set."""

_TABLE = Path(__file__).parents[2] / "docs" / "reference.md"
_HEADER = "| where | names | e-mail addresses | telephone numbers, postal addresses | task tokens | passwords |"
# The sample address in the messages about wrong inputs belongs to no user.
_ADDRESS = r"(?<![\w.%+-])(?!alice@example\.com\b)[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"
_MIN_SECRET_LENGTH = 4
_ASSETS = "cdk-"
"""How the bucket of the CDK is called, which has templates and code."""

recorded_leaks: list[str] = []
"""The leaks in the environments that were closed since the last check."""


@functools.cache
def read_allowed_places() -> dict[str, dict[str, bool]]:
    """Read the table: by place and kind of personal data, whether it is allowed there."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    start = lines.index(_HEADER)
    kinds = _split_cells(_HEADER)[1:]
    places = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        place, *cells = _split_cells(line)
        places[place] = {kind: cell != "no" for kind, cell in zip(kinds, cells, strict=True)}
    return places


class LeakDetector:
    """Finds personal data in one environment, and records the requests that its functions send.

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
        environment.workmail.after_hooks.append(self._record_workmail_call)
        environment.permissions.listeners.append(self._record_function_call)

    def find_leaks(self) -> list[str]:
        """Return the personal data that is in a place where the table forbids it."""
        secrets = self._list_secrets()
        leaks = []
        for place, texts in self._read_places().items():
            for kind, is_allowed in read_allowed_places()[place].items():
                if not is_allowed and secrets[kind]:
                    leaks += _search(place, kind, texts, secrets[kind])
        return leaks

    def _record_workmail_call(self, operation: str, parameters: Mapping[str, Any]) -> None:
        if parameters.get("Password"):
            self._passwords.add(parameters["Password"])
        if operation == "CreateUser":
            for user in self._iterate_users():
                if user.name == parameters["Name"]:
                    user.attributes = {**ADDITIONAL_ATTRIBUTES, **user.attributes}

    def _record_function_call(self, action: str, parameters: Mapping[str, Any]) -> None:
        place = _PLACE_OF_REQUEST.get(action)
        if place is not None:
            self._sent[place].append(json.dumps(parameters, ensure_ascii=False))
        elif action == "sqs:SendMessage":
            self._sent["attributes of messages in the queues"].append(json.dumps(parameters.get("MessageAttributes")))
            self._sent[_name_queue(parameters["QueueUrl"])].append(parameters["MessageBody"])
        elif action == "dynamodb:UpdateItem" and ":TaskToken" in parameters.get("ExpressionAttributeValues", {}):
            self._tokens.add(parameters["ExpressionAttributeValues"][":TaskToken"]["S"])

    def _iterate_users(self) -> Iterator[Any]:
        for organization in self._environment.workmail.organizations.values():
            for entity in organization.entities.values():
                if entity.type == "USER":
                    yield entity

    def _list_secrets(self) -> dict[str, re.Pattern[str] | None]:
        users = list(self._iterate_users())
        # A user name without a dot may be any word.
        dotted_names = {user.name for user in users if "." in user.name}
        shown_names = {user.display_name for user in users} | dotted_names
        shown_names |= {
            user.attributes[key] for user in users for key in ("FirstName", "LastName") if key in user.attributes
        }
        attributes = {
            value for user in users for key, value in user.attributes.items() if key not in {"FirstName", "LastName"}
        }
        names = {user.name for user in users} - dotted_names
        texts = (shown_names - names, (), attributes, self._tokens, self._passwords)
        kinds = _split_cells(_HEADER)[1:]
        secrets = {kind: _compile_alternation(words) for kind, words in zip(kinds, texts, strict=True)}
        return {**secrets, kinds[1]: re.compile(_ADDRESS)}

    def _read_places(self) -> Texts:
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
                content = (execution.execution_input, execution.output, execution.error, execution.cause)
                places["executions"].append(json.dumps(content, ensure_ascii=False, default=str))
        self._read_queues(places)
        for table in dynamodb_backends[ACCOUNT][REGION].tables.values():
            places["table of records"] += [json.dumps(item.to_json(), ensure_ascii=False) for item in table.all_items()]
        for bucket in s3_backends[ACCOUNT]["aws"].buckets.values():
            if not bucket.name.startswith(_ASSETS):
                places["keys and logs of archives"] += _list_object_texts(bucket)
        return places

    def _read_queues(self, places: dict[str, list[str]]) -> None:
        stack_queues = set(self._environment.stack.resources.values()) if self._environment.stack else set()
        for queue in sqs_backends[ACCOUNT][REGION].queues.values():
            if not {queue.name, queue.physical_resource_id} & stack_queues:
                continue
            place = _name_queue(queue.name)
            for message in queue._messages:
                places[place].append(message.body)
                attributes = json.dumps(message.message_attributes, ensure_ascii=False, default=str)
                places["attributes of messages in the queues"].append(attributes)


def _list_object_texts(bucket: Any) -> Iterator[str]:
    """Yield the keys and the metadata of all objects, and the content of those that are no archives."""
    for key in bucket.keys:
        yield key
        for version in bucket.keys.getlist(key):
            yield json.dumps(dict(getattr(version, "metadata", {})), ensure_ascii=False)
            if not key.endswith(".zip") and hasattr(version, "value"):
                yield version.value.decode(errors="replace")


def install_detector() -> None:
    """Search every environment of this process when it is closed."""
    if getattr(Environment, "detects_leaks", False):
        return
    enter = Environment._enter

    def enter_with_detector(environment: Environment, opened: ExitStack) -> None:
        enter(environment, opened)
        detector = LeakDetector(environment)
        opened.callback(lambda: recorded_leaks.extend(detector.find_leaks()))

    Environment._enter = enter_with_detector
    Environment.detects_leaks = True


@pytest.fixture(scope="module", autouse=True)
def no_environment_of_a_module_leaks_personal_data() -> Iterator[None]:
    install_detector()
    yield
    _assert_no_leaks()


@pytest.fixture(autouse=True)
def no_environment_leaks_personal_data() -> Iterator[None]:
    yield
    _assert_no_leaks()


def _assert_no_leaks() -> None:
    leaks = list(recorded_leaks)
    recorded_leaks.clear()
    assert leaks == []


def _search(place: str, kind: str, texts: Iterable[str], secret: re.Pattern[str]) -> Iterator[str]:
    for text in texts:
        match = secret.search(text)
        if match:
            around = text[max(0, match.start() - 100) : match.end() + 100]
            yield f"{place}: {kind}: {match.group()!r} in {around!r}"


def _compile_alternation(words: Iterable[str]) -> re.Pattern[str] | None:
    """Compile a pattern that matches any of the words, without very short ones, which other words may contain."""
    beginnings = tuple(PERSONAL.values())
    # Words with the same beginning become one, or hundreds of users would take minutes.
    shortened = {next((beginning for beginning in beginnings if word.startswith(beginning)), word) for word in words}
    alternatives = sorted(re.escape(word) for word in shortened if len(word) >= _MIN_SECRET_LENGTH)
    return re.compile("|".join(alternatives)) if alternatives else None


def _name_queue(name: str) -> str:
    """Return the place in the table to which a queue of the stack belongs, by its name or URL."""
    if "StatusChanges" in name:
        return "queues of status changes"
    return "queues of notifications" if "Notifications" in name else "queues of identity providers' events"


def _split_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


_PLACE_OF_REQUEST = {
    "sns:Publish": "mails",
    "events:PutEvents": "events that the product puts",
    "workmail:StartMailboxExportJob": "keys and logs of archives",
}

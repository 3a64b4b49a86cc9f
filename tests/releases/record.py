"""Records the current sources as a release: ``python -m tests.releases.record``.

The version is that of ``pyproject.toml``. A recorded version is not recorded again, because the recording shows
what was released; ``--again`` replaces the recording of an unreleased version. Docs: ``docs/releasing.md``.
"""

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.cdk.assembly import ROOT, TEMPLATE, assembly
from local.cdk.assets import package
from local.defaults import ORGANIZATION_ID
from local.environment import Environment
from stacks.packaging import list_source_files
from tests.releases.recorded_release import (
    SETTINGS,
    RecordedState,
    Release,
    WaitingExecution,
    render_timestamp,
    sort_items,
)
from tests.workflow.conftest import Flow

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""The start of the first execution."""
REQUESTER = {"Provider": "okta", "EventId": "e-1", "RequestedBy": "it.admin@example.com"}
REQUEST = {"RequestedBy": "helpdesk", "Reason": "leaves the company"}
RECORDED_AFTER = timedelta(days=30.4)
"""The time of the recording, counted from `START`: after the first check of the execution that started then."""
EXTRA_RETENTION = timedelta(hours=12)
"""The time beyond 30 days for which WorkMail keeps mailboxes here, so that the first check still finds one."""
_RANDOM_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|\br-[0-9a-f]{32}\b|\b[0-9A-Za-z]{52}\b"
)
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")


def record(release: Release) -> None:
    """Write the folder of a release."""
    synthesized = assembly(SETTINGS)
    with Environment(synthesized, now=START) as environment:
        executions, recorded_state = _Recording(Flow(environment)).play()
    shutil.rmtree(release.folder, ignore_errors=True)
    (release.folder / "executions").mkdir(parents=True)
    _write_json(release.folder / "template.json", json.loads((synthesized / TEMPLATE).read_text()))
    (release.folder / "handlers.zip").write_bytes(_zip_handlers())
    numbers = NumberedIds()
    for waiting in sorted(executions, key=lambda waiting: waiting.name):
        _write_json(release.folder / "executions" / f"{waiting.name}.json", numbers.replace_in(waiting.to_json()))
    numbered = numbers.replace_in(vars(recorded_state))
    # Keys have ids and hashes of ids, so the order is that of the numbers only from here on.
    _write_json(release.folder / "world.json", {**numbered, "items": sort_items(numbered["items"])})


class NumberedIds:
    """Gives random ids numbers in the order in which they appear, so that the same sources make the same recording.

    The table finds entities by a hash of their id, so the hash of an id becomes the hash of its number.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def replace_in(self, content: Any) -> Any:
        """Return JSON with numbers in place of its random ids, and of the hashes of all ids up to here."""
        text = _RANDOM_ID.sub(lambda match: self._number(match[0]), json.dumps(content, sort_keys=True))
        hashes = {_hash(random_id): _hash(number) for random_id, number in self._numbers.items()}
        return json.loads(_SHA256.sub(lambda match: hashes.get(match[0], match[0]), text))

    def _number(self, random_id: str) -> str:
        return self._numbers.setdefault(random_id, _render_number(random_id, len(self._numbers) + 1))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Recording:
    """Brings executions to each state in which an execution can wait."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._started: list[str] = []

    def play(self) -> tuple[list[WaitingExecution], RecordedState]:
        flow = self._flow
        flow.backend.retention += EXTRA_RETENTION
        self._play_ended()
        self._start_offboarding("looking-again")
        self._advance(RECORDED_AFTER - timedelta(days=12))
        self._play_retained()
        self._advance(timedelta(days=12))
        self._play_dated_and_approvals()
        executions = [waiting for arn in self._started if (waiting := self._read_waiting_execution(arn))]
        return executions, RecordedState.of(flow.environment)

    def _play_ended(self) -> None:
        """Play executions that have ended when the recording is made."""
        flow = self._flow
        flow.change_policy(ApprovalRequired=["vip*"])
        flow.decide(self._start_offboarding("ended-rejected", person="vip.ended"), "Rejected")
        self._start_offboarding("ended-removed")
        self._advance(timedelta(hours=1))
        flow.delete_user("ended.removed")

    def _play_retained(self) -> None:
        flow = self._flow
        creators = {
            "user": self._create_user,
            "group": flow.people.create_group,
            "resource": flow.people.create_resource,
        }
        for kind, create in creators.items():
            create(f"retained.{kind}")
            self._start_offboarding(f"retained-{kind}", person=f"retained.{kind}", is_created=True)
        for name in ("retained-restored", "retained-stopped", "retained-again"):
            self._start_offboarding(name)
        self._start_offboarding("retained-provider", Requester=REQUESTER)
        flow.stop(self._start_offboarding("ended-stopped"))
        flow.change_policy(DailyCap=0)

    def _play_dated_and_approvals(self) -> None:
        date = render_timestamp(self._flow.clock.now() + timedelta(days=25))
        for name in ("dated", "dated-protected"):
            self._start_offboarding(name, NotBefore=date, Expected={"Type": "USER"})
        for name in ("approved", "rejected", "undecided"):
            self._start_offboarding(f"asked-{name}", person=f"vip.{name}")
        self._start_offboarding("asked-above-the-cap", Requester=REQUESTER)

    def _start_offboarding(self, name: str, *, person: str | None = None, is_created: bool = False, **more: Any) -> str:
        """Start an execution with a name for a person, by default of the same name, and let it settle."""
        entity_id = person or name.replace("-", ".")
        if not is_created:
            self._create_user(entity_id)
        execution_input = {"OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **REQUEST, **more}
        arn = self._flow.environment.start(execution_input, name)
        self._flow.clock.settle()
        self._started.append(arn)
        return arn

    def _create_user(self, name: str) -> None:
        """Create a user with an alias and a group."""
        user = self._flow.people.create_user(name)
        self._flow.people.create_alias(user, f"{name}.alias")
        self._flow.people.create_group(f"{name}.team", (user,))

    def _advance(self, by: timedelta) -> None:
        self._flow.clock.settle()
        self._flow.clock.advance(by)

    def _read_waiting_execution(self, arn: str) -> WaitingExecution | None:
        """Read from an execution's history how it waits; return None if it has ended."""
        answer, history = self._flow.environment.describe(arn), self._flow.environment.history(arn)
        if answer["status"] != "RUNNING":
            return None
        entered_state = [e["stateEnteredEventDetails"] for e in history if "stateEnteredEventDetails" in e][-1]
        variables: dict[str, Any] = {}
        for event in history:
            assigned = event.get("stateExitedEventDetails", {}).get("assignedVariables", {})
            variables |= {name: json.loads(value) for name, value in assigned.items()}
        return WaitingExecution(
            name=answer["name"],
            started_at=render_timestamp(answer["startDate"].astimezone(UTC)),
            input=json.loads(answer["input"]),
            state=entered_state["name"],
            state_input=json.loads(entered_state["input"]),
            variables=variables,
        )


def _zip_handlers() -> bytes:
    """Zip the deployed sources without vendored packages."""
    with tempfile.TemporaryDirectory() as directory:
        for file in list_source_files(ROOT / "lambdas"):
            copied = Path(directory) / file.relative_to(ROOT / "lambdas")
            copied.parent.mkdir(exist_ok=True)
            shutil.copy(file, copied)
        return package(Path(directory))


def _write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _render_number(random_id: str, number: int) -> str:
    if random_id.startswith("r-"):
        return f"r-{number:032x}"
    return f"00000000-0000-4000-8000-{number:012x}" if "-" in random_id else f"{number:052d}"


def main() -> int:
    """Record the version that ``pyproject.toml`` names."""
    parser = argparse.ArgumentParser(prog="python -m tests.releases.record", description=__doc__)
    parser.add_argument(
        "--again", action="store_true", help="replace the recording of a version that is not released yet"
    )
    again = parser.parse_args().again
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    release = Release(version)
    if release.folder.exists() and not again:
        sys.stderr.write(f"{version} is recorded: set a new version in pyproject.toml.\n")
        return 1
    record(release)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

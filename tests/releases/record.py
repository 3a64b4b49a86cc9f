"""Records the present sources as a release: ``python -m tests.releases.record``.

The version is that of ``pyproject.toml``. What was recorded is never recorded again, for it is what was released;
``--again`` does it all the same, for a version that is not out yet. Docs: ``docs/releasing.md``.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.assembly import ROOT, TEMPLATE, assembly
from local.deployment import package
from local.environment import Environment
from local.settings import ORGANIZATION_ID
from stacks.packaging import list_source_files
from tests.releases.released import SETTINGS, Release, Waiting, World, timestamp
from tests.workflow.conftest import Flow

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""When the first of them is started."""
REQUESTER = {"Provider": "okta", "EventId": "e-1", "RequestedBy": "it.admin@example.com"}
WHY = {"RequestedBy": "helpdesk", "Reason": "leaves the company"}
WAITED_BEFORE = timedelta(days=30.4)
"""When everything is recorded, counted from `BEGIN`: a first look has been taken at what was started then."""
LATER = timedelta(hours=12)
"""How much longer than 30 days WorkMail keeps mailboxes here, so that the first look still shows one."""
_BY_CHANCE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|\br-[0-9a-f]{32}\b|\b[0-9A-Za-z]{52}\b"
)


def record(release: Release) -> None:
    """Write the folder of a release."""
    synthesized = assembly(SETTINGS)
    with Environment(synthesized, now=BEGIN) as environment:
        executions, world = _Play(Flow(environment)).recorded()
    shutil.rmtree(release.folder, ignore_errors=True)
    (release.folder / "executions").mkdir(parents=True)
    _write(release.folder / "template.json", json.loads((synthesized / TEMPLATE).read_text()))
    (release.folder / "handlers.zip").write_bytes(_handlers())
    named: dict[str, str] = {}
    for waiting in sorted(executions, key=lambda waiting: waiting.name):
        _write(release.folder / "executions" / f"{waiting.name}.json", waiting.to_json(), named)
    _write(release.folder / "world.json", vars(world), named)


class _Play:
    """Brings executions to each place where one can wait."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._started: list[str] = []

    def recorded(self) -> tuple[list[Waiting], World]:
        flow = self._flow
        flow.backend.retention += LATER
        self._what_ends()
        self._start("looking-again")
        self._advance(WAITED_BEFORE - timedelta(days=12))
        self._what_is_retained()
        self._advance(timedelta(days=12))
        self._what_waits_for_somebody()
        return [waiting for arn in self._started if (waiting := self._waiting(arn))], World.of(flow.environment)

    def _what_ends(self) -> None:
        """Make records of executions that are over when the recording is made."""
        flow = self._flow
        flow.change_policy(ApprovalRequired=["vip*"])
        flow.decide(self._start("ended-rejected", person="vip.ended"), "Rejected")
        self._start("ended-removed")
        self._advance(timedelta(hours=1))
        flow.workmail.delete_user(OrganizationId=ORGANIZATION_ID, UserId="ended.removed")

    def _what_is_retained(self) -> None:
        flow = self._flow
        for kind, make in {"user": self._user, "group": flow.people.group, "resource": flow.people.resource}.items():
            make(f"retained.{kind}")
            self._start(f"retained-{kind}", person=f"retained.{kind}", made=True)
        for name in ("retained-restored", "retained-stopped", "retained-again"):
            self._start(name)
        self._start("retained-provider", Requester=REQUESTER)
        flow.stop(self._start("ended-stopped"))
        flow.change_policy(DailyCap=0)

    def _what_waits_for_somebody(self) -> None:
        date = timestamp(self._flow.clock.now() + timedelta(days=25))
        for name in ("dated", "dated-protected"):
            self._start(name, NotBefore=date, Expected={"Type": "USER"})
        for name in ("approved", "rejected", "undecided"):
            self._start(f"asked-{name}", person=f"vip.{name}")
        self._start("asked-above-the-cap", Requester=REQUESTER)

    def _start(self, name: str, *, person: str | None = None, made: bool = False, **more: Any) -> str:
        """Offboard a person, of the execution's name if not told otherwise, and see it come to rest."""
        who = person or name.replace("-", ".")
        if not made:
            self._user(who)
        given = {"OrganizationId": ORGANIZATION_ID, "EntityId": who, **WHY, **more}
        arn = self._flow.environment.start(given, name)
        self._flow.clock.settle()
        self._started.append(arn)
        return arn

    def _user(self, name: str) -> None:
        """Make a user with an alias, in a group."""
        user = self._flow.people.user(name)
        self._flow.people.alias(user, f"{name}.alias")
        self._flow.people.group(f"{name}.team", (user,))

    def _advance(self, by: timedelta) -> None:
        self._flow.clock.settle()
        self._flow.clock.advance(by)

    def _waiting(self, arn: str) -> Waiting | None:
        """Read from an execution's history how it waits; None if it is over."""
        answer, history = self._flow.environment.describe(arn), self._flow.environment.history(arn)
        if answer["status"] != "RUNNING":
            return None
        entered = [e["stateEnteredEventDetails"] for e in history if "stateEnteredEventDetails" in e][-1]
        variables: dict[str, Any] = {}
        for event in history:
            assigned = event.get("stateExitedEventDetails", {}).get("assignedVariables", {})
            variables |= {name: json.loads(value) for name, value in assigned.items()}
        return Waiting(
            name=answer["name"],
            started_at=timestamp(answer["startDate"].astimezone(UTC)),
            input=json.loads(answer["input"]),
            state=entered["name"],
            state_input=json.loads(entered["input"]),
            variables=variables,
        )


def _handlers() -> bytes:
    """Zip what is deployed but for what is vendored."""
    with tempfile.TemporaryDirectory() as directory:
        for file in list_source_files(ROOT / "lambdas"):
            copied = Path(directory) / file.relative_to(ROOT / "lambdas")
            copied.parent.mkdir(exist_ok=True)
            shutil.copy(file, copied)
        return package(Path(directory))


def _write(file: Path, content: Any, named: dict[str, str] | None = None) -> None:
    """Write JSON; what was made up by chance is numbered, so that the same sources make the same recording."""

    def number(chance: re.Match[str]) -> str:
        known = {} if named is None else named
        return known.setdefault(chance[0], _numbered(chance[0], len(known) + 1))

    text = json.dumps(content, indent=1, sort_keys=True)
    file.write_text((text if named is None else _BY_CHANCE.sub(number, text)) + "\n")


def _numbered(chance: str, number: int) -> str:
    if chance.startswith("r-"):
        return f"r-{number:032x}"
    return f"00000000-0000-4000-8000-{number:012x}" if "-" in chance else f"{number:052d}"


def main() -> int:
    """Record the version that ``pyproject.toml`` names."""
    parser = argparse.ArgumentParser(prog="python -m tests.releases.record", description=__doc__)
    parser.add_argument("--again", action="store_true", help="replace the recording of a version that is not out yet")
    again = parser.parse_args().again
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    release = Release(version)
    if release.folder.exists() and not again:
        sys.stderr.write(f"{version} is recorded: give the new release a version of its own in pyproject.toml.\n")
        return 1
    record(release)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

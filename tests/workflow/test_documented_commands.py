"""Every command `offboarding …` of the pages is run, with the people of the pages in the state in which it is typed.

The people have the same part on each page: alice's offboarding failed, bob waits for an approval, carol is in the
window, dave waits for a date, erin and frank have not left yet, gina's clean-up was verified, and heidi and ivan wait
because a cap is reached.
"""

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from local.defaults import COMPANY_DOMAIN
from tests.workflow.operator import Operator
from tests.workflow.test_identity_events import Intake, build_okta_event

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXAMPLE_ID = "7a1c9f9e-4c55-4d2b-9d3c-0f6f0e6d2b11"
PLACEHOLDERS = frozenset({"WHO", "ID", "TEXT", "FILE", "DATE"})
READING = frozenset({"status", "list", "show", "plan", "report", "doctor", "--help"})
ANSWERS_NO = frozenset({"doctor"})
"""Commands whose answer may be no: what is not as it should be in the embedded AWS is no defect of the page."""


def list_commands() -> list[str]:
    """List the commands of all pages, each once: lines of blocks, and code in the cells of tables."""
    commands: dict[str, None] = {}
    for page in PAGES:
        text = page.read_text()
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
        # A cell can name a command, without anything that it is about.
        cells = re.findall(r"`(offboarding [^\s`]+ [^`]+)`", "\n".join(re.findall(r"^\|.*\|$", text, re.M)))
        for line in (*lines, *cells):
            words = shlex.split(line, comments=True) if line.startswith("offboarding ") else []
            if words and not PLACEHOLDERS & set(words):
                commands[shlex.join(words[1:])] = None
    return list(commands)


def is_reading(command: str) -> bool:
    words = shlex.split(command)
    return words[0] in READING or words in (["queue"], ["refused"])


COMMANDS = list_commands()


class Cast:
    """The people of the pages. Each command that acts gets people of its own, whose addresses have its number."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._flow = operator.flow
        self._ids: dict[str, str] = {}

    def run(self, command: str, number: int = 0) -> Result:
        """Run a command about the people with a number; its questions are answered by yes, or by gina's id."""
        ids = {EXAMPLE_ID: self._ids[f"erin{number}"]}
        words = [ids.get(word) or self._rename(word, number) for word in shlex.split(command)]
        answer = self._ids[f"gina{number}"] if words[0] == "forget" else "y"
        return self._operator.run(*words, input=f"{answer}\n")

    def create_those_who_are_gone(self, *numbers: int) -> None:
        """Bring people to the end of their 30 days."""
        for number in numbers:
            self._flow.start(self._create("gina", number))
        self._flow.pass_days(31)

    def create(self, number: int, command: str) -> None:
        """Bring all others whom a command is about into the state of their part."""
        if "refused" in command:
            published = self._flow.clock.now().isoformat()
            event = build_okta_event("nobody@example.com", uuid=f"u{number}", published=published)
            Intake(self._flow).put_events(event)
        if "--all" in command:
            self._wait_for_approval("heidi", number, HandCap=0)
            self._wait_for_approval("ivan", number, {"Provider": "okta", "EventId": f"ivan{number}"}, DailyCap=0)
        if "carol" in command:
            carol = self._create("carol", number)
            self._flow.people.create_alias(carol, self._rename("alice.old@", number)[:-1], domain=COMPANY_DOMAIN)
            self._flow.start(carol)
        if "alice" in command:
            self._flow.start(self._rename(f"alice@{COMPANY_DOMAIN}", number))
            self._flow.clock.settle()
            self._create("alice", number)
        if "bob" in command:
            self._wait_for_approval("bob", number, ApprovalRequired=["bob*"])
        if "dave" in command:
            self._flow.start(self._create("dave", number), NotBefore="2027-02-01T00:00:00Z")
        self._create("erin", number)
        self._create("frank", number)
        self._flow.process_status_events()

    def _wait_for_approval(
        self, name: str, number: int, requester: dict[str, str] | None = None, **policy: Any
    ) -> None:
        self._flow.change_policy(**policy)
        self._flow.start(self._create(name, number), **({"Requester": requester} if requester else {}))
        self._flow.clock.settle()
        self._flow.change_policy(ApprovalRequired=[], HandCap=None, DailyCap=20)

    def _create(self, name: str, number: int) -> str:
        user = self._flow.people.create_user(self._rename(f"{name}@", number)[:-1], domain=COMPANY_DOMAIN)
        self._ids[f"{name}{number}"] = user
        return str(user)

    @staticmethod
    def _rename(word: str, number: int) -> str:
        return word.replace("@", f"{number or ''}@", 1)


@pytest.fixture
def cast(make_operator: Callable[..., Operator]) -> Cast:
    return Cast(make_operator(now=NOW))


def require_success(command: str, result: Result) -> None:
    assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
    is_answered = result.exit_code == 0 or (shlex.split(command)[0] in ANSWERS_NO and result.exit_code == 1)
    assert is_answered, (command, result.output)


def test_every_documented_command_that_reads_gives_an_answer(cast: Cast) -> None:
    commands = [command for command in COMMANDS if is_reading(command)]
    assert len(commands) > 15
    cast.create_those_who_are_gone(0)
    cast.create(0, "alice bob carol dave --all refused")
    for command in commands:
        require_success(command, cast.run(command))


def test_every_documented_command_that_acts_does_so(cast: Cast) -> None:
    commands = [command for command in COMMANDS if not is_reading(command)]
    assert len(commands) > 15
    cast.create_those_who_are_gone(*(n for n, command in enumerate(commands, start=1) if "gina" in command))
    for number, command in enumerate(commands, start=1):
        cast.create(number, command)
        require_success(command, cast.run(command, number))

"""Every command `offboarding …` of the pages is run, with the people of the pages in the state in which it is typed.

The people have the same part on each page: alice's offboarding failed, bob waits for an approval, carol is in the
window, dave waits for a date, erin and frank have not left yet, gina's clean-up was verified, and heidi waits because
the cap is reached.
"""

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from local.defaults import COMPANY_DOMAIN
from tests.workflow.conftest import Flow
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


def create_cast(flow: Flow) -> dict[str, str]:
    """Create the people of the pages, and bring each into the state of their part; return the ids by their names."""
    people = {name: flow.people.create_user(name, domain=COMPANY_DOMAIN) for name in ("gina", "carol", "bob", "heidi")}
    flow.people.create_alias(people["carol"], "alice.old", domain=COMPANY_DOMAIN)
    flow.start(people["gina"])
    flow.pass_days(31)
    flow.start(f"alice@{COMPANY_DOMAIN}")
    flow.start(people["carol"])
    flow.change_policy(ApprovalRequired=["bob"])
    flow.start(people["bob"])
    flow.clock.settle()
    flow.change_policy(ApprovalRequired=[], HandCap=0)
    flow.start(people["heidi"])
    flow.clock.settle()
    flow.change_policy(HandCap=None)
    people |= {
        name: flow.people.create_user(name, domain=COMPANY_DOMAIN) for name in ("alice", "dave", "erin", "frank")
    }
    flow.start(people["dave"], NotBefore="2027-02-01T00:00:00Z")
    intake = Intake(flow)
    intake.put_events(build_okta_event("nobody@example.com"))
    flow.process_status_events()
    return people


@pytest.fixture
def run(make_operator: Callable[..., Operator]) -> Callable[[str], Result]:
    """Return a function that runs a command in a world with the people of the pages."""
    operator = make_operator(now=NOW)
    people = create_cast(operator.flow)

    def run_command(command: str) -> Result:
        words = [people["erin"] if word == EXAMPLE_ID else word for word in shlex.split(command)]
        return operator.run(*words, input="y\n")

    return run_command


def require_success(command: str, result: Result) -> None:
    assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
    assert result.exit_code == 0 or (shlex.split(command)[0] in ANSWERS_NO and result.exit_code == 1), (
        command,
        result.output,
    )


def test_every_documented_command_that_reads_gives_an_answer(run: Callable[[str], Result]) -> None:
    commands = [command for command in COMMANDS if is_reading(command)]
    assert len(commands) > 15
    for command in commands:
        require_success(command, run(command))


@pytest.mark.parametrize("command", [command for command in COMMANDS if not is_reading(command)])
def test_every_documented_command_that_acts_does_so(command: str, run: Callable[[str], Result]) -> None:
    require_success(command, run(command))

"""A person with the command `offboarding`, on the embedded AWS of this process."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from operate.account import Account
from operate.command import offboarding


class Operator:
    """Runs commands, and reads what they print."""

    def __init__(self, flow: Any) -> None:
        self.flow = flow

    def run(self, *arguments: str | Path, **more: Any) -> Result:
        self.flow.clock.settle()
        return CliRunner().invoke(offboarding, [*map(str, arguments)], **more)

    def accept(self, *arguments: str | Path, **more: Any) -> str:
        """Run a command that has to succeed; return its standard output."""
        result = self.run(*arguments, **more)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refuse(self, *arguments: str | Path, **more: Any) -> str:
        """Run a command that has to be refused; return the last line of its standard error."""
        result = self.run(*arguments, **more)
        assert result.exit_code == 1, result.output
        return result.stderr.splitlines()[-1]

    def read_stack_status(self) -> str | None:
        stack = Account().find_stack()
        return stack and stack.status


def connect_operator(flow: Any, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Have the command work in a flow's environment, with its clients and its clock."""
    # Clients that exist: making each takes longer than using it.
    monkeypatch.setattr(Account, "client", lambda _, service: flow.environment.client(service))
    monkeypatch.setattr(Account, "pause", lambda _, seconds: flow.clock.advance(timedelta(seconds=seconds)))
    monkeypatch.setattr(Account, "read_time", lambda _: flow.clock.now())
    return Operator(flow)


@pytest.fixture
def make_operator(make_flow: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that opens an environment with an operator."""
    monkeypatch.chdir(tmp_path)
    return lambda **more: connect_operator(make_flow(**more), monkeypatch)


@pytest.fixture
def operator(make_operator: Callable[..., Operator]) -> Operator:
    return make_operator()

"""How an offboarding that was started a moment ago is followed."""

from types import SimpleNamespace
from typing import Any

import pytest

from operate import progress
from operate.account import Account
from operate.errors import Refusal
from operate.executions import Execution

ARN = "arn:aws:states:us-east-1:123456789012:execution:machine:name"
TABLE: Any = SimpleNamespace(find_record=lambda _: None)


def test_what_goes_on_already_is_said_once_with_the_next_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Execution(ARN, "FAILED", "AlreadyInProgress", f"{ARN} offboards this entity.", {"EntityId": "id-1"}, {})
    monkeypatch.setattr(progress, "require_execution", lambda *_: end)

    with pytest.raises(Refusal) as caught:
        progress.follow_start(Account(region="us-east-1"), TABLE, ARN)

    assert str(caught.value) == (
        f"AlreadyInProgress: {ARN} offboards this entity. See it with: offboarding show id-1. To change its date while "
        "it waits: offboarding withdraw id-1, then start again."
    )


def test_ctrl_c_says_that_the_offboarding_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Execution(ARN, "RUNNING", None, "", {}, {})
    monkeypatch.setattr(progress, "require_execution", lambda *_: running)

    def press_ctrl_c(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Account, "pause", press_ctrl_c)

    with pytest.raises(Refusal, match=f"goes on without this command. Look again with: offboarding show {ARN}"):
        progress.follow_start(Account(region="us-east-1"), TABLE, ARN)

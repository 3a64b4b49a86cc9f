"""A check, and what it finds. A check that fails is a finding too, and ends nothing."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from operate.doctor.setup import Setup
from operate.errors import Refusal, describe_error, error_code

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"})
_ACTION = re.compile(r"perform: ([a-z0-9-]+:\w+)")
"""Where most services name the action that is missing."""


class Result(StrEnum):
    """What a check says."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One answer of a check.

    Attributes
    ----------
    result
        Whether something is wrong, or could not be checked.
    message
        One sentence, or a few, about what is.
    advice
        What to do; None if there is nothing to do.
    """

    result: Result
    message: str
    advice: str | None = None


@dataclass(frozen=True)
class Check:
    """A question about the set-up.

    Attributes
    ----------
    subject
        What it is about, in a few words.
    find
        Goes through the answers. It can raise `ClientError` and `BotoCoreError`.
    actions
        What the caller must be allowed to do, as IAM spells it.
    """

    subject: str
    find: Callable[[Setup], Iterable[Finding]]
    actions: tuple[str, ...] = ()

    def run(self, setup: Setup) -> Iterator[Finding]:
        """Go through the answers; an error of AWS is the last one."""
        try:
            yield from self.find(setup)
        except (ClientError, BotoCoreError) as error:
            yield self._explain(error)
        except Refusal as refusal:
            yield unknown(f"It could not be checked. {refusal}")

    def _explain(self, error: ClientError | BotoCoreError) -> Finding:
        if isinstance(error, ClientError) and error_code(error) in _DENIED:
            action = self._find_action(error)
            advice = f"Allow {action}; docs/policies/viewer.json has all that this command needs."
            return unknown(f"It could not be checked: {action} is not allowed.", advice)
        return unknown(f"It could not be checked. {describe_error(error)}")

    def _find_action(self, error: ClientError) -> str:
        """Return the action that is missing, or those of which one is missing."""
        match = _ACTION.search(str(error))
        if match:
            return match[1]
        matching = [action for action in self.actions if action.endswith(f":{error.operation_name}")]
        return " or ".join(matching or self.actions)


def ok(message: str) -> Finding:
    """Return a finding about which there is nothing to do."""
    return Finding(Result.OK, message)


def wrong(message: str, advice: str) -> Finding:
    """Return a finding with what to do."""
    return Finding(Result.WRONG, message, advice)


def unknown(message: str, advice: str | None = None) -> Finding:
    """Return that something could not be checked."""
    return Finding(Result.UNKNOWN, message, advice)

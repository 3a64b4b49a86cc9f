"""What a person can do about an offboarding: a sentence, and the command to type next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from operate.account import Account
from operate.questions.offboardings import Offboarding
from operate.service_end import ServiceEnd
from operate.terminal import render_moment, render_remaining_time
from operate.wording.outcomes import MAILBOX_TOUCHED, find_outcome_wording

REASON = ("--reason", "…")
"""Where the person fills in why."""

_OBSERVED_OUTCOMES = frozenset({"CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved"})
"""They say what became of the mailbox."""


@dataclass(frozen=True)
class Advice:
    """What can be done.

    Attributes
    ----------
    sentence
        What it is about, and why.
    command
        What to type next; None if there is nothing to type.
    """

    sentence: str
    command: str | None = None


class Adviser:
    """Says what can be done about offboardings.

    Parameters
    ----------
    account
        The account in which the commands work.
    now
        The time now.
    """

    def __init__(self, account: Account, now: datetime) -> None:
        self._account = account
        self._now = now

    @property
    def _service_end(self) -> ServiceEnd:
        return self._account.stack.service_end

    def advise(self, offboarding: Offboarding) -> list[Advice]:
        """Return what can be done about an offboarding now: nothing, if it goes on or is over without a person."""
        if offboarding.superseded_by is not None and offboarding.status != "Scheduled":
            return []
        if offboarding.pending_decision is not None:
            return [
                Advice(f"The decision on {offboarding.label} is {offboarding.pending_decision}; it shows in minutes.")
            ]
        match offboarding.status:
            case "AwaitingApproval":
                return [*self._advise_approval(offboarding)]
            case "Scheduled":
                return [self.advise_withdrawal(offboarding, "waits for its date")]
            case "Exporting":
                return [self.advise_withdrawal(offboarding, "is offboarded as soon as its mailbox is exported")]
            case "InWindow" | "Deregistering":
                return [*self._advise_restore(offboarding)]
            case "Restoring":
                return [self._advise_resumption(offboarding)]
            case "Unwatched" | "Ended":
                return [*self._advise_ended(offboarding)]
        return []

    def advise_withdrawal(self, offboarding: Offboarding, state: str) -> Advice:
        """Return how something that waits is withdrawn; `state` says for what it waits."""
        due = f" ({render_moment(offboarding.due_at)})" if offboarding.due_at else ""
        sentence = f"{offboarding.label} {state}{due}. Withdraw it if the person stays."
        return Advice(sentence, self._render("withdraw", offboarding))

    def _advise_approval(self, offboarding: Offboarding) -> Iterator[Advice]:
        if self._service_end.has_begun(self._now):
            sentence = f"{offboarding.label} waits for an approval. {self._describe_service_end()}"
            yield Advice(f"{sentence} Reject it.", self._render("reject", offboarding))
            return
        until, left = render_moment(offboarding.due_at), render_remaining_time(offboarding.due_at, self._now)
        sentence = f"{offboarding.label} waits for an approval until {until} ({left} left)."
        yield Advice(" ".join((sentence, *offboarding.reasons)), self._render("approve", offboarding))
        yield Advice("Or reject it; then nothing is changed.", self._render("reject", offboarding))

    def _advise_restore(self, offboarding: Offboarding) -> Iterator[Advice]:
        """Return how the mailbox is given back, as long as that is possible."""
        retention = offboarding.find_retention(self._service_end)
        sentence = retention and retention.describe_return(self._now)
        if retention and sentence:
            is_open = retention.is_open(self._now)
            yield Advice(sentence, self._render("restore", offboarding) if is_open else None)

    def _advise_resumption(self, offboarding: Offboarding) -> Advice:
        since = render_moment(offboarding.restore_began_at)
        if self._service_end.is_over(self._now):
            return Advice(
                f"The restore of {offboarding.label} began at {since}, and cannot be completed: "
                f"{self._service_end.describe(self._now)}."
            )
        sentence = (
            f"The restore of {offboarding.label} began at {since} and is not complete. Start it again if it failed."
        )
        return Advice(sentence, self._render("restore", offboarding))

    def _advise_ended(self, offboarding: Offboarding) -> Iterator[Advice]:
        """Return what is to be done about an end, and how the mailbox is given back if it is kept still."""
        outcome = offboarding.outcome or ""
        wording = find_outcome_wording(outcome)
        if wording.advice is not None:
            subject = "plan" if offboarding.is_plan else "offboarding"
            end = f"The {subject} of {offboarding.label} ended as {outcome}. {describe_mailbox(offboarding)} "
            if self._service_end.has_begun(self._now) and wording.command is not None:
                yield Advice((end if wording.is_failure else "") + self._describe_service_end())
                yield from self._advise_kept_mailbox(offboarding)
                return
            # Nobody can be named whom the input did not name.
            is_nameless = offboarding.label == offboarding.execution_arn
            name = None if is_nameless and wording.command == "start" else wording.command
            command = self._render(name, offboarding) if name else None
            yield Advice((end if wording.is_failure else "") + wording.advice, command)
        yield from self._advise_kept_mailbox(offboarding)

    def _advise_kept_mailbox(self, offboarding: Offboarding) -> Iterator[Advice]:
        """Return how the mailbox is given back after an end that does not say what became of it."""
        is_disabled = bool(offboarding.deregistered_at) or offboarding.status == "Unwatched"
        if is_disabled and offboarding.outcome not in _OBSERVED_OUTCOMES:
            yield from self._advise_restore(offboarding)

    def _describe_service_end(self) -> str:
        return f"{self._service_end.describe(self._now)}: nobody is offboarded any more."

    def _render(self, command: str, offboarding: Offboarding) -> str:
        """Render a command about an offboarding: by the id, because an address can be that of two entities."""
        reason = () if command == "retry" else REASON
        return self._account.render_command(command, offboarding.entity_id or offboarding.label, *reason)


def describe_mailbox(offboarding: Offboarding) -> str:
    """Return whether the mailbox was touched, as a sentence."""
    if offboarding.status == "Restored":
        return "The mailbox was disabled, and a restore has given it back."
    if offboarding.status == "Unwatched" and offboarding.deregistered_at:
        return "The mailbox is disabled, and nobody verifies the clean-up."
    if offboarding.was_disabled:
        return "The mailbox was already disabled when this offboarding began."
    return MAILBOX_TOUCHED[offboarding.mailbox_touched]

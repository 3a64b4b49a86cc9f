"""The offboardings of a stack in numbers, and which of them need a person."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from operate.account import Account
from operate.advice import Advice, Adviser
from operate.listing.rows import is_failure, iterate_due
from operate.periods import render_rfc3339
from operate.questions.offboardings import Offboarding
from operate.questions.table import WAITING_STATUSES, WINDOW_STATUS, RecordsTable, Values, identifier_key
from operate.terminal import parse_moment
from operate.wording.steps import describe_step

RECENT_DAYS = 7
_MAX_LISTED = 10
_BATCH_SIZE = 100
_STEPS = ("Started", "Ended", "Refused", "LeaverReturned", "LastVerificationDay")
_DISABLED = frozenset({"InWindow", "Deregistering", "Unwatched"})
_WAITING = frozenset({*WAITING_STATUSES, "Recorded"})


@dataclass
class Overview:
    """What is in the table.

    Attributes
    ----------
    window, unwatched
        How many are in the window, and how many of these nobody verifies.
    waiting
        How many wait, by status.
    failed, refused
        How many offboardings failed, and events were refused, in the last days.
    needs
        What needs a person, the most urgent first.
    service_end
        What the end of Amazon WorkMail does to them, as sentences; empty if it is far ahead.
    """

    window: int = 0
    unwatched: int = 0
    waiting: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    refused: int = 0
    needs: list[Advice] = field(default_factory=list)
    service_end: list[str] = field(default_factory=list)


def read_overview(account: Account, table: RecordsTable, now: datetime) -> Overview:
    """Read how the offboardings stand, and which of them need a person."""
    return _Reader(account, table, now).read()


@dataclass
class _Affected:
    """Offboardings of one kind: how many there are, and the labels of the first."""

    count: int = 0
    labels: list[str] = field(default_factory=list)

    def add(self, offboarding: Offboarding) -> None:
        self.count += 1
        if len(self.labels) < _MAX_LISTED:
            self.labels.append(offboarding.label)

    def describe(self) -> str:
        more = f" and {self.count - len(self.labels)} more" if self.count > len(self.labels) else ""
        return f"{self.count} ({', '.join(self.labels)}{more})"


class _Reader:
    def __init__(self, account: Account, table: RecordsTable, now: datetime) -> None:
        self._account = account
        self._table = table
        self._now = now
        self._adviser = Adviser(account, now)
        self._overview = Overview()
        self._unwatched: set[str] = set()
        self._service_end = account.stack.service_end
        self._cut = _Affected()
        self._late = _Affected()
        self._cap_count = 0

    def read(self) -> Overview:
        # In the order in which a person should look at them: what is lost with time comes first.
        window = [*self._list_window()]
        failures, returns, notices = self._read_steps()
        needs = self._overview.needs
        needs += self._list_returns(returns)
        needs += window
        needs += self._list_approvals()
        needs += self._list_failures(failures)
        needs += [Advice(describe_step(notice), self._render("list", "--waiting")) for notice in notices]
        for status in WAITING_STATUSES[1:]:
            for offboarding in iterate_due(self._table, [status]):
                self._overview.waiting[status] += 1
                self._note_late(offboarding)
        self._overview.service_end = [*self._describe_service_end()]
        return self._overview

    def _list_window(self) -> Iterator[Advice]:
        return self._limit(self._iterate_troubled_window(), "--window", "in the window need a person")

    def _iterate_troubled_window(self) -> Iterator[Offboarding]:
        for offboarding in iterate_due(self._table, [WINDOW_STATUS]):
            self._overview.window += 1
            retention = offboarding.find_retention(self._service_end)
            if retention is not None and not retention.is_verifiable:
                self._cut.add(offboarding)
            if offboarding.status == "Unwatched":
                self._overview.unwatched += 1
                self._unwatched.add(offboarding.execution_arn)
            if offboarding.status in {"Unwatched", "Restoring"}:
                yield offboarding

    def _list_approvals(self) -> Iterator[Advice]:
        approvals = [*self._limit(self._iterate_approvals(), "--waiting", "wait for an approval")]
        if self._cap_count:
            sentence = f"The cap is reached, and offboardings wait for an approval because of it: {self._cap_count}."
            yield Advice(f"{sentence} Ask first whether so many people left.", self._render("list", "--waiting"))
        yield from approvals

    def _iterate_approvals(self) -> Iterator[Offboarding]:
        """Go through what waits for an approval, and not because of a cap."""
        for offboarding in iterate_due(self._table, WAITING_STATUSES[:1]):
            self._overview.waiting[offboarding.status] += 1
            self._note_late(offboarding)
            if offboarding.cap_is_reached:
                self._cap_count += 1
            else:
                yield offboarding

    def _note_late(self, offboarding: Offboarding) -> None:
        """Note what waits until it is too late for a verification."""
        due_at = parse_moment(offboarding.due_at)
        if due_at is not None and due_at > self._service_end.last_verifiable_moment:
            self._late.add(offboarding)

    def _describe_service_end(self) -> Iterator[str]:
        end, now = self._service_end, self._now
        if not end.is_near(now):
            return
        since = "" if end.is_over(now) else "after that day "
        yield f"{end.describe(now)}: {since}nothing can be given back, and nobody is offboarded."
        if self._overview.window:
            phrase = "In the window, and never verified" if self._cut.count else "In the window, and not affected"
            yield f"{phrase}: {self._cut.describe() if self._cut.count else self._overview.window}."
        if self._late.count:
            last = f"{end.last_verifiable_moment:%Y-%m-%d %H:%M}"
            yield f"Wait, and are not verified if they are disabled after {last}: {self._late.describe()}."

    def _read_steps(self) -> tuple[dict[str, Values], dict[str, Values], list[Values]]:
        """Return the ends that failed and were not tried again and the returns, by execution, and the last notice."""
        failures: dict[str, Values] = {}
        returns: dict[str, Values] = {}
        notices: list[Values] = []
        since = render_rfc3339(self._now - timedelta(days=RECENT_DAYS))
        until = render_rfc3339(self._now + timedelta(seconds=1))
        for step in self._table.iterate_steps(since, until, names=_STEPS):
            match step["Step"]:
                case "Started" if not step.get("DryRun"):
                    self._remove_retried(failures, step)
                case "Ended" if is_failure(step):
                    self._overview.failed += 1
                    failures[str(step.get("EntityKey", step["Id"]))] = step
                case "Refused":
                    self._overview.refused += 1
                case "LeaverReturned":
                    returns[step["Id"]] = step
                case "LastVerificationDay":
                    notices = [step]
        ends = {str(end["Id"]): end for end in failures.values() if end["Id"] not in self._unwatched}
        return ends, returns, notices

    def _remove_retried(self, failures: dict[str, Values], start: Values) -> None:
        """Remove the failures of a person for whom another execution has started since."""
        for key in _list_keys(start):
            failure = failures.get(key, {})
            # The same name can be somebody else's in another organization.
            is_of_organization = failure.get("OrganizationId") in {None, start.get("OrganizationId")}
            # The steps of one moment are in no order.
            if failure and is_of_organization and failure["Id"] != start["Id"]:
                del failures[key]

    def _list_returns(self, returns: dict[str, Values]) -> Iterator[Advice]:
        """List the leavers who are back as long as something can be done for them."""
        for offboarding in self._read_records(returns):
            report = describe_step(returns[offboarding.execution_arn])
            if offboarding.status in _DISABLED:
                advice = [advice for advice in self._adviser.advise(offboarding) if " restore " in f"{advice.command} "]
            elif offboarding.status in _WAITING:
                advice = [self._adviser.advise_withdrawal(offboarding, "is still to be offboarded")]
            else:
                continue
            for item in advice[:1]:
                yield Advice(f"{offboarding.label}: {report} {item.sentence}", item.command)

    def _list_failures(self, failures: dict[str, Values]) -> Iterator[Advice]:
        ended = (offboarding for offboarding in self._read_records(failures) if offboarding.superseded_by is None)
        yield from self._limit(ended, "--failed", "failed")

    def _read_records(self, steps: dict[str, Values]) -> Iterator[Offboarding]:
        """Read the records of executions, each of which has one of these steps."""
        remaining = iter(steps)
        while batch := [*islice(remaining, _BATCH_SIZE)]:
            records = self._table.find_records(batch)
            for arn in batch:
                if arn in records:
                    yield Offboarding.from_record(records[arn]).with_subject_of(steps[arn])

    def _limit(self, offboardings: Iterable[Offboarding], option: str, phrase: str) -> Iterator[Advice]:
        """Go through what is to be done next about the first of some offboardings, and say how many more there are."""
        surplus = 0
        for number, offboarding in enumerate(offboardings):
            if number < _MAX_LISTED:
                yield from self._adviser.advise(offboarding)[:1]
            else:
                surplus += 1
        if surplus:
            yield Advice(f"Further offboardings that {phrase}: {surplus}.", self._render("list", option))

    def _render(self, *words: str) -> str:
        return self._account.render_command(*words)


def _list_keys(step: Values) -> set[str]:
    """List the keys under which an earlier failure of the same person can be: of the entity, or of a text."""
    texts = (step.get("EntityEmail"), step.get("EntityName"), step.get("EntityId"))
    return {str(step.get("EntityKey", step["Id"])), *(identifier_key(str(text)) for text in texts if text)}

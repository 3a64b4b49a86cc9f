"""Has decisions made, each by an execution of the approval state machine, and waits for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from operate.account import Account
from operate.decisions.selection import Candidate
from operate.executions import APPROVAL, RUNNING, find_execution, require_machine, start_execution
from operate.options import report
from operate.questions.table import RecordsTable

_WAITING_SECONDS = 300
_PAUSE_SECONDS = 1.0
_PROGRESS_COUNT = 50
_DESCRIPTIONS_PER_SECOND = 10
_DETAILS = re.compile(r"arn:[\w:/-]+|\d{4}-\d\d-\d\dT[\d:.]+Z")
_CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of this machine can be ahead of that of AWS."""


@dataclass(frozen=True)
class Decision:
    """A decision: its name in the input of the state machine, who decides, and why."""

    name: str
    decided_by: str
    reason: str


@dataclass
class DecisionResult:
    """What became of decisions.

    Attributes
    ----------
    decided
        What has got this decision.
    settled
        What had this decision before.
    refused
        What was refused, and the sentence that says why.
    running
        Whose decision is still being made.
    """

    decided: list[Candidate] = field(default_factory=list)
    settled: list[Candidate] = field(default_factory=list)
    refused: list[tuple[Candidate, str]] = field(default_factory=list)
    running: list[Candidate] = field(default_factory=list)


def make_decisions(
    account: Account, table: RecordsTable, candidates: Sequence[Candidate], decision: Decision
) -> DecisionResult:
    """Decide on offboardings that wait, and wait until that is done, at most five minutes.

    Parameters
    ----------
    account, table
        The stack, and its records.
    candidates
        What is decided on. What has a decision already gets no other one.
    decision
        The decision.

    Raises
    ------
    ClientError, BotoCoreError
        If AWS refuses a call. How many decisions were started until then is said on the standard error.
    """
    result, started = DecisionResult(), dict[str, Candidate]()
    began_at = account.read_time()
    try:
        _start_decisions(account, candidates, decision, started, result)
        open_decisions = dict(started)
        for statuses in _iterate_statuses(account, began_at - _CLOCK_SKEW, open_decisions):
            _take_ended(account, table, open_decisions, statuses, decision, result)
            if not open_decisions:
                break
            report(f"Decisions made: {len(candidates) - len(open_decisions)} of {len(candidates)} …")
    except (ClientError, BotoCoreError, KeyboardInterrupt):
        report(f"Decisions started: {len(started)} of {len(candidates)}. These go on. The command can be repeated.")
        raise
    result.running += open_decisions.values()
    return result


def _start_decisions(
    account: Account,
    candidates: Sequence[Candidate],
    decision: Decision,
    started: dict[str, Candidate],
    result: DecisionResult,
) -> None:
    """Start a decision on each candidate that has none, and enter it by its execution as soon as it has started."""
    for candidate in candidates:
        if candidate.decision is not None:
            _add_settled(result, candidate, decision, candidate.decision)
            continue
        started[_start_decision(account, candidate, decision)] = candidate
        if len(started) % _PROGRESS_COUNT == 0:
            report(f"Decisions started: {len(started)} of {len(candidates)} …")


def _start_decision(account: Account, candidate: Candidate, decision: Decision) -> str:
    request = {
        "ExecutionArn": candidate.execution_arn,
        "Decision": decision.name,
        "DecidedBy": decision.decided_by,
        "Reason": decision.reason,
    }
    return start_execution(account, APPROVAL, request)


def _iterate_statuses(account: Account, since: datetime, arns: Mapping[str, Candidate]) -> Iterator[Mapping[str, str]]:
    """Look again and again at the executions of the approval state machine, a thousand by each call.

    Step Functions allows few descriptions of executions, for all callers together.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    machine = require_machine(account, APPROVAL)
    pages = account.client("stepfunctions").get_paginator("list_executions")
    waited = 0.0
    while arns and waited < _WAITING_SECONDS:
        account.pause(_PAUSE_SECONDS)
        waited += _PAUSE_SECONDS
        statuses: dict[str, str] = {}
        for page in pages.paginate(stateMachineArn=machine):
            executions = page["executions"]
            statuses |= {execution["executionArn"]: execution["status"] for execution in executions}
            # The newest ones come first.
            if statuses.keys() >= arns.keys() or (executions and executions[-1]["startDate"] < since):
                break
        yield statuses


def _take_ended(
    account: Account,
    table: RecordsTable,
    open_decisions: dict[str, Candidate],
    statuses: Mapping[str, str],
    decision: Decision,
    result: DecisionResult,
) -> None:
    """Take those that are over out of the open decisions, into the result."""
    ended = [arn for arn in open_decisions if statuses.get(arn, "RUNNING") not in RUNNING]
    failures = 0
    for arn in ended:
        candidate = open_decisions.pop(arn)
        if statuses[arn] == "SUCCEEDED":
            result.decided.append(candidate)
            continue
        failures += 1
        if failures % _DESCRIPTIONS_PER_SECOND == 0:
            account.pause(_PAUSE_SECONDS)
        _add_failure(account, table, result, candidate, decision, arn)


def _add_failure(
    account: Account, table: RecordsTable, result: DecisionResult, candidate: Candidate, decision: Decision, arn: str
) -> None:
    execution = find_execution(account, arn)
    ending = "It ended without a result." if execution is None else execution.ending
    if execution is not None and execution.outcome == "AlreadyDecided":
        current = (table.find_record(candidate.execution_arn) or {}).get("Decision", {}).get("Decision")
        if current == decision.name:
            result.settled.append(candidate)
            return
    result.refused.append((candidate, ending))


def _add_settled(result: DecisionResult, candidate: Candidate, decision: Decision, current: str) -> None:
    if current == decision.name:
        result.settled.append(candidate)
    else:
        result.refused.append((candidate, f"AlreadyDecided: This was {current}, and that stands."))


def group_refusals(result: DecisionResult) -> list[tuple[str, list[Candidate]]]:
    """Return the sentences of the refusals, the most frequent first, and what was refused so.

    Sentences that differ in a time or an execution only are of one kind.
    """
    kinds: dict[str, list[tuple[Candidate, str]]] = {}
    for candidate, ending in result.refused:
        kinds.setdefault(_DETAILS.sub("…", ending), []).append((candidate, ending))
    return [
        (refusals[0][1] if len(refusals) == 1 else kind, [candidate for candidate, _ in refusals])
        for kind, refusals in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]

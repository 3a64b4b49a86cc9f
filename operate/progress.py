"""Follows an offboarding that was started a moment ago, until it waits for something, and says for what."""

from collections.abc import Iterator

from operate.account import Account
from operate.errors import Refusal, explain_interruption
from operate.executions import Execution, require_execution
from operate.options import report
from operate.questions.offboardings import Offboarding
from operate.questions.table import WAITING_STATUSES, WINDOW_STATUS, RecordsTable
from operate.terminal import render_moment

_FOLLOWING_SECONDS = 20
_PAUSE_SECONDS = 1.0


def follow_start(account: Account, table: RecordsTable, arn: str) -> Offboarding | Execution | None:
    """Follow an offboarding for some seconds, until it waits for something.

    Parameters
    ----------
    account, table
        The stack, and its records.
    arn
        The execution.

    Returns
    -------
    Offboarding | Execution | None
        Its record, once it waits; the execution if it is over without a failure; None if it has not come so far.

    Raises
    ------
    Refusal
        If it has failed, or another one offboards the entity.
    """
    report("The offboarding was started …")
    look = account.render_command("show", arn)
    with explain_interruption(lambda: f"The offboarding goes on without this command. Look again with: {look}"):
        return _wait_until_it_waits(account, table, arn)


def _wait_until_it_waits(account: Account, table: RecordsTable, arn: str) -> Offboarding | Execution | None:
    for _ in range(int(_FOLLOWING_SECONDS / _PAUSE_SECONDS)):
        execution = require_execution(account, arn)
        if not execution.is_running:
            if execution.has_succeeded and execution.outcome != "AlreadyInProgress":
                return execution
            raise Refusal(_describe_end(execution))
        record = table.find_record(arn)
        if record is not None and record["Status"] in {*WAITING_STATUSES, WINDOW_STATUS}:
            return Offboarding.from_record(record)
        account.pause(_PAUSE_SECONDS)
    return None


def describe_next(account: Account, offboarding: Offboarding | Execution | None) -> Iterator[str]:
    """Go through the sentences about what happens next, and when."""
    if isinstance(offboarding, Execution):
        yield _describe_end(offboarding)
        return
    if offboarding is None:
        yield "It still runs its first steps. If a service does not answer, that can take hours."
        return
    due_at = render_moment(offboarding.due_at)
    if offboarding.status == "Scheduled":
        yield f"It waits until {due_at}. Then everything is checked again, and the mailbox is disabled."
    elif offboarding.status == "AwaitingApproval":
        yield f"It waits for an approval until {due_at}: {' '.join(offboarding.reasons)}"
    elif offboarding.status == "Exporting":
        yield f"The mailbox is exported now, until {due_at} at the latest. Then it is disabled."
    else:
        yield f"The mailbox is disabled since {render_moment(offboarding.deregistered_at)}."
        retention = offboarding.find_retention(account.stack.service_end)
        if retention is not None:
            yield from filter(None, [retention.describe_return(account.read_time())])
            yield from filter(None, [retention.describe_verification(offboarding.verify_at)])
    yield "The times are in UTC."


def advise_on_progress(entity_id: str) -> str:
    """Return what a person can do who wants another offboarding of an entity than the one that goes on."""
    return (
        f"See it with: offboarding show {entity_id}. To change its date while it waits: offboarding withdraw "
        f"{entity_id}, then start again."
    )


def _describe_end(execution: Execution) -> str:
    if execution.outcome != "AlreadyInProgress":
        return execution.ending
    return f"{execution.ending} {advise_on_progress(execution.input['EntityId'])}"

"""DecideApproval: hand a person's decision to the offboarding that waits for it, once.

Takes `{ExecutionArn, Now, Input}`, where the input is `{ExecutionArn, Decision, DecidedBy, Reason}`, and returns the
decision as the offboarding gets it. Who may decide is who may start an execution of the state machine that calls this;
CloudTrail has who that was, under the ARN in `DecidedIn`.
"""

import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import client, code, unavailable
from offboarding.adapters.records import Record, Records
from offboarding.domain import errors
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import DECIDE_APPROVAL, DECISION, prepare, validated

states = client("stepfunctions")
prepare(DECIDE_APPROVAL, DECISION)

_OVER = frozenset({"TaskTimedOut", "TaskDoesNotExist"})


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Decide on one offboarding."""
    step = validated(event, DECIDE_APPROVAL, "The event of DecideApproval", errors.UnexpectedAnswer)
    request = validated(step["Input"], DECISION, "The execution's input")
    records = Records()
    decision = {
        "Decision": request["Decision"],
        "DecidedBy": request["DecidedBy"],
        "Reason": request["Reason"],
        "DecidedAt": step["Now"],
        "DecidedIn": step["ExecutionArn"],
    }
    decide(records, request["ExecutionArn"], decision)
    logger.info("decided", extra={"decision": decision["Decision"], "execution": request["ExecutionArn"]})
    metrics.add_metric(name=f"Offboardings{decision['Decision']}", unit="Count", value=1)
    return {"OffboardingArn": request["ExecutionArn"], **decision}


def decide(records: Records, offboarding_arn: str, decision: dict[str, Any]) -> None:
    """Write the decision down, then answer the task with it; what an earlier attempt has done is left alone.

    Whoever writes first has decided. A later decision is refused; but it hands over the first one again, in case that
    was written and never arrived.

    Parameters
    ----------
    records
        The table.
    offboarding_arn
        An offboarding's execution.
    decision
        `Decision, DecidedBy, Reason, DecidedAt, DecidedIn`.

    Raises
    ------
    AlreadyDecided
        If there is another decision.
    ApprovalNotPending
        If the offboarding does not wait, or not any more.
    InvalidRequest
        If somebody decides about themselves.
    """
    record = records.get(offboarding_arn)
    if record is not None and _has_arrived(record, decision["DecidedIn"]):
        return
    token, record = _awaiting(record)
    _insist_on_another_person(record, decision["DecidedBy"])
    if records.decide(offboarding_arn, token, decision):
        if _answer(token, decision):
            return
        # The offboarding may be over, or the answer may have arrived and its receipt not: the next attempt will see.
        raise errors.RecordUnavailable(
            "Step Functions does not take the answer, and the record does not show why yet. Look at the offboarding's "
            "execution."
        )
    first = records.get(offboarding_arn)
    if first is None or first.decision is None or first.task_token is None:
        raise errors.ApprovalNotPending("The offboarding has stopped waiting at this moment. Look at its execution.")
    _answer(first.task_token, first.decision)
    raise _already_decided(first.decision)


def _has_arrived(record: Record, decided_in: str) -> bool:
    """Say whether the offboarding has acted on the decision that was made in this execution."""
    if record.approval is not None and record.approval.get("DecidedIn") == decided_in:
        return True
    made_here = record.decision is not None and record.decision["DecidedIn"] == decided_in
    return made_here and record.outcome == "Rejected"


def _awaiting(record: Record | None) -> tuple[str, Record]:
    if record is None:
        raise errors.ApprovalNotPending(
            "No offboarding has been recorded for this ExecutionArn. Give the ARN that the request for approval names."
        )
    if record.outcome is not None:
        raise errors.ApprovalNotPending(
            f"The offboarding is over: it ended as {record.outcome} at {record.ended_at}. There is nothing to decide."
        )
    if record.task_token is None:
        if record.decision is not None:
            raise _already_decided(record.decision)
        raise errors.ApprovalNotPending(
            f"The offboarding does not await an approval; it is {record.status}. There is nothing to decide."
        )
    return record.task_token, record


def _already_decided(decision: Mapping[str, Any]) -> errors.AlreadyDecided:
    return errors.AlreadyDecided(
        f"This was {decision['Decision']} before, at {decision['DecidedAt']}, in "
        f"{decision['DecidedIn']}, which says by whom. To take an approval back, stop or restore the offboarding."
    )


def _insist_on_another_person(record: Record, decided_by: str) -> None:
    own = {own.casefold() for own in (record.entity["Id"], record.entity["Name"], *record.addresses)}
    if decided_by.casefold() in own:
        raise errors.InvalidRequest(
            "DecidedBy is who is to be offboarded: nobody decides about themselves. Somebody else has to."
        )


def _answer(token: str, decision: Mapping[str, Any]) -> bool:
    """Answer the task; False if it is over.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
    """
    try:
        states.send_task_success(taskToken=token, output=json.dumps(dict(decision)))
    except ClientError as problem:
        if code(problem) in _OVER:
            return False
        raise unavailable("states:SendTaskSuccess", problem) from None
    except BotoCoreError as problem:
        raise unavailable("states:SendTaskSuccess", problem) from None
    return True

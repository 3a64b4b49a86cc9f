"""DecideApproval: hand a person's decision to the offboarding that waits, once.

Takes `{ExecutionArn, Now, Input}`, where the input is `{ExecutionArn, Decision, DecidedBy, Reason}`, and returns the
decision as the offboarding gets it. `Approved` and `Rejected` decide on an approval; `Withdrawn` also ends the wait for
a date, and an export at its next check, within the hour. `Approved` needs a person other than the requester, if the
settings say so. Whoever may start an execution of the state machine that calls this may decide; CloudTrail has their
name, under the ARN in `DecidedIn`.
"""

from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.executions import read_execution_status, send_task_success, states
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.identifiers import casefolded
from offboarding.domain.record import Decision, Record, Status
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import DECIDE_APPROVAL, DECISION, compile_schemas, validated, validated_step
from offboarding.edge.steps import DecisionInput, InputStep

states.make()
compile_schemas(DECIDE_APPROVAL, DECISION)

_ENDS = frozenset({"Rejected", "Withdrawn"})
"""The decisions that end an offboarding, under their own names."""


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Decide on one offboarding."""
    step = validated_step(event, DECIDE_APPROVAL, InputStep)
    request = validated(step["Input"], DECISION, DecisionInput)
    decision = Decision(
        Decision=request["Decision"],
        DecidedBy=request["DecidedBy"],
        Reason=request["Reason"],
        DecidedAt=step["Now"],
        DecidedIn=step["ExecutionArn"],
    )
    decide(Records(), request["ExecutionArn"], decision)
    logger.info("decided", extra={"decision": decision["Decision"], "execution": request["ExecutionArn"]})
    metrics.add_metric(name=f"Offboardings{decision['Decision']}", unit="Count", value=1)
    return {"OffboardingArn": request["ExecutionArn"], **decision}


def decide(records: Records, offboarding_arn: str, decision: Decision) -> None:
    """Record the decision, then send it to the waiting task; what an earlier attempt has done is left alone.

    The first decision that is recorded counts. A later one is refused; but it sends the first one again, in case that
    was recorded and never arrived.

    Parameters
    ----------
    records
        The table.
    offboarding_arn
        An offboarding's execution.
    decision
        The decision.

    Raises
    ------
    AlreadyDecided
        If there is another decision.
    ApprovalNotPending
        If the offboarding does not wait, or not any more, or not for this.
    InvalidRequest
        If somebody decides about themselves, or approves what they have requested and another person has to.
    """
    record = records.find(offboarding_arn)
    if record is not None and _has_arrived(record, decision["DecidedIn"]):
        return
    record = _require_waiting(record, decision)
    _require_another_person(record, decision["DecidedBy"])
    status = read_execution_status(offboarding_arn)
    if not status.is_running:
        if status.outcome in _ENDS and _is_decided_in(record, decision["DecidedIn"]):
            return
        raise errors.ApprovalNotPending(
            f"The offboarding is over: it ended as {status.outcome}. There is nothing to decide."
        )
    if decision["Decision"] == "Approved" and record.decision is None:
        _require_second_person(records, record, decision["DecidedBy"])
    if records.record_decision(record, decision):
        # An export has no token: its next check finds the decision in the record.
        if record.task_token is None or send_task_success(record.task_token, decision):
            return
        # The offboarding may be over, or the decision may have arrived and its receipt not: the next attempt will see.
        raise errors.RecordUnavailable(
            "Step Functions does not take the decision, and the record does not show why yet. Look at the "
            "offboarding's execution."
        )
    current = records.find(offboarding_arn)
    if current is None or current.decision is None or not _is_waiting(current):
        raise errors.ApprovalNotPending("The offboarding has just stopped waiting. Look at its execution.")
    if current.task_token is not None:
        send_task_success(current.task_token, current.decision)
    raise _already_decided_error(current.decision)


def _has_arrived(record: Record, decided_in: str) -> bool:
    """Return whether the offboarding has acted on the decision that was made in this execution."""
    if record.approval is not None and record.approval.get("DecidedIn") == decided_in:
        return True
    return record.outcome in _ENDS and _is_decided_in(record, decided_in)


def _is_decided_in(record: Record, execution_arn: str) -> bool:
    return record.decision is not None and record.decision["DecidedIn"] == execution_arn


def _is_waiting(record: Record) -> bool:
    return record.task_token is not None or record.status is Status.EXPORTING


def _require_waiting(record: Record | None, decision: Decision) -> Record:
    if record is None:
        raise errors.ApprovalNotPending(
            "There is no record of an offboarding with this ExecutionArn. Give the ARN that the request for approval "
            "names."
        )
    if record.outcome is not None:
        raise errors.ApprovalNotPending(
            f"The offboarding is over: it ended as {record.outcome} at {record.ended_at}. There is nothing to decide."
        )
    if not _is_waiting(record):
        if record.decision is not None:
            raise _already_decided_error(record.decision)
        raise errors.ApprovalNotPending(
            f"The offboarding does not wait for a decision; its status is {record.status}. There is nothing to decide."
        )
    if record.status is Status.SCHEDULED and decision["Decision"] != "Withdrawn":
        raise errors.ApprovalNotPending(
            f"The offboarding waits for its date, {record.not_before}, and not for an approval. Only Withdrawn ends it."
        )
    if record.status is Status.EXPORTING and decision["Decision"] != "Withdrawn":
        raise errors.ApprovalNotPending(
            "The offboarding exports the mailbox, and does not wait for an approval. Only Withdrawn ends it."
        )
    return record


def _already_decided_error(decision: Decision) -> errors.AlreadyDecided:
    return errors.AlreadyDecided(
        f"This was {decision['Decision']} at {decision['DecidedAt']}, in {decision['DecidedIn']}. The record has who "
        "decided. To take an approval back, stop or restore the offboarding."
    )


def _require_another_person(record: Record, decided_by: str) -> None:
    if casefolded(decided_by) & record.identifiers:
        raise errors.InvalidRequest(
            "DecidedBy is the person to be offboarded. Nobody can decide about themselves; somebody else has to decide."
        )


def _require_second_person(records: Records, record: Record, decided_by: str) -> None:
    """Require that the requester does not approve, as far as they have said who they are."""
    if _needs_second_person(record) and record.requesters and _is_one_of(records, record, decided_by):
        raise errors.InvalidRequest(
            "The mailbox was not touched, and the offboarding still waits. DecidedBy is the person who requested it, "
            "and the settings require two people (twoPeople). Another person has to approve; the requester can reject "
            "or withdraw it."
        )


def _needs_second_person(record: Record) -> bool:
    rule = configuration.two_people_rule()
    if not record.cap_is_reached:
        return rule.for_approval_required
    return rule.for_hand_cap if record.requester is None else rule.for_daily_cap


def _is_one_of(records: Records, record: Record, decided_by: str) -> bool:
    """Return whether the decider is a requester: by the same text, or by one that leads to the same entity."""
    if casefolded(decided_by) & record.requesters:
        return True
    requesters = [record.requested_by, (record.requester or {}).get("RequestedBy")]
    return bool(
        _find_entity_ids(records, record, [decided_by])
        & _find_entity_ids(records, record, [name for name in requesters if name])
    )


def _find_entity_ids(records: Records, record: Record, identifiers: Iterable[str]) -> frozenset[str]:
    return frozenset(
        entity_id
        for identifier in identifiers
        for entity_id in records.find_entity_ids(record.organization_id, identifier)
    )

"""RecordOffboarding: write down who is to be offboarded, as they are, and decide whether it may go on.

Takes `{ExecutionArn, Now, StartedAt, OrganizationId, Entity, ServiceEndsAt, Request, DateIsAhead, Approval}` and
returns `{Decision, Reasons, CapIsReached, Evidence}`; the decision is `WaitForDate`, `AwaitApproval` or `Deregister`.
It runs again after each wait, and writes what changed meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import errors
from offboarding.directory import Directory, workmail_client
from offboarding.entities import Entity, EntityState, EntityType
from offboarding.holding import Holder, in_progress, look_at_holder
from offboarding.observability import logger, metrics, observed
from offboarding.policy import Policy, read_policy
from offboarding.protection import approval_required_by_settings, protected_by_settings
from offboarding.records import Records, Status
from offboarding.retention import parse
from offboarding.schemas import RECORD_OFFBOARDING, validated
from offboarding.service_end import until_service_ends

client = workmail_client()

_T = TypeVar("_T")


@dataclass(frozen=True)
class Belongings:
    """What an entity has beside its primary address; None is what WorkMail does not tell of this entity now."""

    aliases: list[str] | None = None
    groups: list[dict[str, str]] | None = None
    mailbox_size: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return them as the record holds them."""
        return {"Aliases": self.aliases, "Groups": self.groups, "MailboxSize": self.mailbox_size}


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record the offboarding, and say what comes next."""
    step = validated(event, RECORD_OFFBOARDING, "The event of RecordOffboarding", errors.UnexpectedAnswer)
    entity = Entity.from_json(step["Entity"])
    directory = Directory(client, step["OrganizationId"])
    policy = read_policy(step["OrganizationId"])
    belongings = read_belongings(directory, entity)
    protection = protected_by_settings(policy.protected, entity, belongings.aliases or [])
    if protection:
        raise errors.EntityProtected(protection)
    records = Records()
    _hold(records, step, entity)
    _open(records, step, entity, belongings)
    reasons, cap_is_reached = _reasons_for_an_approval(records, policy, step, entity, belongings)
    decision = "WaitForDate" if step["DateIsAhead"] else "AwaitApproval" if reasons else "Deregister"
    logger.info("recorded", extra={"entity_id": entity.id, "decision": decision})
    metrics.add_metric(name="OffboardingsRecorded", unit="Count", value=1)
    return {
        "Decision": decision,
        "Reasons": reasons,
        "CapIsReached": cap_is_reached,
        "Evidence": {"At": step["Now"], "Decision": decision, "Reasons": reasons, "Answers": directory.answers},
    }


def read_belongings(directory: Directory, entity: Entity) -> Belongings:
    """Read what has to be put back if the entity is restored; WorkMail tells it of enabled entities only.

    Parameters
    ----------
    directory
        The organization's entities.
    entity
        The entity as it was resolved. If it was disabled since, nothing more is known of it.
    """
    if entity.state is not EntityState.ENABLED:
        return Belongings()
    aliases = _if_told(lambda: directory.list_aliases(entity))
    groups = None
    if entity.type is not EntityType.RESOURCE:
        groups = _if_told(lambda: directory.list_groups_of(entity.id))
    size = None
    if entity.type is not EntityType.GROUP:
        size = _if_told(lambda: directory.describe_mailbox(entity.id).size)
    return Belongings(
        aliases=aliases,
        groups=None if groups is None else [{"Id": g["GroupId"], "Name": g.get("GroupName", "")} for g in groups],
        mailbox_size=size,
    )


def _if_told(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except (errors.EntityStateConflict, errors.EntityNotFound):
        return None


def _hold(records: Records, step: dict[str, Any], entity: Entity) -> None:
    """Make this execution the one that offboards the entity, or end it here because another one does."""
    organization_id, me, at = step["OrganizationId"], step["ExecutionArn"], step["Now"]
    holder = records.hold(organization_id, entity.id, me, at, over=None)
    if holder == me:
        return
    other = look_at_holder(records, holder, entity, parse(at))
    if not other.gives_way:
        raise in_progress(holder)
    if records.hold(organization_id, entity.id, me, at, over=holder) != me:
        raise errors.RecordUnavailable("Several executions take over this entity at once. Start again.")
    _settle(records, other, me, at)


def _settle(records: Records, other: Holder, me: str, at: str) -> None:
    """Bring the record of the one that gave way up to date: nobody else may come to do it."""
    if other.record is None:
        return
    if other.status.running:
        records.supersede(other.execution_arn, me, {"At": at, "Step": "Superseded", "By": me})
        logger.info("superseded", extra={"execution": other.execution_arn})
    elif other.record.outcome is None:
        records.close(
            other.record, other.status.outcome or "Forgotten", other.status.cause, other.status.ended_at or at
        )
        logger.info("taken over", extra={"execution": other.execution_arn, "outcome": other.status.outcome})


def _open(records: Records, step: dict[str, Any], entity: Entity, belongings: Belongings) -> None:
    request = step["Request"]
    approval = step["Approval"]
    facts = {
        "OrganizationId": step["OrganizationId"],
        "StartedAt": step["StartedAt"],
        "Entity": {**entity.to_json(), **belongings.to_json()},
        **request,
        **({"Approval": approval} if approval else {}),
    }
    status = Status.SCHEDULED if step["DateIsAhead"] else Status.RECORDED
    noted = {"At": step["Now"], "Step": status.value, **({"Approval": approval} if approval else {})}
    records.open(step["ExecutionArn"], facts, status, request.get("NotBefore") if step["DateIsAhead"] else None, noted)


def _reasons_for_an_approval(
    records: Records, policy: Policy, step: dict[str, Any], entity: Entity, belongings: Belongings
) -> tuple[list[str], bool]:
    """Say why a person has to approve first, and whether that is because of the day's cap."""
    if step["DateIsAhead"] or step["Approval"] or entity.state is not EntityState.ENABLED:
        return [], False
    by_settings = approval_required_by_settings(policy.approval_required, entity, belongings.aliases or [])
    if by_settings:
        return [by_settings], False
    if "Requester" not in step["Request"]:
        return [], False
    day = step["Now"][:10]
    if records.take_slot(step["OrganizationId"], day, step["ExecutionArn"], policy.daily_cap):
        return [], False
    return [
        f"Identity providers have had {policy.daily_cap} entities of this organization deregistered on {day}, which is "
        "the day's cap."
    ], True

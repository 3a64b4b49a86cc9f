"""RecordOffboarding: write down who is to be offboarded, as they are, and decide whether it may go on.

Takes `{ExecutionArn, Now, StartedAt, OrganizationId, Entity, ServiceEndsAt, Request, DateIsAhead, Approval}` and
returns `{Decision, Reasons, CapIsReached, Evidence}`; the decision is `WaitForDate`, `AwaitApproval` or `Deregister`.
It runs again after each wait, and writes what changed meanwhile.
"""

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.executions import FORGOTTEN
from offboarding.adapters.holding import Holder, in_progress, look_at_holder
from offboarding.adapters.policy import Policy, read_policy
from offboarding.adapters.records import Record, Records, Status
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.protection import approval_required_by_settings, protected_by_settings
from offboarding.domain.retention import parse, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import RECORD_OFFBOARDING, prepare, validated
from offboarding.edge.service_end import until_service_ends

client = workmail_client()
prepare(RECORD_OFFBOARDING)


@dataclass(frozen=True)
class Belongings:
    """What an entity has beside what describes it; None is what WorkMail does not tell of this entity now."""

    email: str | None = None
    aliases: list[str] | None = None
    groups: list[dict[str, str]] | None = None
    mailbox_size: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return them as the record holds them."""
        address = {"Email": self.email} if self.email else {}
        return {**address, "Aliases": self.aliases, "Groups": self.groups, "MailboxSize": self.mailbox_size}


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record the offboarding, and say what comes next."""
    step = validated(event, RECORD_OFFBOARDING, "The event of RecordOffboarding", errors.UnexpectedAnswer)
    entity = Entity.from_json(step["Entity"])
    directory = Directory(client, step["OrganizationId"])
    policy = read_policy(step["OrganizationId"])
    records = Records()
    _hold(records, step, entity)
    try:
        belongings = read_belongings(directory, entity) or _recorded_before(records, step, entity)
        _insist_on_nobody_protected(policy, step, entity, belongings)
    except errors.OffboardingError:
        # There is no record yet that would say how this ended.
        records.let_go(step["OrganizationId"], entity.id, step["ExecutionArn"])
        raise
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


def read_belongings(directory: Directory, entity: Entity) -> Belongings | None:
    """Read what has to be put back if the entity is restored; None if it is not enabled, for then WorkMail is silent.

    Parameters
    ----------
    directory
        The organization's entities.
    entity
        The entity as it was resolved.

    Raises
    ------
    WorkMailUnavailable
        If it reads as enabled and does not tell: an alias may protect it, and it could not be restored in full.
    """
    if entity.state is not EntityState.ENABLED:
        return None
    groups = None
    try:
        aliases = directory.list_aliases(entity)
        if entity.type is not EntityType.RESOURCE:
            groups = [{"Id": g["GroupId"], "Name": g.get("GroupName", "")} for g in directory.list_groups_of(entity.id)]
    except (errors.EntityStateConflict, errors.EntityNotFound):
        raise errors.WorkMailUnavailable(
            f"WorkMail described {entity.id} as enabled and does not tell its aliases or groups. It may have been "
            "disabled or deleted since: start again."
        ) from None
    return Belongings(entity.email, aliases, groups, _mailbox_size(directory, entity))


def _mailbox_size(directory: Directory, entity: Entity) -> float | None:
    if entity.type is EntityType.GROUP:
        return None
    try:
        return directory.describe_mailbox(entity.id).size
    except errors.EntityNotFound:
        return None


def _recorded_before(records: Records, step: dict[str, Any], entity: Entity) -> Belongings:
    """Take over what was recorded of a disabled entity while it was enabled, by this execution or the one before."""
    pointer = records.pointer(step["OrganizationId"], entity.id)
    arns = [step["ExecutionArn"], *([pointer.window_of] if pointer and pointer.window_of else [])]
    for record in (records.get(arn) for arn in arns):
        if record is not None and _is_of_this_registration(record, entity):
            size = record.entity.get("MailboxSize")
            return Belongings(
                email=entity.email or record.entity.get("Email"),
                aliases=record.entity.get("Aliases"),
                groups=record.entity.get("Groups"),
                mailbox_size=None if size is None else float(size),
            )
    return Belongings(entity.email)


def _is_of_this_registration(record: Record, entity: Entity) -> bool:
    if record.deregistered_at is not None and entity.disabled_date is not None:
        return parse(record.deregistered_at) == parse(render(entity.disabled_date))
    enabled_date = record.entity.get("EnabledDate")
    return enabled_date is not None and (
        entity.enabled_date is None or parse(enabled_date) == parse(render(entity.enabled_date))
    )


def _insist_on_nobody_protected(policy: Policy, step: dict[str, Any], entity: Entity, belongings: Belongings) -> None:
    aliases = belongings.aliases or []
    protection = protected_by_settings(policy.protected, entity, aliases)
    if protection:
        raise errors.EntityProtected(protection)
    request = step["Request"]
    asked = {request.get("RequestedBy"), request.get("Requester", {}).get("RequestedBy")} - {None}
    if {who.casefold() for who in asked} & {alias.casefold() for alias in aliases}:
        raise errors.InvalidRequest("Who asks has an alias of who is offboarded: nobody offboards themselves.")


def _hold(records: Records, step: dict[str, Any], entity: Entity) -> None:
    """Make this execution the one that offboards the entity, or end it here because another one does."""
    organization_id, me, at = step["OrganizationId"], step["ExecutionArn"], step["Now"]
    pointer = records.hold(organization_id, entity.id, me, at)
    if pointer is None:
        return
    other = look_at_holder(records, pointer, entity, parse(at))
    if not other.gives_way:
        raise in_progress(other.execution_arn)
    # Before it is taken over: if this ends halfway, the next attempt finds the same holder again.
    _settle(records, other, me, at)
    if records.hold(organization_id, entity.id, me, at, over=other.execution_arn) is not None:
        raise errors.RecordUnavailable("Several executions take over this entity at once. Start again.")


def _settle(records: Records, other: Holder, me: str, at: str) -> None:
    """Bring the record of the one that gives way up to date: nobody else may come to do it."""
    if other.record is None:
        return
    if other.status.running:
        records.supersede(other.execution_arn, me, {"At": at, "Step": "Superseded", "By": me})
        logger.info("superseded", extra={"execution": other.execution_arn})
    elif other.record.outcome is None:
        records.close(other.record, other.status.outcome or FORGOTTEN, other.status.cause, other.status.ended_at or at)
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

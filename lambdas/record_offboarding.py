"""RecordOffboarding: record the entity as it is before anything happens to it, and decide how the execution goes on.

Takes `{ExecutionArn, Now, StartedAt, OrganizationId, Entity, ServiceEndsAt, Request, DateIsAhead, Approval, Archive,
Evidence}` and returns `{Decision, Reasons, CapIsReached, Evidence}`; the decision is `WaitForDate`, `AwaitApproval`,
`StartExport` or `Deregister`. It runs again after each wait, and records what has changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.cap import Cap
from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.executions import FORGOTTEN
from offboarding.adapters.holding import Holder, already_in_progress_error, load_holder
from offboarding.adapters.policy import Policy, read_policy
from offboarding.adapters.records import Records, entity_key
from offboarding.adapters.reports import Report, Reports
from offboarding.adapters.table import Action
from offboarding.domain import errors
from offboarding.domain.caps import render_cap_reason, select_cap
from offboarding.domain.doubts import Doubt, list_reasons
from offboarding.domain.entities import Entity, EntityState, EntityType, GroupMembership
from offboarding.domain.exports import ExportMode, is_recent, is_verified
from offboarding.domain.protection import approval_required_by_settings, protected_by_settings
from offboarding.domain.record import Record, Status
from offboarding.domain.reporters import REQUESTS, Reporter
from offboarding.domain.timestamps import parse, render
from offboarding.edge.inputs import requesters
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import RECORD_OFFBOARDING, compile_schemas, validated_step
from offboarding.edge.service_end import require_service, until_service_ends
from offboarding.edge.steps import RecordStep, offboarding_of

client = workmail_client()
compile_schemas(RECORD_OFFBOARDING)


@dataclass(frozen=True)
class RestorableState:
    """What a restore puts back; None is what WorkMail does not show of this entity now."""

    email: str | None = None
    aliases: list[str] | None = None
    groups: list[GroupMembership] | None = None
    mailbox_size: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Render it as the record has it."""
        address = {"Email": self.email} if self.email else {}
        return {**address, "Aliases": self.aliases, "Groups": self.groups, "MailboxSize": self.mailbox_size}


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record the offboarding, and decide what comes next."""
    step = validated_step(event, RECORD_OFFBOARDING, RecordStep)
    entity = Entity.from_json(step["Entity"])
    if entity.state is EntityState.ENABLED:
        # Before anybody is asked for an approval.
        require_service(step["Now"], step["ServiceEndsAt"])
    directory = Directory(client, step["OrganizationId"])
    policy = read_policy(step["OrganizationId"])
    records, reports = Records(), Reports()
    try:
        checks = _require_report(records, reports, step)
    except errors.Withdrawn:
        _record_refusal(records, step, errors.Withdrawn)
        raise
    _hold_entity(records, reports, step, entity)
    try:
        entity, state = _read_current_state(directory, entity)
        state = state or _restorable_state_of_previous_record(records, step, entity)
        _require_unprotected(policy, step, entity, state)
    except (errors.EntityProtected, errors.InvalidRequest) as refusal:
        _record_refusal(records, step, type(refusal))
        raise
    except errors.OffboardingError:
        # There is no record yet that would show how this ended.
        records.release(offboarding_of(step), step["Now"])
        raise
    doubts = _find_doubts(records, step)
    _record_entity(records, step, entity, state, directory.answers, checks, is_in_doubt=bool(doubts))
    reasons, cap_is_reached = _reasons_for_approval(policy, step, entity, state, doubts)
    decision = _decide(policy, step, entity, reasons)
    logger.info("recorded", extra={"entity_id": entity.id, "decision": decision})
    metrics.add_metric(name="OffboardingsRecorded", unit="Count", value=1)
    return {
        "Decision": decision,
        "Reasons": reasons,
        "CapIsReached": cap_is_reached,
        "Evidence": {"At": step["Now"], "Decision": decision, "Reasons": reasons, "Answers": directory.answers},
    }


def read_restorable_state(directory: Directory, entity: Entity) -> RestorableState | None:
    """Read what a restore puts back; None if the entity is not enabled, because WorkMail does not show it then.

    Parameters
    ----------
    directory
        The organization's entities.
    entity
        The entity as it was resolved.

    Raises
    ------
    WorkMailUnavailable
        If it reads as enabled and WorkMail does not list its aliases or groups.
    """
    if entity.state is not EntityState.ENABLED:
        return None
    aliases = directory.list_aliases_of_enabled(entity)
    groups: list[GroupMembership] | None = None
    if entity.type is not EntityType.RESOURCE:
        groups = [
            {"Id": group["GroupId"], "Name": group.get("GroupName", "")}
            for group in directory.list_groups_of_enabled(entity)
        ]
    return RestorableState(entity.email, aliases, groups, _read_mailbox_size(directory, entity))


def _read_current_state(directory: Directory, entity: Entity) -> tuple[Entity, RestorableState | None]:
    """Read what a restore puts back, and the entity again if it is not enabled any more."""
    try:
        return entity, read_restorable_state(directory, entity)
    except errors.WorkMailUnavailable:
        current = directory.describe_if_disabled(entity)
        if current is None:
            raise
        return current, None


def _read_mailbox_size(directory: Directory, entity: Entity) -> float | None:
    if entity.type is EntityType.GROUP:
        return None
    try:
        return directory.describe_mailbox(entity.id).size
    except errors.EntityNotFound:
        return None


def _restorable_state_of_previous_record(records: Records, step: RecordStep, entity: Entity) -> RestorableState:
    """Take what was recorded of a disabled entity while it was enabled, by this execution or the one before."""
    lock = records.find_lock(step["OrganizationId"], entity.id)
    arns = [step["ExecutionArn"], *([lock.window_execution_arn] if lock and lock.window_execution_arn else [])]
    for record in (records.find(arn) for arn in arns):
        if record is not None and _is_of_same_registration(record, entity):
            size = record.entity.get("MailboxSize")
            return RestorableState(
                email=entity.email or record.entity.get("Email"),
                aliases=record.entity.get("Aliases"),
                groups=record.entity.get("Groups"),
                mailbox_size=None if size is None else float(size),
            )
    return RestorableState(entity.email)


def _is_of_same_registration(record: Record, entity: Entity) -> bool:
    if record.deregistered_at is not None and entity.disabled_date is not None:
        return parse(record.deregistered_at) == parse(render(entity.disabled_date))
    enabled_date = record.entity.get("EnabledDate")
    return enabled_date is not None and (
        entity.enabled_date is None or parse(enabled_date) == parse(render(entity.enabled_date))
    )


def _require_unprotected(policy: Policy, step: RecordStep, entity: Entity, state: RestorableState) -> None:
    aliases = state.aliases or []
    protection = protected_by_settings(policy.protected, entity, aliases)
    if protection:
        raise errors.EntityProtected(protection)
    if requesters(step["Request"]) & entity.identifiers(aliases):
        raise errors.InvalidRequest(
            "The requester has an alias of the entity. Requester and leaver must be different people."
        )


def _record_refusal(records: Records, step: RecordStep, error: type[errors.OffboardingError]) -> None:
    log_entry = {"At": step["Now"], "Step": "RequestRefused", "Error": error.__name__}
    records.record_refused_request(offboarding_of(step), log_entry)


def _hold_entity(records: Records, reports: Reports, step: RecordStep, entity: Entity) -> None:
    """Make this execution the one that offboards the entity, or end it here because another one does."""
    offboarding = offboarding_of(step)
    lock = records.hold(offboarding, step["Now"])
    if lock is None:
        return
    not_before = step["Request"].get("NotBefore") if step["DateIsAhead"] else None
    holder = load_holder(records, lock, entity, parse(step["Now"]), parse(not_before or step["Now"]))
    if not holder.can_be_taken_over:
        requester = step["Request"].get("Requester")
        report = Report.of(requester, entity_key(step["OrganizationId"], entity.id), not_before)
        # It stands for this request too from now on, unless it has just been withdrawn.
        if reports.join(holder.execution_arn, report, step["ExecutionArn"], step["Now"]):
            raise already_in_progress_error(holder.execution_arn)
    # Before it is taken over: if this ends halfway, the next attempt finds the same holder again.
    _update_record_of(records, holder, step)
    if records.hold(offboarding, step["Now"], take_over_from=holder.execution_arn) is not None:
        raise errors.RecordUnavailable("Several executions take over this entity at the same time. Start again.")


def _require_report(records: Records, reports: Reports, step: RecordStep) -> Sequence[Action]:
    """Require that somebody still reports the leaver as away, and return what the writing of the record checks.

    A person can have withdrawn it at the moment of its date, or during its export, too late to end the wait.
    """
    is_date_over = "NotBefore" in step["Request"] and not step["DateIsAhead"] and not step["Approval"]
    has_waited = is_date_over or step["Archive"] is not None
    record = records.find(step["ExecutionArn"]) if has_waited else None
    if record is not None and record.decision is not None and record.decision["Decision"] == "Withdrawn":
        raise errors.Withdrawn(record.decision)
    requester = step["Request"].get("Requester")
    if requester is not None and requester["Provider"] == REQUESTS:
        # The event did not need to show which entity it means.
        entity = entity_key(step["OrganizationId"], step["Entity"]["Id"])
        reports.record_entity(Reporter.of_requester(requester), entity, step["Now"])
    return reports.require(offboarding_of(step), requester, step["Now"])


def _update_record_of(records: Records, holder: Holder, step: RecordStep) -> None:
    """Bring the record of the execution that is taken over up to date, because nothing else may come to do it."""
    at, execution_arn = step["Now"], step["ExecutionArn"]
    record, status = holder.record, holder.status
    if record is None:
        return
    if status.is_running:
        records.supersede(record, execution_arn, at)
        logger.info("superseded", extra={"execution": holder.execution_arn})
    elif record.outcome is None:
        records.close(record, status.outcome or FORGOTTEN, status.cause, status.ended_at or at)
        logger.info("taken over", extra={"execution": holder.execution_arn, "outcome": status.outcome})


def _record_entity(
    records: Records,
    step: RecordStep,
    entity: Entity,
    state: RestorableState,
    answers: list[dict[str, Any]],
    checks: Sequence[Action],
    *,
    is_in_doubt: bool,
) -> None:
    approval = {"Approval": step["Approval"]} if step["Approval"] else {}
    facts = {
        "StartedAt": step["StartedAt"],
        "Entity": {**entity.to_json(), **state.to_json()},
        **step["Request"],
        **approval,
    }
    status = Status.SCHEDULED if step["DateIsAhead"] else Status.RECORDED
    due_at = step["Request"].get("NotBefore") if step["DateIsAhead"] else None
    evidence = {**step["Evidence"], "RecordOffboarding": {"Answers": answers}}
    due = {"DueAt": due_at} if due_at else {}
    log_entry = {"At": step["Now"], "Step": status.value, **due, **approval, "Evidence": evidence}
    # As long as there is a doubt, a retry must find it again.
    provider_user = None if is_in_doubt and not step["Approval"] else _provider_user_of(step)
    records.create_or_update(offboarding_of(step), facts, status, due_at, log_entry, provider_user, checks)


def _find_doubts(records: Records, step: RecordStep) -> list[str]:
    """Return the doubts whether the event is about the person who has the entity now."""
    doubts = step["Request"].get("Requester", {}).get("Doubts", [])
    provider_user = _provider_user_of(step)
    entity = entity_key(step["OrganizationId"], step["Entity"]["Id"])
    if provider_user and records.has_provider_user_moved(entity, provider_user):
        return [Doubt.PROVIDER_USER_MOVED, *doubts]
    return doubts


def _provider_user_of(step: RecordStep) -> Reporter | None:
    requester = step["Request"].get("Requester")
    return Reporter.of_requester(requester) if requester is not None and "ProviderUserId" in requester else None


def _reasons_for_approval(
    policy: Policy, step: RecordStep, entity: Entity, state: RestorableState, doubts: list[str]
) -> tuple[list[str], bool]:
    """Return why a person has to approve first, and whether that is because of a cap."""
    if step["DateIsAhead"] or step["Approval"] or entity.state is not EntityState.ENABLED:
        return [], False
    by_settings = approval_required_by_settings(policy.approval_required, entity, state.aliases or [])
    if by_settings or doubts:
        return [*([by_settings] if by_settings else []), *list_reasons(doubts)], False
    kind = select_cap(step["Request"])
    size = policy.find_cap_size(kind)
    cap = Cap(step["OrganizationId"], kind)
    if size is None or cap.take_slot(offboarding_of(step), size, parse(step["Now"])):
        return [], False
    return [render_cap_reason(kind, size)], True


def _decide(policy: Policy, step: RecordStep, entity: Entity, reasons: list[str]) -> str:
    if step["DateIsAhead"]:
        return "WaitForDate"
    if reasons:
        return "AwaitApproval"
    return "StartExport" if _needs_export(policy, step, entity) else "Deregister"


def _needs_export(policy: Policy, step: RecordStep, entity: Entity) -> bool:
    """Return whether the mailbox is to be exported now: it has one, and there is no recent result of an export."""
    requested, archive = step["Request"].get("Export"), step["Archive"]
    if entity.type is EntityType.GROUP or policy.export.select_mode(requested) is ExportMode.NO:
        return False
    if archive is None or not is_recent(archive, parse(step["Now"])):
        return True
    is_enabled = entity.state is EntityState.ENABLED
    return is_enabled and not is_verified(archive) and policy.export.requires_archive(requested)

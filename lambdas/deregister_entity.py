"""DeregisterEntity: disable the entity, and return only when WorkMail itself shows it as disabled.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, ResolvedAt, RetryCount}` and returns
`{DeregisteredAt, RetentionEndsAt, VerifyAt, GiveUpAt, ServiceEndsFirst, Evidence}`. Right before the call that can be
undone for 30 days only, it checks again that the settings allow it, and that the record is there.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.holding import already_in_progress_error, end_superseded
from offboarding.adapters.policy import read_policy
from offboarding.adapters.records import Records
from offboarding.adapters.reports import Reports
from offboarding.adapters.table import Action
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState
from offboarding.domain.protection import protected_by_nature, protected_by_settings
from offboarding.domain.record import Record
from offboarding.domain.retention import plan_retention
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import WORKMAIL_CLOCK_SKEW, WORKMAIL_LAG_MARGIN
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import DEREGISTER_ENTITY, compile_schemas, validated_step
from offboarding.edge.service_end import until_service_ends
from offboarding.edge.steps import DeregisterStep, offboarding_of

client = workmail_client()
compile_schemas(DEREGISTER_ENTITY)

REUSE_RESOLUTION_FOR = timedelta(minutes=15)
"""For how long what ResolveEntity read is good enough to act on without reading the entity again."""

MAX_RESOLUTION_AGE = timedelta(hours=1)
"""Nothing is deregistered by an older resolution. Retries end before; a redriven execution can be days old."""

_REFUSALS = (
    errors.AccessDenied,
    errors.DeregistrationRefused,
    errors.EntityNotFound,
    errors.OrganizationNotActive,
    errors.OrganizationNotFound,
)
"""The answers of WorkMail by which it has deregistered nothing."""

_MAY_HAVE_BEEN_ASKED = (
    "An earlier attempt may have asked WorkMail to deregister the entity. Look at it in the WorkMail console, then "
    "start again."
)


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deregister the entity if it is enabled, and work out the dates of its retention."""
    step = validated_step(event, DEREGISTER_ENTITY, DeregisterStep)
    directory = Directory(client, step["OrganizationId"])
    records = Records()
    resolved = Entity.from_json(step["Entity"])
    rules = configuration.retention_rules()
    was_enabled = resolved.state is EntityState.ENABLED
    try:
        entity, is_called = deregister(directory, records, step, resolved)
    except errors.OffboardingError as error:
        if error.raised_by_workmail and was_enabled and _has_attempted(records, step):
            error.append_sentence(
                f"Before that, WorkMail may have been asked to deregister {resolved.id}, and may have done so."
            )
        raise
    disabled_date = confirmed_date(entity, parse(step["ResolvedAt"]) if was_enabled else None)
    dates = plan_retention(disabled_date, rules).to_json()
    logger.info("deregistered", extra={"entity_id": entity.id, "called": is_called, **dates})
    metrics.add_metric(name="EntitiesDeregistered", unit="Count", value=int(was_enabled))
    log_entry = {
        "At": step["Now"],
        "Step": "Deregistered",
        "WasEnabled": was_enabled,
        "Answers": directory.answers,
    }
    offboarding = offboarding_of(step)
    lock = records.find_lock(offboarding.organization_id, offboarding.entity_id)
    is_recorded = records.record_deregistration(offboarding, dates, log_entry, lock)
    if lock is not None and lock.superseded_execution_arn:
        _end_superseded(records, offboarding.execution_arn, lock.superseded_execution_arn)
    return {
        **dates,
        "Evidence": {
            "At": step["Now"],
            "WasEnabled": was_enabled,
            "Recorded": is_recorded,
            "Answers": directory.answers,
        },
    }


def deregister(directory: Directory, records: Records, step: DeregisterStep, resolved: Entity) -> tuple[Entity, bool]:
    """Deregister the entity if it is enabled, and read it back.

    Parameters
    ----------
    directory
        The organization's entities.
    records
        The table.
    step
        What the state passed.
    resolved
        The entity as ResolveEntity found it. One that was disabled then is only read.

    Returns
    -------
    tuple[Entity, bool]
        The entity as it reads now, and whether WorkMail was asked to deregister it.

    Raises
    ------
    EntityMismatch
        If somebody has registered it since it was resolved, or that was too long ago.
    EntityProtected, AlreadyInProgress, RecordMissing, SettingsUnavailable
        If it must not be deregistered; WorkMail was not asked.
    DeregistrationRefused, DeregistrationNotConfirmed
        If WorkMail refuses and shows it as enabled, or does not find it when it is read back: retried.
    """
    entity = resolved if _can_reuse_resolution(step, resolved) else directory.describe(resolved.reference)
    if entity.state is not EntityState.ENABLED:
        return entity, False
    _require_current_resolution(records, step, resolved, entity)
    superseded_arn = _authorize_and_record_attempt(records, step, entity)
    is_refused = False
    try:
        directory.deregister(entity.id)
    except errors.EntityStateConflict:
        is_refused = True
    except _REFUSALS:
        _record_refusal(records, step, superseded_arn)
        raise
    entity = _read_back(directory, entity)
    if is_refused and entity.state is EntityState.ENABLED:
        _record_refusal(records, step, superseded_arn)
        raise errors.DeregistrationRefused(
            f"WorkMail refuses to deregister {entity.id} (EntityStateException) and shows it as enabled. "
            "Look at the entity in the WorkMail console, then start again."
        )
    return entity, True


def confirmed_date(entity: Entity, enabled_until: datetime | None) -> datetime:
    """Return the date since which the entity is disabled, as WorkMail itself shows it.

    Parameters
    ----------
    entity
        The entity as it reads now.
    enabled_until
        When it last read as enabled; a disabled date well before that belongs to an earlier deregistration.

    Raises
    ------
    EntityNotFound
        If it was deleted meanwhile.
    DeregistrationNotConfirmed
        If it does not yet read as disabled, with a date that fits: retried.
    """
    if entity.state is EntityState.DELETED:
        raise errors.EntityNotFound(
            f"{entity.id} was deleted from the directory while it was being offboarded; its mailbox went with it."
        )
    if entity.state is EntityState.ENABLED:
        problem = "still reads as enabled"
    elif entity.disabled_date is None:
        problem = "reads as disabled, but WorkMail gives no date"
    elif enabled_until and entity.disabled_date < enabled_until - WORKMAIL_CLOCK_SKEW:
        problem = "reads as disabled, but with the date of an earlier time"
    else:
        return entity.disabled_date
    raise errors.DeregistrationNotConfirmed(
        f"{entity.id} {problem}, so the deregistration cannot be confirmed. Look at the entity in the WorkMail "
        "console. Start again to have the 30 days watched."
    )


def _can_reuse_resolution(step: DeregisterStep, resolved: Entity) -> bool:
    """Return whether a state of this execution has just read the entity as enabled."""
    age = parse(step["Now"]) - parse(step["ResolvedAt"])
    return resolved.state is EntityState.ENABLED and step["RetryCount"] == 0 and age < REUSE_RESOLUTION_FOR


def _require_current_resolution(records: Records, step: DeregisterStep, resolved: Entity, entity: Entity) -> None:
    """Require that the entity is registered as it was when it was resolved, and that this was not too long ago."""
    if resolved.state is not EntityState.ENABLED or entity.registration != resolved.registration:
        message = f"Somebody has registered {entity.id} since it was resolved. Nothing was changed since then."
    elif parse(step["Now"]) - parse(step["ResolvedAt"]) > MAX_RESOLUTION_AGE:
        message = f"{entity.id} was resolved at {step['ResolvedAt']}, too long ago to act on it. Nothing was changed."
    else:
        return
    # The entity reads as enabled, and no lag explains that, so it is not in a window of this execution.
    records.record_refusal(offboarding_of(step), {"At": step["Now"], "Step": "Mismatch"})
    raise errors.EntityMismatch(f"{message} Start again if it is still to be offboarded.")


def _authorize_and_record_attempt(records: Records, step: DeregisterStep, entity: Entity) -> str | None:
    """Require that nothing forbids the deregistration, and record that it comes next.

    Returns the execution whose window this one takes over, if there is one.
    """
    offboarding = offboarding_of(step)
    record = records.find(offboarding.execution_arn)
    aliases = record.entity.get("Aliases") if record else None
    protection = protected_by_nature(entity) or protected_by_settings(
        read_policy(offboarding.organization_id).protected, entity, aliases or []
    )
    if protection and record and record.deregistration_attempted:
        # Added to the list since an earlier attempt: WorkMail is not asked again, and may have acted before.
        raise errors.DeregistrationNotConfirmed(
            f"{protection} Before that, WorkMail may have been asked to deregister it, and does not show it as "
            "disabled. Look at the entity in the WorkMail console. If it is disabled, restore it within its 30 days."
        )
    if protection:
        raise errors.EntityProtected(protection)
    checks = _require_report(step, record)
    due_at = render(parse(step["Now"]) + configuration.retention())
    log_entry = {"At": step["Now"], "Step": "Deregister", "Attempt": step["RetryCount"] + 1}
    previous_lock = records.record_attempt(offboarding, due_at, log_entry, checks)
    if previous_lock is not None:
        superseded_arn = previous_lock.window_execution_arn
        return superseded_arn if superseded_arn != offboarding.execution_arn else None
    lock = records.find_lock(offboarding.organization_id, offboarding.entity_id)
    if lock is not None and lock.execution_arn != offboarding.execution_arn:
        raise already_in_progress_error(lock.execution_arn)
    raise errors.RecordMissing(
        "The record of this offboarding is gone, and nothing is deregistered without one. "
        + ("WorkMail was not touched. Start again." if step["RetryCount"] == 0 else _MAY_HAVE_BEEN_ASKED)
    )


def _require_report(step: DeregisterStep, record: Record | None) -> Sequence[Action]:
    """Require that somebody still reports the leaver as away, and return what the attempt checks.

    Without a record nothing is deregistered anyway.
    """
    try:
        return Reports().require(offboarding_of(step), record.requester if record else None, step["Now"])
    except errors.Withdrawn:
        if record is None or not record.deregistration_attempted:
            raise
        # An earlier attempt may have taken effect: WorkMail is not asked again.
        raise errors.DeregistrationNotConfirmed(
            "The offboarding was withdrawn, after WorkMail may have been asked to deregister "
            f"{step['Entity']['Id']}. Look at the entity in the WorkMail console. If it is disabled, restore it within "
            "its 30 days."
        ) from None


def _end_superseded(records: Records, execution_arn: str, superseded_arn: str) -> None:
    """End the execution from which this one has taken over, if that works; otherwise it ends at its date."""
    try:
        end_superseded(records, execution_arn, superseded_arn)
    except errors.OffboardingError as error:
        logger.warning("superseded execution not ended", extra={"error": type(error).__name__})


def _read_back(directory: Directory, entity: Entity) -> Entity:
    try:
        return directory.describe(entity.reference)
    except errors.EntityNotFound:
        raise errors.DeregistrationNotConfirmed(
            f"WorkMail took the deregistration of {entity.id} and does not find it now. Look at the entity in the "
            "WorkMail console. Start again to have the 30 days watched."
        ) from None


def _record_refusal(records: Records, step: DeregisterStep, superseded_arn: str | None) -> None:
    """Take the entity out of its window, unless an earlier request may have taken effect and does not show yet.

    That request was made by an earlier attempt, or by the execution whose window the first attempt has taken over.
    """
    resolved_at = parse(step["ResolvedAt"])
    if superseded_arn and _has_attempted_since(records, superseded_arn, resolved_at - WORKMAIL_LAG_MARGIN):
        return
    if step["RetryCount"] == 0 or parse(step["Now"]) - resolved_at > WORKMAIL_LAG_MARGIN:
        records.record_refusal(offboarding_of(step), {"At": step["Now"], "Step": "NotTaken"})


def _has_attempted(records: Records, step: DeregisterStep) -> bool:
    """Return whether this execution was about to ask WorkMail to deregister the entity, and was not refused."""
    record = records.find(step["ExecutionArn"])
    return record is not None and record.deregistration_attempted


def _has_attempted_since(records: Records, execution_arn: str, moment: datetime) -> bool:
    """Return whether an execution was about to ask WorkMail to deregister its entity at a moment or later."""
    record = records.find(execution_arn)
    return record is not None and record.attempted_at is not None and parse(record.attempted_at) >= moment

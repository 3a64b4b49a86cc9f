"""DeregisterEntity: disable the entity, and return only when WorkMail itself shows it as disabled.

Takes `{ExecutionArn, Now, ServiceEndsAt, RetryCount}` and returns `{DeregisteredAt, RetentionEndsAt, VerifyAt,
GiveUpAt, ServiceEndsFirst, Evidence}`. The record of the execution has the entity. Right before the call that can be
undone for 30 days only, on every attempt, it reads the entity, its aliases and the settings again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.executions import read_execution_status, states
from offboarding.adapters.holding import already_in_progress_error, end_superseded
from offboarding.adapters.policy import Policy, read_policy
from offboarding.adapters.records import Records
from offboarding.adapters.reports import Reports
from offboarding.adapters.table import Action
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.exports import describe_archive, is_verified
from offboarding.domain.identifiers import is_same_identifier
from offboarding.domain.protection import protected_by_nature, protected_by_settings
from offboarding.domain.record import MailboxTouched, Record, Status
from offboarding.domain.registrations import DELETED_ENTITY_NOTE
from offboarding.domain.retention import plan_retention
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import WORKMAIL_CLOCK_SKEW, WORKMAIL_LAG_MARGIN
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import DEREGISTER_ENTITY, compile_schemas, validated_step
from offboarding.edge.service_end import require_service, until_service_ends
from offboarding.edge.steps import DeregisterStep

client = workmail_client()
states.make()
compile_schemas(DEREGISTER_ENTITY)

_REFUSALS = (
    errors.AccessDenied,
    errors.DeregistrationRefused,
    errors.EntityNotFound,
    errors.OrganizationNotActive,
    errors.OrganizationNotFound,
)
"""The answers of WorkMail by which it has deregistered nothing."""

_UNDECIDED = frozenset({Status.SCHEDULED, Status.AWAITING_APPROVAL, Status.EXPORTING})
_RESTORED = frozenset({Status.RESTORING, Status.RESTORED})
_ENDS_WITHOUT_CLAIM = (errors.AlreadyInProgress, errors.Withdrawn)
"""Their texts are JSON; WorkMail was not asked."""


@dataclass
class MailboxClaim:
    """What is certain about the mailbox at this moment; a failure begins with it."""

    touched: MailboxTouched = MailboxTouched.MAYBE
    disabled_since: datetime | None = None
    is_registered_again: bool = False

    def __str__(self) -> str:
        """Return it as a sentence."""
        sequel = ", and was registered again" if self.is_registered_again else ""
        if self.disabled_since is not None:
            return f"The mailbox was disabled at {render(self.disabled_since)}{sequel}."
        if self.touched is MailboxTouched.NO:
            return "The mailbox was not touched."
        return f"The mailbox may have been disabled{sequel}." if sequel else "The mailbox may be disabled."


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deregister the entity if it is enabled, and work out the dates of its retention."""
    claim = MailboxClaim()
    try:
        return _deregister_and_record(validated_step(event, DEREGISTER_ENTITY, DeregisterStep), claim)
    except _ENDS_WITHOUT_CLAIM:
        raise
    except errors.OffboardingError as error:
        error.prepend_sentence(str(claim))
        raise


def _deregister_and_record(step: DeregisterStep, claim: MailboxClaim) -> dict[str, Any]:
    records = Records()
    record = _find_record(records, step, claim)
    _require_running(record)
    offboarding = record.offboarding
    directory = Directory(client, record.organization_id)
    rules = configuration.retention_rules()
    was_enabled = Entity.from_json(record.entity).state is EntityState.ENABLED
    entity, is_called = deregister(directory, records, step, record, claim)
    enabled_until = parse(record.recorded_at) if was_enabled and record.recorded_at else None
    disabled_date = confirmed_date(entity, enabled_until)
    claim.disabled_since = disabled_date
    dates = plan_retention(disabled_date, rules).to_json()
    logger.info("deregistered", extra={"entity_id": entity.id, "called": is_called, **dates})
    metrics.add_metric(name="EntitiesDeregistered", unit="Count", value=int(was_enabled))
    log_entry = {
        "At": step["Now"],
        "Step": "Deregistered",
        "WasEnabled": was_enabled,
        **describe_archive(record.archive, parse(step["Now"])),
        "Answers": directory.answers,
    }
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
            **describe_archive(record.archive, parse(step["Now"])),
            "Answers": directory.answers,
        },
    }


def deregister(
    directory: Directory, records: Records, step: DeregisterStep, record: Record, claim: MailboxClaim
) -> tuple[Entity, bool]:
    """Deregister the recorded entity if it is enabled, and read it back.

    Parameters
    ----------
    directory
        The organization's entities.
    records
        The table.
    step
        What the state passed.
    record
        The record of the execution. An entity that was recorded as disabled is only read.
    claim
        What is certain about the mailbox; it is kept up to date.

    Returns
    -------
    tuple[Entity, bool]
        The entity as it reads now, and whether WorkMail was asked to deregister it.

    Raises
    ------
    EntityMismatch
        If somebody has registered it since it was recorded, or it has another address.
    EntityProtected, AlreadyInProgress, RecordMissing, SettingsUnavailable, ServiceEnded
        If it must not be deregistered; WorkMail was not asked.
    DeregistrationRefused, DeregistrationNotConfirmed
        If WorkMail refuses and shows it as enabled, or does not find it when it is read back: retried.
    """
    entity = _describe(directory, Entity.from_json(record.entity))
    if entity.state is not EntityState.ENABLED:
        return entity, False
    aliases = directory.list_aliases_of_enabled(entity)
    require_service(step["Now"], step["ServiceEndsAt"])
    _require_same_entity(records, step, record, entity, claim)
    superseded_arn = _authorize_and_record_attempt(records, step, record, entity, aliases)
    claim.touched = MailboxTouched.MAYBE
    is_refused = False
    try:
        directory.deregister(entity.id)
    except errors.EntityStateConflict:
        is_refused = True
    except _REFUSALS:
        _record_refusal(records, step, record, superseded_arn, claim)
        raise
    entity = _read_back(directory, entity)
    if is_refused and entity.state is EntityState.ENABLED:
        _record_refusal(records, step, record, superseded_arn, claim)
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
        When it was recorded as enabled; a disabled date well before that belongs to an earlier deregistration.

    Raises
    ------
    EntityNotFound
        If it was deleted meanwhile.
    DeregistrationNotConfirmed
        If it does not yet read as disabled, with a date that fits: retried.
    """
    if entity.state is EntityState.DELETED:
        raise _deleted_error(entity)
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


def _find_record(records: Records, step: DeregisterStep, claim: MailboxClaim) -> Record:
    """Return the record of the execution: its entity, and whether an attempt has asked WorkMail before."""
    record = records.find(step["ExecutionArn"])
    if record is None:
        raise _record_missing_error()
    claim.touched = record.mailbox_touched
    if record.deregistered_at is not None:
        claim.disabled_since = parse(record.deregistered_at)
    if record.status in _UNDECIDED:
        raise errors.UnexpectedAnswer(
            f"The offboarding is {record.status}, so nothing is deregistered for it now. Look at its execution."
        )
    return record


def _record_missing_error() -> errors.RecordMissing:
    return errors.RecordMissing(
        "The record of this offboarding is gone, and nothing is deregistered without one. Look at the entity in the "
        "WorkMail console, then start again."
    )


def _describe(directory: Directory, recorded: Entity) -> Entity:
    """Read the entity; an odd answer that it does not exist is not taken for its deletion."""
    try:
        return directory.describe(recorded.reference)
    except errors.EntityNotFound:
        directory.confirm_absent(recorded.reference, recorded.name, recorded.email)
        raise _deleted_error(recorded) from None


def _deleted_error(entity: Entity) -> errors.EntityNotFound:
    return errors.EntityNotFound(
        f"{entity.id} was deleted from the directory while it was being offboarded. {DELETED_ENTITY_NOTE}"
    )


def _require_same_entity(
    records: Records, step: DeregisterStep, record: Record, entity: Entity, claim: MailboxClaim
) -> None:
    """Require that the entity is registered as it was when it was recorded, with the same address."""
    recorded = Entity.from_json(record.entity)
    if recorded.state is not EntityState.ENABLED or entity.registration_key != recorded.registration_key:
        # The entity reads as enabled, and no lag explains that, so it is not in a window of this execution.
        records.record_mismatch(record.offboarding, {"At": step["Now"], "Step": "Mismatch"})
        claim.is_registered_again = True
        problem = f"Somebody has registered {entity.id} since it was recorded."
    elif record.deregistered_at is not None or record.status in _RESTORED:
        raise errors.DeregistrationNotConfirmed(
            f"{entity.id} was deregistered, and reads as enabled again. Look at the entity in the WorkMail console, "
            "then start again if it is still to be offboarded."
        )
    elif recorded.email and entity.email is None:
        raise errors.WorkMailUnavailable(
            f"WorkMail shows no address of {entity.id}, which it describes as enabled. Start again when WorkMail is "
            "available."
        )
    elif recorded.email and not is_same_identifier(str(entity.email), recorded.email):
        problem = f"The primary address of {entity.id} has changed since it was recorded."
    else:
        return
    raise errors.EntityMismatch(f"{problem} Start again if it is still to be offboarded.")


def _require_running(record: Record) -> None:
    """Require that the execution runs for which the entity is deregistered, whoever has invoked this function."""
    if not read_execution_status(record.execution_arn).is_running:
        # It can be seconds behind, after a start or a redrive.
        raise errors.RecordUnavailable(
            "Step Functions does not show that the execution runs, so nothing is deregistered for it. Start again."
        )


def _authorize_and_record_attempt(
    records: Records, step: DeregisterStep, record: Record, entity: Entity, aliases: list[str]
) -> str | None:
    """Require that nothing forbids the deregistration, and record that it comes next.

    Returns the execution whose window this one takes over, if there is one.
    """
    offboarding = record.offboarding
    policy = read_policy(offboarding.organization_id)
    protection = protected_by_nature(entity) or protected_by_settings(policy.protected, entity, aliases)
    if protection and record.deregistration_attempted:
        # Added to the list since an earlier attempt: WorkMail is not asked again, and may have acted before.
        raise errors.DeregistrationNotConfirmed(
            f"{protection} WorkMail may have been asked before, and does not show it as disabled. Look at the entity "
            "in the WorkMail console. If it is disabled, restore it within its 30 days."
        )
    if protection:
        raise errors.EntityProtected(protection)
    _require_archive(policy, record)
    checks = _require_report(step, record)
    due_at = render(parse(step["Now"]) + configuration.retention())
    log_entry = {"At": step["Now"], "Step": "Deregister", "Attempt": step["RetryCount"] + 1}
    changed_entity = _changed_entity(record, aliases)
    previous_lock = records.record_attempt(offboarding, due_at, log_entry, checks, changed_entity)
    if previous_lock is not None:
        superseded_arn = previous_lock.window_execution_arn
        return superseded_arn if superseded_arn != offboarding.execution_arn else None
    lock = records.find_lock(offboarding.organization_id, offboarding.entity_id)
    if lock is not None and lock.execution_arn != offboarding.execution_arn:
        if record.deregistration_attempted:
            raise errors.DeregistrationNotConfirmed(
                f"Another execution offboards {entity.id} now: {lock.execution_arn}. Look at the entity in the "
                "WorkMail console."
            )
        raise already_in_progress_error(lock.execution_arn)
    raise _record_missing_error()


def _require_archive(policy: Policy, record: Record) -> None:
    """Require a verified archive of the mailbox, if the settings or the input ask for one now."""
    has_mailbox = record.entity["Type"] != EntityType.GROUP
    is_required = has_mailbox and policy.export.requires_archive(record.export_requested)
    if not is_required or is_verified(record.archive):
        return
    if record.deregistration_attempted:
        raise errors.DeregistrationNotConfirmed(
            "An archive of the mailbox is required now, and there is none. WorkMail may have been asked before. Look "
            "at the entity in the WorkMail console. If it is disabled, restore it within its 30 days."
        )
    raise errors.ExportFailed(
        "An archive of the mailbox is required, and there is no verified one. Start again to have it exported first."
    )


def _changed_entity(record: Record, aliases: list[str]) -> dict[str, Any] | None:
    """Return the recorded entity with its present aliases, if these have changed: a restore puts them back."""
    if set(aliases) == set(record.entity.get("Aliases") or ()):
        return None
    return {**record.entity, "Aliases": aliases}


def _require_report(step: DeregisterStep, record: Record) -> Sequence[Action]:
    """Require that somebody still reports the leaver as away, and return what the attempt checks."""
    try:
        return Reports().require(record.offboarding, record.requester, step["Now"])
    except errors.Withdrawn:
        if not record.deregistration_attempted:
            raise
        # An earlier attempt may have taken effect: WorkMail is not asked again.
        raise errors.DeregistrationNotConfirmed(
            "The offboarding was withdrawn, after WorkMail may have been asked to deregister "
            f"{record.entity['Id']}. Look at the entity in the WorkMail console. If it is disabled, restore it within "
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


def _record_refusal(
    records: Records, step: DeregisterStep, record: Record, superseded_arn: str | None, claim: MailboxClaim
) -> None:
    """Take the entity out of its window, unless an earlier request may have taken effect and does not show yet.

    That request was made by an earlier attempt, or by the execution whose window this one has taken over.
    """
    superseded = records.find(superseded_arn) if superseded_arn else None
    earlier_attempts = [parse(r.attempted_at) for r in (record, superseded) if r is not None and r.attempted_at]
    if any(moment >= parse(step["Now"]) - WORKMAIL_LAG_MARGIN for moment in earlier_attempts):
        return
    records.record_refusal(record.offboarding, {"At": step["Now"], "Step": "NotTaken"})
    claim.touched = MailboxTouched.NO

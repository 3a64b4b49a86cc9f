"""DeregisterEntity: disable the entity, and return only when WorkMail itself reads back as disabled.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, ResolvedAt, RetryCount}` and returns
`{DeregisteredAt, RetentionEndsAt, VerifyAt, GiveUpAt, ServiceEndsFirst, Evidence}`. Right before the call that cannot
be undone forever it sees once more that the settings allow it, and that the record is there.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.holding import in_progress
from offboarding.adapters.policy import read_policy
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState
from offboarding.domain.protection import protected_by_nature, protected_by_settings
from offboarding.domain.retention import RetentionRules, configured_rules, parse, plan_retention, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import DEREGISTER_ENTITY, prepare, validated
from offboarding.edge.service_end import until_service_ends

client = workmail_client()
prepare(DEREGISTER_ENTITY)

CLOCK_SKEW = timedelta(minutes=15)
"""How far WorkMail's clock may be behind that of Step Functions."""

FRESH = timedelta(minutes=15)
"""For how long what ResolveEntity read is good enough to act on without reading the entity again."""

OLD = timedelta(hours=1)
"""From when on nothing is deregistered by it at all. Retries end before; a redriven execution can be days old."""

LAG = timedelta(minutes=5)
"""After which WorkMail shows what it did, with a wide margin: two minutes have been seen."""

_NO = (
    errors.AccessDenied,
    errors.DeregistrationRefused,
    errors.EntityNotFound,
    errors.OrganizationNotActive,
    errors.OrganizationNotFound,
)
"""What of WorkMail's answers to the call says that it has done nothing."""


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deregister the entity if it is enabled, and fix the dates of its retention."""
    step = validated(event, DEREGISTER_ENTITY, "The event of DeregisterEntity", errors.UnexpectedAnswer)
    directory = Directory(client, step["OrganizationId"])
    records = Records()
    rules = configured_rules()
    resolved = Entity.from_json(step["Entity"])
    was_enabled = resolved.state is EntityState.ENABLED
    known_to_be_enabled = (
        was_enabled and step["RetryCount"] == 0 and parse(step["Now"]) - parse(step["ResolvedAt"]) < FRESH
    )
    try:
        entity, called = deregister(
            directory,
            resolved,
            known_to_be_enabled=known_to_be_enabled,
            before_the_call=lambda entity: _insist_on_leave(records, step, entity, rules),
            after_a_no=lambda taken_over: _note_the_no(records, step, taken_over),
        )
    except errors.EntityMismatch:
        # It reads as enabled by what can be no lag, so it is not in a window of this execution.
        records.not_deregistered(step["ExecutionArn"], {"At": step["Now"], "Step": "Mismatch"})
        raise
    except errors.OffboardingError as error:
        if error.of_workmail and was_enabled and _was_asked(records, step):
            said = f"Before that, WorkMail may have been asked to deregister {resolved.id}, and may have done so."
            error.args = (f"{error} {said}",)
        raise
    disabled_date = confirmed_date(entity, parse(step["ResolvedAt"]) if was_enabled else None)
    plan = plan_retention(disabled_date, rules)
    logger.info("deregistered", extra={"entity_id": entity.id, "called": called, **plan.to_json()})
    metrics.add_metric(name="EntitiesDeregistered", unit="Count", value=int(was_enabled))
    noted = {"At": step["Now"], "Step": "Deregistered", "WasEnabled": was_enabled}
    recorded = records.deregistered(step["ExecutionArn"], step["OrganizationId"], entity.id, plan.to_json(), noted)
    return {
        **plan.to_json(),
        "Evidence": {
            "At": step["Now"],
            "WasEnabled": was_enabled,
            "Recorded": recorded,
            "Answers": directory.answers,
        },
    }


def deregister(
    directory: Directory,
    resolved: Entity,
    *,
    known_to_be_enabled: bool,
    before_the_call: Callable[[Entity], str | None],
    after_a_no: Callable[[str | None], None],
) -> tuple[Entity, bool]:
    """Deregister what is enabled, and read the entity back.

    Parameters
    ----------
    directory
        The organization's entities.
    resolved
        The entity as ResolveEntity found it. What was disabled then only joins the wait.
    known_to_be_enabled
        Whether a state of this execution has just read it as enabled; otherwise it is read first.
    before_the_call
        Runs right before WorkMail is asked to deregister, with the entity as it was last read, and raises if that
        must not be. Returns the execution whose window this one takes over, if there is one.
    after_a_no
        Runs when WorkMail has refused, with what `before_the_call` returned.

    Returns
    -------
    tuple[Entity, bool]
        The entity as it reads now, and whether WorkMail was asked to deregister it.

    Raises
    ------
    EntityMismatch
        If somebody has registered it since it was resolved.
    DeregistrationRefused
        If WorkMail refuses and the entity still reads as enabled: retried, because WorkMail can lag.
    DeregistrationNotConfirmed
        If WorkMail does not find it when it is read back: retried, which looks first.
    """
    entity = resolved
    if not known_to_be_enabled:
        entity = directory.describe(resolved.reference)
        if entity.state is not EntityState.ENABLED:
            return entity, False
        if resolved.state is not EntityState.ENABLED or entity.registration != resolved.registration:
            raise errors.EntityMismatch(
                f"Somebody has registered {entity.id} since it was looked up. Nothing was changed since then. Start "
                "again if it is to be offboarded all the same."
            )
    taken_over = before_the_call(entity)
    refused = False
    try:
        directory.deregister(entity.id)
    except errors.EntityStateConflict:
        refused = True
    except _NO:
        after_a_no(taken_over)
        raise
    entity = _read_back(directory, entity)
    if refused and entity.state is EntityState.ENABLED:
        after_a_no(taken_over)
        raise errors.DeregistrationRefused(
            f"WorkMail refuses to deregister {entity.id} (EntityStateException) and shows it as enabled. "
            "Look at the entity in the WorkMail console, then start again."
        )
    return entity, True


def _read_back(directory: Directory, entity: Entity) -> Entity:
    try:
        return directory.describe(entity.reference)
    except errors.EntityNotFound:
        raise errors.DeregistrationNotConfirmed(
            f"WorkMail took the deregistration of {entity.id} and does not find it now. Look at the entity in the "
            "WorkMail console; start again to have the 30 days watched."
        ) from None


def confirmed_date(entity: Entity, enabled_until: datetime | None) -> datetime:
    """Return the date since which the entity is disabled, as WorkMail itself says it.

    Parameters
    ----------
    entity
        The entity as it reads now.
    enabled_until
        When it was last seen enabled; a disabled date well before that is left over from an earlier time.

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
    elif enabled_until and entity.disabled_date < enabled_until - CLOCK_SKEW:
        problem = "reads as disabled, but with the date of an earlier time"
    else:
        return entity.disabled_date
    raise errors.DeregistrationNotConfirmed(
        f"{entity.id} {problem}, so the deregistration cannot be confirmed. Look at the entity in the WorkMail "
        "console; start again to have the 30 days watched."
    )


def _insist_on_leave(records: Records, step: dict[str, Any], entity: Entity, rules: RetentionRules) -> str | None:
    """See that nothing forbids it and the record is there, and write into it that the call comes next."""
    me, organization_id, now = step["ExecutionArn"], step["OrganizationId"], parse(step["Now"])
    if now - parse(step["ResolvedAt"]) > OLD:
        raise errors.EntityMismatch(
            f"{entity.id} was looked up at {step['ResolvedAt']}, too long ago to act on it. Nothing was changed. Start "
            "again, so that everything is checked anew."
        )
    record = records.get(me)
    aliases = record.entity.get("Aliases") if record else None
    protection = protected_by_nature(entity) or protected_by_settings(
        read_policy(organization_id).protected, entity, aliases or []
    )
    if protection and record and record.deregistering:
        # Put on the list since an earlier attempt: not asked for again, and not taken for untouched either.
        raise errors.DeregistrationNotConfirmed(
            f"{protection} Before that, WorkMail may have been asked to deregister it, and does not show it as "
            "disabled. Look at the entity in the WorkMail console; if it is disabled, restore it within its 30 days."
        )
    if protection:
        raise errors.EntityProtected(protection)
    noted = {"At": step["Now"], "Step": "Deregister", "Attempt": step["RetryCount"] + 1}
    before = records.begin_deregistering(me, organization_id, entity.id, render(now + rules.retention), noted)
    if before is not None:
        return before.window_of if before.window_of != me else None
    pointer = records.pointer(organization_id, entity.id)
    if pointer is not None and pointer.execution_arn != me:
        raise in_progress(pointer.execution_arn)
    raise errors.RecordMissing(
        "The record of this offboarding is gone, and nothing is deregistered without one. WorkMail was not touched; "
        "start again."
    )


def _was_asked(records: Records, step: dict[str, Any]) -> bool:
    """Say whether this execution was about to ask WorkMail to deregister the entity, and was not told no."""
    record = records.get(step["ExecutionArn"])
    return record is not None and record.deregistering


def _note_the_no(records: Records, step: dict[str, Any], taken_over: str | None) -> None:
    """Take the entity out of its window, unless what was asked before may have taken effect and not show yet.

    An earlier attempt may have asked, or the execution whose window this one has taken over with its first attempt.
    """
    resolved_at = parse(step["ResolvedAt"])
    if taken_over and _asked_since(records, taken_over, resolved_at - LAG):
        return
    if step["RetryCount"] == 0 or parse(step["Now"]) - resolved_at > LAG:
        records.not_deregistered(step["ExecutionArn"], {"At": step["Now"], "Step": "Refused"})


def _asked_since(records: Records, execution_arn: str, moment: datetime) -> bool:
    """Say whether an execution was about to ask WorkMail to deregister its entity at a moment or later."""
    record = records.get(execution_arn)
    return record is not None and record.asked_at is not None and parse(record.asked_at) >= moment

"""DeregisterEntity: disable the entity, and return only when WorkMail itself reads back as disabled.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, ResolvedAt, RetryCount}` and returns
`{DeregisteredAt, RetentionEndsAt, VerifyAt, GiveUpAt, ServiceEndsFirst, Evidence}`. Right before the call that cannot
be undone forever it sees once more that the settings allow it, and that the record is there.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import errors
from offboarding.directory import Directory, workmail_client
from offboarding.entities import Entity, EntityReference, EntityState
from offboarding.holding import in_progress
from offboarding.observability import logger, metrics, observed
from offboarding.policy import read_policy
from offboarding.protection import protected_by_settings
from offboarding.records import Records
from offboarding.retention import RetentionRules, configured_rules, parse, plan_retention, render
from offboarding.schemas import DEREGISTER_ENTITY, validated
from offboarding.service_end import until_service_ends

client = workmail_client()

CLOCK_SKEW = timedelta(minutes=15)
"""How far WorkMail's clock may be behind that of Step Functions."""

FRESH = timedelta(minutes=15)
"""For how long what ResolveEntity read is good enough to act on; a redriven execution can be days old."""


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
    entity, called = deregister(
        directory,
        resolved.reference,
        was_enabled=was_enabled,
        known_to_be_enabled=known_to_be_enabled,
        before_the_call=lambda: _insist_on_leave(records, step, resolved, rules),
    )
    disabled_date = confirmed_date(entity, parse(step["ResolvedAt"]) if was_enabled else None)
    plan = plan_retention(disabled_date, rules)
    logger.info("deregistered", extra={"entity_id": entity.id, "called": called, **plan.to_json()})
    metrics.add_metric(name="EntitiesDeregistered", unit="Count", value=int(called))
    noted = {"At": step["Now"], "Step": "Deregistered", "WasEnabled": was_enabled, "Called": called}
    recorded = records.deregistered(step["ExecutionArn"], step["OrganizationId"], plan.to_json(), noted)
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
    reference: EntityReference,
    *,
    was_enabled: bool,
    known_to_be_enabled: bool,
    before_the_call: Callable[[], None],
) -> tuple[Entity, bool]:
    """Deregister what is enabled, and read the entity back.

    Parameters
    ----------
    directory
        The organization's entities.
    reference
        Which one.
    was_enabled
        Whether ResolveEntity found it enabled. What was disabled then only joins the wait.
    known_to_be_enabled
        Whether a state of this execution has just read it as enabled; otherwise it is read first.
    before_the_call
        Runs right before WorkMail is asked to deregister, and raises if that must not be.

    Returns
    -------
    tuple[Entity, bool]
        The entity as it reads now, and whether WorkMail was asked to deregister it.

    Raises
    ------
    EntityMismatch
        If it was disabled when it was resolved, and somebody has registered it since.
    DeregistrationRefused
        If WorkMail refuses and the entity still reads as enabled: retried, because WorkMail can lag.
    """
    if not known_to_be_enabled:
        entity = directory.describe(reference)
        if entity.state is not EntityState.ENABLED:
            return entity, False
        if not was_enabled:
            raise errors.EntityMismatch(
                f"{reference.id} was disabled when it was looked up, and somebody has registered it since. Nothing "
                "was changed. Start again if it is to be offboarded all the same."
            )
    before_the_call()
    refused = False
    try:
        directory.deregister(reference.id)
    except errors.EntityStateConflict:
        refused = True
    entity = directory.describe(reference)
    if refused and entity.state is EntityState.ENABLED:
        raise errors.DeregistrationRefused(
            f"WorkMail refuses to deregister {entity.id} (EntityStateException) and shows it as enabled. "
            "Look at the entity in the WorkMail console, then start again."
        )
    return entity, True


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


def _insist_on_leave(records: Records, step: dict[str, Any], entity: Entity, rules: RetentionRules) -> None:
    """See that the settings still allow it and the record is there, and write into it that the call comes next."""
    me, organization_id = step["ExecutionArn"], step["OrganizationId"]
    record = records.get(me)
    aliases = record.entity.get("Aliases") if record else None
    protection = protected_by_settings(read_policy(organization_id).protected, entity, aliases or [])
    if protection:
        raise errors.EntityProtected(protection)
    due_at = render(parse(step["Now"]) + rules.retention)
    noted = {"At": step["Now"], "Step": "Deregister", "Attempt": step["RetryCount"] + 1}
    if records.begin_deregistering(me, organization_id, entity.id, due_at, noted):
        return
    holder = records.current(organization_id, entity.id)
    if holder not in {None, me}:
        raise in_progress(str(holder))
    raise errors.RecordMissing(
        "The record of this offboarding is gone, and nothing is deregistered without one. WorkMail was not touched; "
        "start again."
    )

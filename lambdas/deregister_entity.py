"""DeregisterEntity: disable the entity, and return only when WorkMail itself reads back as disabled.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ResolvedAt, RetryCount}` and returns
`{DeregisteredAt, RetentionEndsAt, VerifyAt, GiveUpAt, ServiceEndsFirst, Evidence}`.
"""

import os
from datetime import date, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import errors
from offboarding.directory import Directory, workmail_client
from offboarding.entities import Entity, EntityReference, EntityState, EntityType
from offboarding.observability import logger, metrics, observed
from offboarding.retention import RetentionRules, parse, plan_retention
from offboarding.schemas import DEREGISTER_ENTITY, validated

client = workmail_client()

CLOCK_SKEW = timedelta(minutes=15)
"""How far WorkMail's clock may be behind that of Step Functions."""

FRESH = timedelta(minutes=15)
"""For how long what ResolveEntity read is good enough to act on; a redriven execution can be days old."""


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deregister the entity if it is enabled, and fix the dates of its retention."""
    step = validated(event, DEREGISTER_ENTITY, "The event of DeregisterEntity", errors.UnexpectedAnswer)
    directory = Directory(client, step["OrganizationId"])
    reference = EntityReference(EntityType(step["Entity"]["Type"]), step["Entity"]["Id"])
    known_to_be_enabled = (
        step["Entity"]["State"] == EntityState.ENABLED
        and step["RetryCount"] == 0
        and parse(step["Now"]) - parse(step["ResolvedAt"]) < FRESH
    )
    was_enabled = step["Entity"]["State"] == EntityState.ENABLED
    entity, called = deregister(directory, reference, was_enabled=was_enabled, known_to_be_enabled=known_to_be_enabled)
    disabled_date = confirmed_date(entity, parse(step["ResolvedAt"]) if was_enabled else None)
    plan = plan_retention(disabled_date, _rules())
    logger.info("deregistered", extra={"entity_id": entity.id, "called": called, **plan.to_json()})
    metrics.add_metric(name="EntitiesDeregistered", unit="Count", value=int(called))
    return {
        **plan.to_json(),
        "Evidence": {"At": step["Now"], "WasEnabled": was_enabled, "Answers": directory.answers},
    }


def deregister(
    directory: Directory, reference: EntityReference, *, was_enabled: bool, known_to_be_enabled: bool
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


def _rules() -> RetentionRules:
    return RetentionRules(
        retention=timedelta(days=int(os.environ["RETENTION_DAYS"])),
        slack=timedelta(hours=int(os.environ["VERIFICATION_SLACK_HOURS"])),
        overdue=timedelta(days=int(os.environ["OVERDUE_DAYS"])),
        service_ends_on=date.fromisoformat(os.environ["SERVICE_ENDS_ON"]),
    )

"""PlanOffboarding: say what would be done, to whom and when, and what would stop it. It changes nothing.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, Request, NeverRegistered, IsMigrationAdmin}` and
returns `{Explanation, Plan, Evidence}`.
"""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.holding import look_at_holder
from offboarding.adapters.policy import Policy, read_policy
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState
from offboarding.domain.protection import approval_required_by_settings, protected_by_nature, protected_by_settings
from offboarding.domain.retention import RetentionPlan, configured_rules, parse, plan_retention, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import PLAN_OFFBOARDING, prepare, validated
from offboarding.edge.service_end import until_service_ends

client = workmail_client()
prepare(PLAN_OFFBOARDING)


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Plan the offboarding of an entity that has been resolved."""
    step = validated(event, PLAN_OFFBOARDING, "The event of PlanOffboarding", errors.UnexpectedAnswer)
    entity = Entity.from_json(step["Entity"])
    organization_id = step["OrganizationId"]
    directory = Directory(client, organization_id)
    policy = read_policy(organization_id)
    records = Records()
    aliases = _aliases(directory, entity)
    at = _when(step["Request"], parse(step["Now"]))
    would_deregister = entity.state is EntityState.ENABLED
    refusals = [
        *_protections(policy, entity, aliases, is_migration_admin=step["IsMigrationAdmin"]),
        *_in_progress(records, organization_id, entity, parse(step["Now"])),
    ]
    approvals = _approvals(policy, records, step, entity, aliases, at) if would_deregister else []
    disabled_date = at if would_deregister else entity.disabled_date or at
    retention = plan_retention(disabled_date, configured_rules())
    logger.info("planned", extra={"entity_id": entity.id, "refusals": len(refusals), "approvals": len(approvals)})
    metrics.add_metric(name="OffboardingsPlanned", unit="Count", value=1)
    return {
        "Explanation": _explanation(step["NeverRegistered"], refusals, approvals, would_deregister=would_deregister),
        "Plan": {
            "WouldCall": _calls(organization_id, entity) if would_deregister and not refusals else [],
            "WouldBeRefused": refusals,
            "NeedsApproval": approvals,
            **({} if step["NeverRegistered"] else _dates(retention, at, would_deregister=would_deregister)),
        },
        "Evidence": {"At": step["Now"], "Answers": directory.answers},
    }


def _when(request: dict[str, Any], now: datetime) -> datetime:
    return max(now, parse(request["NotBefore"])) if "NotBefore" in request else now


def _aliases(directory: Directory, entity: Entity) -> list[str]:
    """List the aliases, which protect as the primary address does; WorkMail tells them of enabled entities only."""
    if entity.state is not EntityState.ENABLED:
        return []
    try:
        return directory.list_aliases(entity)
    except (errors.EntityStateConflict, errors.EntityNotFound):
        raise errors.WorkMailUnavailable(
            f"WorkMail describes {entity.id} as enabled and does not tell its aliases, so nobody knows whether one of "
            "them protects it. Start again."
        ) from None


def _protections(
    policy: Policy, entity: Entity, aliases: list[str], *, is_migration_admin: bool
) -> list[dict[str, str]]:
    reasons = (
        protected_by_nature(entity, is_migration_admin=is_migration_admin),
        protected_by_settings(policy.protected, entity, aliases),
    )
    return [{"Error": "EntityProtected", "Cause": reason} for reason in reasons if reason]


def _in_progress(records: Records, organization_id: str, entity: Entity, now: datetime) -> list[dict[str, str]]:
    pointer = records.pointer(organization_id, entity.id)
    if pointer is None or not pointer.is_live or look_at_holder(records, pointer, entity, now).gives_way:
        return []
    return [{"Error": "AlreadyInProgress", "Cause": f"The execution {pointer.execution_arn} offboards this entity."}]


def _approvals(
    policy: Policy, records: Records, step: dict[str, Any], entity: Entity, aliases: list[str], at: datetime
) -> list[str]:
    reasons = []
    by_settings = approval_required_by_settings(policy.approval_required, entity, aliases)
    if by_settings:
        reasons.append(by_settings)
    elif "Requester" in step["Request"]:
        day = at.date().isoformat()
        taken = records.slots_taken(step["OrganizationId"], day)
        if taken >= policy.daily_cap:
            reasons.append(f"{taken} of the {policy.daily_cap} deregistrations of {day} are taken.")
    return reasons


def _calls(organization_id: str, entity: Entity) -> list[dict[str, str]]:
    return [{"Operation": "DeregisterFromWorkMail", "OrganizationId": organization_id, "EntityId": entity.id}]


def _dates(retention: RetentionPlan, at: datetime, *, would_deregister: bool) -> dict[str, Any]:
    return {
        **(
            {"DeregistersAt": render(at)} if would_deregister else {"DeregisteredAt": render(retention.deregistered_at)}
        ),
        "MailboxIsRemovedAt": render(retention.retention_ends_at),
        "VerifyAt": render(retention.verify_at),
        "RetentionEndsBeforeWorkMail": not retention.service_ends_first,
    }


def _explanation(
    never_registered: bool, refusals: list[dict[str, str]], approvals: list[str], *, would_deregister: bool
) -> str:
    if refusals:
        return f"Without DryRun it would end as {refusals[0]['Error']}, and nothing would be changed."
    if never_registered:
        return "Without DryRun it would end as NothingToDo: the entity was never registered to WorkMail."
    if not would_deregister:
        return "The entity is disabled already. Without DryRun it would only be watched until its mailbox is gone."
    if approvals:
        return "Without DryRun it would wait for an approval, and then deregister the entity."
    return "Without DryRun it would deregister the entity."

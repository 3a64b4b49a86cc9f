"""PlanOffboarding: report what would be done, to which entity and when, and what would stop it. It changes nothing.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, Request, NeverRegistered, IsMigrationAdmin}` and
returns `{Explanation, Plan, Evidence}`.
"""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.cap import Cap
from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.effects import read_effects
from offboarding.adapters.export_plans import plan_export
from offboarding.adapters.holding import load_holder
from offboarding.adapters.mailbox_exports import MailboxExports
from offboarding.adapters.policy import Policy, read_policy
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.caps import CapKind, render_cap_reason, select_cap
from offboarding.domain.doubts import list_reasons
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.exports import ExportMode
from offboarding.domain.protection import approval_required_by_settings, protected_by_nature, protected_by_settings
from offboarding.domain.retention import RetentionPlan, plan_retention
from offboarding.domain.timestamps import parse, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import PLAN_OFFBOARDING, compile_schemas, validated_step
from offboarding.edge.service_end import require_service, until_service_ends
from offboarding.edge.steps import PlanStep, RecordedRequest

client = workmail_client()
compile_schemas(PLAN_OFFBOARDING)

_LONGEST_CALL_MS = 12_000
"""How long a call to WorkMail can last, and what follows it."""


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Plan the offboarding of an entity that has been resolved."""
    step = validated_step(event, PLAN_OFFBOARDING, PlanStep)
    directory = MailboxExports(client, step["OrganizationId"])
    entity, aliases = _read_current_aliases(directory, Entity.from_json(step["Entity"]))
    policy = read_policy(step["OrganizationId"])
    records = Records()
    would_deregister = entity.state is EntityState.ENABLED
    due_at = _due_date(step["Request"], parse(step["Now"]))
    refusals = [
        *(_find_service_end(step, due_at) if would_deregister else []),
        *_find_protections(policy, entity, aliases, is_migration_admin=step["IsMigrationAdmin"]),
        *_find_holder(records, step, entity, due_at),
    ]
    approvals = _reasons_for_approval(policy, step, entity, aliases, due_at) if would_deregister else []
    would_call = would_deregister and not refusals
    export = {} if refusals or step["NeverRegistered"] else _plan_export(directory, policy, step, entity)
    disabled_date = due_at if would_deregister else entity.disabled_date or due_at
    retention = plan_retention(disabled_date, configuration.retention_rules())

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() >= _LONGEST_CALL_MS

    logger.info("planned", extra={"entity_id": entity.id, "refusals": len(refusals), "approvals": len(approvals)})
    metrics.add_metric(name="OffboardingsPlanned", unit="Count", value=1)
    return {
        "Explanation": _explanation(step, refusals, approvals, would_deregister=would_deregister)
        + (" Before that it would export the mailbox." if export else ""),
        "Plan": {
            "WouldCall": _calls(step, entity) if would_call else [],
            "WouldBeRefused": refusals,
            "NeedsApproval": approvals,
            **({"WouldAffect": read_effects(directory, entity, aliases, has_time)} if would_call else {}),
            **export,
            **({} if step["NeverRegistered"] else _dates(retention, due_at, would_deregister=would_deregister)),
        },
        "Evidence": {"At": step["Now"], "Answers": directory.answers},
    }


def _read_current_aliases(directory: Directory, entity: Entity) -> tuple[Entity, list[str]]:
    """Read the aliases, which protect as the primary address does, and the entity again if it is not enabled any more.

    WorkMail lists the aliases of enabled entities only.
    """
    if entity.state is not EntityState.ENABLED:
        return entity, []
    try:
        return entity, directory.list_aliases_of_enabled(entity)
    except errors.WorkMailUnavailable:
        current = directory.describe_if_disabled(entity)
        if current is None:
            raise
        return current, []


def _plan_export(exports: MailboxExports, policy: Policy, step: PlanStep, entity: Entity) -> dict[str, Any]:
    """Return what the plan says of the export, if one would be made."""
    if entity.type is EntityType.GROUP:
        return {}
    mode = policy.export.select_mode(step["Request"].get("Export"))
    if mode is ExportMode.NO:
        return {}
    now, ends_at = parse(step["Now"]), parse(step["ServiceEndsAt"])
    return {"Export": plan_export(exports, step["OrganizationId"], entity, mode, now, ends_at)}


def _due_date(request: RecordedRequest, now: datetime) -> datetime:
    return max(now, parse(request["NotBefore"])) if "NotBefore" in request else now


def _find_service_end(step: PlanStep, due_at: datetime) -> list[dict[str, str]]:
    try:
        require_service(render(due_at), step["ServiceEndsAt"])
    except errors.ServiceEnded as error:
        return [{"Error": "ServiceEnded", "Cause": str(error)}]
    return []


def _find_protections(
    policy: Policy, entity: Entity, aliases: list[str], *, is_migration_admin: bool
) -> list[dict[str, str]]:
    reasons = (
        protected_by_nature(entity, is_migration_admin=is_migration_admin),
        protected_by_settings(policy.protected, entity, aliases),
    )
    return [{"Error": "EntityProtected", "Cause": reason} for reason in reasons if reason]


def _find_holder(records: Records, step: PlanStep, entity: Entity, due_at: datetime) -> list[dict[str, str]]:
    lock = records.find_lock(step["OrganizationId"], entity.id)
    if lock is None or not lock.is_live:
        return []
    if load_holder(records, lock, entity, parse(step["Now"]), due_at).can_be_taken_over:
        return []
    return [{"Error": "AlreadyInProgress", "Cause": f"The execution {lock.execution_arn} offboards this entity."}]


def _reasons_for_approval(
    policy: Policy, step: PlanStep, entity: Entity, aliases: list[str], due_at: datetime
) -> list[str]:
    by_settings = approval_required_by_settings(policy.approval_required, entity, aliases)
    doubts = list_reasons(step["Request"].get("Requester", {}).get("Doubts", ()))
    if by_settings or doubts:
        return [*([by_settings] if by_settings else []), *doubts]
    kind = select_cap(step["Request"])
    size = policy.find_cap_size(kind)
    cap = Cap(step["OrganizationId"], kind)
    if size is None or not cap.is_reached(size, due_at):
        return []
    if kind is CapKind.HAND:
        return [render_cap_reason(CapKind.HAND, size)]
    return [f"The cap of {size} deregistrations within 24 hours is reached."]


def _calls(step: PlanStep, entity: Entity) -> list[dict[str, str]]:
    return [{"Operation": "DeregisterFromWorkMail", "OrganizationId": step["OrganizationId"], "EntityId": entity.id}]


def _dates(retention: RetentionPlan, due_at: datetime, *, would_deregister: bool) -> dict[str, Any]:
    deregistration = (
        {"DeregistersAt": render(due_at)} if would_deregister else {"DeregisteredAt": render(retention.deregistered_at)}
    )
    return {
        **deregistration,
        "MailboxIsRemovedAt": render(retention.retention_ends_at),
        "VerifyAt": render(retention.verify_at),
        "RetentionEndsBeforeWorkMail": not retention.service_ends_first,
    }


def _explanation(
    step: PlanStep, refusals: list[dict[str, str]], approvals: list[str], *, would_deregister: bool
) -> str:
    if refusals:
        return f"Without DryRun it would end as {refusals[0]['Error']}, and nothing would be changed."
    if step["NeverRegistered"]:
        return "Without DryRun it would end as NothingToDo: the entity was never registered to WorkMail."
    if not would_deregister:
        return "The entity is disabled already. Without DryRun it would only be watched until its mailbox is gone."
    not_before = step["Request"].get("NotBefore")
    is_past = not_before is not None and parse(not_before) <= parse(step["Now"])
    if approvals:
        note = f" It would not wait for a date: NotBefore, {not_before}, has passed." if is_past else ""
        return f"Without DryRun it would wait for an approval, and then deregister the entity.{note}"
    note = f" That would be done at once: NotBefore, {not_before}, has passed." if is_past else ""
    return f"Without DryRun it would deregister the entity.{note}"

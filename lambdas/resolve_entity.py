"""ResolveEntity: find the one entity that the execution's input means, before anything is touched.

Takes `{ExecutionArn, Now, StartedAt, Input, Planned}` and returns `{OrganizationId, Entity, NeverRegistered, DryRun,
NotBefore, DateIsAhead, ServiceEndsAt, Request, Evidence}`. `Planned` is the entity as it was resolved before the
execution waited, for a date or an approval; then it is read again by its id, and must still be the same one.
"""

import re
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.policy import Policy
from offboarding.domain import errors
from offboarding.domain.entities import (
    Entity,
    EntityMembers,
    EntityReference,
    EntityState,
    EntityType,
    is_directory_id,
    is_resource_id,
)
from offboarding.domain.exports import ExportMode
from offboarding.domain.identifiers import is_same_identifier
from offboarding.domain.protection import protected_by_nature
from offboarding.domain.timestamps import ONE_DAY, parse, render, whole_second
from offboarding.domain.tolerances import PROVIDER_CLOCK_SKEW
from offboarding.edge.inputs import requesters, require_configured_organization, require_expected, require_requester
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import DATE, INPUT, RESOLVE_ENTITY, compile_schemas, validated, validated_step
from offboarding.edge.service_end import until_service_ends
from offboarding.edge.steps import OffboardingInput, RecordedRequest, ResolveStep

client = workmail_client()
compile_schemas(RESOLVE_ENTITY, INPUT)

_ADDRESS = re.compile(r"[a-zA-Z0-9._%+-]{1,64}@[a-zA-Z0-9.-]+\.[a-zA-Z-]{2,}")
_MAX_ADDRESS_LENGTH = 254
MAX_NOT_BEFORE = timedelta(days=260)
"""An execution lives for a year at most; beside the date it has room for an approval, an export, the retention and the
checks."""


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Resolve the entity that an execution's input names, and work out when it is to be offboarded."""
    step = validated_step(event, RESOLVE_ENTITY, ResolveStep)
    request = validated(step["Input"], INPUT, OffboardingInput)
    policy = require_configured_organization(request["OrganizationId"])
    require_requester(request)
    started_at, service_ends_at = parse(step["StartedAt"]), configuration.service_ends_at()
    not_before = _parse_not_before(request, started_at, service_ends_at)
    directory = Directory(client, request["OrganizationId"], invalid_parameter=errors.InvalidRequest)
    entity = _resolve_or_reread(directory, request["EntityId"], step["Planned"])
    require_expected(entity, request.get("Expected", {}))
    _require_registered_before(entity, request)
    _require_another_requester(entity, request)
    _require_export(policy, entity, request)
    dry_run = request.get("DryRun", False)
    protection = protected_by_nature(entity)
    if protection and not dry_run:
        raise errors.EntityProtected(protection)
    logger.info("resolved", extra={"entity_id": entity.id, "type": entity.type, "state": entity.state})
    metrics.add_metric(name="EntitiesResolved", unit="Count", value=1)
    return {
        "OrganizationId": request["OrganizationId"],
        "Entity": entity.to_json(),
        "NeverRegistered": entity.never_registered,
        "DryRun": dry_run,
        "NotBefore": render(not_before) if not_before else None,
        "DateIsAhead": not_before is not None and not_before > parse(step["Now"]),
        "ServiceEndsAt": render(service_ends_at),
        "Request": _recorded_request(request, not_before),
        "Evidence": {"At": step["Now"], **_not_before_note(not_before, started_at), "Answers": directory.answers},
    }


def resolve(directory: Directory, identifier: str) -> Entity:
    """Find the one entity with this id, e-mail address or name.

    Parameters
    ----------
    directory
        The organization's entities.
    identifier
        1 to 256 characters. What has the form of an id is only ever looked up as an id, and what has
        an @ is an address first.

    Raises
    ------
    EntityNotFound, EntityAmbiguous
        If there is not exactly one.
    EntityMismatch
        If the address is only an alias of the entity.
    InvalidRequest
        If the identifier has an @ and is not an e-mail address.
    """
    if is_resource_id(identifier):
        entity = directory.describe(EntityReference(EntityType.RESOURCE, identifier))
    elif is_directory_id(identifier):
        entity = _describe_by_id(directory, identifier)
    elif "@" in identifier:
        entity = _describe_by_address(directory, identifier)
    else:
        entity = directory.describe(_exactly_one(directory.list_by_name(identifier), "name"))
    _require_existing(entity)
    return entity


def _resolve_or_reread(directory: Directory, identifier: str, planned: EntityMembers | None) -> Entity:
    """Resolve the identifier; after a wait, read again the entity that it meant before, whatever its name is now."""
    if planned is None:
        return resolve(directory, identifier)
    resolved_before_wait = Entity.from_json(planned)
    entity = directory.describe(resolved_before_wait.reference)
    _require_existing(entity)
    was_registered_meanwhile = (
        entity.state is EntityState.ENABLED
        and resolved_before_wait.registration is not None
        and entity.registration != resolved_before_wait.registration
    )
    if was_registered_meanwhile:
        raise errors.EntityMismatch(
            f"{entity.id} was registered again while this execution waited, so this is not the mailbox that was meant. "
            "Start again if it is still to be offboarded."
        )
    return entity


def _require_existing(entity: Entity) -> None:
    if entity.state is EntityState.DELETED:
        raise errors.EntityNotFound(
            f"The {entity.type.value} {entity.id} was deleted from the directory; there is nothing to offboard."
        )


def _describe_by_id(directory: Directory, entity_id: str) -> Entity:
    try:
        return directory.describe(EntityReference(EntityType.USER, entity_id))
    except errors.EntityNotFound:
        return directory.describe(EntityReference(EntityType.GROUP, entity_id))


def _describe_by_address(directory: Directory, address: str) -> Entity:
    if len(address) > _MAX_ADDRESS_LENGTH or not _ADDRESS.fullmatch(address):
        raise errors.InvalidRequest(
            "EntityId has an @ and so must be an e-mail address like alice@example.com, of at most "
            f"{_MAX_ADDRESS_LENGTH} characters. Give the entity's id or name instead if it has no such address."
        )
    try:
        reference = directory.find_by_address(address)
    except errors.EntityNotFound:
        matches = directory.list_by_address(address)
        if matches:
            return directory.describe(_exactly_one(matches, "e-mail address"))
        entity = directory.describe(_exactly_one(directory.list_by_name(address), "e-mail address"))
        _require_no_other_address(entity, address)
        return entity
    entity = directory.describe(reference)
    if entity.email is None and entity.state is not EntityState.ENABLED:
        return entity
    if not is_same_identifier(entity.email or "", address):
        raise errors.EntityMismatch(
            f"This address is an alias of the {entity.type.value} {entity.id}, not its primary address. Somebody else "
            "may have had it before. Give the id, name or primary address of the entity that you mean."
        )
    return entity


def _require_no_other_address(entity: Entity, address: str) -> None:
    """Refuse an entity that only has the name of an address, while its mail goes to another one."""
    if entity.email and not is_same_identifier(entity.email, address):
        raise errors.EntityMismatch(
            f"The {entity.type.value} {entity.id} is named like this address, and has another one. Whoever had the "
            "address may have been deleted. Give the id of the entity that you mean."
        )


def _exactly_one(matches: list[EntityReference], property_name: str) -> EntityReference:
    if not matches:
        raise errors.EntityNotFound(
            f"No user, group or resource of the organization has this {property_name}. Check the spelling and the "
            "organization, or give the entity's id."
        )
    if len(matches) > 1:
        candidates = ", ".join(f"{match.type.value} {match.id}" for match in matches)
        raise errors.EntityAmbiguous(
            f"{len(matches)} entities have this {property_name}: {candidates}. Give the id of the one that you mean."
        )
    return matches[0]


def _require_registered_before(entity: Entity, request: OffboardingInput) -> None:
    """Require that the entity was registered when the event happened: it is about who had the address at that time."""
    occurred_at = request.get("Requester", {}).get("OccurredAt")
    if occurred_at is None or entity.enabled_date is None:
        return
    if entity.enabled_date > _parse_date("Requester.OccurredAt", occurred_at) + PROVIDER_CLOCK_SKEW:
        raise errors.EntityMismatch(
            f"The event happened at {occurred_at}, and {entity.id} was registered later, at "
            f"{render(entity.enabled_date)}. Start by hand if this entity is to be offboarded."
        )


def _require_another_requester(entity: Entity, request: OffboardingInput) -> None:
    if requesters(request) & entity.identifiers():
        raise errors.InvalidRequest(
            "The requester and the entity to be offboarded are the same. Requester and leaver must be different people."
        )


def _require_export(policy: Policy, entity: Entity, request: OffboardingInput) -> None:
    """Require that the export for which the input asks can be made, and is not less than the settings require."""
    requested = request.get("Export")
    if entity.type is not EntityType.GROUP:
        policy.export.select_mode(requested)
    elif requested not in {None, ExportMode.NO}:
        raise errors.InvalidRequest(
            f"The execution's input asks for Export {requested}, and {entity.id} is a group, which has no mailbox. "
            "Leave Export out."
        )


def _parse_not_before(request: OffboardingInput, started_at: datetime, service_ends_at: datetime) -> datetime | None:
    """Parse the date before which nothing may happen, rounded up to a whole second; None without one."""
    if "NotBefore" not in request:
        return None
    not_before = _parse_date("NotBefore", request["NotBefore"])
    occurred_at = request.get("Requester", {}).get("OccurredAt")
    requested_at = _parse_date("Requester.OccurredAt", occurred_at) if occurred_at else started_at
    if not_before < requested_at - ONE_DAY:
        raise errors.InvalidRequest(
            "NotBefore must not be more than a day before the request, which was made at "
            f"{render(requested_at)}. Leave it out if the entity is to be offboarded at once."
        )
    if not_before > started_at + MAX_NOT_BEFORE:
        raise errors.InvalidRequest(
            f"NotBefore must be at most {MAX_NOT_BEFORE.days} days ahead, not after "
            f"{render(started_at + MAX_NOT_BEFORE)}. Start the offboarding later."
        )
    if not_before > started_at and not_before >= service_ends_at:
        raise errors.InvalidRequest(
            f"NotBefore must be before {render(service_ends_at)}, when Amazon WorkMail ends. Nothing could be "
            "deregistered any more on that date."
        )
    return not_before


def _parse_date(member: str, text: str) -> datetime:
    """Parse a date, rounded up to a whole second."""
    try:
        return whole_second(parse(text))
    except (ValueError, OverflowError):
        raise errors.InvalidRequest(f"{member} must be {DATE['description']}; there is no such date.") from None


def _recorded_request(request: OffboardingInput, not_before: datetime | None) -> RecordedRequest:
    """Return what the record keeps of the input."""
    recorded: RecordedRequest = {"NotBefore": render(not_before)} if not_before else {}
    if "Export" in request:
        recorded["Export"] = request["Export"]
    if "Reason" in request:
        recorded["Reason"] = request["Reason"]
    if "RequestedBy" in request:
        recorded["RequestedBy"] = request["RequestedBy"]
    if "Requester" in request:
        recorded["Requester"] = request["Requester"]
    return recorded


def _not_before_note(not_before: datetime | None, started_at: datetime) -> dict[str, str]:
    if not_before is None:
        return {}
    if not_before <= started_at:
        return {"NotBefore": f"{render(not_before)} was past when the execution started, so nothing waited for it."}
    return {"NotBefore": f"At {render(not_before)} the entity is resolved and checked again, and deregistered."}

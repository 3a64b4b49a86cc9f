"""ResolveEntity: find the one entity that the execution's input means, before anything is touched.

Takes `{ExecutionArn, Now, StartedAt, Input, Planned}` and returns `{OrganizationId, Entity, NeverRegistered, DryRun,
NotBefore, DateIsAhead, ServiceEndsAt, Request, Evidence}`. `Planned` is the entity as it was resolved before the
execution waited, for a date or an approval; then it is read again by its id, and must still be the same one.
"""

import os
import re
from datetime import date, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityReference, EntityState, EntityType
from offboarding.domain.protection import protected_by_nature
from offboarding.domain.retention import parse, render, service_end, whole_second
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import DATE, INPUT, RESOLVE_ENTITY, prepare, validated
from offboarding.edge.service_end import until_service_ends

client = workmail_client()
prepare(RESOLVE_ENTITY, INPUT)

_ADDRESS = re.compile(r"[a-zA-Z0-9._%+-]{1,64}@[a-zA-Z0-9.-]+\.[a-zA-Z-]{2,}")
_ADDRESS_LENGTH = 254
_RESOURCE_ID = re.compile(r"r-[0-9a-f]{32}")
_KEPT_FOR_THE_RECORD = ("Reason", "RequestedBy", "Requester")
_DIRECTORY_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|S-1-1-12(-\d+)+")
LONGEST_AHEAD = timedelta(days=300)
"""An execution lives for a year at most; beside the date it has room for an approval, the retention and the looks."""


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Resolve the entity that an execution's input names, and see when it is to be offboarded."""
    step = validated(event, RESOLVE_ENTITY, "The event of ResolveEntity", errors.UnexpectedAnswer)
    request = validated(step["Input"], INPUT, "The execution's input")
    _insist_on_known_organization(request["OrganizationId"])
    service_ends_at = service_end(date.fromisoformat(os.environ["SERVICE_ENDS_ON"]))
    not_before = _not_before(request, parse(step["StartedAt"]), service_ends_at)
    directory = Directory(client, request["OrganizationId"], invalid_parameter=errors.InvalidRequest)
    entity = _resolved(directory, request["EntityId"], step["Planned"])
    _insist_on_expected(entity, request.get("Expected", {}))
    _insist_on_another_requester(entity, request)
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
        "Request": {
            **{member: request[member] for member in _KEPT_FOR_THE_RECORD if member in request},
            **({"NotBefore": render(not_before)} if not_before else {}),
        },
        "Evidence": {
            "At": step["Now"],
            **_said_of(not_before, parse(step["StartedAt"])),
            "Answers": directory.answers,
        },
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
        If the identifier has an @ and is no e-mail address.
    """
    if _RESOURCE_ID.fullmatch(identifier):
        entity = directory.describe(EntityReference(EntityType.RESOURCE, identifier))
    elif _DIRECTORY_ID.fullmatch(identifier):
        entity = _described_by_id(directory, identifier)
    elif "@" in identifier:
        entity = _described_by_address(directory, identifier)
    else:
        entity = directory.describe(_only(directory.list_by_name(identifier), "name"))
    return _insist_on_existing(entity)


def _resolved(directory: Directory, identifier: str, planned: dict[str, str] | None) -> Entity:
    """Resolve the identifier; after a wait, read again whom it meant before, however they are called now."""
    if planned is None:
        return resolve(directory, identifier)
    before = Entity.from_json(planned)
    entity = _insist_on_existing(directory.describe(before.reference))
    was_registered_meanwhile = (
        entity.state is EntityState.ENABLED
        and before.registration is not None
        and entity.registration != before.registration
    )
    if was_registered_meanwhile:
        raise errors.EntityMismatch(
            f"{entity.id} was registered anew while this execution waited, so this is not the mailbox that was meant. "
            "Nothing was changed. Start again if it is to be offboarded all the same."
        )
    return entity


def _insist_on_existing(entity: Entity) -> Entity:
    if entity.state is EntityState.DELETED:
        raise errors.EntityNotFound(
            f"The {entity.type.value} {entity.id} was deleted from the directory; there is nothing to offboard."
        )
    return entity


def _described_by_id(directory: Directory, entity_id: str) -> Entity:
    try:
        return directory.describe(EntityReference(EntityType.USER, entity_id))
    except errors.EntityNotFound:
        return directory.describe(EntityReference(EntityType.GROUP, entity_id))


def _described_by_address(directory: Directory, address: str) -> Entity:
    if len(address) > _ADDRESS_LENGTH or not _ADDRESS.fullmatch(address):
        raise errors.InvalidRequest(
            "EntityId has an @ and so must be an e-mail address like alice@example.com, of at most "
            f"{_ADDRESS_LENGTH} characters. Give the entity's id or name instead if it has no such address."
        )
    try:
        reference = directory.find_by_address(address)
    except errors.EntityNotFound:
        matches = directory.list_by_address(address) or directory.list_by_name(address)
        return directory.describe(_only(matches, "e-mail address"))
    entity = directory.describe(reference)
    if entity.email is None and entity.state is not EntityState.ENABLED:
        return entity
    if (entity.email or "").casefold() != address.casefold():
        raise errors.EntityMismatch(
            f"This address is an alias of the {entity.type.value} {entity.id}, not its primary address: it may "
            "have been handed over from somebody else. Give the id, name or primary address of whom you mean."
        )
    return entity


def _only(matches: list[EntityReference], what: str) -> EntityReference:
    if not matches:
        raise errors.EntityNotFound(
            f"No user, group or resource of the organization has this {what}. Check the spelling and the "
            "organization, or give the entity's id."
        )
    if len(matches) > 1:
        listed = ", ".join(f"{match.type.value} {match.id}" for match in matches)
        raise errors.EntityAmbiguous(
            f"{len(matches)} entities have this {what}: {listed}. Give the id of the one you mean."
        )
    return matches[0]


def _insist_on_known_organization(organization_id: str) -> None:
    known = os.environ["ORGANIZATION_IDS"].split(",")
    if organization_id not in known:
        raise errors.InvalidRequest(
            f"OrganizationId {organization_id} is none that this stack serves. It must be {' or '.join(known)}, "
            "or be added to offboarding.organizations in cdk.json and deployed."
        )


def _insist_on_expected(entity: Entity, expected: dict[str, str]) -> None:
    found = {
        "Type": entity.type.value,
        "Name": entity.name,
        "Email": entity.email or "",
        "DisplayName": entity.display_name or "",
    }
    wrong = [member for member, value in expected.items() if found[member].casefold() != value.casefold()]
    if wrong:
        raise errors.EntityMismatch(
            f"EntityId means the {entity.type.value} {entity.id}, whose {' and '.join(wrong)} is not the one in "
            "Expected. Correct EntityId if it means somebody else, or Expected if that is out of date."
        )


def _insist_on_another_requester(entity: Entity, request: dict[str, Any]) -> None:
    asked = {request.get("RequestedBy"), request.get("Requester", {}).get("RequestedBy")} - {None}
    own = {own.casefold() for own in (entity.id, entity.name, entity.email) if own}
    if {who.casefold() for who in asked} & own:
        raise errors.InvalidRequest("Who asks and who is offboarded are the same: nobody offboards themselves.")


def _not_before(request: dict[str, Any], started_at: datetime, service_ends_at: datetime) -> datetime | None:
    """Read the date before which nothing may happen, rounded up to a whole second; None without one."""
    if "NotBefore" not in request:
        return None
    try:
        not_before = whole_second(parse(request["NotBefore"]))
    except (ValueError, OverflowError):
        raise errors.InvalidRequest(f"NotBefore must be {DATE['description']}; there is no such date.") from None
    if not_before > started_at + LONGEST_AHEAD:
        raise errors.InvalidRequest(
            f"NotBefore must be at most {LONGEST_AHEAD.days} days ahead, not after "
            f"{render(started_at + LONGEST_AHEAD)}. Start the offboarding later."
        )
    if not_before > started_at and not_before >= service_ends_at:
        raise errors.InvalidRequest(
            f"NotBefore must be before {render(service_ends_at)}, when Amazon WorkMail ends: on that date nothing "
            "could be deregistered any more."
        )
    return not_before


def _said_of(not_before: datetime | None, started_at: datetime) -> dict[str, str]:
    if not_before is None:
        return {}
    if not_before <= started_at:
        return {"NotBefore": f"{render(not_before)} was past when the execution started: it was not waited for."}
    return {"NotBefore": f"{render(not_before)} is when the entity is resolved and checked again, and deregistered."}

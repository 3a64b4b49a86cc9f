"""ResolveEntity: find the one entity that the execution's input means, before anything is touched.

Takes `{ExecutionArn, Now, Input}` and returns `{OrganizationId, Entity, NeverRegistered, Evidence}`.
"""

import os
import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import errors
from offboarding.directory import Directory, workmail_client
from offboarding.entities import Entity, EntityReference, EntityState, EntityType
from offboarding.observability import logger, metrics, observed
from offboarding.schemas import INPUT, RESOLVE_ENTITY, validated

client = workmail_client()

_ADDRESS = re.compile(r"[a-zA-Z0-9._%+-]{1,64}@[a-zA-Z0-9.-]+\.[a-zA-Z-]{2,}")
_ADDRESS_LENGTH = 254
_RESOURCE_ID = re.compile(r"r-[0-9a-f]{32}")
_DIRECTORY_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|S-1-1-12(-\d+)+")
_NOBODYS_MAILBOX = {
    "SYSTEM_USER": "a system user of WorkMail",
    "RESOURCE": "a resource that is modelled as a user; offboard the resource itself",
    "REMOTE_USER": "a remote user, whose mailbox is not in WorkMail",
}


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Resolve the entity that an execution's input names."""
    step = validated(event, RESOLVE_ENTITY, "The event of ResolveEntity", errors.UnexpectedAnswer)
    request = validated(step["Input"], INPUT, "The execution's input")
    _insist_on_known_organization(request["OrganizationId"])
    directory = Directory(client, request["OrganizationId"], invalid_parameter=errors.InvalidRequest)
    entity = resolve(directory, request["EntityId"])
    _insist_on_expected(entity, request.get("Expected", {}))
    logger.info("resolved", extra={"entity_id": entity.id, "type": entity.type, "state": entity.state})
    metrics.add_metric(name="EntitiesResolved", unit="Count", value=1)
    return {
        "OrganizationId": request["OrganizationId"],
        "Entity": entity.to_json(),
        "NeverRegistered": entity.never_registered,
        "Evidence": {"At": step["Now"], "Answers": directory.answers},
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
    EntityProtected
        If the entity is none that may be offboarded.
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
    if entity.state is EntityState.DELETED:
        raise errors.EntityNotFound(
            f"The {entity.type.value} {entity.id} was deleted from the directory; there is nothing to offboard."
        )
    if entity.user_role in _NOBODYS_MAILBOX:
        raise errors.EntityProtected(f"{entity.id} is {_NOBODYS_MAILBOX[entity.user_role]}. It is never offboarded.")
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

"""The one way to WorkMail. Its methods raise this project's errors and keep what WorkMail answered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from offboarding import configuration
from offboarding.adapters.aws import PageTokens
from offboarding.adapters.telemetry import logger, metrics
from offboarding.domain import errors
from offboarding.domain.entities import (
    Entity,
    EntityReference,
    EntityState,
    EntityType,
    LeavingUser,
    Mailbox,
    Organization,
)
from offboarding.domain.identifiers import is_same_identifier
from offboarding.domain.timestamps import render

if TYPE_CHECKING:
    from mypy_boto3_workmail import WorkMailClient

Answer = Mapping[str, Any]

_ADDRESS = re.compile(r"[a-zA-Z0-9._%+-]{1,64}@[a-zA-Z0-9.-]+\.[a-zA-Z-]{2,}")
_MAX_ADDRESS_LENGTH = 254
"""What DescribeEntity takes as `Email`."""
_NO_RETRIES = Config(connect_timeout=3, read_timeout=7, retries={"mode": "standard", "total_max_attempts": 1})

_EVIDENCE_MEMBERS = (
    "EntityId", "UserId", "GroupId", "ResourceId", "OrganizationId", "Type", "State", "UserRole",
    "EnabledDate", "DisabledDate", "MailboxProvisionedDate", "MailboxDeprovisionedDate", "MailboxSize",
    "MigrationAdmin", "JobId", "EstimatedProgress", "StartTime", "EndTime",
)  # fmt: skip

_THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"})
_UNAVAILABLE = _THROTTLED | {
    "DirectoryUnavailableException", "ExpiredTokenException", "InternalFailure", "InternalServerError",
    "InternalServiceError", "RequestExpired", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
    "ServiceUnavailableException",
}  # fmt: skip
_DENIED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "IncompleteSignature", "InvalidClientTokenId",
        "InvalidSignatureException", "MissingAuthenticationToken", "NotAuthorized", "OptInRequired",
        "UnauthorizedOperation", "UnrecognizedClientException",
    }
)  # fmt: skip
_MAX_CANDIDATES = 1000
"""WorkMail's filters are prefixes: a short text would list everybody."""
_COUNTED_FAILURES = (errors.WorkMailUnavailable, errors.AccessDenied, errors.UnexpectedAnswer)
"""What is no answer about an entity or an organization: WorkMail failed, denied the call, or answered unexpectedly."""
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429


def workmail_client() -> WorkMailClient:
    """Make the client of this function: in WorkMail's Region, and without retries of its own.

    The state machine retries: its attempts stand in the execution's history, and no function runs while it waits.
    The time-outs leave a function of 30 seconds room for several calls.
    """
    client: WorkMailClient = boto3.client("workmail", region_name=configuration.workmail_region(), config=_NO_RETRIES)
    return client


class Directory:
    """The entities of one WorkMail organization.

    Every method can raise `WorkMailUnavailable`, `OrganizationNotFound`, `OrganizationNotActive`,
    `DirectoryAuthenticationFailed`, `AccessDenied`, `invalid_parameter` and, for an error that the
    service model does not list, `UnexpectedAnswer`.

    Parameters
    ----------
    client
        A boto3 client for WorkMail.
    organization_id
        `m-` and 32 hexadecimal digits.
    invalid_parameter
        The error for `InvalidParameterException`: a wrong request only where the text of a person is looked up.
    refused
        The error for a refusal of the operation itself, such as `UnsupportedOperationException`.

    Attributes
    ----------
    answers
        What WorkMail answered, in order: operation, request id, and the members of the answer that are evidence, or the
        name of the error. No names, no addresses.
    """

    def __init__(
        self,
        client: WorkMailClient,
        organization_id: str,
        invalid_parameter: type[errors.OffboardingError] = errors.UnexpectedAnswer,
        *,
        refused: type[errors.OffboardingError] = errors.DeregistrationRefused,
    ) -> None:
        self._client = client
        self._organization_id = organization_id
        self._invalid_parameter = invalid_parameter
        self._refused = refused
        self.answers: list[dict[str, Any]] = []

    def describe_organization(self) -> Organization:
        """Read the organization. It is answered for a deleted one too: look at the state.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeOrganization.html
        """
        answer = self._call("DescribeOrganization")
        return Organization(
            id=self._organization_id,
            alias=answer.get("Alias"),
            state=_require_member(answer, "State", "DescribeOrganization"),
            migration_admin=answer.get("MigrationAdmin"),
        )

    def find_by_address(self, address: str) -> EntityReference:
        """Find the entity to which an e-mail address belongs, as its primary one or as an alias.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeEntity.html

        Raises
        ------
        EntityNotFound
            If WorkMail finds none, or can have none with such an address; it may not find one that is disabled.
        """
        if len(address) > _MAX_ADDRESS_LENGTH or not _ADDRESS.fullmatch(address):
            # WorkMail would refuse the request.
            raise errors.EntityNotFound("No entity of WorkMail can have this address.")
        answer = self._call("DescribeEntity", Email=address)
        return EntityReference(
            EntityType(_require_member(answer, "Type", "DescribeEntity")),
            _require_member(answer, "EntityId", "DescribeEntity"),
        )

    def list_by_address(self, address: str) -> list[EntityReference]:
        """List the entities, of all types and none of them deleted, with this primary address.

        WorkMail's filter is a prefix; here the whole address is compared, as an identifier.

        Raises
        ------
        EntityAmbiguous
            If too many addresses begin with it.
        """
        return [
            EntityReference(entity_type, item["Id"])
            for entity_type in EntityType
            for item in self._iterate_candidates(entity_type, {"PrimaryEmailPrefix": address})
            if is_same_identifier(item.get("Email", ""), address)
        ]

    def list_by_name(self, name: str) -> list[EntityReference]:
        """List the entities, of all types and none of them deleted, with this name.

        WorkMail's filter is a prefix; here the whole name is compared, as an identifier.

        Raises
        ------
        EntityAmbiguous
            If too many names begin with it.
        """
        return [
            EntityReference(entity_type, item["Id"])
            for entity_type in EntityType
            for item in self._iterate_candidates(entity_type, {_NAME_PREFIX[entity_type]: name})
            if is_same_identifier(item.get("Name", ""), name)
        ]

    def list_users_by_address(self, address: str) -> list[LeavingUser]:
        """List the users with this primary address, compared whole and as an identifier.

        Raises
        ------
        EntityAmbiguous
            If too many addresses begin with it.
        """
        return self._list_users({"PrimaryEmailPrefix": address}, "Email", address)

    def list_users_by_name(self, name: str) -> list[LeavingUser]:
        """List the users with this name, compared whole and as an identifier.

        Raises
        ------
        EntityAmbiguous
            If too many names begin with it.
        """
        return self._list_users({"UsernamePrefix": name}, "Name", name)

    def list_users_by_identity_provider_id(self, user_id: str) -> list[LeavingUser]:
        """List the users with this id in Identity Center, compared whole."""
        return self._list_users({"IdentityProviderUserIdPrefix": user_id}, "IdentityProviderUserId", user_id)

    def find_user(self, user_id: str) -> LeavingUser | None:
        """Find the user with this id in WorkMail; None if no user has it, or that user was deleted."""
        try:
            user = self.describe(EntityReference(EntityType.USER, user_id))
        except errors.EntityNotFound:
            return None
        if user.state is EntityState.DELETED:
            return None
        return LeavingUser(
            id=user.id,
            name=user.name,
            email=user.email,
            is_enabled=user.state is EntityState.ENABLED,
            enabled_since=user.enabled_date if user.state is EntityState.ENABLED else None,
            disabled_since=user.disabled_date if user.state is EntityState.DISABLED else None,
            registration_key=user.registration_key,
            display_name=user.display_name,
        )

    def _list_users(self, filters: Mapping[str, str], member: str, value: str) -> list[LeavingUser]:
        return [
            LeavingUser(
                id=item["Id"],
                name=item.get("Name", ""),
                email=item.get("Email"),
                is_enabled=item.get("State") == EntityState.ENABLED,
                enabled_since=item.get("EnabledDate") if item.get("State") == EntityState.ENABLED else None,
                disabled_since=item.get("DisabledDate") if item.get("State") == EntityState.DISABLED else None,
                registration_key=_registration_key(item),
                display_name=item.get("DisplayName"),
            )
            for item in self._iterate_candidates(EntityType.USER, filters)
            if is_same_identifier(item.get(member, ""), value)
        ]

    def confirm_absent(self, reference: EntityReference, name: str, address: str | None) -> None:
        """Require that no other answer of WorkMail shows an entity that it does not find by its id.

        The lists are asked for its recorded name, for its recorded address, and for all disabled entities, because it
        can have another name by now; then its id is asked for again. No list is read beyond its first 1,000 entities:
        a longer one is left out. This takes at most 30 pages, whatever the size of the organization.

        Parameters
        ----------
        reference
            The entity's type and id.
        name, address
            What it was resolved or recorded with; None for an address that WorkMail did not show.

        Raises
        ------
        WorkMailUnavailable
            If another answer shows the entity, or no list was read to its end: retried.
        """
        if self._is_in_a_list(reference, name, address) or self._is_described(reference):
            raise errors.WorkMailUnavailable(
                f"WorkMail did not find {reference.id} by its id, but another answer shows it. Start again when "
                "WorkMail is available."
            )

    def _is_in_a_list(self, reference: EntityReference, name: str, address: str | None) -> bool:
        filters = [
            {_NAME_PREFIX[reference.type]: name},
            *([{"PrimaryEmailPrefix": address}] if address else []),
            {"State": EntityState.DISABLED.value},
        ]
        findings = [self._find_in_list(reference, chosen) for chosen in filters]
        if all(finding is None for finding in findings):
            raise errors.WorkMailUnavailable(
                f"WorkMail does not find {reference.id} by its id, and no list of entities shows whether it exists. "
                "Start again when WorkMail is available."
            )
        return any(findings)

    def _find_in_list(self, reference: EntityReference, filters: Mapping[str, str]) -> bool | None:
        """Return whether a list has the entity; None if the list is too long, or WorkMail does not find it."""
        try:
            return any(item["Id"] == reference.id for item in self._iterate_candidates(reference.type, filters))
        except (errors.EntityAmbiguous, errors.EntityNotFound):
            return None

    def _is_described(self, reference: EntityReference) -> bool:
        try:
            return self.describe(reference).state is not EntityState.DELETED
        except errors.EntityNotFound:
            return False

    def describe(self, reference: EntityReference) -> Entity:
        """Read one entity by its id.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeUser.html,
        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeGroup.html,
        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeResource.html

        Raises
        ------
        EntityNotFound
            If WorkMail knows no entity of this type with this id.
        """
        operation, id_member = _DESCRIBE_OPERATIONS[reference.type]
        answer = self._call(operation, **{id_member: reference.id})
        entity_id = _require_member(answer, id_member, operation)
        if not is_same_identifier(entity_id, reference.id):
            raise errors.EntityNotFound(
                f"No {reference.type.value} has the id {reference.id}; WorkMail found {entity_id} by that name. "
                "Use the entity's id."
            )
        return Entity(
            type=reference.type,
            id=entity_id,
            name=_require_member(answer, "Name", operation),
            state=_parse_state(_require_member(answer, "State", operation), operation),
            email=answer.get("Email") or None,
            user_role=answer.get("UserRole"),
            enabled_date=answer.get("EnabledDate"),
            disabled_date=answer.get("DisabledDate"),
            mailbox_provisioned_date=answer.get("MailboxProvisionedDate"),
            mailbox_deprovisioned_date=answer.get("MailboxDeprovisionedDate"),
            display_name=answer.get("DisplayName"),
        )

    def describe_mailbox(self, entity_id: str) -> Mailbox:
        """Read the details of a user's or resource's mailbox.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_GetMailboxDetails.html

        Raises
        ------
        EntityNotFound
            If WorkMail does not find it: it is gone, or WorkMail does not show it while the entity is disabled.
        """
        return Mailbox(size=self._call("GetMailboxDetails", UserId=entity_id).get("MailboxSize"))

    def deregister(self, entity_id: str) -> None:
        """Disable the entity. Only a later `describe` proves that it happened.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeregisterFromWorkMail.html

        Raises
        ------
        EntityNotFound
            If the entity is gone.
        EntityStateConflict
            If WorkMail does not deregister it in its present state, for instance because it is disabled.
        """
        self._call("DeregisterFromWorkMail", EntityId=entity_id)

    def list_aliases(self, entity: Entity) -> list[str]:
        """List the addresses that an enabled entity has beside its primary one.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListAliases.html

        Raises
        ------
        EntityNotFound, EntityStateConflict
            If the entity is gone, or not enabled.
        """
        addresses = self._iterate_pages("ListAliases", "Aliases", EntityId=entity.id, MaxResults=100)
        return [address for address in addresses if not is_same_identifier(address, entity.email or "")]

    def list_aliases_of_enabled(self, entity: Entity) -> list[str]:
        """List the aliases of an entity that has just been described as enabled.

        Raises
        ------
        WorkMailUnavailable
            If WorkMail does not list them all the same: one of them may protect the entity.
        """
        try:
            return self.list_aliases(entity)
        except (errors.EntityStateConflict, errors.EntityNotFound):
            raise _contradiction(entity, "aliases") from None

    def describe_if_disabled(self, entity: Entity) -> Entity | None:
        """Describe an entity again that was described as enabled, and of which WorkMail did not list something.

        Returns
        -------
        Entity | None
            The disabled entity, with its former address if WorkMail does not show one; None if it is enabled.

        Raises
        ------
        EntityNotFound
            If it is deleted.
        """
        current = self.describe(entity.reference)
        if current.state is EntityState.ENABLED:
            return None
        if current.state is EntityState.DELETED:
            raise errors.EntityNotFound(
                f"The {entity.type.value} {entity.id} was deleted from the directory; there is nothing to offboard."
            )
        return replace(current, email=current.email or entity.email)

    def list_groups_of(self, entity_id: str) -> list[Answer]:
        """List the groups that an enabled user or group is directly in, each with `GroupId` and `GroupName`.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroupsForEntity.html

        Raises
        ------
        EntityNotFound, EntityStateConflict
            If the entity is gone, or not enabled.
        """
        return list(self.iterate_groups_of(entity_id))

    def iterate_groups_of(self, entity_id: str) -> Iterator[Answer]:
        """Go through what `list_groups_of` lists, a page at a time."""
        return self._iterate_pages("ListGroupsForEntity", "Groups", EntityId=entity_id, MaxResults=100)

    def iterate_members(self, group_id: str) -> Iterator[Answer]:
        """Go through the direct members of an enabled group, a page at a time: `Id`, `Type` and `State` of each.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroupMembers.html

        Raises
        ------
        EntityNotFound, EntityStateConflict
            If the group is gone, or not enabled.
        """
        return self._iterate_pages("ListGroupMembers", "Members", GroupId=group_id, MaxResults=100)

    def iterate_mailbox_permissions(self, entity_id: str) -> Iterator[Answer]:
        """Go through the permissions of others on a mailbox, a page at a time.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListMailboxPermissions.html

        Returns
        -------
        Iterator[Answer]
            `GranteeId`, `GranteeType` (USER or GROUP) and `PermissionValues` (FULL_ACCESS, SEND_AS, SEND_ON_BEHALF) of
            each.

        Raises
        ------
        EntityNotFound
            If the entity is gone.
        """
        return self._iterate_pages("ListMailboxPermissions", "Permissions", EntityId=entity_id, MaxResults=100)

    def list_groups_of_enabled(self, entity: Entity) -> list[Answer]:
        """List the groups of an entity that has just been described as enabled.

        Raises
        ------
        WorkMailUnavailable
            If WorkMail does not list them all the same: the entity could not be restored in full.
        """
        try:
            return self.list_groups_of(entity.id)
        except (errors.EntityStateConflict, errors.EntityNotFound):
            raise _contradiction(entity, "groups") from None

    def register(self, entity_id: str, email: str) -> None:
        """Enable the entity with this primary address. Only a later `describe` proves that it happened.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_RegisterToWorkMail.html

        Raises
        ------
        EntityNotFound, EntityStateConflict, EmailAddressTaken
            If the entity is gone, cannot be registered in its state, or the address belongs to another entity.
        """
        self._call("RegisterToWorkMail", EntityId=entity_id, Email=email)

    def create_alias(self, entity_id: str, alias: str) -> None:
        """Give an enabled entity one more address.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateAlias.html

        Raises
        ------
        EntityNotFound, EntityStateConflict, EmailAddressTaken
            If the entity is gone, not enabled, or the address belongs to another entity.
        """
        self._call("CreateAlias", EntityId=entity_id, Alias=alias)

    def add_to_group(self, entity_id: str, group_id: str) -> None:
        """Make an entity a member of a group.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_AssociateMemberToGroup.html

        Raises
        ------
        EntityNotFound, EntityStateConflict
            If one of the two is gone, or not enabled.
        """
        self._call("AssociateMemberToGroup", GroupId=group_id, MemberId=entity_id)

    def _iterate_candidates(self, entity_type: EntityType, filters: Mapping[str, str]) -> Iterator[Answer]:
        """Go through the entities that a prefix lets through; if these are too many, nobody is looked for."""
        for number, item in enumerate(self._iterate_entities(entity_type, filters)):
            if number == _MAX_CANDIDATES:
                raise errors.EntityAmbiguous(
                    f"More than {_MAX_CANDIDATES} entities have a name or an address that begins with this text. Give "
                    "the id of the one that you mean."
                )
            yield item

    def _iterate_entities(self, entity_type: EntityType, filters: Mapping[str, str]) -> Iterator[Answer]:
        operation, member = _LIST_OPERATIONS[entity_type]
        chosen = {"Filters": dict(filters)} if filters else {}
        for item in self._iterate_pages(operation, member, **chosen, MaxResults=100):
            if item.get("State") != EntityState.DELETED:
                yield item

    def _iterate_pages(self, operation: str, member: str, **parameters: object) -> Iterator[Any]:
        tokens = PageTokens(f"WorkMail answered {operation}", errors.WorkMailUnavailable)
        token: dict[str, str] = {}
        while True:
            answer = self._call(operation, **parameters, **token)
            yield from answer.get(member, [])
            if not answer.get("NextToken"):
                return
            tokens.require_new(answer["NextToken"])
            token = {"NextToken": answer["NextToken"]}

    def _call(self, operation: str, **parameters: object) -> Answer:
        method = getattr(self._client, xform_name(operation))
        try:
            answer: Answer = method(OrganizationId=self._organization_id, **parameters)
        except ClientError as error:
            failure = self._translate_error(operation, error)
            _report_failure(operation, _code_of(error), type(failure), is_throttled=_is_throttled(error))
            failure.raised_by_workmail = True
            raise failure from None
        except BotoCoreError as error:
            self._append_answer(operation, None, Error=type(error).__name__)
            _report_failure(operation, type(error).__name__, errors.WorkMailUnavailable, is_throttled=False)
            timeout = errors.WorkMailUnavailable(
                f"WorkMail did not answer {operation} ({type(error).__name__}). Start again when WorkMail is available."
            )
            timeout.raised_by_workmail = True
            raise timeout from None
        request_id = answer.get("ResponseMetadata", {}).get("RequestId")
        self._append_answer(operation, request_id, Answer=_select_evidence(answer))
        return answer

    def _translate_error(self, operation: str, error: ClientError) -> errors.OffboardingError:
        code, status = _code_of(error), _status_of(error)
        metadata = error.response.get("ResponseMetadata", {})
        self._append_answer(operation, metadata.get("RequestId"), Error=code)
        message = f"WorkMail answered {operation} with {code}"
        if (operation, code) in _ERRORS_OF_OPERATIONS:
            kind, advice = _ERRORS_OF_OPERATIONS[operation, code]
            return kind(f"{message}. {advice}")
        if code == "InvalidParameterException":
            return self._invalid_parameter(f"{message}. The value is not accepted.")
        if code in _UNAVAILABLE or status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS:
            return errors.WorkMailUnavailable(f"{message}. Start again when WorkMail is available.")
        if code in _DENIED:
            return errors.AccessDenied(
                f"{message}. Let the function's role call workmail:{operation} on this organization, then start again."
            )
        if code in _REFUSED_OPERATIONS:
            return self._refused(f"{message}. {_REFUSED_OPERATIONS[code]}")
        kind, advice = _ERRORS.get(code, _UNDOCUMENTED)
        return kind(f"{message}. {advice}")

    def _append_answer(self, operation: str, request_id: str | None, **result: object) -> None:
        self.answers.append({"Operation": operation, "RequestId": request_id, **result})


def _code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_throttled(error: ClientError) -> bool:
    return _code_of(error) in _THROTTLED or _status_of(error) == _TOO_MANY_REQUESTS


def _report_failure(operation: str, code: str, kind: type[errors.OffboardingError], *, is_throttled: bool) -> None:
    """Log an answer of WorkMail that is an error, and count it if WorkMail throttled or failed.

    The message of the answer is left out, because it can repeat what was asked for.
    """
    logger.info("error of WorkMail", extra={"operation": operation, "error": code, "is_throttled": is_throttled})
    if is_throttled:
        metrics.add_metric(name="WorkMailThrottled", unit="Count", value=1)
    elif issubclass(kind, _COUNTED_FAILURES):
        metrics.add_metric(name="WorkMailErrors", unit="Count", value=1)


def _contradiction(entity: Entity, members: str) -> errors.WorkMailUnavailable:
    return errors.WorkMailUnavailable(
        f"WorkMail described {entity.id} as enabled, but does not list its {members}. It may have been disabled or "
        "deleted since. Start again."
    )


def _registration_key(item: Answer) -> str:
    """Return what tells one registration of a user from another; the date stays when the user is disabled."""
    moment = item.get("EnabledDate") or item.get("DisabledDate")
    return render(moment) if moment else ""


_DESCRIBE_OPERATIONS = {
    EntityType.USER: ("DescribeUser", "UserId"),
    EntityType.GROUP: ("DescribeGroup", "GroupId"),
    EntityType.RESOURCE: ("DescribeResource", "ResourceId"),
}
_LIST_OPERATIONS = {
    EntityType.USER: ("ListUsers", "Users"),
    EntityType.GROUP: ("ListGroups", "Groups"),
    EntityType.RESOURCE: ("ListResources", "Resources"),
}
_NAME_PREFIX = {
    EntityType.USER: "UsernamePrefix",
    EntityType.GROUP: "NamePrefix",
    EntityType.RESOURCE: "NamePrefix",
}


def _require_member(answer: Answer, member: str, operation: str) -> str:
    """Return a member that must be there; an answer without it is not relied on, and is tried again."""
    value = answer.get(member)
    if not isinstance(value, str) or not value:
        raise errors.WorkMailUnavailable(
            f"WorkMail answered {operation} without {member}, so the answer cannot be relied on. Start again later."
        )
    return value


def _parse_state(value: str, operation: str) -> EntityState:
    try:
        return EntityState(value)
    except ValueError:
        raise errors.WorkMailUnavailable(
            f"WorkMail answered {operation} with the State {value[:32]}, which is not one of {', '.join(EntityState)}."
        ) from None


def _select_evidence(answer: Answer) -> dict[str, Any]:
    selected = {member: answer[member] for member in _EVIDENCE_MEMBERS if member in answer}
    return {member: render(value) if isinstance(value, datetime) else value for member, value in selected.items()}


_ERRORS: dict[str, tuple[type[errors.OffboardingError], str]] = {
    "EntityNotFoundException": (errors.EntityNotFound, "No entity of the organization has this identifier."),
    "EntityStateException": (errors.EntityStateConflict, "The entity's state does not allow it."),
    "OrganizationNotFoundException": (
        errors.OrganizationNotFound,
        "Check OrganizationId, the account, and the WorkMail Region of this stack.",
    ),
    "OrganizationStateException": (
        errors.OrganizationNotActive,
        "Its entities cannot be read now; this says nothing about the entity. "
        "Start again when the organization is active.",
    ),
    "DirectoryServiceAuthenticationFailedException": (
        errors.DirectoryAuthenticationFailed,
        "WorkMail cannot sign in to the organization's directory. Repair its service account, then start again.",
    ),
    "EmailAddressInUseException": (errors.EmailAddressTaken, "The address belongs to another entity."),
}
_ERRORS_OF_OPERATIONS: dict[tuple[str, str], tuple[type[errors.OffboardingError], str]] = {
    ("StartMailboxExportJob", "LimitExceededException"): (
        errors.ExportLimitReached,
        "Ten exports run, or this mailbox was exported within 24 hours.",
    ),
}
_REFUSED_OPERATIONS = {
    "UnsupportedOperationException": "WorkMail does not support this for the entity or the organization's directory.",
    "EntityAlreadyRegisteredException": "The entity is registered under another address.",
    "MailDomainNotFoundException": "The organization does not have the mail domain of the address any more.",
    "MailDomainStateException": "The mail domain of the address is not verified.",
    "LimitExceededException": "The entity has as many of these as WorkMail allows.",
}
_UNDOCUMENTED = (
    errors.UnexpectedAnswer,
    "WorkMail does not document this answer. Look at the entity before you start again.",
)

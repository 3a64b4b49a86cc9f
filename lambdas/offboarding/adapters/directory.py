"""The one way in to WorkMail. Its methods raise this project's errors and keep what WorkMail answered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

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
from offboarding.domain.retention import render

if TYPE_CHECKING:
    from mypy_boto3_workmail import WorkMailClient

Answer = Mapping[str, Any]

_RETRIED_BY_THE_STATE_MACHINE = Config(
    connect_timeout=3, read_timeout=7, retries={"mode": "standard", "total_max_attempts": 1}
)

_KEPT_AS_EVIDENCE = (
    "EntityId", "UserId", "GroupId", "ResourceId", "OrganizationId", "Type", "State", "UserRole",
    "EnabledDate", "DisabledDate", "MailboxProvisionedDate", "MailboxDeprovisionedDate", "MailboxSize",
    "MigrationAdmin",
)  # fmt: skip

_UNAVAILABLE = frozenset(
    {
        "DirectoryUnavailableException", "ExpiredTokenException", "InternalFailure", "InternalServerError",
        "InternalServiceError", "RequestExpired", "RequestLimitExceeded", "RequestTimeout",
        "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException", "Throttling",
        "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip
_DENIED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "IncompleteSignature", "InvalidClientTokenId",
        "InvalidSignatureException", "MissingAuthenticationToken", "NotAuthorized", "OptInRequired",
        "UnauthorizedOperation", "UnrecognizedClientException",
    }
)  # fmt: skip
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429


def workmail_client() -> WorkMailClient:
    """Make the client of this function: the Region from `WORKMAIL_REGION`, and no retries of its own.

    The state machine retries: its attempts stand in the execution's history, and wait without a function
    that runs meanwhile. The time-outs leave a function of 30 seconds room for several calls.
    """
    client: WorkMailClient = boto3.client(
        "workmail", region_name=os.environ["WORKMAIL_REGION"], config=_RETRIED_BY_THE_STATE_MACHINE
    )
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
        What an `InvalidParameterException` means: a wrong request only where a person's words are looked up.
    refused
        What a *no* of WorkMail means that is about the operation itself, `UnsupportedOperationException` for one.

    Attributes
    ----------
    answers
        What WorkMail answered, in order: operation, request id, and the members of the answer that
        are evidence, or the name of the error. No names, no addresses.
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
            state=_member(answer, "State", "DescribeOrganization"),
            migration_admin=answer.get("MigrationAdmin"),
        )

    def find_by_address(self, address: str) -> EntityReference:
        """Find the entity to which an e-mail address belongs, as its primary one or as an alias.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeEntity.html

        Raises
        ------
        EntityNotFound
            If WorkMail finds none; it may not find one that is disabled.
        """
        answer = self._call("DescribeEntity", Email=address)
        return EntityReference(
            EntityType(_member(answer, "Type", "DescribeEntity")),
            _member(answer, "EntityId", "DescribeEntity"),
        )

    def list_by_address(self, address: str) -> list[EntityReference]:
        """List the entities, of all types and none of them deleted, with this primary address.

        WorkMail's filter is a prefix; here the whole address is compared, without regard to case.
        """
        return [
            EntityReference(entity_type, item["Id"])
            for entity_type in EntityType
            for item in self._list(entity_type, {"PrimaryEmailPrefix": address})
            if item.get("Email", "").casefold() == address.casefold()
        ]

    def list_by_name(self, name: str) -> list[EntityReference]:
        """List the entities, of all types and none of them deleted, with this name.

        WorkMail's filter is a prefix; here the whole name is compared, without regard to case.
        """
        return [
            EntityReference(entity_type, item["Id"])
            for entity_type in EntityType
            for item in self._list(entity_type, {_NAME_PREFIX[entity_type]: name})
            if item.get("Name", "").casefold() == name.casefold()
        ]

    def users_by_address(self, address: str) -> list[LeavingUser]:
        """List the users with this primary address, compared whole and without regard to case."""
        return self._users({"PrimaryEmailPrefix": address}, "Email", address)

    def users_by_name(self, name: str) -> list[LeavingUser]:
        """List the users with this name, compared whole and without regard to case."""
        return self._users({"UsernamePrefix": name}, "Name", name)

    def users_by_identity_provider_id(self, user_id: str) -> list[LeavingUser]:
        """List the users with this id in Identity Center, compared whole."""
        return self._users({"IdentityProviderUserIdPrefix": user_id}, "IdentityProviderUserId", user_id)

    def users_by_id(self, user_id: str) -> list[LeavingUser]:
        """List the users with this id in WorkMail. There is no filter for it, so all users are read."""
        return self._users({}, "Id", user_id)

    def _users(self, filters: Mapping[str, str], member: str, value: str) -> list[LeavingUser]:
        return [
            LeavingUser(
                id=item["Id"],
                name=item.get("Name", ""),
                email=item.get("Email"),
                enabled_since=item.get("EnabledDate") if item.get("State") == EntityState.ENABLED else None,
                departure=_departure(item),
            )
            for item in self._list(EntityType.USER, filters)
            if item.get(member, "").casefold() == value.casefold()
        ]

    def is_listed(self, reference: EntityReference) -> bool:
        """Say whether the entity still stands in the list of its type, under whatever name, and not as deleted."""
        return any(item["Id"] == reference.id for item in self._list(reference.type, {}))

    def insist_on_absence(self, reference: EntityReference) -> None:
        """See that an entity which WorkMail does not find by its id is missing from the list of its type too.

        Raises
        ------
        WorkMailUnavailable
            If it is listed, or the list is not found either: an answer to be asked for again.
        """
        try:
            listed = self.is_listed(reference)
        except errors.EntityNotFound:
            raise errors.WorkMailUnavailable(
                "WorkMail does not list the entities, and says that one is not found."
            ) from None
        if listed:
            raise errors.WorkMailUnavailable(
                f"WorkMail says that it does not know {reference.id}, and lists it all the same."
            )

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
        operation, id_member = _DESCRIBE[reference.type]
        answer = self._call(operation, **{id_member: reference.id})
        found = _member(answer, id_member, operation)
        if found.casefold() != reference.id.casefold():
            raise errors.EntityNotFound(
                f"No {reference.type.value} has the id {reference.id}; WorkMail found {found} by that name. "
                "Use the entity's id."
            )
        return Entity(
            type=reference.type,
            id=found,
            name=_member(answer, "Name", operation),
            state=_state(_member(answer, "State", operation), operation),
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
            If WorkMail does not answer for it: it is gone, or WorkMail does not tell while disabled.
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
        primary = (entity.email or "").casefold()
        found = self._pages("ListAliases", "Aliases", EntityId=entity.id, MaxResults=100)
        return [alias for alias in found if alias.casefold() != primary]

    def list_groups_of(self, entity_id: str) -> list[Answer]:
        """List the groups that an enabled user or group is directly in, each with `GroupId` and `GroupName`.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroupsForEntity.html

        Raises
        ------
        EntityNotFound, EntityStateConflict
            If the entity is gone, or not enabled.
        """
        return list(self._pages("ListGroupsForEntity", "Groups", EntityId=entity_id, MaxResults=100))

    def register(self, entity_id: str, email: str) -> None:
        """Enable the entity with this primary address. Only a later `describe` proves that it happened.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_RegisterToWorkMail.html

        Raises
        ------
        EntityNotFound, EntityStateConflict, EmailAddressTaken
            If the entity is gone, cannot be registered in its state, or the address belongs to somebody else.
        """
        self._call("RegisterToWorkMail", EntityId=entity_id, Email=email)

    def create_alias(self, entity_id: str, alias: str) -> None:
        """Give an enabled entity one more address.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateAlias.html

        Raises
        ------
        EntityNotFound, EntityStateConflict, EmailAddressTaken
            If the entity is gone, not enabled, or the address belongs to somebody else.
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

    def _list(self, entity_type: EntityType, filters: Mapping[str, str]) -> Iterator[Answer]:
        operation, member = _LIST[entity_type]
        chosen = {"Filters": dict(filters)} if filters else {}
        for item in self._pages(operation, member, **chosen, MaxResults=100):
            if item.get("State") != EntityState.DELETED:
                yield item

    def _pages(self, operation: str, member: str, **parameters: object) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            answer = self._call(operation, **parameters, **token)
            yield from answer.get(member, [])
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _call(self, operation: str, **parameters: object) -> Answer:
        method = getattr(self._client, _METHODS[operation])
        try:
            answer: Answer = method(OrganizationId=self._organization_id, **parameters)
        except ClientError as error:
            response = error.response
            code = response["Error"]["Code"]
            request = response.get("ResponseMetadata", {})
            self._keep(operation, request.get("RequestId"), Error=code)
            failure = self._translated(operation, code, request.get("HTTPStatusCode", 0))
            failure.of_workmail = True
            raise failure from None
        except BotoCoreError as error:
            self._keep(operation, None, Error=type(error).__name__)
            silence = errors.WorkMailUnavailable(
                f"{operation} got no answer from WorkMail ({type(error).__name__}). Start again when WorkMail is well."
            )
            silence.of_workmail = True
            raise silence from None
        self._keep(operation, answer.get("ResponseMetadata", {}).get("RequestId"), Answer=_evidence(answer))
        return answer

    def _translated(self, operation: str, code: str, status: int) -> errors.OffboardingError:
        said = f"WorkMail answered {operation} with {code}"
        if code == "InvalidParameterException":
            return self._invalid_parameter(f"{said}. It takes no such value.")
        if code in _UNAVAILABLE or status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS:
            return errors.WorkMailUnavailable(f"{said}. Start again when WorkMail is well.")
        if code in _DENIED:
            return errors.AccessDenied(
                f"{said}. Let the function's role call workmail:{operation} on this organization, then start again."
            )
        if code in _REFUSALS:
            return self._refused(f"{said}. {_REFUSALS[code]}")
        error, advice = _NAMED.get(code, _UNKNOWN)
        return error(f"{said}. {advice}")

    def _keep(self, operation: str, request_id: str | None, **result: object) -> None:
        self.answers.append({"Operation": operation, "RequestId": request_id, **result})


def _departure(item: Answer) -> str:
    """Tell one time of being enabled from another; the date stays when the user is disabled."""
    moment = item.get("EnabledDate") or item.get("DisabledDate")
    return render(moment) if moment else ""


_DESCRIBE = {
    EntityType.USER: ("DescribeUser", "UserId"),
    EntityType.GROUP: ("DescribeGroup", "GroupId"),
    EntityType.RESOURCE: ("DescribeResource", "ResourceId"),
}
_LIST = {
    EntityType.USER: ("ListUsers", "Users"),
    EntityType.GROUP: ("ListGroups", "Groups"),
    EntityType.RESOURCE: ("ListResources", "Resources"),
}
_NAME_PREFIX = {
    EntityType.USER: "UsernamePrefix",
    EntityType.GROUP: "NamePrefix",
    EntityType.RESOURCE: "NamePrefix",
}
_METHODS = {
    "DescribeOrganization": "describe_organization",
    "DescribeEntity": "describe_entity",
    "DescribeUser": "describe_user",
    "DescribeGroup": "describe_group",
    "DescribeResource": "describe_resource",
    "ListUsers": "list_users",
    "ListGroups": "list_groups",
    "ListResources": "list_resources",
    "GetMailboxDetails": "get_mailbox_details",
    "DeregisterFromWorkMail": "deregister_from_work_mail",
    "ListAliases": "list_aliases",
    "ListGroupsForEntity": "list_groups_for_entity",
    "RegisterToWorkMail": "register_to_work_mail",
    "CreateAlias": "create_alias",
    "AssociateMemberToGroup": "associate_member_to_group",
}


def _member(answer: Answer, member: str, operation: str) -> str:
    """Return a member that must be there: an odd answer stops the run, and is tried again."""
    value = answer.get(member)
    if not isinstance(value, str) or not value:
        raise errors.WorkMailUnavailable(f"{operation} answered without {member}, so it cannot be relied on.")
    return value


def _state(value: str, operation: str) -> EntityState:
    try:
        return EntityState(value)
    except ValueError:
        raise errors.WorkMailUnavailable(
            f"{operation} answered the State {value[:32]}, which is none of {', '.join(EntityState)}."
        ) from None


def _evidence(answer: Answer) -> dict[str, Any]:
    kept = {member: answer[member] for member in _KEPT_AS_EVIDENCE if member in answer}
    return {member: render(value) if isinstance(value, datetime) else value for member, value in kept.items()}


_NAMED: dict[str, tuple[type[errors.OffboardingError], str]] = {
    "EntityNotFoundException": (errors.EntityNotFound, "No entity of the organization has this identifier."),
    "EntityStateException": (errors.EntityStateConflict, "The entity's state does not allow it."),
    "OrganizationNotFoundException": (
        errors.OrganizationNotFound,
        "Check OrganizationId, the account, and the WorkMail Region of this stack.",
    ),
    "OrganizationStateException": (
        errors.OrganizationNotActive,
        "Its entities cannot be read now; this says nothing about the entity. "
        "Make the organization active, then start again.",
    ),
    "DirectoryServiceAuthenticationFailedException": (
        errors.DirectoryAuthenticationFailed,
        "WorkMail cannot sign in to the organization's directory: mend its service account, then start again.",
    ),
    "EmailAddressInUseException": (errors.EmailAddressTaken, "The address belongs to another entity."),
}
_REFUSALS = {
    "UnsupportedOperationException": "WorkMail does not support this for the entity or the organization's directory.",
    "EntityAlreadyRegisteredException": "The entity is registered under another address.",
    "MailDomainNotFoundException": "The organization does not have the mail domain of the address any more.",
    "MailDomainStateException": "The mail domain of the address is not verified.",
    "LimitExceededException": "The entity has as many of these as WorkMail allows.",
}
_UNKNOWN = (errors.UnexpectedAnswer, "WorkMail documents no such answer: look at the entity before you start again.")

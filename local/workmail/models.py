"""The backend: it validates, logs and dispatches calls, and lets tests set what no client can."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import Any

from botocore import xform_name
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.utils import get_service_model
from moto.moto_api._internal import mock_random

from .behaviour import Behaviour
from .descriptions import Answer
from .exceptions import CommonError, error_code
from .exports.contents import MailboxContents
from .operations import (
    GroupOperations,
    MailboxExportOperations,
    MailboxOperations,
    MailDomainOperations,
    OrganizationOperations,
    RegistrationOperations,
    ResourceOperations,
    TagOperations,
    UserOperations,
)
from .operations.mailbox_exports import CallAt
from .state import (
    IDENTITY_PROVIDER_IDS,
    RETENTION,
    IdentifiedBy,
    MailDomain,
    User,
    WorkMailEntity,
    WorkMailOrganization,
    now,
)
from .validation import validate

Hook = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class Call:
    """One call that reached the service.

    Attributes
    ----------
    at
        The time of the call.
    operation
        The operation's name, as the API spells it.
    parameters
        The request.
    error
        The code of the error in the answer, or None.
    """

    at: datetime
    operation: str
    parameters: dict[str, Any]
    error: str | None


class WorkMailBackend(
    OrganizationOperations,
    MailDomainOperations,
    UserOperations,
    GroupOperations,
    ResourceOperations,
    RegistrationOperations,
    MailboxOperations,
    MailboxExportOperations,
    TagOperations,
    BaseBackend,
):
    """Amazon WorkMail in one account and Region.

    Attributes
    ----------
    behaviour
        The switches for what WorkMail does not document; assign to change them.
    calls
        Every call so far, in the order in which they ended.
    retention
        How long mailboxes are really kept; assign more than 30 days to have WorkMail remove them late.
    call_at
        Has a function called at a time; assign it to have export jobs end at their time. Without it they end at the
        first call that is made then or later.
    before_hooks
        Hooks that run once a request is valid, before anything happens; an error that they raise is the answer.
    after_hooks
        Hooks that run once an operation took effect; an error that they raise is the answer, the effect remains.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.organizations: dict[str, WorkMailOrganization] = {}
        self.client_tokens: dict[str, tuple[str, str]] = {}
        self.behaviour = Behaviour()
        self.calls: list[Call] = []
        self.retention = RETENTION
        self.call_at: CallAt | None = None
        self.before_hooks: list[Hook] = []
        self.after_hooks: list[Hook] = []
        self._lock = RLock()

    def perform(self, operation: str, request: object) -> Answer:
        """Carry out a call as a client makes it: validated, logged, and one at a time.

        Hooks run outside the lock, so that a hook that waits for another call does not block it.

        Parameters
        ----------
        operation
            The operation's name, as the API spells it.
        request
            The decoded body.

        Returns
        -------
        Answer
            The answer's members, as the API spells them.
        """
        at = now()
        parameters = request if isinstance(request, dict) else {}
        error: str | None = None
        try:
            _require_covered(operation)
            parameters = validate(operation, request)
            _run_hooks(self.before_hooks, operation, parameters)
            answer = self._dispatch(operation, parameters)
            _run_hooks(self.after_hooks, operation, parameters)
        except Exception as failure:
            error = error_code(failure)
            raise
        finally:
            self.calls.append(Call(at, operation, parameters, error))
        return answer

    def create_organization_with_id(
        self,
        organization_id: str,
        alias: str,
        *,
        mail_domains: Iterable[str] = (),
        directory_type: str = "VpcDirectory",
    ) -> WorkMailOrganization:
        """Create an Active organization with a given id.

        Parameters
        ----------
        organization_id
            ``m-`` and 32 hexadecimal digits.
        alias
            Its alias, and the beginning of its default mail domain, ``<alias>.awsapps.com``.
        mail_domains
            Further mail domains, verified.
        directory_type
            The type in ``DescribeOrganization``.
        """
        if not re.fullmatch(r"m-[0-9a-f]{32}", organization_id):
            raise ValueError(f"an organization's id is m- and 32 hexadecimal digits, not {organization_id!r}")
        with self._lock:
            if organization_id in self.organizations:
                raise ValueError(f"there is an organization {organization_id} already")
            self._require_free_alias_and_directory(alias, None)
            directory_id = f"d-{mock_random.get_random_hex(10)}"
            organization = self._add_organization(organization_id, alias, directory_id)
            organization.directory_type = directory_type
            for name in mail_domains:
                organization.domains[name.casefold()] = MailDomain(name.casefold())
            return organization

    def set_organization_state(self, organization_id: str, state: str, error_message: str | None = None) -> None:
        """Put an organization into a state, which is free text."""
        with self._lock:
            organization = self._get_organization_to_arrange(organization_id)
            organization.state, organization.error_message = state, error_message

    def set_migration_admin(self, organization_id: str, entity_id: str | None) -> None:
        """Make a user the organization's migration administrator; None removes the administrator."""
        with self._lock:
            self._get_organization_to_arrange(organization_id).migration_admin = entity_id

    def set_directory_read_only(self, organization_id: str, read_only: bool = True) -> None:
        """Set whether writes to the directory are answered with ``UnsupportedOperationException``."""
        with self._lock:
            self._get_organization_to_arrange(organization_id).directory_is_read_only = read_only

    def set_mail_domain_status(self, organization_id: str, domain_name: str, status: str) -> None:
        """Set a domain's verification: ``PENDING``, ``VERIFIED`` or ``FAILED``."""
        with self._lock:
            domain = self._get_organization_to_arrange(organization_id).domains[domain_name.casefold()]
            domain.ownership = domain.dkim = status

    def set_user_role(self, organization_id: str, user_id: str, role: str) -> None:
        """Give a user any role, including those that a request cannot pass."""
        with self._lock:
            user = self._get_entity_to_arrange(organization_id, user_id)
            if not isinstance(user, User):
                raise TypeError(f"{user_id} is a {user.type}, not a USER")
            user.role = role

    def set_mailbox_size(self, organization_id: str, entity_id: str, mb: float) -> None:
        """Set the size of a mailbox."""
        with self._lock:
            mailbox = self._get_entity_to_arrange(organization_id, entity_id).mailbox
            if mailbox is None:
                raise LookupError(f"{entity_id} has no mailbox")
            mailbox.size = mb

    def arrange(self, organization_id: str, entity_id: str, **members: Any) -> None:
        """Set members of an entity without any check, such as an `id` of another form or a `name` in use."""
        with self._lock:
            entity = self._get_entity_to_arrange(organization_id, entity_id)
            entities = self.organizations[organization_id].entities
            del entities[entity.id]
            for member, value in members.items():
                if not hasattr(entity, member):
                    raise AttributeError(f"a {entity.type} has no {member}")
                setattr(entity, member, value)
            entities[entity.id] = entity

    def list_identity_center_users(self, prefix: str = "") -> dict[str, datetime]:
        """Return when each user was created whose id in Identity Center begins so, by that id; perhaps others too."""
        with self._lock:
            return {
                user.identity_provider_user_id: user.created_date
                for organization in self.organizations.values()
                for user in organization.entities.propose_prefix(IDENTITY_PROVIDER_IDS, prefix)
                if isinstance(user, User) and user.identity_provider_user_id
            }

    def mailbox_exists(self, organization_id: str, entity_id: str) -> bool:
        """Tell whether the mailbox still exists, whatever clients see."""
        with self._lock:
            return self._get_entity_to_arrange(organization_id, entity_id).mailbox is not None

    def fill_mailbox(self, organization_id: str, entity_id: str, contents: MailboxContents) -> None:
        """Replace what a mailbox holds; its size stays as it is."""
        with self._lock:
            mailbox = self._get_entity_to_arrange(organization_id, entity_id).mailbox
            if mailbox is None:
                raise LookupError(f"{entity_id} has no mailbox")
            mailbox.contents = contents

    def finish_due_exports(self) -> None:
        """End the export jobs whose time has come, as every call does first."""
        with self._lock:
            for organization in self.organizations.values():
                self.finish_exports(organization, now())

    def remove_expired_mailboxes(self) -> None:
        """Remove the mailboxes whose retention is over, as every call does first."""
        time = now()
        for organization in self.organizations.values():
            organization.entities.remove_expired_mailboxes(time, self.retention)

    def _dispatch(self, operation: str, parameters: dict[str, Any]) -> Answer:
        with self._lock:
            self.finish_due_exports()
            self.remove_expired_mailboxes()
            method = getattr(self, xform_name(operation))
            answer: Answer = method(**{xform_name(name): value for name, value in parameters.items()})
            return answer

    def _get_organization_to_arrange(self, organization_id: str) -> WorkMailOrganization:
        self.finish_due_exports()
        self.remove_expired_mailboxes()
        if organization_id not in self.organizations:
            raise LookupError(f"there is no organization {organization_id}")
        return self.organizations[organization_id]

    def _get_entity_to_arrange(self, organization_id: str, entity_id: str) -> WorkMailEntity:
        entity = self._get_organization_to_arrange(organization_id).find(entity_id, (WorkMailEntity,), IdentifiedBy.ANY)
        if entity is None:
            raise LookupError(f"there is no entity {entity_id} in {organization_id}")
        return entity


def covered_operations() -> list[str]:
    """Return the operations of the service model that the backend has, in the model's order."""
    names = get_service_model("workmail").operation_names
    return [name for name in names if hasattr(WorkMailBackend, xform_name(name))]


def _require_covered(operation: str) -> None:
    if operation not in get_service_model("workmail").operation_names:
        raise CommonError("UnknownOperationException", f"Amazon WorkMail has no operation {operation}.")
    if not hasattr(WorkMailBackend, xform_name(operation)):
        raise CommonError("NotImplemented", f"This backend has no {operation}.", status=501)


def _run_hooks(hooks: list[Hook], operation: str, parameters: dict[str, Any]) -> None:
    for hook in list(hooks):
        hook(operation, parameters)


workmail_backends = BackendDict(WorkMailBackend, "workmail")

"""Users."""

from collections.abc import Mapping

from moto.moto_api._internal import mock_random

from ..descriptions import Answer, describe_user
from ..exceptions import InvalidParameterException, InvalidPasswordException
from ..paging import Page
from ..state import IdentifiedBy, User
from .base import Filters, Operations, with_token

MIN_PASSWORD_LENGTH = 8


class UserOperations(Operations):
    """Create, describe, list, update and delete users."""

    def create_user(
        self,
        organization_id: str,
        name: str,
        display_name: str,
        password: str | None = None,
        role: str = "USER",
        first_name: str | None = None,
        last_name: str | None = None,
        hidden_from_global_address_list: bool = False,
        identity_provider_user_id: str | None = None,
    ) -> Answer:
        """Create a user without a mailbox: DISABLED until registered.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateUser.html
        """
        organization = self._get_writable_organization(organization_id)
        _require_role(role)
        _require_password(password)
        self._require_name(organization, name)
        user = User(
            id=str(mock_random.uuid4()),
            name=name,
            hidden=hidden_from_global_address_list,
            display_name=display_name,
            role=role,
            identity_provider_user_id=identity_provider_user_id,
        )
        _set_attributes(user, {"FirstName": first_name, "LastName": last_name})
        organization.entities[user.id] = user
        return {"UserId": user.id}

    def describe_user(self, organization_id: str, user_id: str) -> Answer:
        """Describe a user.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeUser.html
        """
        user = self._get_described_entity(organization_id, user_id, User)
        return describe_user(user, self.get_visible_state(user))

    def list_users(
        self,
        organization_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
        filters: Filters | None = None,
    ) -> Answer:
        """List the users that match the filter, if there is one.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListUsers.html
        """
        page = Page(("ListUsers", organization_id, filters), max_results, next_token)
        return with_token("Users", *self._list_entities(organization_id, User, filters, page))

    def update_user(
        self,
        organization_id: str,
        user_id: str,
        role: str | None = None,
        display_name: str | None = None,
        hidden_from_global_address_list: bool | None = None,
        identity_provider_user_id: str | None = None,
        **attributes: str,
    ) -> Answer:
        """Change the members of the request; an empty IdentityProviderUserId removes it.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdateUser.html
        """
        user = self._get_entity(self._get_writable_organization(organization_id), user_id, User)
        if role is not None:
            _require_role(role)
            user.role = role
        if display_name is not None:
            user.display_name = display_name
        if hidden_from_global_address_list is not None:
            user.hidden = hidden_from_global_address_list
        if identity_provider_user_id is not None:
            user.identity_provider_user_id = identity_provider_user_id or None
        pascal = {name.title().replace("_", ""): value for name, value in attributes.items()}
        _set_attributes(user, pascal)
        return {}

    def delete_user(self, organization_id: str, user_id: str) -> Answer:
        """Delete a disabled user.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteUser.html
        """
        return self._delete_entity(organization_id, user_id, User)

    def reset_password(self, organization_id: str, user_id: str, password: str) -> Answer:
        """Set the password of an enabled user.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ResetPassword.html
        """
        self._get_enabled_entity(self._get_writable_organization(organization_id), user_id, User, by=IdentifiedBy.ID)
        _require_password(password)
        return {}


def _require_role(role: str) -> None:
    if role in ("SYSTEM_USER", "RESOURCE"):
        raise InvalidParameterException(f"Role: a request cannot pass the role {role}.")


def _require_password(password: str | None) -> None:
    if password is not None and len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidPasswordException(f"The password must have at least {MIN_PASSWORD_LENGTH} characters.")


def _set_attributes(user: User, attributes: Mapping[str, str | None]) -> None:
    user.attributes.update({name: value for name, value in attributes.items() if value is not None})

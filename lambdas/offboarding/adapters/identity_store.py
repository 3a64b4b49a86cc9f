"""The Identity Store of IAM Identity Center: reads whether a user is enabled.

Each call is tried once: the message about the user is delivered again.
"""

from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import LazyClient, error_code, unavailable_error
from offboarding.domain.errors import InvalidRequest, OffboardingError

users = LazyClient("identitystore", attempts=1)

_ACTION = "identitystore:DescribeUser"
_STATUSES = {"ENABLED": True, "DISABLED": False}


class IdentityStoreUnavailableError(OffboardingError):
    """The Identity Store did not answer, or not with the user: the message is delivered again."""


@dataclass(frozen=True)
class StoreUser:
    """A user of an identity store.

    Attributes
    ----------
    is_enabled
        Whether the user can sign in; None if the answer does not say.
    created_at
        When the user was created, if the answer says so.
    """

    is_enabled: bool | None
    created_at: datetime | None


def find_store_user(identity_store_id: str, user_id: str) -> StoreUser | None:
    """Read a user; None if the identity store has no such user.

    https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_DescribeUser.html

    Raises
    ------
    IdentityStoreUnavailableError
        If the Identity Store throttles, fails or does not answer.
    AccessDenied
        If the function's role may not read the user.
    InvalidRequest
        If the identity store itself does not exist.
    """
    try:
        answer = users.describe_user(IdentityStoreId=identity_store_id, UserId=user_id)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise unavailable_error(_ACTION, error, IdentityStoreUnavailableError) from None
        if error.response.get("ResourceType") != "IDENTITY_STORE":
            return None
        raise InvalidRequest(
            f"There is no identity store {identity_store_id} in this account and Region. Correct identityStores in "
            "cdk.json."
        ) from None
    except BotoCoreError as error:
        raise unavailable_error(_ACTION, error, IdentityStoreUnavailableError) from None
    if answer.get("UserId") != user_id:
        raise IdentityStoreUnavailableError(f"{_ACTION} was answered without the user. Start again later.")
    return StoreUser(_STATUSES.get(answer.get("UserStatus")), answer.get("CreatedAt"))

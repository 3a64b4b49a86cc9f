"""The Identity Store of IAM Identity Center: what moto's lacks, and the statuses of its users.

moto answers ``DescribeUser`` for the users of ``CreateUser`` only. Its answer lacks UserStatus, CreatedAt, UpdatedAt,
UserArn and Revision. Here the service also knows each user of WorkMail who has an id in Identity Center, and each user
whose status was set: by the id, without a name. Setting a status sends ``User Updated``, as Identity Center does. That
event does not say what has changed.

https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_DescribeUser.html
https://docs.aws.amazon.com/singlesignon/latest/userguide/eventbridge-integration.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.events.models import events_backends
from moto.identitystore.exceptions import ResourceNotFoundException
from moto.identitystore.models import IdentityStoreBackend, identitystore_backends
from moto.identitystore.responses import IdentityStoreResponse
from moto.ssoadmin.models import Instance, SSOAdminBackend

from local.clock import Clock
from local.defaults import ACCOUNT, IDENTITY_STORE_ID, REGION
from local.hooks import Hooks

ENABLED = "ENABLED"
DISABLED = "DISABLED"
STATUSES = (ENABLED, DISABLED)


@dataclass
class StoreUser:
    """What is known of a user beside the members that moto keeps; `revision` counts the changes of the status."""

    identity_store_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime
    status: str = ENABLED
    revision: int = 1


class IdentityStore:
    """The users of the identity stores, with their statuses.

    Parameters
    ----------
    clock
        The clock of the environment.
    list_workmail_users
        Returns when each user of WorkMail was created, by the user's id in Identity Center; with the beginning of an
        id, at least those whose id begins so. WorkMail does not say to which identity store an id belongs, so each of
        them knows it.

    Attributes
    ----------
    instance_store_id
        The identity store of Identity Center in this account and Region, whose id moto makes up.
    """

    def __init__(self, clock: Clock, list_workmail_users: Callable[..., Mapping[str, datetime]]) -> None:
        self._clock = clock
        self._list_workmail_users = list_workmail_users
        self._users: dict[tuple[str, str], StoreUser] = {}
        self._deleted: set[tuple[str, str]] = set()
        self.instance_store_id = IDENTITY_STORE_ID

    def install(self, hooks: Hooks) -> None:
        """Answer ``DescribeUser``, and ``ListInstances`` of Identity Center, for as long as the hooks are in place."""
        store, describe = self, IdentityStoreResponse.describe_user
        list_moto_instances = SSOAdminBackend.list_instances
        create, delete = IdentityStoreBackend.create_user, IdentityStoreBackend.delete_user

        def describe_user(response: IdentityStoreResponse) -> str:
            identity_store_id = _last_part(response._get_param("IdentityStoreId"))
            user_id = _last_part(response._get_param("UserId"))
            user = store.find_user(user_id, identity_store_id)
            if user is None:
                raise ResourceNotFoundException(message="USER not found.", resource_type="USER")
            is_in_moto = user_id in _list_moto_users(identity_store_id)
            members = json.loads(describe(response)) if is_in_moto else {}
            return json.dumps({**_without_none(members), **_render(user)})

        def create_user(backend: IdentityStoreBackend, identity_store_id: str, *more: Any, **members: Any) -> Any:
            user_id, _ = answer = create(backend, identity_store_id, *more, **members)
            store._add(user_id, identity_store_id, store._clock.now())
            return answer

        def delete_user(backend: IdentityStoreBackend, identity_store_id: str, user_id: str) -> None:
            delete(backend, identity_store_id, user_id)
            store._users.pop((identity_store_id, user_id), None)
            store._deleted.add((identity_store_id, user_id))

        def list_instances(backend: SSOAdminBackend) -> list[Instance]:
            instances: list[Instance] = list_moto_instances(backend)
            for instance in instances:
                instance.identity_store_id = store.instance_store_id
            return instances

        hooks.replace(SSOAdminBackend, "list_instances", list_instances)
        hooks.replace(IdentityStoreResponse, "describe_user", describe_user)
        hooks.replace(IdentityStoreBackend, "create_user", create_user)
        hooks.replace(IdentityStoreBackend, "delete_user", delete_user)

    def set_status(self, user_id: str, status: str, identity_store_id: str = IDENTITY_STORE_ID) -> StoreUser:
        """Set the status of a user, who is created if the store does not know the id, and send ``User Updated``.

        To set the status that the user already has is any other edit of the user.

        Raises
        ------
        ValueError
            If it is no status.
        """
        if status not in STATUSES:
            raise ValueError(f"UserStatus must be one of {', '.join(STATUSES)}, not {status!r}")
        now = self._clock.now()
        user = self.find_user(user_id, identity_store_id) or self._add(user_id, identity_store_id, now)
        user.status, user.updated_at, user.revision = status, now, user.revision + 1
        self.send_user_updated(user_id, identity_store_id)
        return user

    def send_user_updated(self, user_id: str, identity_store_id: str = IDENTITY_STORE_ID) -> None:
        """Send ``User Updated``, as each Region of a replicated instance does."""
        detail = {"event-version": "1.0", "identityStoreId": identity_store_id, "userId": user_id}
        entry = {
            "Source": "aws.identitystore",
            "DetailType": "User Updated",
            "Resources": [
                f"arn:aws:identitystore::{ACCOUNT}:identitystore/{identity_store_id}",
                _render_user_arn(user_id),
            ],
            "Detail": json.dumps(detail),
        }
        events_backends[ACCOUNT][REGION].put_events([entry])

    def find_user(self, user_id: str, identity_store_id: str = IDENTITY_STORE_ID) -> StoreUser | None:
        """Return a user; None if the store does not know the id."""
        key = (identity_store_id, user_id)
        if key not in self._users and key not in self._deleted:
            created_at = self._list_workmail_users(user_id).get(user_id)
            if created_at is None:
                return None
            self._add(user_id, identity_store_id, created_at)
        return self._users.get(key)

    def list_users(self) -> list[StoreUser]:
        """Return all users; those whom only WorkMail knows are in the identity store of the embedded settings."""
        in_stores = {user_id for _, user_id in self._users}
        for user_id in self._list_workmail_users().keys() - in_stores:
            self.find_user(user_id)
        return sorted(self._users.values(), key=lambda user: (user.identity_store_id, user.user_id))

    def _add(self, user_id: str, identity_store_id: str, created_at: datetime) -> StoreUser:
        key = (identity_store_id, user_id)
        self._deleted.discard(key)
        self._users[key] = StoreUser(identity_store_id, user_id, created_at, created_at)
        return self._users[key]


def _render(user: StoreUser) -> dict[str, Any]:
    return {
        "IdentityStoreId": user.identity_store_id,
        "UserId": user.user_id,
        "UserArn": _render_user_arn(user.user_id),
        "Revision": str(user.revision),
        "UserStatus": user.status,
        "CreatedAt": user.created_at.timestamp(),
        "UpdatedAt": user.updated_at.timestamp(),
    }


def _render_user_arn(user_id: str) -> str:
    return f"arn:aws:identitystore:::user/{user_id}"


def _list_moto_users(identity_store_id: str) -> Mapping[str, Any]:
    stores = identitystore_backends[ACCOUNT][REGION].identity_stores
    return stores[identity_store_id].users if identity_store_id in stores else {}


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _last_part(id_or_arn: str) -> str:
    """Return the id of a parameter that can be an id or an ARN."""
    return id_or_arn.rpartition("/")[2]

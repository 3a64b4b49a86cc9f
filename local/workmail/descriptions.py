"""How an entity appears in descriptions and lists, under the undocumented behaviour in force."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .behaviour import Behaviour
from .state import DELETED, DISABLED, ENABLED, RETENTION, Entity, Group, Resource, User

Answer = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """What a client is shown of an entity at one moment, which can lag behind what is true."""

    state: str
    email: str | None
    enabled_date: datetime | None
    disabled_date: datetime | None
    mailbox_deprovisioned_date: datetime | None


def show(entity: Entity, behaviour: Behaviour, moment: datetime) -> Shown:
    """Return what a client is shown of the entity.

    Parameters
    ----------
    entity
        The entity as it is.
    behaviour
        The switches in force.
    moment
        When the client asks.
    """
    lag = timedelta(seconds=behaviour.describe_lag_seconds)
    deregistered = entity.state == DISABLED and entity.disabled_date is not None
    if deregistered and entity.disabled_date is not None and moment < entity.disabled_date + lag:
        return Shown(ENABLED, entity.email, entity.enabled_date, None, None)
    hides_email = deregistered and behaviour.email_of_disabled == "absent"
    return Shown(
        state=entity.state,
        email=None if hides_email else entity.email,
        enabled_date=entity.enabled_date,
        disabled_date=entity.disabled_date,
        mailbox_deprovisioned_date=_deprovisioned_date(entity, behaviour),
    )


def describe_user(user: User, shown: Shown) -> Answer:
    """Return the answer of ``DescribeUser``."""
    return _present(
        UserId=user.id,
        Name=user.name,
        Email=shown.email,
        DisplayName=user.display_name,
        **_state(shown),
        UserRole=user.role,
        MailboxProvisionedDate=user.mailbox_provisioned_date,
        MailboxDeprovisionedDate=shown.mailbox_deprovisioned_date,
        HiddenFromGlobalAddressList=user.hidden,
        IdentityProviderUserId=user.identity_provider_user_id,
        **user.attributes,
    )


def describe_group(group: Group, shown: Shown) -> Answer:
    """Return the answer of ``DescribeGroup``."""
    return _present(
        GroupId=group.id,
        Name=group.name,
        Email=shown.email,
        **_state(shown),
        HiddenFromGlobalAddressList=group.hidden,
    )


def describe_resource(resource: Resource, shown: Shown) -> Answer:
    """Return the answer of ``DescribeResource``."""
    booking = {
        "AutoAcceptRequests": resource.auto_accept_requests,
        "AutoDeclineRecurringRequests": resource.auto_decline_recurring_requests,
        "AutoDeclineConflictingRequests": resource.auto_decline_conflicting_requests,
    }
    return _present(
        ResourceId=resource.id,
        Name=resource.name,
        Email=shown.email,
        Type=resource.resource_type,
        BookingOptions=booking,
        **_state(shown),
        Description=resource.description,
        HiddenFromGlobalAddressList=resource.hidden,
    )


def summary(entity: Entity, shown: Shown) -> Answer:
    """Return the entity's entry in ``ListUsers``, ``ListGroups`` or ``ListResources``."""
    common = {"Id": entity.id, "Email": shown.email, "Name": entity.name, **_state(shown)}
    if isinstance(entity, User):
        common["DisplayName"] = entity.display_name
        common["UserRole"] = entity.role
        common["IdentityProviderUserId"] = entity.identity_provider_user_id
    if isinstance(entity, Resource):
        common["Type"] = entity.resource_type
        common["Description"] = entity.description
    return _present(**common)


def member(entity: Entity, shown: Shown) -> Answer:
    """Return the entity's entry in ``ListGroupMembers``."""
    return _present(Id=entity.id, Name=entity.name, Type=entity.type, **_state(shown))


def _state(shown: Shown) -> Answer:
    return {
        "State": shown.state,
        "EnabledDate": shown.enabled_date,
        "DisabledDate": shown.disabled_date,
    }


def _deprovisioned_date(entity: Entity, behaviour: Behaviour) -> datetime | None:
    answer = behaviour.mailbox_deprovisioned_date
    if entity.state not in (DISABLED, DELETED) or entity.disabled_date is None:
        return None
    if entity.mailbox_provisioned_date is None or answer == "never":
        return None
    if answer == "deregistered-past":
        return entity.disabled_date
    if answer == "deregistered-future":
        return entity.disabled_date + RETENTION
    return entity.mailbox_removed_date


def _present(**members: Any) -> Answer:
    return {name: value for name, value in members.items() if value is not None}

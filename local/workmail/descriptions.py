"""Descriptions of entities and their entries in lists, under the undocumented behaviour in force."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .behaviour import Behaviour
from .state import DELETED, DISABLED, ENABLED, RETENTION, Group, Resource, User, WorkMailEntity

Answer = dict[str, Any]


@dataclass(frozen=True)
class VisibleState:
    """What a client sees of an entity at one time, which can lag behind the true state."""

    state: str
    email: str | None
    enabled_date: datetime | None
    disabled_date: datetime | None
    mailbox_deprovisioned_date: datetime | None


def get_visible_state(entity: WorkMailEntity, behaviour: Behaviour, time: datetime) -> VisibleState:
    """Return what a client sees of the entity.

    Parameters
    ----------
    entity
        The entity in its true state.
    behaviour
        The switches in force.
    time
        The time of the request.
    """
    lag = timedelta(seconds=behaviour.describe_lag_seconds)
    deregistered = entity.state == DISABLED and entity.disabled_date is not None
    if deregistered and entity.disabled_date is not None and time < entity.disabled_date + lag:
        return VisibleState(ENABLED, entity.email, entity.enabled_date, None, None)
    hides_email = deregistered and behaviour.email_of_disabled == "absent"
    return VisibleState(
        state=entity.state,
        email=None if hides_email else entity.email,
        enabled_date=entity.enabled_date,
        disabled_date=entity.disabled_date,
        mailbox_deprovisioned_date=_visible_deprovisioned_date(entity, behaviour),
    )


def describe_user(user: User, visible: VisibleState) -> Answer:
    """Return the answer of ``DescribeUser``."""
    return _without_none(
        UserId=user.id,
        Name=user.name,
        Email=visible.email,
        DisplayName=user.display_name,
        **_state_members(visible),
        UserRole=user.role,
        MailboxProvisionedDate=user.mailbox_provisioned_date,
        MailboxDeprovisionedDate=visible.mailbox_deprovisioned_date,
        HiddenFromGlobalAddressList=user.hidden,
        IdentityProviderUserId=user.identity_provider_user_id,
        **user.attributes,
    )


def describe_group(group: Group, visible: VisibleState) -> Answer:
    """Return the answer of ``DescribeGroup``."""
    return _without_none(
        GroupId=group.id,
        Name=group.name,
        Email=visible.email,
        **_state_members(visible),
        HiddenFromGlobalAddressList=group.hidden,
    )


def describe_resource(resource: Resource, visible: VisibleState) -> Answer:
    """Return the answer of ``DescribeResource``."""
    booking = {
        "AutoAcceptRequests": resource.auto_accept_requests,
        "AutoDeclineRecurringRequests": resource.auto_decline_recurring_requests,
        "AutoDeclineConflictingRequests": resource.auto_decline_conflicting_requests,
    }
    return _without_none(
        ResourceId=resource.id,
        Name=resource.name,
        Email=visible.email,
        Type=resource.resource_type,
        BookingOptions=booking,
        **_state_members(visible),
        Description=resource.description,
        HiddenFromGlobalAddressList=resource.hidden,
    )


def summarize(entity: WorkMailEntity, visible: VisibleState) -> Answer:
    """Return the entity's entry in ``ListUsers``, ``ListGroups`` or ``ListResources``."""
    common = {"Id": entity.id, "Email": visible.email, "Name": entity.name, **_state_members(visible)}
    if isinstance(entity, User):
        common["DisplayName"] = entity.display_name
        common["UserRole"] = entity.role
        common["IdentityProviderUserId"] = entity.identity_provider_user_id
    if isinstance(entity, Resource):
        common["Type"] = entity.resource_type
        common["Description"] = entity.description
    return _without_none(**common)


def describe_member(entity: WorkMailEntity, visible: VisibleState) -> Answer:
    """Return the entity's entry in ``ListGroupMembers``."""
    return _without_none(Id=entity.id, Name=entity.name, Type=entity.type, **_state_members(visible))


def _state_members(visible: VisibleState) -> Answer:
    return {
        "State": visible.state,
        "EnabledDate": visible.enabled_date,
        "DisabledDate": visible.disabled_date,
    }


def _visible_deprovisioned_date(entity: WorkMailEntity, behaviour: Behaviour) -> datetime | None:
    rule = behaviour.mailbox_deprovisioned_date
    if entity.state not in (DISABLED, DELETED) or entity.disabled_date is None:
        return None
    if entity.mailbox_provisioned_date is None or rule == "never":
        return None
    if rule == "deregistered-past":
        return entity.disabled_date
    if rule == "deregistered-future":
        return entity.disabled_date + RETENTION
    return entity.mailbox_removed_date


def _without_none(**members: Any) -> Answer:
    return {name: value for name, value in members.items() if value is not None}

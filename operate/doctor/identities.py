"""Checks of what Identity Center's events need: the trail of CloudTrail, and Identity Center itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from operate.doctor.findings import Finding, ok, wrong
from operate.doctor.setup import Setup

_BY_CLOUDTRAIL = ("identityCenterCloudTrail", "identityCenterScim")
_IDENTITY_CENTER = ("identityCenter", *_BY_CLOUDTRAIL)


def check_trail(setup: Setup) -> Iterator[Finding]:
    """Check that a trail logs management events that write, in this Region.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
    """
    for trail in setup.account.client("cloudtrail").describe_trails(includeShadowTrails=True)["trailList"]:
        if _is_logging_here(setup, trail):
            yield ok(f"The trail {trail['Name']} logs management events.")
            return
    listeners = [name for name in _BY_CLOUDTRAIL if setup.find_provider(name) is not None]
    consequence = "The records do not say who started an offboarding (StartedBy)"
    if listeners:
        consequence += f", and no leaver arrives by {' and '.join(listeners)}"
    yield wrong(
        f"No trail of CloudTrail logs management events in {setup.account.region}. {consequence}.",
        "Create a trail that logs management events, of which the first copy costs nothing but its storage.",
    )


def _is_logging_here(setup: Setup, trail: Mapping[str, Any]) -> bool:
    """Return whether a trail logs management events that write, in the Region of the stack.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html
    """
    if not trail.get("IsMultiRegionTrail") and trail["HomeRegion"] != setup.account.region:
        return False
    client = setup.account.client("cloudtrail")
    if not client.get_trail_status(Name=trail["TrailARN"])["IsLogging"]:
        return False
    selectors = client.get_event_selectors(TrailName=trail["TrailARN"])
    return any(
        selector.get("IncludeManagementEvents") and selector.get("ReadWriteType", "All") != "ReadOnly"
        for selector in selectors.get("EventSelectors") or ()
    ) or any(
        _selects_management_writes(selector["FieldSelectors"])
        for selector in selectors.get("AdvancedEventSelectors") or ()
    )


def _selects_management_writes(fields: Sequence[Mapping[str, Any]]) -> bool:
    values = {field["Field"]: field.get("Equals", []) for field in fields}
    return "Management" in values.get("eventCategory", []) and "true" not in values.get("readOnly", [])


def check_identity_center(setup: Setup) -> Iterator[Finding]:
    """Check that Identity Center is in this account and Region, with the identity stores of the settings.

    https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_ListInstances.html
    """
    if all(setup.find_provider(name) is None for name in _IDENTITY_CENTER):
        return
    pages = setup.account.client("sso-admin").get_paginator("list_instances").paginate()
    instances = {instance["IdentityStoreId"]: instance for page in pages for instance in page["Instances"]}
    for store in _list_stores(setup):
        yield _check_store(setup, store, instances)


def _list_stores(setup: Setup) -> list[str]:
    """List the identity stores whose users the stack offboards."""
    tenants = (setup.find_provider("identityCenterScim") or {}).get("Tenants", {})
    organizations = [settings for name, settings in setup.identities.items() if name.startswith("organizations/")]
    return sorted({*tenants.values(), *(store for settings in organizations for store in settings["IdentityStores"])})


def _check_store(setup: Setup, store: str, instances: Mapping[str, Mapping[str, Any]]) -> Finding:
    instance = instances.get(store)
    if instance is None:
        present = f"there is {', '.join(sorted(instances))}" if instances else "there is none"
        return wrong(
            f"Identity Center in {setup.account.region} has no identity store {store}: {present}.",
            "Put the id of Identity Center's console (Settings) into identityStores in cdk.json. The stack must be in "
            "the same Region as Identity Center.",
        )
    owner = instance.get("OwnerAccountId", setup.account.id)
    if owner != setup.account.id:
        return wrong(
            f"Identity Center with the identity store {store} belongs to the account {owner}: its events arrive there.",
            f"Deploy the stack in the account {owner}; identityCenter hears nothing here.",
        )
    if instance.get("Status", "ACTIVE") != "ACTIVE":
        return wrong(
            f"Identity Center with the identity store {store} is {instance['Status']}.",
            "Look at Identity Center's console.",
        )
    return ok(f"Identity Center is in this account and Region, with the identity store {store}.")

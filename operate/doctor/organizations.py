"""Checks of the WorkMail organizations: those that exist, and those that the stack serves."""

from collections.abc import Iterator

from operate.doctor.findings import Finding, ok, wrong
from operate.doctor.setup import Setup


def check_organizations(setup: Setup) -> Iterator[Finding]:
    """Name the WorkMail organizations of the account, with the ids that go into `cdk.json`."""
    if not setup.organizations:
        yield wrong(
            f"The account has no WorkMail organization in {setup.workmail_region}.",
            "Use the account that has it, or name its Region with --workmail-region.",
        )
    for organization in setup.organizations:
        name = f"{organization.id} ({organization.alias})"
        if organization.is_active:
            yield ok(f"{name} is active in {setup.workmail_region}: this id can go into cdk.json.")
        else:
            yield ok(f"{name} is {organization.state} in {setup.workmail_region}, and nothing can be done in it.")


def check_served_organizations(setup: Setup) -> Iterator[Finding]:
    """Check that each organization of the stack's settings exists and is active."""
    organizations = {organization.id: organization for organization in setup.organizations}
    for id_ in setup.served_organization_ids:
        organization = organizations.get(id_)
        if organization is None:
            yield wrong(
                f"The stack serves {id_}, which does not exist in {setup.workmail_region}.",
                "Put an id that exists into organizations in cdk.json, then run `make deploy`.",
            )
        elif not organization.is_active:
            yield wrong(
                f"The stack serves {id_} ({organization.alias}), which is {organization.state}: offboardings there "
                "end as OrganizationNotActive.",
                "Look at the organization in the WorkMail console.",
            )
        else:
            yield ok(f"The stack serves {id_} ({organization.alias}).")
    for organization in setup.organizations:
        if organization.is_active and organization.id not in setup.served_organization_ids:
            yield ok(f"The stack does not serve {organization.id} ({organization.alias}).")

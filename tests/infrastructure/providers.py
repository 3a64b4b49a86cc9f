"""Settings with every identity provider."""

from typing import Any

ORGANIZATION_ID = "m-" + "a1" * 16
ANOTHER_ID = "m-" + "b2" * 16
STORE = "d-1234567890"
SCIM_TENANT = "3f6c1d2e4b5-0000-4000-8000-000000000000"
OKTA = "aws.partner/okta.com/exampleco/workmail-leavers"
AUTH0 = "aws.partner/auth0.com/exampleco-2308531e-0000-4824-a5de-000000000000/auth0.logs"
SAILPOINT = "aws.partner/sailpoint.com/11111111-2222-3333-4444-555555555555/idn/account-deleted"
HR_SOURCE = "2c918085784cc5a30178500f1c3a0b2f"
ORGANIZATIONS = [
    {"id": ORGANIZATION_ID, "mailDomains": ["example.com", "example.org"], "identityStores": [STORE]},
    {"id": ANOTHER_ID, "identityStores": ["d-abcdef0123"]},
]
PROVIDERS: dict[str, Any] = {
    "identityCenter": {"userUpdated": True},
    "identityCenterCloudTrail": {},
    "identityCenterScim": {"tenants": {SCIM_TENANT: STORE}},
    "okta": {"eventSource": OKTA, "organizationId": ANOTHER_ID},
    "auth0": {"eventSource": AUTH0},
    "sailpoint": {"eventSource": SAILPOINT, "accountSources": [HR_SOURCE]},
    "offboardingRequested": {},
}

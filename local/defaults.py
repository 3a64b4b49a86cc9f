"""The account, the Region, the organization and the settings of the embedded AWS.

The settings are those that a deployer writes into ``cdk.json``.
"""

from typing import Any

REGION = "us-east-1"
ACCOUNT = "123456789012"
ORGANIZATION_ID = "m-d281d0a2fd824be5b6cd3d3ce909fd27"
ORGANIZATION_ALIAS = "example-corp"
MAIL_DOMAIN = f"{ORGANIZATION_ALIAS}.awsapps.com"

COMPANY_DOMAIN = "example.com"
IDENTITY_STORE_ID = "d-1234567890"
SCIM_TENANT_ID = "3f6c1d2e4b5-0000-4000-8000-000000000000"
OKTA_BUS = "aws.partner/okta.com/exampleco/workmail-leavers"
AUTH0_BUS = "aws.partner/auth0.com/exampleco-2308531e-0000-4824-a5de-000000000000/auth0.logs"
SAILPOINT_BUS = "aws.partner/sailpoint.com/11111111-2222-3333-4444-555555555555/idn/account-deleted"

OFFBOARDING: dict[str, Any] = {
    "organizations": [
        {
            "id": ORGANIZATION_ID,
            "mailDomains": [MAIL_DOMAIN, COMPANY_DOMAIN],
            "identityStores": [IDENTITY_STORE_ID],
            "protected": ["it.admin", "ceo@*"],
        }
    ],
    "identityProviders": {
        "identityCenter": {"userUpdated": True},
        "identityCenterCloudTrail": {},
        "identityCenterScim": {"tenants": {SCIM_TENANT_ID: IDENTITY_STORE_ID}},
        "okta": {"eventSource": OKTA_BUS},
        "auth0": {"eventSource": AUTH0_BUS},
        "sailpoint": {"eventSource": SAILPOINT_BUS, "accountSources": ["2c918085784cc5a30178500f1c3a0b2f"]},
        "offboardingRequested": {},
    },
    "notificationEmails": ["helpdesk@example.com"],
}

"""The settings of the embedded AWS: what a deployer would write into cdk.json, for this machine."""

from typing import Any

REGION = "us-east-1"
ACCOUNT = "123456789012"
ORGANIZATION_ID = "m-d281d0a2fd824be5b6cd3d3ce909fd27"
ORGANIZATION_ALIAS = "example-corp"
MAIL_DOMAIN = f"{ORGANIZATION_ALIAS}.awsapps.com"

OFFBOARDING: dict[str, Any] = {"organizations": [{"id": ORGANIZATION_ID}]}

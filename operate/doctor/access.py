"""Checks of the way to AWS: the endpoint, the credentials, the Region."""

import os
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from operate.doctor.findings import Finding, ok, wrong
from operate.doctor.setup import WORKMAIL_REGIONS, Setup
from operate.errors import describe_error

_ENDPOINT = "AWS_ENDPOINT_URL"


def check_endpoint(setup: Setup) -> Iterator[Finding]:
    """Check that calls go to AWS, or knowingly to the embedded AWS."""
    endpoint = os.environ.get(_ENDPOINT)
    if not endpoint:
        yield ok("Calls go to AWS.")
    elif setup.account.is_embedded:
        yield ok(f"Calls go to the embedded AWS at {endpoint} ({_ENDPOINT}), and not to AWS.")
    else:
        yield wrong(
            f"{_ENDPOINT} is {endpoint}, where no embedded AWS answers: no call reaches AWS.",
            f"Unset it (`unset {_ENDPOINT}`), or start `make serve` if you mean the embedded AWS.",
        )


def check_credentials(setup: Setup) -> Iterator[Finding]:
    """Check that AWS accepts the credentials, and say whose they are.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    try:
        identity = setup.account.client("sts").get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        yield wrong(describe_error(error), "Nothing else can be checked without credentials.")
    else:
        yield ok(f"You are {identity['Arn']}, in the account {identity['Account']}.")


def check_region(setup: Setup) -> Iterator[Finding]:
    """Check that WorkMail exists where the organizations are looked for."""
    region, workmail_region = setup.account.region, setup.workmail_region
    if workmail_region not in WORKMAIL_REGIONS:
        yield wrong(
            f"Amazon WorkMail does not exist in {workmail_region}.",
            f"Give --region with one of {', '.join(WORKMAIL_REGIONS)}. For a stack elsewhere, put WorkMail's Region "
            "into workmailRegion in cdk.json; until that is deployed, give --workmail-region.",
        )
    elif workmail_region == region:
        yield ok(f"The Region is {region}, where Amazon WorkMail exists.")
    else:
        yield ok(f"The Region is {region}, and the WorkMail organizations are in {workmail_region}.")

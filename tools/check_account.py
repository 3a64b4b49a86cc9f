"""Checks, before a deployment, that there are credentials and that the account is bootstrapped for CDK.

The CDK CLI finds the same later, and says it in many lines. Usage: ``python -m tools.check_account``, with
``--without-bootstrap`` before the account is bootstrapped.
"""

import argparse
import os
import sys

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
)

from operate.doctor.deployment import BOOTSTRAP_VERSION_PARAMETER, MIN_BOOTSTRAP_VERSION
from operate.errors import SIGN_IN


class AccountError(RuntimeError):
    """Nothing can be deployed with these credentials; the message is one sentence for the deployer."""


def check_account(*, requires_bootstrap: bool = True) -> tuple[str, str]:
    """Return the account and the Region of a deployment.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html

    Parameters
    ----------
    requires_bootstrap
        Whether the account and Region must be bootstrapped for CDK.

    Returns
    -------
    tuple[str, str]
        The account's 12 digits, and the Region.

    Raises
    ------
    AccountError
        There are no credentials, these have expired, no Region is set, or the account and Region are not bootstrapped.
    """
    # The CDK CLI prefers AWS_REGION, which boto3 does not read.
    region = os.environ.get("AWS_REGION") or _open_session(None).region_name
    if not region:
        raise AccountError("No Region is set: set AWS_REGION, to us-east-1, us-west-2 or eu-west-1 for example.")
    session = _open_session(region)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except NoCredentialsError:
        raise AccountError(f"There are no AWS credentials. {SIGN_IN}") from None
    except EndpointConnectionError:
        raise AccountError(
            f"AWS cannot be reached in the Region {region}: check its name (AWS_REGION) and the network."
        ) from None
    except (ClientError, BotoCoreError) as error:
        raise AccountError(f"AWS does not accept the credentials ({_describe(error)}). {SIGN_IN}") from None
    if requires_bootstrap:
        _require_bootstrap(session, account, region)
    return account, region


def _open_session(region: str | None) -> boto3.Session:
    try:
        return boto3.Session(region_name=region)
    except ProfileNotFound as error:
        raise AccountError(f"{error}. {SIGN_IN}") from None


def _require_bootstrap(session: boto3.Session, account: str, region: str) -> None:
    try:
        parameter = session.client("ssm").get_parameter(Name=BOOTSTRAP_VERSION_PARAMETER)["Parameter"]
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ParameterNotFound":
            raise AccountError(
                f"The account {account} is not bootstrapped for CDK in {region}: run `make bootstrap` once."
            ) from None
        raise AccountError(
            f"Whether the account {account} is bootstrapped for CDK in {region} cannot be read ({_describe(error)}): "
            f"allow ssm:GetParameter on {BOOTSTRAP_VERSION_PARAMETER}."
        ) from None
    version = parameter["Value"]
    if not version.isdigit() or int(version) < MIN_BOOTSTRAP_VERSION:
        raise AccountError(
            f"The account {account} is bootstrapped for CDK in {region} with version {version}, and the stack needs "
            f"{MIN_BOOTSTRAP_VERSION}: run `make bootstrap` again."
        )


def _describe(error: ClientError | BotoCoreError) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def main(arguments: list[str] | None = None) -> int:
    """Print the account and the Region, or one sentence that says what to do, and return exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_account", description=__doc__)
    parser.add_argument("--without-bootstrap", action="store_true", help="leave out the check of the bootstrap")
    options = parser.parse_args(arguments)
    try:
        account, region = check_account(requires_bootstrap=not options.without_bootstrap)
    except AccountError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(f"Account {account}, Region {region}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

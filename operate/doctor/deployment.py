"""Checks of what a deployment makes and needs: the stack, the bootstrap, AWS Lambda's limit."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from operate.account import Stack
from operate.doctor.findings import Finding, ok, unknown, wrong
from operate.doctor.setup import Setup
from operate.errors import error_code

BOOTSTRAP_VERSION_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
MIN_BOOTSTRAP_VERSION = 6
"""What the template requires; see
https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-troubleshoot.html."""
_USUAL_CONCURRENCY = 1000
_LOW_CONCURRENCY = 100
_WORKING_STATUSES = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})


def check_bootstrap(setup: Setup) -> Iterator[Finding]:
    """Check that the account and Region are prepared for the CDK.

    https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
    """
    try:
        answer = setup.account.client("ssm").get_parameter(Name=BOOTSTRAP_VERSION_PARAMETER)
    except ClientError as error:
        if error_code(error) != "ParameterNotFound":
            raise
        yield wrong("The account and Region are not bootstrapped for the CDK.", "Run `make bootstrap` once.")
        return
    version = str(answer["Parameter"]["Value"])
    if version.isdigit() and int(version) >= MIN_BOOTSTRAP_VERSION:
        yield ok(f"The account and Region are bootstrapped for the CDK, with version {version}.")
    else:
        yield wrong(
            f"The CDK's bootstrap has version {version}, and the stack needs {MIN_BOOTSTRAP_VERSION}.",
            "Run `make bootstrap` again.",
        )


def check_concurrency(setup: Setup) -> Iterator[Finding]:
    """Check how many functions AWS Lambda runs at once.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    limits = setup.account.client("lambda").get_account_settings()["AccountLimit"]
    limit, unreserved = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    share = "" if limit == unreserved else f", {unreserved} of them for functions without a reservation, as here"
    message = f"AWS Lambda runs {limit} functions at once in this account and Region{share}."
    if unreserved >= _LOW_CONCURRENCY:
        yield ok(message)
    else:
        yield wrong(
            f"{message} All applications share them. If many offboardings wake at once, they wait for hours: each call "
            "is tried again, and nothing is lost.",
            f"Ask Service Quotas for {_USUAL_CONCURRENCY} (AWS Lambda, Concurrent executions). It costs nothing.",
        )


def check_stack(setup: Setup) -> Iterator[Finding]:
    """Check that the stack is there, complete, and protected against its deletion."""
    stack = setup.stack
    if stack is None:
        yield wrong(
            f"There is no stack {setup.account.stack_name} in {setup.account.region} yet.",
            "Put the ids of your organizations into cdk.json and run `make deploy`. If it has another name or Region, "
            "give --stack and --region.",
        )
    elif stack.status in _WORKING_STATUSES:
        yield ok(f"The stack {stack.name} is {stack.status}.")
        yield from _check_protection(setup, stack)
    elif stack.is_unapproved:
        yield wrong(
            f"The stack {stack.name} is {stack.status}: nobody has approved its deployment, and it is empty.",
            "Run `make deploy` again, or `make destroy UNPROTECT=stack`.",
        )
    elif stack.status.endswith("_IN_PROGRESS"):
        yield unknown(f"The stack {stack.name} is {stack.status}.", "Wait for its end, then ask again.")
    elif stack.status == "UPDATE_ROLLBACK_COMPLETE":
        yield wrong(
            f"The last update of the stack {stack.name} failed. The release before it works on.",
            "Read the stack's events in CloudFormation, and docs/upgrade.md, then run `make deploy` again.",
        )
    else:
        yield wrong(
            f"The stack {stack.name} is {stack.status}.",
            "Read its events in CloudFormation. docs/upgrade.md and docs/remove.md say how to go on.",
        )


def _check_protection(setup: Setup, stack: Stack) -> Iterator[Finding]:
    if not stack.is_protected:
        command = setup.account.render_aws_command(
            "cloudformation",
            "update-termination-protection",
            "--stack-name",
            stack.name,
            "--enable-termination-protection",
        )
        yield wrong("The stack is not protected against its deletion, which would end what waits.", f"Run: {command}")

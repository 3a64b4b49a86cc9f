"""The command `offboarding doctor`: it runs the checks one after the other, and prints what they find."""

import json
from collections import Counter
from collections.abc import Iterator

import click

from operate.account import Account
from operate.doctor import access, deployment, identities, listening, messages, organizations, upkeep
from operate.doctor.findings import Check, Finding, Result, unknown
from operate.doctor.setup import WORKMAIL_REGIONS, Setup
from operate.options import account_options, exit_with
from operate.terminal import remove_controls

CREDENTIALS = Check("credentials", access.check_credentials)
STACK = Check("stack", deployment.check_stack, ("cloudformation:DescribeStacks",))
GENERAL_CHECKS = (
    Check("Region", access.check_region),
    Check("WorkMail organizations", organizations.check_organizations, ("workmail:ListOrganizations",)),
    Check("bootstrap", deployment.check_bootstrap, ("ssm:GetParameter",)),
    Check("AWS Lambda", deployment.check_concurrency, ("lambda:GetAccountSettings",)),
)
"""What can be checked before the first deployment, too."""
STACK_CHECKS = (
    Check(
        "served organizations",
        organizations.check_served_organizations,
        ("workmail:ListOrganizations", "ssm:GetParametersByPath"),
    ),
    Check("subscriptions", messages.check_subscriptions, ("sns:ListSubscriptionsByTopic",)),
    Check(
        "rules",
        listening.check_rules,
        ("cloudformation:ListStackResources", "events:ListEventBuses", "events:ListRules"),
    ),
    Check(
        "event sources",
        listening.check_partner_sources,
        ("ssm:GetParametersByPath", "events:DescribeEventSource", "events:DescribeEventBus"),
    ),
    Check(
        "event source mappings",
        listening.check_mappings,
        ("cloudformation:ListStackResources", "lambda:GetEventSourceMapping"),
    ),
    Check("schedule", listening.check_schedule, ("cloudformation:ListStackResources", "scheduler:GetSchedule")),
    Check(
        "CloudTrail",
        identities.check_trail,
        (
            "ssm:GetParametersByPath",
            *("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"),
        ),
    ),
    Check("Identity Center", identities.check_identity_center, ("ssm:GetParametersByPath", "sso:ListInstances")),
    Check("dead letters", messages.check_dead_letters, ("sqs:GetQueueAttributes",)),
    Check("sweep", upkeep.check_sweep, ("dynamodb:GetItem", "cloudformation:ListStackResources")),
    Check("alarms", messages.check_alarms, ("cloudformation:ListStackResources", "cloudwatch:DescribeAlarms")),
    Check(
        "archives",
        upkeep.check_archives,
        (
            "kms:DescribeKey",
            *("s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration", "s3:GetEncryptionConfiguration"),
        ),
    ),
)
_COLOURS = {Result.OK: "green", Result.WRONG: "red", Result.UNKNOWN: "yellow"}
_INDENTATION = " " * 9


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print a JSON array, for programs.")
@click.option(
    "--workmail-region",
    type=click.Choice(WORKMAIL_REGIONS),
    help="The Region of the WorkMail organizations, if it is another one and nothing is deployed yet.",
)
@account_options
def doctor(account: Account, workmail_region: str | None, *, is_json: bool) -> None:
    """Check the set-up: what is wrong, and what to do about it.

    It changes nothing, and works before the first deployment too. The exit code is 1 if something is wrong; what
    could not be checked is no reason for that.
    """
    account.give_up_soon()
    results: Counter[Result] = Counter()
    collected = []
    for check, finding in iterate_findings(Setup(account, workmail_region)):
        results[finding.result] += 1
        if is_json:
            collected.append(_render_for_programs(check, finding))
        else:
            _print_finding(check, finding)
    if is_json:
        click.echo(json.dumps(collected, indent=2))
    else:
        click.echo(", ".join(f"{results[result]} {result}" for result in Result))
    if results[Result.WRONG]:
        exit_with(f"Something is wrong with the set-up ({results[Result.WRONG]}).")


def iterate_findings(setup: Setup) -> Iterator[tuple[Check, Finding]]:
    """Run the checks, except those that need credentials or a stack which are missing."""
    yield from _run(Check("endpoint", access.check_endpoint), setup)
    credentials = [*_run(CREDENTIALS, setup)]
    yield from credentials
    if any(finding.result == Result.WRONG for _, finding in credentials):
        return
    for check in GENERAL_CHECKS:
        yield from _run(check, setup)
    stack = [*_run(STACK, setup)]
    yield from stack
    if any(finding.result == Result.UNKNOWN for _, finding in stack):
        yield STACK, unknown("What belongs to the stack was not checked.")
    elif setup.outputs:
        for check in STACK_CHECKS:
            yield from _run(check, setup)


def _run(check: Check, setup: Setup) -> Iterator[tuple[Check, Finding]]:
    return ((check, finding) for finding in check.run(setup))


def _print_finding(check: Check, finding: Finding) -> None:
    label = click.style(f"{finding.result:<9}", fg=_COLOURS[finding.result])
    click.echo(f"{label}{check.subject}: {remove_controls(finding.message)}")
    if finding.advice:
        click.echo(f"{_INDENTATION}{remove_controls(finding.advice)}")


def _render_for_programs(check: Check, finding: Finding) -> dict[str, str]:
    advice = {"Advice": finding.advice} if finding.advice else {}
    return {"Check": check.subject, "Result": finding.result.value, "Message": finding.message, **advice}

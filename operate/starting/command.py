"""The commands `offboarding plan` and `offboarding start`."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from operate.account import Account
from operate.errors import Refusal
from operate.executions import OFFBOARDING, start_execution
from operate.options import account_options
from operate.organizations import organization_option, select_organization
from operate.progress import describe_next, follow_start
from operate.questions.people import require_subject
from operate.questions.table import RecordsTable
from operate.starting.moments import Moment
from operate.starting.plans import Plan, describe_plan, make_plan
from operate.terminal import print_lines, require_consent

_REQUIRED_EXPORT, _NO_EXPORT = "Required", "No"


def request_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument WHO, and the options of a request."""
    for decorate in reversed(
        (
            click.argument("text", metavar="WHO"),
            organization_option,
            click.option(
                "--not-before",
                type=Moment(),
                metavar="DATE",
                help="Disable nothing before this date (2026-12-31: from 00:00 in UTC), or this moment "
                "(2026-12-31T17:00+01:00).",
            ),
            click.option("--reason", help="Why; it is recorded."),
            click.option(
                "--expect-name", metavar="NAME", help="Refuse anybody whose display name in WorkMail is another one."
            ),
            click.option(
                "--export/--no-export", default=None, help="Require an archive of the mailbox first, or make none."
            ),
            click.option("--requested-by", metavar="NAME", help="Who asks; by default the caller's name in AWS."),
        )
    ):
        command = decorate(command)
    return command


@click.command()
@request_options
@click.option("--json", "is_json", is_flag=True, help="Print the result of the plan as JSON.")
@account_options
def plan(account: Account, *, is_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's options)
    """Show what an offboarding of WHO would do. Nothing is changed.

    WHO is an address, a name or an id, as WorkMail has it now. The ARN of an execution is the entity that it was about.
    """
    result = make_plan(account, build_request(account, **options))
    if is_json:
        click.echo(json.dumps({"ExecutionArn": result.execution_arn, **result.output}, indent=2, ensure_ascii=False))
    else:
        print_lines(describe_plan(result, account.stack.service_end))
    _require_accepted(result)


@click.command()
@request_options
@click.option("--yes", is_flag=True, help="Show the plan, and do not ask.")
@account_options
def start(account: Account, *, yes: bool, **options: Any) -> None:  # noqa: ANN401 (click's options)
    """Offboard WHO, after a plan that you confirm.

    What you confirm is what is disabled: the offboarding gets the id, the name and the address that the plan has found.
    If one of them is another one by then, nothing is disabled.
    """
    request = build_request(account, **options)
    result = present_plan(account, request)
    verb = "Offboard" if result.would_deregister else "Watch the disabled"
    require_consent(f"{verb} {result.label}?", is_given=yes)
    arn = start_execution(account, OFFBOARDING, confirm_request(request, result))
    click.echo(f"Started:     {arn}")
    print_lines(describe_next(account, follow_start(account, RecordsTable(account), arn)))
    click.echo(f"Look again:  {account.render_command('show', result.entity['Id'])}")


def build_request(
    account: Account,
    text: str,
    organization: str | None,
    not_before: str | None,
    reason: str | None,
    expect_name: str | None,
    requested_by: str | None,
    *,
    export: bool | None,
) -> Mapping[str, Any]:
    """Build the input of an offboarding.

    WHO goes on as it was typed: only WorkMail knows who has an address now, and the records know who had it once.

    Raises
    ------
    Refusal
        If it is not clear which organization is meant.
    """
    entity_id = text
    if text.startswith("arn:"):
        subject = require_subject(RecordsTable(account), text)
        if subject.entity_id is None:
            raise Refusal(f"The execution was about no entity of WorkMail: {text}. Give an address, a name or an id.")
        entity_id, organization = subject.entity_id, subject.organization_id
    return {
        "OrganizationId": select_organization(account, entity_id, organization),
        "EntityId": entity_id,
        "RequestedBy": requested_by or account.caller,
        **({"Expected": {"DisplayName": expect_name}} if expect_name else {}),
        **({"NotBefore": not_before} if not_before else {}),
        **({"Reason": reason} if reason else {}),
        **({} if export is None else {"Export": _REQUIRED_EXPORT if export else _NO_EXPORT}),
    }


def present_plan(account: Account, request: Mapping[str, Any]) -> Plan:
    """Have a plan made and print it, for a person to confirm.

    Raises
    ------
    Refusal
        If there can be no plan, or an offboarding would be refused or have nothing to do.
    """
    result = make_plan(account, request)
    print_lines(describe_plan(result, account.stack.service_end))
    _require_accepted(result)
    if result.was_never_registered:
        raise Refusal(f"Nothing was started: {result.label} was never registered to WorkMail.")
    return result


def confirm_request(request: Mapping[str, Any], result: Plan) -> Mapping[str, Any]:
    """Return the input that means the very entity of a plan: by its id, and with the name and the address shown."""
    expected = {name: result.entity[name] for name in ("Type", "Name", "Email") if result.entity.get(name)}
    return {
        **request,
        "EntityId": result.entity["Id"],
        "Expected": {**request.get("Expected", {}), **expected},
    }


def _require_accepted(result: Plan) -> None:
    if result.refusals:
        raise Refusal(f"An offboarding of {result.label} would be refused: {' '.join(result.refusals)}")

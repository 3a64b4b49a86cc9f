"""The command `offboarding retry`."""

import click

from operate.account import Account
from operate.executions import OFFBOARDING, start_execution
from operate.options import account_options
from operate.progress import describe_next, follow_start
from operate.questions.table import RecordsTable
from operate.retry.failures import build_request, find_failure
from operate.starting.command import confirm_request, present_plan
from operate.terminal import print_lines, require_consent


@click.command()
@click.argument("text", metavar="WHO")
@click.option("--requested-by", metavar="NAME", help="Who asks; by default the caller's name in AWS.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@account_options
def retry(account: Account, text: str, requested_by: str | None, *, yes: bool) -> None:
    """Start again the last offboarding of WHO that has failed, was stopped, or ran out of time.

    It has the same input, but you ask for it, and the reason names who asked before. An entity that was found goes on
    by its id, and has to have the recorded name and address.
    If none was found, a plan shows who has the text today.
    """
    table = RecordsTable(account)
    failure = find_failure(account, table, text)
    request, notes = build_request(account, failure, requested_by or account.caller)
    print_lines((*failure.describe(), *notes))
    label = failure.label
    if failure.entity is None:
        # Somebody else than was meant can have the text by now.
        result = present_plan(account, request)
        request, label = confirm_request(request, result), result.label
    require_consent(f"Start the offboarding of {label} again?", is_given=yes)
    arn = start_execution(account, OFFBOARDING, request)
    click.echo(f"Started:     {arn}")
    print_lines(describe_next(account, follow_start(account, table, arn)))
    click.echo(f"Look again:  {account.render_command('show', request['EntityId'])}")

"""The command `offboarding retry`."""

import click

from operate.account import Account
from operate.errors import Refusal
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
    by its id, and has to have the recorded name and address. A plan shows first whom it is about today.
    """
    table = RecordsTable(account)
    failure = find_failure(account, table, text)
    request, notes = build_request(account, failure, requested_by or account.caller)
    print_lines((*failure.describe(), *notes))
    # Somebody else than was meant can have the text by now, or somebody has registered the entity again.
    result = present_plan(account, request)
    if failure.was_disabled and result.would_deregister:
        raise Refusal(
            "Nothing was started: this offboarding found or made the mailbox disabled, and WorkMail shows it as "
            f"enabled, so somebody has registered {result.label} again since. If it is to be offboarded all the same: "
            f"{account.render_command('start', result.entity['Id'])}"
        )
    request = confirm_request(request, result)
    require_consent(f"Start the offboarding of {result.label} again?", is_given=yes)
    arn = start_execution(account, OFFBOARDING, request)
    click.echo(f"Started:     {arn}")
    print_lines(describe_next(account, follow_start(account, table, arn)))
    click.echo(f"Look again:  {account.render_command('show', request['EntityId'])}")

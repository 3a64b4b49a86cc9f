"""The commands `offboarding approve`, `offboarding reject` and `offboarding withdraw`."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from operate.account import Account
from operate.decisions.execution import Decision, DecisionResult, group_refusals, make_decisions
from operate.decisions.selection import Candidate, list_waiting, select_by_reason, select_by_texts
from operate.errors import Refusal
from operate.options import account_options
from operate.organizations import organization_option
from operate.questions.table import WAITING_STATUSES, RecordsTable
from operate.terminal import print_lines, require_consent

_APPROVAL_STATUSES = ("AwaitingApproval",)
_SHOWN_COUNT = 5
_WAITS = {
    "AwaitingApproval": "waits for an approval",
    "Scheduled": "waits for its date",
    "Exporting": "is being exported",
}


def decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument WHO, and the options of a decision."""
    for decorate in reversed(
        (
            click.argument("texts", metavar="[WHO]...", nargs=-1),
            click.option("--reason", required=True, help="Why you decide so; it is recorded."),
            click.option("--all", "is_all", is_flag=True, help="Decide on all that wait, instead of WHO."),
            click.option(
                "--because",
                "reason_part",
                metavar="TEXT",
                help="Of all, only those whose reasons contain TEXT.",
            ),
            click.option("--limit", type=click.IntRange(min=1), help="Of all, only so many: the next to time out."),
            organization_option,
            click.option("--decided-by", metavar="NAME", help="Who decides; by default the caller's name in AWS."),
            click.option("--yes", is_flag=True, help="Do not ask."),
        )
    ):
        command = decorate(command)
    return command


@click.command()
@decision_options
@account_options
def approve(account: Account, **options: Any) -> None:  # noqa: ANN401 (click's options)
    """Approve what waits for an approval: of WHO, or of --all. It can be repeated.

    WHO is a primary address, a name, an id, or the ARN of an execution.
    """
    _decide(account, "Approved", _APPROVAL_STATUSES, **options)


@click.command()
@decision_options
@account_options
def reject(account: Account, **options: Any) -> None:  # noqa: ANN401 (click's options)
    """Reject what waits for an approval: of WHO, or of --all. It ends, and nothing is changed."""
    _decide(account, "Rejected", _APPROVAL_STATUSES, **options)


@click.command()
@decision_options
@account_options
def withdraw(account: Account, **options: Any) -> None:  # noqa: ANN401 (click's options)
    """Withdraw what waits for a date, an approval or an export: of WHO, or of --all. Nothing is changed."""
    _decide(account, "Withdrawn", WAITING_STATUSES, **options)


def _decide(
    account: Account,
    name: str,
    statuses: Sequence[str],
    texts: Sequence[str],
    reason: str,
    reason_part: str | None,
    limit: int | None,
    organization: str | None,
    decided_by: str | None,
    *,
    is_all: bool,
    yes: bool,
) -> None:
    if is_all == bool(texts) or (not is_all and (reason_part is not None or limit is not None)):
        raise click.UsageError("Give WHO, or --all with --because and --limit if you need them.")
    if reason_part is not None and not reason_part.strip():
        # A variable of a script that is empty would select all.
        raise click.UsageError("--because needs a text.")
    table = RecordsTable(account)
    waiting = list_waiting(table, statuses, organization)
    if is_all:
        # The record of what has just been decided is closed a minute and a half later.
        waiting = [candidate for candidate in waiting if candidate.decision is None]
    selected = select_by_reason(waiting, reason_part, limit) if is_all else select_by_texts(table, waiting, texts)
    if not selected:
        click.echo(_describe_nothing(len(waiting), reason_part))
        return
    print_lines(_describe_selection(name, selected, len(waiting)))
    require_consent(f"Are these {len(selected)} to be {name.lower()}?", is_given=yes)
    decision = Decision(name, decided_by or account.caller, reason)
    _print_result(make_decisions(account, table, selected, decision), decision)


def _describe_nothing(waiting_count: int, reason_part: str | None) -> str:
    if not waiting_count:
        return "Nothing waits for that."
    return f"Nothing was decided: {waiting_count} wait, and none has a reason that contains {reason_part}."


def _describe_selection(name: str, selected: Sequence[Candidate], waiting_count: int) -> Iterator[str]:
    """Go through the lines by which a person checks what is decided on."""
    yield f"To be {name.lower()}: {len(selected)} of {waiting_count} that wait."
    for reason, count in Counter(reason for candidate in selected for reason in candidate.reasons).most_common():
        yield f"  for {count}: {reason}"
    for candidate in selected[:_SHOWN_COUNT]:
        yield f"  {candidate.label}, which {_WAITS[candidate.status]}"
    if len(selected) > _SHOWN_COUNT:
        yield f"  and {len(selected) - _SHOWN_COUNT} more"


def _print_result(result: DecisionResult, decision: Decision) -> None:
    """Print a summary.

    Raises
    ------
    Refusal
        If not all have the decision now.
    """
    print_lines([f"{decision.name} by {decision.decided_by}: {len(result.decided)}."])
    if result.settled:
        click.echo(f"{decision.name} before: {len(result.settled)}.")
    for ending, candidates in group_refusals(result):
        labels = ", ".join(candidate.label for candidate in candidates[:_SHOWN_COUNT])
        more = f" and {len(candidates) - _SHOWN_COUNT} more" if len(candidates) > _SHOWN_COUNT else ""
        print_lines([f"Refused: {len(candidates)}. {ending}", f"  {labels}{more}"])
    if result.running:
        click.echo(f"Still being decided: {len(result.running)}.")
    failure_count = len(result.refused) + len(result.running)
    if failure_count:
        raise Refusal(f"Not {decision.name.lower()}: {failure_count}. The same command can be repeated.")

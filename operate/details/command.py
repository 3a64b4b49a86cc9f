"""The command `offboarding show`: everything about one person, group or resource."""

from typing import Any

import click

from operate.account import COMMAND, Account
from operate.advice import Advice, Adviser
from operate.details.history import Dossier, History, read_dossier, read_history
from operate.details.page import Page, print_page
from operate.details.workmail import WorkMailAnswer, describe_now
from operate.errors import Refusal
from operate.json_files import render_json
from operate.options import account_options
from operate.questions.table import RecordsTable


@click.command()
@click.argument("text", metavar="WHO")
@click.option("--number", type=click.IntRange(min=1), help="Which offboarding in full, as the list numbers them.")
@click.option("--json", "is_json", is_flag=True, help="Write JSON, with dates as in RFC 3339.")
@account_options
def show(account: Account, text: str, number: int | None, *, is_json: bool) -> None:
    """Show everything about WHO: what happened, what WorkMail says now, and what to do next.

    WHO is an address (an old one, too), a name, an id, or the ARN of an execution.
    """
    table = RecordsTable(account)
    history = read_history(table, text)
    selected = number or history.find_number(text)
    if selected > len(history.offboardings):
        raise Refusal(f"There are {len(history.offboardings)} offboardings of {history.subject.label}.")
    offboarding = history.offboardings[selected - 1]
    dossier = read_dossier(table, offboarding.execution_arn)
    subject = history.subject
    entity_type = subject.type or history.entity.get("Type")
    answer = describe_now(account, subject.organization_id, subject.entity_id, entity_type)
    advice = _list_advice(account, history)
    if answer.is_deleted:
        advice = [item for item in advice if not (item.command or "").startswith(f"{COMMAND} restore ")]
    if is_json:
        click.echo(render_json(_build_document(history, selected, dossier, answer, advice)))
    else:
        print_page(Page(history, selected, dossier, answer, advice, account.stack.service_end))


def _list_advice(account: Account, history: History) -> list[Advice]:
    """List what can be done about the newest offboarding that counts, and about others that have not ended."""
    adviser, advice = Adviser(account, account.read_time()), dict[str | None, Advice]()
    newest = history.find_number("")
    for number, offboarding in enumerate(history.offboardings, start=1):
        if number == newest or offboarding.status != "Ended":
            for item in adviser.advise(offboarding):
                advice.setdefault(item.command, item)
    return [*advice.values()]


def _build_document(
    history: History, number: int, dossier: Dossier, answer: WorkMailAnswer, advice: list[Advice]
) -> dict[str, Any]:
    subject = history.subject
    return {
        "Subject": {
            "OrganizationId": subject.organization_id,
            "EntityId": subject.entity_id,
            "Type": subject.type,
            "Name": subject.name,
            "Email": subject.email,
        },
        "Next": [{"Sentence": item.sentence, "Command": item.command} for item in advice],
        "WorkMail": {"Sentence": answer.sentence, **answer.members},
        "Offboardings": [
            {
                "ExecutionArn": item.execution_arn,
                "Status": item.status,
                "Outcome": item.outcome,
                "StartedAt": item.started_at,
                "EndedAt": item.ended_at,
                "MailboxTouched": item.mailbox_touched,
            }
            for item in history.offboardings
        ],
        "Offboarding": {
            "Number": number,
            "ExecutionArn": history.offboardings[number - 1].execution_arn,
            "StartedBy": dossier.started_by,
            "Record": dossier.record,
            "Steps": dossier.steps,
        },
    }

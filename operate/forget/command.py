"""The command `offboarding forget`, which has the stack's function erase a person."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from operate.account import Account
from operate.errors import Refusal
from operate.options import account_options
from operate.questions.people import Subject, require_subject
from operate.questions.table import RecordsTable, Values, identifier_key
from operate.terminal import print_lines, render_moment

_MAX_IDENTIFIERS = 100
_SHOWN_COUNT = 10
_NOT_DELETED = (
    "Not deleted: the executions in Step Functions (90 days), dead letters (14 days), backups of the table (35 days), "
    "and what other people's records say."
)


@click.command()
@click.argument("text", metavar="WHO")
@click.option(
    "--identifier", "identifiers", multiple=True, metavar="TEXT", help="A further name or address of the person."
)
@click.option("--requested-by", metavar="NAME", help="Who asks; by default the caller's name in AWS.")
@click.option("--yes", "confirmed_id", metavar="ID", help="The id of the person: do not ask.")
@account_options
def forget(
    account: Account, text: str, identifiers: tuple[str, ...], requested_by: str | None, confirmed_id: str | None
) -> None:
    """Delete everything that the table of records has of WHO, because a law requires it.

    It is refused while somebody is being offboarded, or can be restored.
    """
    function = account.read_output(
        "ErasePersonFunctionName", f"The stack {account.stack_name} has no output ErasePersonFunctionName."
    )
    table = RecordsTable(account)
    subject = require_subject(table, text)
    if subject.entity_id is None:
        raise Refusal(f"{text} has led to no entity of WorkMail, and only an entity can be erased by its id.")
    records = _list_records(table, [subject.key])
    texts = _list_identifiers(text, identifiers, records)
    records += _list_unresolved(table, subject, texts)
    print_lines(_describe_erasure(subject, records, texts))
    _require_id(subject.entity_id, confirmed_id)
    request = {
        "OrganizationId": subject.organization_id,
        "EntityId": subject.entity_id,
        "RequestedBy": requested_by or account.caller,
        "Identifiers": texts,
    }
    print_lines([_invoke(account, function, request)])


def _list_records(table: RecordsTable, keys: Iterable[str]) -> list[Values]:
    """List the records of all executions that have a step about an entity, or about a text that resolved none."""
    arns = dict.fromkeys(str(step["Id"]) for key in keys for step in table.iterate_steps_of_entity(key))
    return [record for record in (table.find_record(arn) for arn in arns) if record is not None]


def _list_unresolved(table: RecordsTable, subject: Subject, texts: Iterable[str]) -> list[Values]:
    """List the records of executions that were asked for by a text of this person alone, and found nobody."""
    keys = [identifier_key(text) for text in texts if {*table.find_entity_keys(text)} <= {subject.key}]
    organizations = {None, subject.organization_id}
    return [record for record in _list_records(table, keys) if record.get("OrganizationId") in organizations]


def _list_identifiers(text: str, identifiers: tuple[str, ...], records: list[Values]) -> list[str]:
    """List the names and addresses by which somebody may have asked for a person: what was typed, and what is recorded.

    Raises
    ------
    Refusal
        If they are more than the function takes.
    """
    recorded = [value for record in records for value in _iterate_names(record.get("Entity", {}))]
    typed = [] if text.startswith("arn:") else [text]
    texts = [*dict.fromkeys((*typed, *identifiers, *recorded))]
    if len(texts) > _MAX_IDENTIFIERS:
        raise Refusal(f"Nothing was deleted: the person has {len(texts)} names, and {_MAX_IDENTIFIERS} can be given.")
    return texts


def _iterate_names(entity: Mapping[str, Any]) -> Iterator[str]:
    yield from (entity[name] for name in ("Name", "Email") if entity.get(name))
    yield from entity.get("Aliases") or ()


def _describe_erasure(subject: Subject, records: list[Values], texts: list[str]) -> Iterator[str]:
    """Go through the lines about what is deleted, and what is not."""
    yield f"To erase:    {subject.label}, of {subject.organization_id}"
    yield f"Names:       {', '.join(texts)}"
    yield f"Executions:  {len(records)}, with all their steps; the times are in UTC"
    for record in records[:_SHOWN_COUNT]:
        yield f"  {render_moment(record.get('StartedAt'))} {record.get('Outcome') or record['Status']} {record['Id']}"
    if len(records) > _SHOWN_COUNT:
        yield f"  and {len(records) - _SHOWN_COUNT} more"
    archives = [record["Archive"] for record in records if record.get("Archive", {}).get("Bucket")]
    for archive in archives:
        yield f"ARCHIVE:     s3://{archive['Bucket']}/{archive['Key']} is not deleted, and only the record leads to it."
    if archives:
        yield "             Delete it first, as docs/archive.md says; a lock can forbid that."
    yield _NOT_DELETED


def _require_id(entity_id: str, confirmed_id: str | None) -> None:
    """Require the id of the person, as an option or as a line of the standard input."""
    answer = confirmed_id
    if answer is None:
        click.echo(f"Type the id to delete all that for ever ({entity_id}): ", nl=False, err=True)
        answer = sys.stdin.readline().strip()
    if answer != entity_id:
        raise Refusal(f"Nothing was deleted: the id is {entity_id}. Type it, or give it with --yes.")


def _invoke(account: Account, function: str, request: Mapping[str, Any]) -> str:
    """Invoke the function, and return its explanation.

    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html

    Raises
    ------
    Refusal
        If it refuses or fails, with its sentence.
    """
    answer = account.client("lambda").invoke(FunctionName=function, Payload=json.dumps(request).encode())
    result = json.load(answer["Payload"])
    if "FunctionError" in answer or not isinstance(result, dict) or "Explanation" not in result:
        message = result.get("errorMessage") if isinstance(result, dict) else None
        raise Refusal(message or f"The function {function} failed without a message. Start again: it can be repeated.")
    return str(result["Explanation"])

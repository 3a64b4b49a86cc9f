"""Finds the record by which somebody can be restored, as the restore itself finds it, and says what it puts back."""

from collections.abc import Iterator
from datetime import datetime

from operate.account import Account
from operate.errors import Refusal
from operate.questions.people import find_subjects, has_alias, has_primary_identifier, label_entity
from operate.questions.table import WAITING_STATUSES, RecordsTable, Values
from operate.service_end import Retention, ServiceEnd
from operate.terminal import render_moment

_WINDOW_KEYS = frozenset({"InWindow", "Restored"})
"""Under these the index has an entity that is in its window, or was restored in it."""


def find_restorable(account: Account, table: RecordsTable, text: str) -> Values:
    """Return the record of the last deregistration of WHO.

    Raises
    ------
    Refusal
        If WHO is nobody or several, or nothing of it can be restored.
    """
    records = [record for record in _iterate_records(table, text) if "Entity" in record]
    matches = [
        record for record in records if text.startswith("arn:") or has_primary_identifier(record["Entity"], text)
    ]
    restorable = [record for record in matches if record.get("StatusKey") in _WINDOW_KEYS]
    if len(restorable) > 1:
        lines = "\n".join(f"  {label_entity(record['Entity'])} of {record['OrganizationId']}" for record in restorable)
        raise Refusal(f"{text} means {len(restorable)} entities. Give the id of one of them:\n{lines}")
    if not restorable:
        raise Refusal(_describe_absence(table, text, records, matches))
    _require_window(account, restorable[0])
    return restorable[0]


def last_moment(record: Values) -> str:
    """Return the last moment at which the restore works (RFC 3339)."""
    return str(record.get("RetentionEndsAt") or record["DueAt"])


def describe_restore(record: Values, service_end: ServiceEnd) -> Iterator[str]:
    """Go through the lines by which a person checks whom a restore is about, and what it puts back."""
    entity = record["Entity"]
    yield f"To restore:  {label_entity(entity)}, {entity['Type'].lower()} of {record['OrganizationId']}"
    yield f"Until:       {render_moment(Retention(last_moment(record), service_end).last_return)}, in UTC"
    yield f"Address:     {entity['Email']}"
    yield f"Aliases:     {_describe_list(entity.get('Aliases'))}"
    if entity["Type"] != "RESOURCE":
        groups = entity.get("Groups")
        yield f"Groups:      {_describe_list(None if groups is None else [group['Name'] for group in groups])}"


def _iterate_records(table: RecordsTable, text: str) -> Iterator[Values]:
    """Go through the records of each entity that has or had a text: of what holds it, and of its deregistration."""
    if text.startswith("arn:"):
        yield from filter(None, [table.find_record(text)])
        return
    for key in table.find_entity_keys(text):
        lock = table.find(key, "Lock")
        if lock is not None:
            arns = dict.fromkeys((lock["ExecutionArn"], lock.get("WindowOf")))
            yield from filter(None, [table.find_record(arn) for arn in arns if arn])


def _describe_absence(table: RecordsTable, text: str, records: list[Values], matches: list[Values]) -> str:
    for record in matches:
        label = label_entity(record["Entity"])
        if record["Status"] in WAITING_STATUSES:
            return f"{label} is not disabled, and waits only. Take it back with: offboarding withdraw {text} --reason …"
        if record.get("Outcome"):
            cause = f" {record['Cause']}" if record.get("Cause") else ""
            return f"{label} cannot be restored: the offboarding ended as {record['Outcome']}.{cause}"
        return f"{label} cannot be restored: the offboarding is {record['Status']}. Look again in some minutes."
    for record in records:
        if has_alias(record["Entity"], text):
            return f"{text} is only an alias of {label_entity(record['Entity'])}. Give the id if you mean that."
    subjects = ", ".join(subject.label for subject in find_subjects(table, text))
    if subjects:
        return f"Nothing can be restored of {text}: it was recorded of {subjects}. Give the id if you mean that."
    return f"Nothing is recorded of {text}. Check the spelling, or give another address, the name or the id."


def _require_window(account: Account, record: Values) -> None:
    label = label_entity(record["Entity"])
    is_incomplete = "RestoreBeganAt" in record
    if record["StatusKey"] == "Restored" and not is_incomplete:
        raise Refusal(f"{label} was restored at {render_moment(record['RestoredAt'])}, in UTC.")
    if account.read_time() >= datetime.fromisoformat(last_moment(record)) and not is_incomplete:
        raise Refusal(f"{label} cannot be restored: that was possible until {render_moment(last_moment(record))}, UTC.")
    service_end, now = account.stack.service_end, account.read_time()
    if service_end.is_over(now):
        raise Refusal(f"{label} cannot be restored: {service_end.describe(now)}.")
    if not record["Entity"].get("Email"):
        raise Refusal(
            f"{label} cannot be restored, because WorkMail showed no address when it was recorded. Register it by "
            "hand: aws workmail register-to-work-mail."
        )


def _describe_list(names: list[str] | None) -> str:
    if names is None:
        return "not recorded, so not put back"
    return ", ".join(names) or "none"

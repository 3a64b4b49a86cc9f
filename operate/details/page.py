"""The page about one subject, for a person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from operate.advice import Advice, describe_mailbox
from operate.details.history import Dossier, History
from operate.details.workmail import WorkMailAnswer
from operate.questions.offboardings import Offboarding
from operate.service_end import ServiceEnd
from operate.terminal import one_line, print_facts, print_section, print_table, render_moment
from operate.wording.outcomes import find_outcome_wording
from operate.wording.statuses import find_status_wording
from operate.wording.steps import describe_decision, describe_request, describe_signals, describe_step

_OFFBOARDING_COLUMNS = ("", "Started", "Stands", "Outcome", "Ended", "Requested by")
_EVIDENCE_COLUMNS = ("When", "Operation", "Request id", "Error")


@dataclass(frozen=True)
class Page:
    """What the page is made of.

    Attributes
    ----------
    history, number
        The offboardings of the subject, and which of them is shown in full, from 1.
    dossier
        What is recorded of that one.
    answer
        What WorkMail says now.
    advice
        What can be done.
    service_end
        The end of Amazon WorkMail.
    """

    history: History
    number: int
    dossier: Dossier
    answer: WorkMailAnswer
    advice: list[Advice]
    service_end: ServiceEnd

    @property
    def offboarding(self) -> Offboarding:
        """The offboarding that is shown in full."""
        return self.history.offboardings[self.number - 1]


def print_page(page: Page) -> None:
    """Print the page: the subject, what to do, the offboardings, and one of them in full."""
    history, advice = page.history, page.advice
    click.echo(f"{one_line(history.subject.label)}. All times are UTC.")
    print_section("How it stands", (one_line(line) for line in _describe_standing(page)))
    print_section("What WorkMail says now", [one_line(page.answer.sentence)])
    print_section("What to do next", _render_advice(advice) if advice else ["Nothing."])
    print_facts(f"As offboarding {page.number} recorded it", _list_entity_facts(page))
    click.echo("\nOffboardings, the newest first")
    rows = enumerate(history.offboardings, start=1)
    print_table(_OFFBOARDING_COLUMNS, (_render_offboarding(place, item) for place, item in rows))
    _print_offboarding(page)


def _print_offboarding(page: Page) -> None:
    number, dossier = page.number, page.dossier
    timeline = (f"{render_moment(step.get('At'))}  {one_line(describe_step(step))}" for step in dossier.steps)
    print_section(f"Offboarding {number}, step by step", timeline)
    print_facts(f"Offboarding {number}", _list_facts(page))
    print_facts("Archive", _list_archive_facts(dossier.record.get("Archive") or {}))
    print_facts("Export", _list_export_facts(dossier.record))
    answers = [*dossier.answers]
    if answers:
        click.echo("\nWhat WorkMail answered, for AWS Support")
        print_table(_EVIDENCE_COLUMNS, (_render_answer(at, answer) for at, answer in answers))


def _describe_standing(page: Page) -> Iterator[str]:
    """Describe where an offboarding stands; for one that failed, first whether the mailbox was touched."""
    offboarding = page.offboarding
    if offboarding.outcome is None:
        wording = find_status_wording(offboarding.status)
        yield f"{offboarding.status}: {wording.phrase}."
        if following := offboarding.find_next_event(page.service_end):
            yield f"Next: {following[0]}, {render_moment(following[1])}."
        return
    outcome = find_outcome_wording(offboarding.outcome)
    if outcome.is_failure:
        yield describe_mailbox(offboarding)
    yield f"It ended as {offboarding.outcome}, {render_moment(offboarding.ended_at)}. {outcome.sentence}"
    if offboarding.cause:
        yield f"Cause: {offboarding.cause.removeprefix('The mailbox was not touched. ')}"


def _render_advice(advice: list[Advice]) -> Iterator[str]:
    for item in advice:
        yield one_line(item.sentence)
        if item.command is not None:
            yield f"  {item.command}"


def _list_entity_facts(page: Page) -> Iterator[tuple[str, object]]:
    entity, subject = page.offboarding.entity, page.history.subject
    yield "Name", entity.get("Name")
    yield "Address", entity.get("Email")
    yield "Id", subject.entity_id
    yield "Type", str(entity.get("Type", subject.type) or "").lower()
    yield "Organization", subject.organization_id
    yield "State", entity.get("State")
    yield "Registered since", render_moment(entity.get("EnabledDate"))
    yield "Other addresses", ", ".join(map(str, entity.get("Aliases") or ()))
    yield "Groups", ", ".join(str(group.get("Name") or group.get("Id")) for group in entity.get("Groups") or ())
    yield "Mailbox", f"{entity['MailboxSize']} MB" if entity.get("MailboxSize") is not None else None


def _render_offboarding(number: int, offboarding: Offboarding) -> tuple[object, ...]:
    return (
        number,
        render_moment(offboarding.started_at),
        find_status_wording(offboarding.status).phrase,
        offboarding.outcome,
        render_moment(offboarding.ended_at),
        offboarding.requester_label,
    )


def _list_facts(page: Page) -> Iterator[tuple[str, object]]:
    offboarding, dossier, record = page.offboarding, page.dossier, page.dossier.record
    yield "Started by", dossier.started_by or "not recorded: no trail of CloudTrail reported it"
    yield "Request", " ".join(describe_request(record)) or "It names nobody."
    yield "Asked for as", offboarding.identifier if offboarding.identifier != offboarding.entity_id else None
    yield "Date", render_moment(offboarding.not_before)
    yield "Approval needed", " ".join(offboarding.reasons)
    decision = record.get("Decision") or record.get("Approval")
    if decision:
        yield "Decision", f"{describe_decision(decision)} {render_moment(decision.get('DecidedAt'))}"
        yield "Decided in", decision.get("DecidedIn")
    yield "Deregistered", render_moment(offboarding.deregistered_at)
    retention = offboarding.find_retention(page.service_end)
    if retention is not None:
        yield "Retention ends", render_moment(retention.ends_at)
        if retention.is_cut:
            yield "Last return", f"{render_moment(retention.last_return)}, when Amazon WorkMail ends"
        yield "Clean-up", retention.describe_verification(offboarding.verify_at)
    if dossier.signals:
        yield "WorkMail showed", describe_signals(dossier.signals)
    yield "Restored", render_moment(record.get("RestoredAt"))
    yield "Restore asked by", dossier.restore.get("RequestedBy")
    yield "Restore reason", dossier.restore.get("Reason")
    yield "Restore execution", dossier.restore.get("RestoredIn")
    yield "Replaced by", offboarding.superseded_by
    yield "Execution", offboarding.execution_arn


def _list_archive_facts(archive: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    if archive.get("Status") == "NotArchived":
        yield "Archive", "There is none."
        yield "Reason", archive.get("Reason")
    if "Bucket" not in archive:
        return
    yield "Place", f"s3://{archive['Bucket']}/{archive.get('Key')}"
    yield "Version", archive.get("VersionId")
    yield "Size", f"{archive.get('Size')} bytes"
    checksum, log = archive.get("Checksum"), archive.get("Log") or {}
    yield "Verified", f"{render_moment(archive.get('At'))}, by what S3 shows of it"
    yield "Checksum", f"{checksum['Algorithm']} {checksum['Value']}" if checksum else "S3 showed none."
    if "Sha384" in log:
        yield "WorkMail's SHA-384", f"{log['Sha384']} (not compared: only who may read the archive can)"
    yield "Messages", log.get("Messages")
    yield "Locked until", render_moment(archive.get("LockedUntil"))
    yield "Not in it", archive.get("NotExported")


def _list_export_facts(record: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    state = record.get("ExportState") or {}
    yield "Job", state.get("JobId")
    yield "Attempt", state.get("Attempt")
    yield "A slot is waited for until", render_moment(state.get("SlotDeadline"))
    yield "The job may run until", render_moment(state.get("JobDeadline"))
    yield "Problem", state.get("Problem")


def _render_answer(at: str, answer: Mapping[str, Any]) -> tuple[object, ...]:
    return (render_moment(at), answer.get("Operation"), answer.get("RequestId"), answer.get("Error"))

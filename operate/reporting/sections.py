"""The tables of a report, the same on a terminal and on a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from operate.reporting.counts import COLUMNS, Counts
from operate.reporting.ledger import OpenOffboardings
from operate.reporting.reconciliation import Reconciliation
from operate.wording.outcomes import find_outcome_wording
from operate.wording.statuses import find_status_wording

KINDS = {
    "Started": "Offboarding started",
    "RequestRefused": "Request refused",
    "Scheduled": "Entity recorded, and its date waited for",
    "Recorded": "Entity recorded as WorkMail showed it",
    "AwaitApproval": "Approval asked for",
    "Decided": "Decided by a person, or withdrawn by a return",
    "ExportStarted": "Export of a mailbox started",
    "ExportAdopted": "Export that existed taken up",
    "ExportAwaitsSlot": "Export put off until one can be started",
    "ExportRefused": "Export refused by WorkMail",
    "ExportAttemptFailed": "Attempt to export failed",
    "Archived": "Archive verified",
    "NotArchived": "Offboarding went on without an archive",
    "LeaverReturned": "Leaver reported as back",
    "Deregister": "WorkMail asked to deregister",
    "NotTaken": "Deregistration refused by WorkMail",
    "Mismatch": "Entity found registered again",
    "Deregistered": "Entity confirmed as disabled",
    "VerifyCleanup": "Clean-up checked after the retention",
    "RegisterEntity": "Entity registered again by a restore",
    "Restored": "Restore completed",
    "Superseded": "Replaced by another offboarding",
    "Ended": "Offboarding ended",
    "Refused": "Event of an identity provider refused",
    "Withdrawn": "Departure taken back before it started anything",
    "Erased": "Person erased from the records",
    "LastVerificationDay": "Last day for a verified clean-up announced",
}
"""By the name of a step, in the order of an offboarding. A later release can have others."""
_TOUCHED = {"Yes": "Disabled", "Maybe": "Perhaps disabled", "No": "Not touched"}


@dataclass(frozen=True)
class Section:
    """A table of a report: its title, its columns, its rows, and a sentence about it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    remark: str | None = None


def list_sections(counts: Counts, offboardings: OpenOffboardings, reconciliation: Reconciliation) -> list[Section]:
    """List the tables of a report; those without rows are left out."""
    sections = (
        Section("At a glance", ("What", "How many", "What it counts"), [*_summarize(counts)]),
        Section("How offboardings ended", _OUTCOME_COLUMNS, [*_list_outcomes(counts)]),
        Section(
            "Through whom they were started", ("Identity provider or person", "How many"), _sort(counts.requesters)
        ),
        _make_decisions(counts),
        _make_groups("By organization", "Organization", counts.organizations),
        _make_groups(*(("By day", "Day") if counts.days.is_by_day else ("By month", "Month")), counts.groups),
        Section("Everything that happened, by kind", ("What", "Step", "How many"), [*_list_kinds(counts)]),
        _make_open(offboardings),
        _make_reconciliation(reconciliation),
    )
    return [section for section in sections if section.rows]


def _summarize(counts: Counts) -> Iterator[tuple[str, int, str | None]]:
    for title, count in _list_numbers(counts):
        yield title, count, _EXPLANATIONS.get(title)


def _list_numbers(counts: Counts) -> Iterator[tuple[str, int]]:
    kinds, results = counts.kinds, counts.results
    by_outcome = _sum_outcomes(counts)
    yield "Offboardings started", kinds["Started"]
    yield "Plans", results["Plans"]
    yield "Approvals asked for", kinds["AwaitApproval"]
    yield "Approved", sum(n for (decision, _), n in counts.decisions.items() if decision == "Approved")
    yield "Rejected", by_outcome.get("Rejected", 0)
    yield "Withdrawn", by_outcome.get("Withdrawn", 0)
    yield "Requests refused", results["RequestsRefused"]
    yield "Archives verified", kinds["Archived"]
    yield "Offboardings that went on without an archive", kinds["NotArchived"]
    yield "Mailboxes disabled", results["Disabled"]
    yield "Mailboxes found disabled already", results["FoundDisabled"]
    yield "Clean-ups verified", by_outcome.get("CleanupVerified", 0)
    yield "Restores completed", kinds["Restored"]
    yield "Restores with something missing", results["RestoredInPart"]
    yield "Offboardings failed", results["Failed"]
    for touched, title in _TOUCHED.items():
        yield f"Failed, mailbox: {title.lower()}", results[f"Failed{touched}"]
    yield "Events of identity providers refused", kinds["Refused"]
    yield "Departures taken back before they started anything", kinds["Withdrawn"]
    yield "Leavers reported as back", kinds["LeaverReturned"]
    yield "People erased from the records", kinds["Erased"]


_EXPLANATIONS = {
    "Offboardings started": "Every execution: also plans, wrong inputs, and those that found nothing to do.",
    "Plans": "Dry runs that ended. They change nothing, and are neither failed nor refused here.",
    "Rejected": "Offboardings that ended so.",
    "Withdrawn": "Offboardings that ended so, by a person or by a return of the leaver.",
    "Requests refused": "Ended as EntityProtected or InvalidRequest. They are not among those that failed.",
    "Clean-ups verified": "After the retention, no sign of a mailbox was left. The removal itself cannot be observed.",
    "Restores with something missing": "They are among the restores completed.",
    "Offboardings failed": "Without plans and refused requests. The next three numbers are their parts.",
}
"""What a number includes, by its title. Titles that say it are left out."""
_GROUPS_REMARK = (
    "Started counts every execution, also plans. An offboarding that was refused, rejected or withdrawn counts once, "
    "by its end, and is not among those that failed. Refused events of identity providers count with them."
)
_OUTCOME_COLUMNS = ("Outcome", "What it means", *_TOUCHED.values(), "Not recorded", "How many")


def _sum_outcomes(counts: Counts) -> dict[str, int]:
    outcomes = dict.fromkeys(sorted(outcome for outcome, _ in counts.outcomes), 0)
    for (outcome, _), count in counts.outcomes.items():
        outcomes[outcome] += count
    return outcomes


def _list_outcomes(counts: Counts) -> Iterator[tuple[object, ...]]:
    for outcome, total in _sum_outcomes(counts).items():
        touched = [counts.outcomes[outcome, name] for name in _TOUCHED]
        yield outcome, find_outcome_wording(outcome).sentence, *touched, total - sum(touched), total


def _list_kinds(counts: Counts) -> Iterator[tuple[str, str, int]]:
    for name in [*(name for name in KINDS if name in counts.kinds), *sorted(counts.kinds.keys() - KINDS.keys())]:
        yield KINDS.get(name, "A step of a later release"), name, counts.kinds[name]
    if counts.kinds:
        yield "All", "", counts.kinds.total()


def _make_decisions(counts: Counts) -> Section:
    pairs = sorted(counts.decisions.items(), key=lambda entry: (entry[0][0], -entry[1], entry[0][1]))
    rows = [(decision, person, count, _name_subjects(counts, decision, person)) for (decision, person), count in pairs]
    return Section("Decisions", ("Decision", "By", "How many", "About whom"), rows)


def _name_subjects(counts: Counts, decision: str, person: str) -> str:
    subjects = counts.subjects[decision, person]
    further = counts.decisions[decision, person] - len(subjects)
    return ", ".join([*subjects, *([f"and {further} further decisions"] if further else [])])


def _make_groups(title: str, column: str, groups: Mapping[str, Mapping[str, int]]) -> Section:
    names = [*COLUMNS, ""]
    rows = [(group, *(groups[group].get(name, 0) for name in names)) for group in sorted(groups)]
    if rows:
        rows.append(("All", *(sum(columns.get(name, 0) for columns in groups.values()) for name in names)))
    return Section(title, (column, *COLUMNS.values(), "All steps"), rows, _GROUPS_REMARK)


def _make_open(offboardings: OpenOffboardings) -> Section:
    statuses = sorted({status for status, _ in offboardings.counts})
    rows = [
        (find_status_wording(status).phrase, *(offboardings.counts[status, when] for when in ("Before", "In", "After")))
        for status in statuses
    ]
    remark = "These are open now. What was open at the end of a period that is over cannot be read any more."
    return Section(
        "Open now, by when they started", ("How they stand", "Before the period", "In it", "After it"), rows, remark
    )


def _make_reconciliation(reconciliation: Reconciliation) -> Section:
    rows = [
        (
            check.title,
            check.total,
            "; ".join(f"{label}: {count}" for label, count in check.parts if count),
            "right" if check.is_right else f"WRONG: {check.total - check.sum:+} not accounted for",
        )
        for check in reconciliation.checks
    ]
    named = "; ".join(reconciliation.unaccounted)
    remark = f"Started, and neither ended nor open, or open without a start: {named}" if named else None
    return Section("Reconciliation", ("What is summed up", "Total", "Parts", "Sum"), rows, remark)


def _sort(names: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sort names, the most frequent first."""
    return sorted(names.items(), key=lambda entry: (-entry[1], entry[0]))

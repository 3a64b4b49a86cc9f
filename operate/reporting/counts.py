"""The counts of a report. Each step is counted as it is read, and nothing of it is kept."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from operate.reporting.dates import Days
from operate.wording.outcomes import find_outcome_wording

Step = Mapping[str, Any]

NO_ORGANIZATION = "(no organization)"
NOBODY = "(the request names nobody)"
FURTHER = "(further names)"
NOT_RECORDED = "(not recorded)"
_MAX_NAMES = 1000
"""How many names are counted apart. They are free text, so that there can be one for each request."""


def classify(step: Step) -> Iterator[str]:
    """Yield the columns under which a step is counted in the tables by organization and by day; most have none."""
    name = step.get("Step")
    if name == "Started":
        yield "Started"
    elif name == "Deregistered" and is_newly_disabled(step):
        yield "Disabled"
    elif name == "Restored":
        yield "Restored"
    elif is_refusal(step):
        yield "Refused"
    elif name == "Ended":
        if step.get("Outcome") == "CleanupVerified":
            yield "Verified"
        if is_failed(step):
            yield "Failed"


COLUMNS = {
    "Started": "Started",
    "Disabled": "Mailboxes disabled",
    "Verified": "Removals verified",
    "Restored": "Restores",
    "Failed": "Failed",
    "Refused": "Refused, rejected or withdrawn",
}
"""The columns of these tables, with their titles."""


def is_newly_disabled(step: Step) -> bool:
    """Return whether a step `Deregistered` is about an entity that was registered until then."""
    return step.get("WasEnabled") is not False


def is_failed(step: Step) -> bool:
    """Return whether a step `Ended` is the end of an offboarding that failed; a plan is none."""
    return not step.get("DryRun") and find_outcome_wording(str(step.get("Outcome"))).is_failure


def is_refusal(step: Step) -> bool:
    """Return whether a step says no to somebody: to a request, an event, or an offboarding that waited."""
    is_decision_against = step.get("Step") == "Decided" and step.get("Decision") != "Approved"
    return is_decision_against or step.get("Step") in {"RequestRefused", "Refused", "Withdrawn"}


def is_listed(step: Step) -> bool:
    """Return whether a step is in the list of what ended, was restored or was refused."""
    return is_refusal(step) or step.get("Step") in {"Ended", "Restored"}


@dataclass
class Counts:
    """How often things happened.

    Attributes
    ----------
    days
        The period.
    read
        How many steps were read.
    kinds
        By the name of the step.
    organizations, groups
        By organization, and by day or month: all steps under an empty name, and some by the columns of `COLUMNS`.
    outcomes
        By the outcome of an end, and by whether the mailbox was disabled: `Yes`, `Maybe`, `No`.
    requesters
        Starts, by the identity provider or by the person.
    decisions
        By what was decided, and by the person or the identity provider.
    results
        Further counts that a summary has.
    """

    days: Days
    read: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    organizations: dict[str, Counter[str]] = field(default_factory=dict)
    groups: dict[str, Counter[str]] = field(default_factory=dict)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    requesters: Counter[str] = field(default_factory=Counter)
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)

    def add(self, step: Step) -> None:
        """Count a step."""
        self.read += 1
        self.kinds[str(step.get("Step"))] += 1
        self.results["Listed"] += is_listed(step)
        columns = ("", *classify(step))
        self.organizations.setdefault(str(step.get("OrganizationId", NO_ORGANIZATION)), Counter()).update(columns)
        self.groups.setdefault(self.days.find_group(str(step["At"])), Counter()).update(columns)
        match step.get("Step"):
            case "Started":
                _count_name(self.requesters, read_requester(step))
            case "Decided":
                self._add_decision(str(step.get("Decision")), str(step.get("DecidedBy", NOBODY)))
            case "Ended":
                self._add_end(step)
            case "Deregistered":
                self.results["Disabled" if is_newly_disabled(step) else "FoundDisabled"] += 1
            case "Restored":
                self.results["RestoredInPart"] += bool(step.get("Missing"))

    def _add_decision(self, decision: str, person: str) -> None:
        pair = (decision, person)
        is_new = pair not in self.decisions and len(self.decisions) >= _MAX_NAMES
        self.decisions[(decision, FURTHER) if is_new else pair] += 1

    def _add_end(self, step: Step) -> None:
        touched = str(step.get("MailboxTouched", NOT_RECORDED))
        self.outcomes[str(step.get("Outcome")), touched] += 1
        if is_failed(step):
            self.results["Failed"] += 1
            self.results[f"Failed{touched}"] += 1
        elif step.get("DryRun"):
            self.results["Plans"] += 1


def read_requester(step: Step) -> str:
    """Return through whom a step `Started` came: the identity provider, or else the person who is named."""
    requester = step.get("Requester") or {}
    return str(requester.get("Provider") or step.get("RequestedBy") or requester.get("RequestedBy") or NOBODY)


def _count_name(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < _MAX_NAMES else FURTHER] += 1

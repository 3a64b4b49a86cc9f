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
REFUSED_REQUESTS = frozenset({"EntityProtected", "InvalidRequest"})
"""The outcomes of a request that the settings or the checks of the input refuse: it is no offboarding that failed."""
_REFUSED_OUTCOMES = REFUSED_REQUESTS | {"Rejected", "Withdrawn"}
LISTS = {
    "Started": "Offboardings started",
    "Disabled": "Mailboxes disabled, or found disabled",
    "Decided": "Decisions",
    "Ended": "What ended, was restored or was refused",
}
"""The lists by name, with their titles."""
_LIST_OF_STEP = {
    "Started": "Started",
    "Deregistered": "Disabled",
    "Decided": "Decided",
    **dict.fromkeys(("Ended", "Restored", "Refused", "Withdrawn"), "Ended"),
}
_MAX_SUBJECTS = 5
"""How many people are named of whom the same person has decided the same."""
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
    elif is_failed(step):
        yield "Failed"
    elif name == "Ended" and step.get("Outcome") == "CleanupVerified":
        yield "Verified"


COLUMNS = {
    "Started": "Started",
    "Disabled": "Mailboxes disabled",
    "Verified": "Clean-ups verified",
    "Restored": "Restores",
    "Failed": "Failed",
    "Refused": "Refused, rejected or withdrawn",
}
"""The columns of these tables, with their titles."""


def is_newly_disabled(step: Step) -> bool:
    """Return whether a step `Deregistered` is about an entity that was registered until then."""
    return step.get("WasEnabled") is not False


def is_failed(step: Step) -> bool:
    """Return whether a step is the end of an offboarding that failed; a plan and a refused request are none."""
    outcome = str(step.get("Outcome"))
    is_end = step.get("Step") == "Ended" and not step.get("DryRun")
    return is_end and outcome not in REFUSED_REQUESTS and find_outcome_wording(outcome).is_failure


def is_refusal(step: Step) -> bool:
    """Return whether a step is the refusal of an event, or the end of a request that was refused or taken back.

    A request counts by its end alone. Its steps `RequestRefused` and `Decided` say the same before.
    """
    if step.get("Step") == "Ended":
        return not step.get("DryRun") and step.get("Outcome") in _REFUSED_OUTCOMES
    return step.get("Step") in {"Refused", "Withdrawn"}


def find_list(step: Step) -> str | None:
    """Return the list by name in which a step is, one of `LISTS`; None if it is on the way to an end."""
    return _LIST_OF_STEP.get(str(step.get("Step")))


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
    subjects
        The first people about whom it was decided.
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
    subjects: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)

    def add(self, step: Step) -> None:
        """Count a step."""
        self.read += 1
        self.kinds[str(step.get("Step"))] += 1
        self.results["Listed"] += find_list(step) is not None
        columns = ("", *classify(step))
        self.organizations.setdefault(str(step.get("OrganizationId", NO_ORGANIZATION)), Counter()).update(columns)
        self.groups.setdefault(self.days.find_group(str(step["At"])), Counter()).update(columns)
        match step.get("Step"):
            case "Started":
                _count_name(self.requesters, read_requester(step))
            case "Decided":
                self._add_decision(step)
            case "Ended":
                self._add_end(step)
            case "Deregistered":
                self.results["Disabled" if is_newly_disabled(step) else "FoundDisabled"] += 1
            case "Restored":
                self.results["RestoredInPart"] += bool(step.get("Missing"))

    def _add_decision(self, step: Step) -> None:
        pair = (str(step.get("Decision")), str(step.get("DecidedBy", NOBODY)))
        if pair not in self.decisions and len(self.decisions) >= _MAX_NAMES:
            pair = (pair[0], FURTHER)
        self.decisions[pair] += 1
        subjects = self.subjects.setdefault(pair, [])
        label = read_label(step)
        if label and label not in subjects and len(subjects) < _MAX_SUBJECTS:
            subjects.append(label)

    def _add_end(self, step: Step) -> None:
        touched = str(step.get("MailboxTouched", NOT_RECORDED))
        self.outcomes[str(step.get("Outcome")), touched] += 1
        if is_failed(step):
            self.results["Failed"] += 1
            self.results[f"Failed{touched}"] += 1
        elif step.get("DryRun"):
            self.results["Plans"] += 1
        elif step.get("Outcome") in REFUSED_REQUESTS:
            self.results["RequestsRefused"] += 1


def read_requester(step: Step) -> str:
    """Return through whom a step `Started` came: the person who is named, the identity provider, or both."""
    requester = step.get("Requester") or {}
    person = step.get("RequestedBy") or requester.get("RequestedBy")
    provider = requester.get("Provider")
    return f"{person}, through {provider}" if person and provider else str(person or provider or NOBODY)


def read_label(step: Step) -> str | None:
    """Return the address, the name, the id or the text of whom a step is about; None if it is about nobody."""
    members = ("EntityEmail", "EntityName", "Identifier", "EntityId")
    return next((str(step[member]) for member in members if step.get(member)), None)


def _count_name(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < _MAX_NAMES else FURTHER] += 1

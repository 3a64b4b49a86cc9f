"""VerifyCleanup: read WorkMail again after the retention, and report what it shows and what it does not.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, DeregisteredAt, RetentionEndsAt, GiveUpAt,
ServiceEndsFirst, Check}` and returns `{Outcome, Explanation, Evidence}`, or `{LookAgainAt, …}` in place of the outcome.
If the entity was registered again, `WithinRetention` says whether that was before the retention ended. It reads no
settings: everything that follows the wait was fixed before it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityMembers, EntityReference, EntityState, EntityType
from offboarding.domain.registrations import (
    DELETED_ENTITY_NOTE,
    WithinRetention,
    describe_registration,
    registered_within_retention,
)
from offboarding.domain.timestamps import ONE_DAY, parse, render, whole_second
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import VERIFY_CLEANUP, compile_schemas, validated_step
from offboarding.edge.service_end import until_service_ends
from offboarding.edge.steps import VerifyStep, offboarding_of

client = workmail_client()
compile_schemas(VERIFY_CLEANUP)


@dataclass(frozen=True)
class RetentionDates:
    """The dates that were fixed before the wait, by which the entity is judged."""

    deregistered_at: datetime
    retention_ends_at: datetime
    service_ends_first: bool


@dataclass(frozen=True)
class Signals:
    """What WorkMail shows of one entity. `mailbox` is Present, Empty, NotFound, NotGiven or NotApplicable.

    `mailbox_size` is in megabytes.
    """

    entity: Entity | None
    mailbox: str
    mailbox_size: float | None = None

    def of_present_mailbox(self, now: datetime) -> list[str]:
        """Return the signals that the mailbox is still there, each as a phrase."""
        deprovisioned = self.entity.mailbox_deprovisioned_date if self.entity else None
        signals = []
        if self.mailbox == "Present":
            signals.append(f"the mailbox still has a size of {self.mailbox_size} MB")
        if deprovisioned and deprovisioned > now:
            signals.append(f"MailboxDeprovisionedDate is still ahead ({render(deprovisioned)})")
        return signals

    def to_json(self) -> dict[str, Any]:
        """Return the signals, and in `NotGiven` the names of those that WorkMail did not give."""
        members = self.entity.to_json() if self.entity else None
        values = {
            "State": members and members.get("State"),
            "DisabledDate": members and members.get("DisabledDate"),
            "MailboxDeprovisionedDate": members and members.get("MailboxDeprovisionedDate"),
            "MailboxSize": self.mailbox_size,
        }
        return {
            "Mailbox": self.mailbox,
            **{name: value for name, value in values.items() if value is not None},
            "NotGiven": [name for name, value in values.items() if value is None],
        }


@dataclass(frozen=True)
class Verdict:
    """How an offboarding ended, and why; without an outcome it has to be checked again.

    `within_retention` is there if the entity was registered again.
    """

    outcome: str | None
    explanation: str
    within_retention: WithinRetention | None = None

    def to_json(self) -> dict[str, str]:
        """Return the members that are there, without the explanation."""
        members = {"Outcome": self.outcome, "WithinRetention": self.within_retention and self.within_retention.value}
        return {name: value for name, value in members.items() if value is not None}


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Decide how the offboarding ended, or when to look again."""
    step = validated_step(event, VERIFY_CLEANUP, VerifyStep)
    now = parse(step["Now"])
    directory = Directory(client, step["OrganizationId"])
    signals = read_signals(directory, step["Entity"])
    dates = RetentionDates(parse(step["DeregisteredAt"]), parse(step["RetentionEndsAt"]), step["ServiceEndsFirst"])
    verdict = decide(signals, dates, now)
    logger.info("verified", extra={"outcome": verdict.outcome, "signals": signals.to_json()})
    metrics.add_metric(name=verdict.outcome or "LooksAgain", unit="Count", value=1)
    log_entry = {
        "At": step["Now"],
        "Step": "VerifyCleanup",
        "Check": step["Check"],
        "Signals": signals.to_json(),
        **verdict.to_json(),
        "Explanation": verdict.explanation,
        "Answers": directory.answers,
    }
    is_recorded = Records().record_verification(offboarding_of(step), verdict.outcome, log_entry)
    return {
        **_outcome_or_next_check(verdict, now, parse(step["GiveUpAt"])),
        "Explanation": verdict.explanation,
        "Evidence": {
            "At": step["Now"],
            "Check": step["Check"],
            "Recorded": is_recorded,
            "Signals": signals.to_json(),
            **{name: value for name, value in verdict.to_json().items() if name == "WithinRetention"},
            "Answers": directory.answers,
        },
    }


def read_signals(directory: Directory, resolved: EntityMembers) -> Signals:
    """Read what WorkMail shows of an entity.

    Parameters
    ----------
    directory
        The organization's entities.
    resolved
        The entity as it was resolved.

    Raises
    ------
    WorkMailUnavailable
        If WorkMail does not find the entity by its id, but shows it in another answer: retried.
    """
    reference = EntityReference(EntityType(resolved["Type"]), resolved["Id"])
    try:
        entity = directory.describe(reference)
    except errors.EntityNotFound:
        directory.confirm_absent(reference, resolved["Name"], resolved.get("Email"))
        return Signals(entity=None, mailbox="NotGiven")
    if entity.state is not EntityState.DISABLED:
        return Signals(entity, mailbox="NotGiven")
    if entity.type is EntityType.GROUP:
        return Signals(entity, mailbox="NotApplicable")
    try:
        size = directory.describe_mailbox(entity.id).size
    except errors.EntityNotFound:
        return Signals(entity, mailbox="NotFound")
    if size is None:
        return Signals(entity, mailbox="NotGiven")
    return Signals(entity, mailbox="Present" if size > 0 else "Empty", mailbox_size=size)


def decide(signals: Signals, dates: RetentionDates, now: datetime) -> Verdict:
    """Decide between the outcomes, by what WorkMail shows and nothing else.

    Parameters
    ----------
    signals
        What WorkMail shows.
    dates
        The dates that were fixed before the wait.
    now
        The time of the check, from the state machine.

    Returns
    -------
    Verdict
        `Reenabled`, `ReenabledAfterRetention`, `EntityRemoved`, `ServiceEnded`, `CleanupVerified`, or no outcome yet.
    """
    entity = signals.entity
    if entity is None or entity.state is EntityState.DELETED:
        return Verdict("EntityRemoved", f"The entity was deleted from the directory. {DELETED_ENTITY_NOTE}")
    if entity.state is EntityState.ENABLED:
        return _decide_on_registered(entity, dates, now)
    if entity.disabled_date is None:
        return Verdict(None, "The entity is disabled, but WorkMail gives no DisabledDate.")
    if render(entity.disabled_date) != render(dates.deregistered_at):
        return _decide_on_registered(
            entity,
            dates,
            now,
            f" It is disabled again since {render(entity.disabled_date)}, so its 30 days began again. Start another "
            "offboarding to have them watched.",
        )
    since = f"The entity has been disabled since {render(dates.deregistered_at)}"
    if dates.service_ends_first:
        return Verdict(
            "ServiceEnded",
            f"{since}. The retention ends at {render(dates.retention_ends_at)}, too late to check it before Amazon "
            "WorkMail ends. The cleanup cannot be observed.",
        )
    if now < dates.retention_ends_at:
        return Verdict(None, f"{since}, and the retention has not ended.")
    present = signals.of_present_mailbox(now)
    if present:
        return Verdict(None, f"{since} and the retention has ended, but {' and '.join(present)}.")
    return Verdict(
        "CleanupVerified",
        f"The entity was disabled without interruption from {render(dates.deregistered_at)} to {render(now)}, and the "
        f"retention is over. {_MAILBOX[signals.mailbox]}",
    )


def _decide_on_registered(entity: Entity, dates: RetentionDates, now: datetime, sequel: str = "") -> Verdict:
    """Decide by when the entity was registered again."""
    watched = (dates.deregistered_at, dates.retention_ends_at)
    within = registered_within_retention(entity, *watched, now)
    return Verdict(within.outcome, describe_registration(entity, *watched, within) + sequel, within)


_MAILBOX = {
    "NotFound": "WorkMail does not find the mailbox. It may not find that of any disabled entity, so the removal "
    "itself was not observed.",
    "Empty": "WorkMail shows the mailbox with a size of 0.",
    "NotGiven": "WorkMail gives no size of the mailbox, so its removal itself was not observed.",
    "NotApplicable": "A group has no mailbox.",
}


def _outcome_or_next_check(verdict: Verdict, now: datetime, give_up_at: datetime) -> dict[str, str]:
    if verdict.outcome:
        return verdict.to_json()
    if now >= give_up_at:
        raise errors.CleanupOverdue(
            f"{verdict.explanation} It was checked until {render(now)}. Look at the entity in the WorkMail console, "
            "and ask AWS Support why its mailbox was not removed. Then start another offboarding, which only verifies."
        )
    return {"LookAgainAt": render(whole_second(min(now + ONE_DAY, give_up_at)))}

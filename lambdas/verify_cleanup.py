"""VerifyCleanup: read WorkMail again after the retention, and say what it shows and what it does not.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, DeregisteredAt, RetentionEndsAt, GiveUpAt,
ServiceEndsFirst, Check}` and returns `{Outcome, Explanation, Evidence}`, or `{LookAgainAt, …}` in place
of the outcome. It reads no settings: what follows the wait was fixed before it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityReference, EntityState, EntityType
from offboarding.domain.retention import ONE_DAY, parse, render, whole_second
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import VERIFY_CLEANUP, prepare, validated
from offboarding.edge.service_end import until_service_ends

client = workmail_client()
prepare(VERIFY_CLEANUP)


@dataclass(frozen=True)
class Promise:
    """What was fixed before the wait, against which the entity is held."""

    deregistered_at: datetime
    retention_ends_at: datetime
    service_ends_first: bool


@dataclass(frozen=True)
class Signals:
    """What WorkMail shows of one entity. `mailbox` is Present, Empty, NotFound, NotGiven or NotApplicable."""

    entity: Entity | None
    mailbox: str
    mailbox_size: float | None = None

    def still_present(self, now: datetime) -> list[str]:
        """Return the signals that the mailbox is still there, each as a phrase."""
        deprovisioned = self.entity.mailbox_deprovisioned_date if self.entity else None
        signals = []
        if self.mailbox == "Present":
            signals.append(f"the mailbox still has a size of {self.mailbox_size} MB")
        if deprovisioned and deprovisioned > now:
            signals.append(f"MailboxDeprovisionedDate is yet to come ({render(deprovisioned)})")
        return signals

    def to_json(self) -> dict[str, Any]:
        """Return the signals, and in `NotGiven` the names of those that WorkMail did not give."""
        entity = self.entity.to_json() if self.entity else {}
        given = {
            "State": entity.get("State"),
            "DisabledDate": entity.get("DisabledDate"),
            "MailboxDeprovisionedDate": entity.get("MailboxDeprovisionedDate"),
            "MailboxSize": self.mailbox_size,
        }
        return {
            "Mailbox": self.mailbox,
            **{name: value for name, value in given.items() if value is not None},
            "NotGiven": [name for name, value in given.items() if value is None],
        }


@dataclass(frozen=True)
class Verdict:
    """How an offboarding ended, and why; without an outcome it has to be looked at again."""

    outcome: str | None
    explanation: str


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Decide how the offboarding ended, or when to look again."""
    step = validated(event, VERIFY_CLEANUP, "The event of VerifyCleanup", errors.UnexpectedAnswer)
    now = parse(step["Now"])
    directory = Directory(client, step["OrganizationId"])
    signals = observe(directory, step["Entity"])
    promise = Promise(parse(step["DeregisteredAt"]), parse(step["RetentionEndsAt"]), step["ServiceEndsFirst"])
    verdict = decide(signals, promise, now)
    logger.info("verified", extra={"outcome": verdict.outcome, "signals": signals.to_json()})
    metrics.add_metric(name=verdict.outcome or "LooksAgain", unit="Count", value=1)
    noted = {
        "At": step["Now"],
        "Step": "VerifyCleanup",
        "Check": step["Check"],
        "Signals": signals.to_json(),
        **({"Outcome": verdict.outcome} if verdict.outcome else {}),
        "Explanation": verdict.explanation,
    }
    recorded = Records().looked(
        step["ExecutionArn"], step["OrganizationId"], step["Entity"]["Id"], verdict.outcome, noted
    )
    return {
        **_conclusion(verdict, now, parse(step["GiveUpAt"])),
        "Explanation": verdict.explanation,
        "Evidence": {
            "At": step["Now"],
            "Check": step["Check"],
            "Recorded": recorded,
            "Signals": signals.to_json(),
            "Answers": directory.answers,
        },
    }


def observe(directory: Directory, known: dict[str, str]) -> Signals:
    """Read what WorkMail shows of an entity.

    Parameters
    ----------
    directory
        The organization's entities.
    known
        The entity as it was resolved: `Id` and `Type` are read.

    Raises
    ------
    WorkMailUnavailable
        If WorkMail does not find the entity by its id and yet lists it: an answer to be asked for again.
    """
    reference = EntityReference(EntityType(known["Type"]), known["Id"])
    try:
        entity = directory.describe(reference)
    except errors.EntityNotFound:
        directory.insist_on_absence(reference)
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


def decide(signals: Signals, promise: Promise, now: datetime) -> Verdict:
    """Decide between the outcomes, from what WorkMail shows and nothing else.

    Parameters
    ----------
    signals
        What WorkMail shows.
    promise
        The dates that were fixed before the wait.
    now
        The time of the look, from the state machine.

    Returns
    -------
    Verdict
        `Reenabled`, `EntityRemoved`, `ServiceEnded`, `CleanupVerified`, or no outcome yet.
    """
    entity = signals.entity
    if entity is None or entity.state is EntityState.DELETED:
        return Verdict("EntityRemoved", "The entity was deleted from the directory; its mailbox went with it.")
    if entity.state is EntityState.ENABLED:
        return Verdict("Reenabled", "The entity is registered again, so nothing was cleaned up.")
    if entity.disabled_date is None:
        return Verdict(None, "The entity is disabled, but WorkMail gives no date since when.")
    if render(entity.disabled_date) != render(promise.deregistered_at):
        return Verdict(
            "Reenabled",
            f"The entity was registered again and is disabled anew since {render(entity.disabled_date)}, so its "
            "30 days began anew. Start another offboarding to have them watched.",
        )
    since = f"The entity is disabled since {render(promise.deregistered_at)}"
    if promise.service_ends_first:
        return Verdict(
            "ServiceEnded",
            f"{since}. The retention ends at {render(promise.retention_ends_at)}, too late for WorkMail to be asked "
            "before it ends itself: the cleanup cannot be observed.",
        )
    if now < promise.retention_ends_at:
        return Verdict(None, f"{since}, and the retention has not ended.")
    present = signals.still_present(now)
    if present:
        return Verdict(None, f"{since} and the retention has ended, but {' and '.join(present)}.")
    return Verdict("CleanupVerified", f"{since}, and the retention has ended. {_MAILBOX[signals.mailbox]}")


_MAILBOX = {
    "NotFound": "WorkMail does not answer for a mailbox; as it need not for any disabled entity, the removal itself "
    "was not observed.",
    "Empty": "WorkMail answers for the mailbox with a size of 0.",
    "NotGiven": "WorkMail gives no size of the mailbox, so its removal itself was not observed.",
    "NotApplicable": "A group has no mailbox.",
}


def _conclusion(verdict: Verdict, now: datetime, give_up_at: datetime) -> dict[str, str]:
    if verdict.outcome:
        return {"Outcome": verdict.outcome}
    if now >= give_up_at:
        raise errors.CleanupOverdue(
            f"{verdict.explanation} It was looked at until {render(now)}. Look at the entity in the WorkMail "
            "console and ask AWS Support why its mailbox was not removed; then start another offboarding, "
            "which joins at the verification."
        )
    return {"LookAgainAt": render(whole_second(min(now + ONE_DAY, give_up_at)))}

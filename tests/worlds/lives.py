"""The lives of offboardings, one of each kind, written as the functions write them; with what a person can ask of them.

Each life is written by `Records` once. `world.py` copies it to other people and times.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.records import Records, build_step, identifier_key, provider_user_key
from offboarding.adapters.table import Table
from offboarding.domain.entities import RecordedEntity
from offboarding.domain.exports import ExportState
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import Record, Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import render
from tests.unit.conftest import make_execution_arn

MARK = "90909090"
"""What a copy replaces with its own number: it is in every name, address and id of a life."""
ADDRESS = f"person{MARK}@example.com"
FORMER_ADDRESS = f"former{MARK}@example.com"
UNRESOLVED = f"nobody{MARK}@example.com"
ENTITY_ID = f"12a3b4c5-0000-4000-8000-0000{MARK}"
NAME = f"<script>person{MARK}</script>"
PROVIDER_USER = Reporter("okta", f"user{MARK}")
ANSWERS = [{"Operation": "DescribeUser", "RequestId": "3f1e9c1e-7a55-4d5e-9f8c-0242ac120002"}]
HELPDESK, SECOND = "=helpdesk", "+second"
"""People who ask and decide; a spreadsheet takes such names for formulas."""
DAYS = timedelta(days=1)


@dataclass(frozen=True)
class Fact:
    """A step, as it was meant when it was written.

    Attributes
    ----------
    after
        How long after the beginning of the life.
    step
        Its name.
    in_organization
        Whether it belongs to one.
    members
        What a report counts it by: `Outcome` and `MailboxTouched`, `Requester`, `Decision` and `DecidedBy`.
    """

    after: timedelta
    step: str
    in_organization: bool
    members: dict[str, Any]


@dataclass
class Life:
    """What happened to one leaver, or to one event.

    Attributes
    ----------
    name
        Its kind.
    facts
        Its steps.
    is_started
        Whether an execution started.
    ends_after
        How long after its beginning the execution ended; None if it has not.
    status_key
        Under which status the index has it; None if nothing is still to come.
    due_after
        How long after the beginning it is due.
    items
        Its items, in DynamoDB's own notation.
    """

    name: str
    facts: list[Fact] = field(default_factory=list)
    is_started: bool = True
    ends_after: timedelta | None = None
    status_key: str | None = None
    due_after: timedelta | None = None
    items: list[dict[str, Any]] = field(default_factory=list)


class LifeWriter:
    """Writes one life, step by step.

    Parameters
    ----------
    name
        The kind of life.
    began_at
        When it begins.
    """

    def __init__(self, name: str, began_at: datetime) -> None:
        self.life = Life(name)
        self.records = Records()
        self.began_at = self.now = began_at
        self.entity: RecordedEntity = {
            "Id": ENTITY_ID,
            "Type": "USER",
            "Name": NAME,
            "Email": FORMER_ADDRESS,
            "State": "ENABLED",
            "Aliases": [],
        }
        self.offboarding = Offboarding(make_execution_arn(f"life{MARK}"), ORGANIZATION_ID, self.entity)
        self.requester: dict[str, Any] = {"RequestedBy": HELPDESK, "Reason": "=1+1"}

    def note(self, step: str, *, in_organization: bool = True, **members: Any) -> None:
        self.life.facts.append(Fact(self.now - self.began_at, step, in_organization, members))

    def enter(self, step: str, **members: Any) -> dict[str, Any]:
        """Note a step, and return its log entry."""
        self.note(step, **{name: value for name, value in members.items() if name != "Answers"})
        return {"At": render(self.now), "Step": step, **members}

    def pass_time(self, **amount: float) -> None:
        self.now += timedelta(**amount)

    @property
    def record(self) -> Record:
        record = self.records.find(self.offboarding.execution_arn)
        assert record is not None
        return record

    def begin(self, due: timedelta | None = None, provider: str | None = None) -> None:
        """Hold the entity, and record it under its former address."""
        assert self.records.hold(self.offboarding, render(self.now)) is None
        if provider:
            self.requester = {
                "Requester": {"Provider": provider, "EventId": f"event{MARK}", "ProviderUserId": PROVIDER_USER.user_id}
            }
        self.note("Started", Requester=provider or HELPDESK)
        self.pass_time(seconds=30)
        self.record_entity(due)

    def record_entity(self, due: timedelta | None = None) -> None:
        status = Status.SCHEDULED if due else Status.RECORDED
        due_at = render(self.began_at + due) if due else None
        facts = {"StartedAt": render(self.began_at), "Entity": dict(self.entity), **self.requester}
        provider_user = PROVIDER_USER if "Requester" in self.requester else None
        log_entry = self.enter(status.value, **({"DueAt": due_at} if due_at else {}))
        self.records.create_or_update(self.offboarding, facts, status, due_at, log_entry, provider_user)
        if due:
            self.stand(status.value, due)
            assert self.records.record_wait(self.offboarding, "token")

    def rename(self) -> None:
        """Record the entity again, as after a wait in which its address has changed."""
        self.entity["Email"] = ADDRESS
        self.pass_time(hours=1)
        self.record_entity()
        self.life.status_key = self.life.due_after = None

    def stand(self, status_key: str | None, due: timedelta | None = None) -> None:
        self.life.status_key, self.life.due_after = status_key, due

    def await_approval(self, provider: str | None = None) -> None:
        self.begin(provider=provider)
        self.rename()
        self.pass_time(seconds=10)
        due = self.now + 14 * DAYS - self.began_at
        log_entry = self.enter("AwaitApproval", Reasons=["It is listed."], Until=render(self.began_at + due))
        self.records.record_approval_request(
            self.offboarding, "token", ["It is listed."], render(self.began_at + due), log_entry
        )
        self.stand("AwaitingApproval", due)

    def decide(self, decision: str, person: str) -> None:
        self.pass_time(hours=3)
        self.note("Decided", Decision=decision, DecidedBy=person)
        facts = {"Decision": decision, "DecidedBy": person, "Reason": "@sum", "DecidedAt": render(self.now)}
        assert self.records.record_decision(self.record, {**facts, "DecidedIn": make_execution_arn(f"d{MARK}")})

    def export(self, *steps: str) -> None:
        for number, step in enumerate(steps):
            self.pass_time(minutes=20)
            self.stand("Exporting", self.now + 3 * DAYS - self.began_at)
            deadline = render(self.now + 3 * DAYS)
            state = ExportState(number + 1, deadline, job_id="job", job_deadline=deadline)
            assert self.records.record_export(self.record, state, self.enter(step, Attempt=number + 1, Answers=ANSWERS))

    def archive(self, step: str, status: str) -> None:
        self.pass_time(hours=5)
        archive = {"Status": status, "At": render(self.now), "Bucket": "archives", "Key": "archives/m/e", "Size": 7}
        assert self.records.record_archive(self.record, archive, self.enter(step, Archive=archive, Answers=ANSWERS))

    def attempt(self) -> None:
        self.pass_time(minutes=5)
        self.stand("InWindow", self.now + 30 * DAYS - self.began_at)
        due_at = render(self.now + 30 * DAYS)
        assert self.records.record_attempt(self.offboarding, due_at, self.enter("Deregister", Attempt=1))

    def deregister(self, *, was_enabled: bool = True) -> None:
        self.attempt()
        self.pass_time(seconds=2)
        ends_at = self.now + 30 * DAYS
        dates = {"DeregisteredAt": render(self.now), "RetentionEndsAt": render(ends_at)}
        lock = self.records.find_lock(ORGANIZATION_ID, ENTITY_ID)
        log_entry = self.enter("Deregistered", WasEnabled=was_enabled, Answers=ANSWERS)
        assert self.records.record_deregistration(self.offboarding, dates, log_entry, lock)
        self.stand("InWindow", ends_at - self.began_at)

    def verify(self, outcome: str | None) -> None:
        due = self.life.due_after or 31 * DAYS
        self.now = max(self.now + DAYS, self.began_at + due + timedelta(hours=7))
        verdict = {"Outcome": outcome} if outcome else {}
        self.records.record_verification(
            self.offboarding, outcome, self.enter("VerifyCleanup", **verdict, Answers=ANSWERS)
        )
        if outcome and outcome != "ServiceEnded":
            self.stand(None)

    def close(self, outcome: str, touched: str, cause: str | None = None) -> None:
        self.pass_time(seconds=90)
        self.note("Ended", Outcome=outcome, MailboxTouched=touched)
        assert self.records.close(self.record, outcome, cause, render(self.now))
        self.life.ends_after = self.now - self.began_at

    def restore(self, *missing: str) -> None:
        self.begin_restore()
        self.pass_time(seconds=20)
        log_entry = self.enter(
            "Restored",
            RestoredIn=make_execution_arn(f"r{MARK}"),
            PutBack=[],
            Missing=[{"Alias": alias} for alias in missing],
        )
        assert self.records.record_restore_step(
            self.record, Status.RESTORED, {"RestoredAt": render(self.now)}, log_entry
        )
        self.life.status_key = "Restored"

    def begin_restore(self) -> None:
        self.pass_time(days=4)
        log_entry = self.enter(
            "RegisterEntity",
            RestoredIn=make_execution_arn(f"r{MARK}"),
            Address="AsRecorded",
            RequestedBy=SECOND,
        )
        assert self.records.record_restore_step(self.record, Status.RESTORING, {}, log_entry)

    def end_unrecorded(self, outcome: str, cause: str | None = None, **facts: Any) -> None:
        """Record the end of an execution that wrote no record."""
        self.note("Started", Requester=HELPDESK)
        self.pass_time(seconds=4)
        self.note("Ended", Outcome=outcome, MailboxTouched="No")
        facts = {"StartedAt": render(self.began_at), "OrganizationId": ORGANIZATION_ID, **self.requester, **facts}
        self.records.record_end(self.offboarding.execution_arn, facts, outcome, cause, render(self.now))
        self.life.ends_after = self.now - self.began_at

    def write_event(self, step: str, key: str, subject: dict[str, Any], **members: Any) -> None:
        """Write a step that belongs to no execution."""
        self.life.is_started = False
        log_entry = {"At": render(self.now), "Step": step, **members}
        self.note(step, in_organization="OrganizationId" in subject)
        Table().put(build_step(key, subject, log_entry))


def _verify(writer: LifeWriter) -> None:
    writer.begin(provider="okta")
    writer.rename()
    writer.deregister()
    writer.verify(None)
    writer.verify("CleanupVerified")
    writer.close("CleanupVerified", "Yes")


def _archive_then_verify(writer: LifeWriter) -> None:
    writer.begin()
    writer.export("ExportAwaitsSlot", "ExportRefused", "ExportStarted")
    writer.archive("ExportAttemptFailed", "NotArchived")
    writer.export("ExportAdopted")
    writer.archive("Archived", "Verified")
    writer.rename()
    writer.deregister()
    writer.verify("CleanupVerified")
    writer.close("CleanupVerified", "Yes")


def _join_window(writer: LifeWriter) -> None:
    writer.begin()
    writer.export("ExportStarted")
    writer.archive("NotArchived", "NotArchived")
    writer.rename()
    writer.deregister(was_enabled=False)


def _wait_in_window(writer: LifeWriter) -> None:
    writer.await_approval()
    writer.decide("Approved", SECOND)
    writer.rename()
    writer.deregister()


def _hear_of_return(writer: LifeWriter) -> None:
    writer.begin(provider="identityCenter")
    writer.rename()
    writer.deregister()
    writer.pass_time(days=2)
    log_entry = writer.enter("LeaverReturned", Provider="identityCenter", EventId="e", MailboxTouched="Yes")
    writer.records.record_leaver_returned(writer.offboarding, log_entry)


def _attempt(writer: LifeWriter) -> None:
    writer.begin()
    writer.rename()
    writer.attempt()


def _be_refused_by_workmail(writer: LifeWriter) -> None:
    writer.begin()
    writer.rename()
    writer.attempt()
    assert writer.records.record_refusal(writer.offboarding, writer.enter("NotTaken"))
    writer.stand(None)
    writer.close("DeregistrationRefused", "No", "WorkMail refused.")


def _mismatch(writer: LifeWriter) -> None:
    writer.begin()
    writer.rename()
    assert writer.records.record_mismatch(writer.offboarding, writer.enter("Mismatch"))
    writer.close("EntityMismatch", "No", "Somebody registered it again.")


def _stay_recorded(writer: LifeWriter) -> None:
    writer.begin()
    writer.rename()


def _stop(writer: LifeWriter) -> None:
    writer.begin()
    writer.rename()
    writer.attempt()
    writer.close("Stopped", "Maybe", "Somebody stopped it.")


def _restore(writer: LifeWriter) -> None:
    _wait_in_window(writer)
    writer.restore()


def _restore_in_part(writer: LifeWriter) -> None:
    _verify_restored(writer, "alias")


def _verify_restored(writer: LifeWriter, *missing: str) -> None:
    _wait_in_window(writer)
    writer.restore(*missing)
    writer.verify("Reenabled")
    writer.close("Reenabled", "Yes")


def _begin_restore(writer: LifeWriter) -> None:
    _wait_in_window(writer)
    writer.begin_restore()


def _end_with_service(writer: LifeWriter) -> None:
    writer.begin()
    writer.rename()
    writer.deregister()
    writer.verify("ServiceEnded")
    writer.close("ServiceEnded", "Yes")


def _await_approval(writer: LifeWriter) -> None:
    writer.await_approval()


def _reject(writer: LifeWriter) -> None:
    writer.await_approval()
    writer.decide("Rejected", SECOND)
    writer.stand(None)
    writer.close("Rejected", "No")


def _withdraw(writer: LifeWriter) -> None:
    writer.begin(due=40 * DAYS)
    writer.decide("Withdrawn", HELPDESK)
    writer.stand(None)
    writer.close("Withdrawn", "No")


def _schedule(writer: LifeWriter) -> None:
    writer.begin(due=40 * DAYS)


def _supersede(writer: LifeWriter) -> None:
    writer.begin(due=40 * DAYS)
    writer.pass_time(days=1)
    writer.note("Superseded")
    assert writer.records.supersede(writer.record, make_execution_arn(f"by{MARK}"), render(writer.now))
    writer.stand(None)
    writer.close("AlreadyInProgress", "No")


def _export(writer: LifeWriter) -> None:
    writer.begin()
    writer.rename()
    writer.export("ExportStarted")


def _refuse_request(writer: LifeWriter) -> None:
    writer.entity["Email"] = ADDRESS
    log_entry = writer.enter("RequestRefused", Error="EntityProtected")
    writer.records.record_refused_request(writer.offboarding, log_entry)
    writer.end_unrecorded("EntityProtected", "It is protected.", EntityId=FORMER_ADDRESS)


def _find_nobody(writer: LifeWriter) -> None:
    writer.end_unrecorded("EntityNotFound", "Nobody has it.", EntityId=UNRESOLVED)


def _plan(writer: LifeWriter) -> None:
    writer.end_unrecorded("Planned", DryRun=True, Entity={"Id": ENTITY_ID, "Type": "USER", "Name": NAME})


def _refuse_event(writer: LifeWriter) -> None:
    writer.write_event("Refused", f"refused/m{MARK}", {}, Provider="okta", EventId="e", Reason="Nobody fits.")


def _withdraw_event(writer: LifeWriter) -> None:
    subject = {"OrganizationId": ORGANIZATION_ID, "EntityKey": identifier_key(UNRESOLVED), "Identifier": UNRESOLVED}
    writer.write_event("Withdrawn", f"refused/w{MARK}", subject, Provider="okta", Reason="The person is back.")


def _erase(writer: LifeWriter) -> None:
    subject = {"OrganizationId": ORGANIZATION_ID}
    writer.write_event("Erased", f"erased/{MARK}", subject, Executions=1, Items=9, RequestedBy="privacy office")


def _announce_last_day(writer: LifeWriter) -> None:
    writer.write_event("LastVerificationDay", "sweep", {}, Day="2027-02-28", ServiceEndsOn="2027-03-31")


LIVES: dict[str, Callable[[LifeWriter], None]] = {
    name.removeprefix("_"): life
    for name, life in list(globals().items())
    if name.startswith("_")
    and getattr(life, "__annotations__", {}).get("writer") is LifeWriter
    and name != "_verify_restored"
}
"""Every kind of life, by its name."""


def write_lives(began_at: datetime, read_and_clear: Callable[[], list[dict[str, Any]]]) -> Iterator[Life]:
    """Write a life of each kind, each into an empty table.

    Parameters
    ----------
    read_and_clear
        Returns all items of the table in DynamoDB's own notation, and deletes them.
    """
    for name, write in LIVES.items():
        writer = LifeWriter(name, began_at)
        write(writer)
        writer.life.items = read_and_clear()
        yield writer.life


HASHED = {
    **{text: identifier_key(text) for text in (ADDRESS, FORMER_ADDRESS, UNRESOLVED, ENTITY_ID, NAME)},
    PROVIDER_USER.user_id: provider_user_key(PROVIDER_USER),
}
"""The texts of a life that are keys of its items, with these keys."""

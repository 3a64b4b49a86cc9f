"""The records of offboardings, written before the destructive call; and the lock on an entity.

One DynamoDB table with these items, told apart by their key, `Id` and `Part`:

| item | Id | Part |
|---|---|---|
| the **record** of an execution | its ARN | `Record` |
| a **step**: something that happened, never changed | the execution's ARN, or `refused/…` | `Step`, when, and what |
| **who started** an execution | its ARN | `Start` |
| the **lock** of an entity | `m-…/entity-id` | `Lock` |
| an **entity** that has or had a name or an address | `identifier/`, and a hash of it | `Entity`, and the entity |
| the entity for which a **provider's user** stands | `provider-user/`, and a hash of its id | `Entity` |
| the **export** of an entity's mailbox: which execution started it last | `m-…/entity-id` | `Export` |
| the provider's user who stands for an entity, hashed | `m-…/entity-id` | `Provider`, and its name |
| a name or an address of an entity, hashed | `m-…/entity-id` | `Identifier`, and the hash |
| an execution that was **erased** | `erased/`, and a hash of its ARN | `Execution` |
| the **slots** of a cap (`cap.py`) | `cap/m-…`, `cap/hand/m-…` | `Count`, `Slot …` |
| the **slots** for exports (`export_slots.py`) | `export/m-…` | `Slot …` |
| until when the ended executions were **swept** | `sweep` | `State` |

A record and its steps are written in one transaction, so that neither is without the other. Indexes find a step by its
time: in all organizations (`ByTime`), in one of them (`ByOrganization`), or of one entity (`ByEntity`). A record has
`StatusKey` and `DueAt` only as long as something is still to come: these are the key of the index `ByStatus`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from offboarding import configuration
from offboarding.adapters.table import (
    Action,
    ConditionFailedError,
    Item,
    Key,
    Table,
    build_put,
    build_update,
    to_json_numbers,
)
from offboarding.domain import errors
from offboarding.domain.entities import is_entity_id
from offboarding.domain.exports import Archive, ExportState
from offboarding.domain.identifiers import lower_ascii
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.outcomes import OBSERVED_OUTCOMES
from offboarding.domain.record import Decision, EntityLock, ListedRecord, Record, Status, mailbox_touched_by
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render

_VERIFIED_OUTCOMES = OBSERVED_OUTCOMES | {"ServiceEnded"}
_OUTCOME_MEMBERS = ("Outcome", "WithinRetention", "Cause", "EndedAt", "ClosedAt", "ExpiresAt")
"""What a record does not have while its execution runs; a redriven execution runs again."""
_WINDOW_MEMBERS = ("StatusKey", "DueAt")
"""What keeps a record in the index."""
IDENTIFIER_PREFIX = "Identifier "
PROVIDER_PREFIX = "Provider "
_ENTITY_PREFIX = "Entity "
_STEP_PREFIX = "Step "
_MAX_TRANSACTION_SIZE = 100
_RECORD_AND_STEP = 2
LONGEST_EXECUTION = timedelta(days=400)
"""No execution lasts longer: a year until its date, an approval, and the retention."""
_SWEEP = Key("sweep", "State")
_EXISTS = "attribute_exists(#Id)"


def entity_key(organization_id: str, entity_id: str) -> str:
    """Return what identifies an entity in all organizations: the `Id` of its lock, and its partition in `ByEntity`."""
    return f"{organization_id}/{entity_id}"


def identifier_key(identifier: str) -> str:
    """Return the key of a name or an address. It is hashed, because keys stand in CloudTrail and in queues."""
    return "identifier/" + hashlib.sha256(lower_ascii(identifier).encode()).hexdigest()


def erased_key(execution_arn: str) -> Key:
    """Return the key of the item that says that an execution was erased."""
    return Key("erased/" + hashlib.sha256(execution_arn.encode()).hexdigest(), "Execution")


def provider_user_key(reporter: Reporter) -> str:
    """Return the key of a user of an identity provider. It is hashed, because the id can contain an address."""
    return "provider-user/" + hashlib.sha256(f"{reporter.provider}\0{reporter.user_id}".encode()).hexdigest()


class Records:
    """The records. Every method can raise `RecordUnavailable`, `AccessDenied` and `UnexpectedAnswer`.

    Writes are conditional, so that each can be made again; `bool` says whether the record was there to write to. A
    `log_entry` has `At` (RFC 3339), `Step`, and what else is known of the step.
    """

    def __init__(self) -> None:
        self._table = Table()

    def find(self, execution_arn: str) -> Record | None:
        """Read the record of an execution that has resolved an entity, consistently."""
        item = self._table.read(_record_key(execution_arn))
        return _parse_record(item) if item and "Entity" in item else None

    def find_end(self, execution_arn: str) -> str | None:
        """Return when an execution ended that has a closed record (RFC 3339), or None."""
        end: str | None = (self._table.read(_record_key(execution_arn)) or {}).get("ClosedAt")
        return end

    def find_lock(self, organization_id: str, entity_id: str) -> EntityLock | None:
        """Read the lock of an entity, consistently."""
        item = self._table.read(Key(entity_key(organization_id, entity_id), "Lock"))
        return _parse_lock(item) if item else None

    def find_entity_ids(self, organization_id: str, identifier: str) -> list[str]:
        """Return the ids of the recorded entities of an organization that have or had a name or an address."""
        prefix = _ENTITY_PREFIX + entity_key(organization_id, "")
        condition = "#Id = :id AND begins_with(#Part, :prefix)"
        items = self._table.query(condition, id=identifier_key(identifier), prefix=prefix)
        return [str(item["Part"]).removeprefix(prefix) for item in items]

    def find_entity_of_provider_user(self, reporter: Reporter) -> str | None:
        """Return the key of the entity for which a provider's user stands, or None."""
        key: str | None = (self._table.read(Key(provider_user_key(reporter), "Entity")) or {}).get("EntityKey")
        return key

    def has_provider_user_moved(self, entity: str, reporter: Reporter) -> bool:
        """Return whether a provider's user stood for another entity than this one, or another user for this one."""
        user = provider_user_key(reporter)
        if (self.find_entity_of_provider_user(reporter) or entity) != entity:
            return True
        previous = self._table.read(Key(entity, f"{PROVIDER_PREFIX}{reporter.provider}")) or {}
        return str(previous.get("ProviderUser", user)) != user

    def is_erased(self, execution_arn: str) -> bool:
        """Return whether the records of an execution were deleted together with those of its person."""
        return self._table.read(erased_key(execution_arn)) is not None

    def iterate_due(self, status_key: str, moment: str) -> Iterator[str]:
        """Go through the executions that the index has under a status, and that were due at a moment (RFC 3339)."""
        condition = "#StatusKey = :status AND #DueAt <= :moment"
        for item in self._table.query(condition, index="ByStatus", status=status_key, moment=moment):
            yield str(item["Id"])

    def iterate_listed(self, status_key: str) -> Iterator[ListedRecord]:
        """Go through what the index has under a status, the first due first; it can lag by seconds."""
        for item in self._table.query("#StatusKey = :status", index="ByStatus", status=status_key):
            yield ListedRecord(
                execution_arn=item["Id"],
                organization_id=item.get("OrganizationId"),
                entity_id=item.get("EntityId"),
                status=item.get("Status"),
                due_at=item["DueAt"],
            )

    def hold(
        self, offboarding: Offboarding, held_since: str, *, take_over_from: str | None = None
    ) -> EntityLock | None:
        """Make an execution the one that offboards its entity.

        Parameters
        ----------
        held_since
            RFC 3339.
        take_over_from
            The execution to take over from, which has been found to be over or out of date.

        Returns
        -------
        EntityLock | None
            None if this execution holds the entity now; otherwise the lock, whose execution must be looked at first.
        """
        superseded = {"Superseded": take_over_from} if take_over_from else {}
        update = build_update(
            _lock_key(offboarding),
            {"ExecutionArn": offboarding.execution_arn, "Live": True, "HeldSince": held_since, **superseded},
            ["ExpiresAt"],
            condition="attribute_not_exists(#Id) OR #Live = :idle OR #ExecutionArn IN (:ExecutionArn, :holder)",
            idle=False,
            holder=take_over_from or offboarding.execution_arn,
        )
        try:
            self._table.update(update, returns_old=True)
        except ConditionFailedError as failure:
            return _parse_lock(failure.item or {})
        return None

    def renew_hold(self, offboarding: Offboarding) -> EntityLock | None:
        """Record that an execution still offboards its entity, as after a redrive.

        Returns
        -------
        EntityLock | None
            The lock as it was before; None if another execution holds the entity.
        """
        update = build_update(
            _lock_key(offboarding),
            {"Live": True},
            ["ExpiresAt"],
            condition="#ExecutionArn = :execution",
            execution=offboarding.execution_arn,
        )
        try:
            return _parse_lock(self._table.update(update, returns_old=True))
        except ConditionFailedError:
            return None

    def release(self, offboarding: Offboarding, at: str) -> None:
        """Record that an execution does not offboard its entity any more, unless another one has taken over."""
        self._table.try_update(
            build_update(
                _lock_key(offboarding),
                {"Live": False, **expiration(at)},
                condition="#ExecutionArn = :execution",
                execution=offboarding.execution_arn,
            )
        )

    def create_or_update(
        self,
        offboarding: Offboarding,
        facts: Item,
        status: Status,
        due_at: str | None,
        log_entry: Item,
        provider_user: Reporter | None = None,
        checks: Sequence[Action] = (),
    ) -> None:
        """Record the entity as it is now, and who asked; again after each wait, because things change.

        Parameters
        ----------
        facts
            `StartedAt, Entity`, and of `Requester, RequestedBy, Reason, NotBefore, Export, Approval` those that are
            known.
        status, due_at
            `Recorded`, or `Scheduled` until a date.
        provider_user
            The identity provider's user, who stands for the entity from now on.
        checks
            What must be so; otherwise nothing is written.
        """
        assignments = {
            **facts,
            "RecordedAt": log_entry["At"],
            "OrganizationId": offboarding.organization_id,
            "EntityId": offboarding.entity_id,
            "Status": status.value,
        }
        if due_at:
            assignments |= {"StatusKey": status.value, "DueAt": due_at}
        # Who holds the entity again is superseded no more: the other execution is over, or never came to hold it.
        removed = [*_OUTCOME_MEMBERS, "TaskToken", "SupersededBy", *([] if due_at else _WINDOW_MEMBERS)]
        key = _record_key(offboarding.execution_arn)
        # A person's withdrawal and this exclude each other.
        is_not_withdrawn = "attribute_not_exists(#Decision.#Decision) OR #Decision.#Decision <> :withdrawn"
        actions: list[Action] = [
            {"Update": build_update(key, assignments, removed, condition=is_not_withdrawn, withdrawn="Withdrawn")},
            _put_step(offboarding.execution_arn, _subject_of(offboarding), _render_start(facts)),
            _put_step(offboarding.execution_arn, _subject_of(offboarding), log_entry),
        ]
        if provider_user:
            actions += _add_provider_user(offboarding, provider_user, log_entry["At"])
        actions += checks
        identifiers = _add_identifiers(offboarding, facts["Entity"], log_entry["At"])
        if not self._table.try_transact([*actions, *self._write_surplus(identifiers, len(actions))]):
            raise _changed_meanwhile_error()

    def record_refused_request(self, offboarding: Offboarding, log_entry: Item) -> None:
        """Record that an offboarding was refused after its entity was resolved, and release the entity.

        The record itself is written when the execution ends.
        """
        step = _put_step(offboarding.execution_arn, _subject_of(offboarding), log_entry)
        self._table.transact([step, *_add_identifiers(offboarding, offboarding.entity, log_entry["At"])])
        self.release(offboarding, log_entry["At"])

    def record_wait(self, offboarding: Offboarding, task_token: str) -> bool:
        """Record the token that ends the wait for a date; False if the execution does not wait for one."""
        return self._table.try_update(
            build_update(
                _record_key(offboarding.execution_arn),
                {"TaskToken": task_token},
                ["Decision"],
                condition="#Status = :status",
                status=Status.SCHEDULED.value,
            )
        )

    def record_approval_request(
        self,
        offboarding: Offboarding,
        task_token: str,
        reasons: Sequence[str],
        due_at: str,
        log_entry: Item,
        *,
        cap_is_reached: bool = False,
    ) -> bool:
        """Record that an approval is needed, and the token that takes the decision; a former decision is removed."""
        assignments = {
            "Status": Status.AWAITING_APPROVAL.value,
            "StatusKey": Status.AWAITING_APPROVAL.value,
            "DueAt": due_at,
            "TaskToken": task_token,
            "ApprovalReasons": list(reasons),
            "CapIsReached": cap_is_reached,
        }
        return self._write(offboarding, assignments, ["Decision", *_OUTCOME_MEMBERS], log_entry)

    def find_last_export(self, organization_id: str, entity_id: str) -> str | None:
        """Return the execution that has last exported an entity's mailbox, or None."""
        item = self._table.read(Key(entity_key(organization_id, entity_id), "Export"))
        return item["ExecutionArn"] if item else None

    def record_export(self, record: Record, state: ExportState, log_entry: Item) -> bool:
        """Record how far the export of the mailbox has come; False if the record has changed since it was read."""
        assignments = {
            "Status": Status.EXPORTING.value,
            "StatusKey": Status.EXPORTING.value,
            "DueAt": state.job_deadline or state.slot_deadline,
            "ExportState": state.to_item(),
        }
        subject = _entity_key_of(record.offboarding)
        expires = expiration(log_entry["At"], LONGEST_EXECUTION)
        link = {"Id": subject, "Part": "Export", "ExecutionArn": record.execution_arn, **expires}
        removed = ["Archive", *_OUTCOME_MEMBERS]
        further: list[Action] = [{"Put": build_put(link)}]
        return self._write(record.offboarding, assignments, removed, log_entry, further, only_if=record.status)

    def record_archive(self, record: Record, archive: Archive, log_entry: Item) -> bool:
        """Record how the export ended; False if the execution does not export any more."""
        assignments = {"Archive": archive}
        return self._write(record.offboarding, assignments, [], log_entry, only_if=Status.EXPORTING)

    def record_decision(self, record: Record, decision: Decision) -> bool:
        """Record the decision on an offboarding that waits; False if there is another one, or it waits no more.

        One that waits with a token has to get the decision by it. One that exports finds it in its record.
        """
        offboarding = record.offboarding
        if record.status is Status.EXPORTING:
            # An approval on which it has acted is not the last word.
            is_waiting = "#Status = :exporting AND (#Decision.#Decision <> :withdrawn OR "
            values = {"exporting": record.status.value, "withdrawn": "Withdrawn"}
        else:
            is_waiting, values = "#TaskToken = :token AND (", {"token": str(record.task_token)}
        update = build_update(
            _record_key(record.execution_arn),
            {"Decision": dict(decision)},
            condition=f"{is_waiting}attribute_not_exists(#Decision) OR #Decision.#DecidedIn = :decided_in)",
            decided_in=decision["DecidedIn"],
            **values,
        )
        log_entry = {"At": decision["DecidedAt"], "Step": "Decided", **decision}
        step = _put_step(record.execution_arn, _subject_of(offboarding), log_entry)
        return self._table.try_transact([{"Update": update}, step])

    def record_attempt(
        self,
        offboarding: Offboarding,
        due_at: str,
        log_entry: Item,
        checks: Sequence[Action] = (),
        changed_entity: Item | None = None,
    ) -> EntityLock | None:
        """Record that WorkMail is asked next to deregister the entity.

        Parameters
        ----------
        due_at
            When the retention ends if the call takes effect now.
        checks
            What must be so; otherwise nothing is written.
        changed_entity
            The entity as it reads now, if it has changed since it was recorded: what a restore puts back.

        Returns
        -------
        EntityLock | None
            The entity's lock as it was before, with the execution whose window this one takes over. None if this
            execution holds no entity or has no record; then nothing is written.
        """
        previous_lock = self.renew_hold(offboarding)
        if previous_lock is None:
            return None
        assignments = {
            "Status": Status.DEREGISTERING.value,
            "StatusKey": Status.IN_WINDOW.value,
            "DueAt": due_at,
            "DeregisteringAt": log_entry["At"],
            **({"Entity": changed_entity} if changed_entity else {}),
        }
        removed = ["TaskToken", *_OUTCOME_MEMBERS]
        further = [*self._take_over_window(offboarding, previous_lock, log_entry["At"]), *checks]
        if changed_entity:
            identifiers = _add_identifiers(offboarding, changed_entity, log_entry["At"])
            further += self._write_surplus(identifiers, len(further) + _RECORD_AND_STEP)
        return previous_lock if self._write(offboarding, assignments, removed, log_entry, further) else None

    def record_refusal(self, offboarding: Offboarding, log_entry: Item) -> bool:
        """Record that WorkMail has deregistered nothing: the entity is not in a window of this execution."""
        removed = [*_WINDOW_MEMBERS, "DeregisteringAt"]
        return self._write(offboarding, {"Status": Status.RECORDED.value}, removed, log_entry)

    def record_mismatch(self, offboarding: Offboarding, log_entry: Item) -> bool:
        """Record that somebody has registered the entity: it is in no window, whatever an attempt has done before."""
        return self._write(offboarding, {"Status": Status.RECORDED.value}, _WINDOW_MEMBERS, log_entry)

    def record_deregistration(
        self, offboarding: Offboarding, dates: Item, log_entry: Item, lock: EntityLock | None
    ) -> bool:
        """Record the dates that WorkMail confirmed; the entity, with its lock, is in the window until then."""
        assignments = {
            **dates,
            "Status": Status.IN_WINDOW.value,
            "StatusKey": Status.IN_WINDOW.value,
            "DueAt": dates["RetentionEndsAt"],
        }
        window = self._take_over_window(offboarding, lock, log_entry["At"])
        return self._write(offboarding, assignments, _OUTCOME_MEMBERS, {**log_entry, **dates}, window)

    def record_verification(self, offboarding: Offboarding, outcome: str | None, log_entry: Item) -> bool:
        """Record what a check of WorkMail showed; with an outcome the offboarding is over.

        The step `Ended` is left to `close`: the execution can still fail, if this answer does not reach it.
        If the entity was registered again, `log_entry` has `WithinRetention`.
        """
        if outcome is None:
            return self._write(offboarding, {}, _OUTCOME_MEMBERS, log_entry)
        self.release(offboarding, log_entry["At"])
        facts = {"Status": Status.ENDED.value, "Outcome": outcome, "EndedAt": log_entry["At"]}
        window = _WINDOW_MEMBERS if outcome in OBSERVED_OUTCOMES else ()
        removed = ["Cause", "ClosedAt", *window]
        if "WithinRetention" in log_entry:
            facts |= {"WithinRetention": log_entry["WithinRetention"]}
        else:
            removed.append("WithinRetention")
        return self._write(offboarding, facts, removed, log_entry)

    def supersede(self, superseded: Record, by: str, at: str) -> bool:
        """Record that another execution offboards the entity again."""
        is_waiting = superseded.status is Status.SCHEDULED
        return self._table.try_transact(_supersede(superseded.offboarding, by, at, is_waiting=is_waiting))

    def record_restore_step(self, record: Record, status: Status, facts: Item, log_entry: Item) -> bool:
        """Record how far a restore has come; a restored entity is not in the window any more.

        `RestoreBeganAt` is there while a restore is incomplete: by it another one may resume.
        """
        assignments = {**facts, "Status": status.value}
        if status is not Status.RESTORED:
            assignments |= {"RestoreBeganAt": record.restore_began_at or log_entry["At"]}
            return self._write(record.offboarding, assignments, [], log_entry)
        assignments |= {"StatusKey": status.value, "DueAt": record.retention_ends_at or log_entry["At"]}
        return self._write(record.offboarding, assignments, ["RestoreBeganAt"], log_entry)

    def close(self, record: Record, outcome: str, cause: str | None, ended_at: str) -> bool:
        """Record that and how an execution ended, and release the entity.

        Returns False if the record has changed since it was read.

        An entity that was deregistered and is not verified any more stays in the window's index, as `Unwatched`: its
        mailbox goes all the same.
        """
        if record.outcome == outcome and record.closed_at and parse(ended_at) <= parse(record.closed_at):
            return True
        if record.outcome is None:
            self.release(record.offboarding, ended_at)
        is_restored = record.status is Status.RESTORED
        is_unwatched = (
            record.deregistration_attempted
            and record.status is not Status.RECORDED
            and outcome not in _VERIFIED_OUTCOMES
            and not is_restored
            and record.superseded_by is None
        )
        status = Status.UNWATCHED if is_unwatched else Status.ENDED
        facts = {
            "Status": status.value,
            "Outcome": outcome,
            "EndedAt": ended_at,
            "ClosedAt": ended_at,
            **({"Cause": cause} if cause else {}),
            **expiration(ended_at),
        }
        has_ended_with_service = record.deregistration_attempted and outcome == "ServiceEnded"
        stays_in_index = is_unwatched or is_restored or has_ended_with_service
        removed = ["TaskToken", *([] if cause else ["Cause"]), *([] if stays_in_index else _WINDOW_MEMBERS)]
        log_entry = _render_end(record, outcome, cause, ended_at)
        return self._write(record.offboarding, facts, removed, log_entry, only_if=record.status)

    def record_end(self, execution_arn: str, facts: Item, outcome: str, cause: str | None, ended_at: str) -> bool:
        """Record the end of an execution that never came to write a record; False if it has one meanwhile.

        Parameters
        ----------
        facts
            Those of `OrganizationId, StartedAt, EntityId, Entity, DryRun, NotBefore, Reason, RequestedBy, Requester`
            that the execution's input and output have.
        """
        steps = list(self._table.query("#Id = :id AND begins_with(#Part, :step)", id=execution_arn, step=_STEP_PREFIX))
        reason = {"Cause": cause} if cause else {}
        end = {"Outcome": outcome, **reason, "EndedAt": ended_at, "ClosedAt": ended_at, **expiration(ended_at)}
        # A redriven execution can fail again before it has resolved an entity: its later end counts.
        update = build_update(
            _record_key(execution_arn),
            {**facts, "Status": Status.ENDED.value, **end},
            [] if cause else ["Cause"],
            condition="attribute_not_exists(#Entity)",
        )
        subject = _subject_of_steps(steps) or _subject_of_input(facts)
        touched = mailbox_touched_by(step["Step"] for step in steps).value
        log_entry = {"At": ended_at, "Step": "Ended", "Outcome": outcome, **reason, "MailboxTouched": touched}
        start = [_put_step(execution_arn, subject, _render_start(facts))] if "StartedAt" in facts else []
        return self._table.try_transact([{"Update": update}, _put_step(execution_arn, subject, log_entry), *start])

    def unlist(self, record: Record) -> bool:
        """Take a record out of the index, if it has not changed since it was read: nothing is still to come."""
        return self._table.try_update(
            build_update(
                _record_key(record.execution_arn),
                {},
                _WINDOW_MEMBERS,
                condition="#Status = :status AND #Outcome = :outcome",
                status=record.status.value,
                outcome=record.outcome,
            )
        )

    def record_starter(self, execution_arn: str, started_by: str, at: str) -> None:
        """Record who started an execution, as AWS saw the caller, an ARN; of several callers, the earliest."""
        # A later call with the same name and input has only found the execution.
        self._table.try_update(
            build_update(
                Key(execution_arn, "Start"),
                {"StartedBy": started_by, "At": at, **expiration(at)},
                condition="attribute_not_exists(#Id) OR #At > :At",
            )
        )

    def record_leaver_returned(self, offboarding: Offboarding, log_entry: Item) -> None:
        """Record that the leaver of an execution is back, who is not brought back by that."""
        self._table.put(build_step(offboarding.execution_arn, _subject_of(offboarding), log_entry))

    def record_withdrawn_event(self, message_id: str, subject: Item, log_entry: Item) -> None:
        """Record that a departure starts nothing, because the provider has taken it back since."""
        self._table.put(build_step(f"refused/{message_id}", subject, log_entry))

    def record_refused_event(self, message_id: str, facts: Item, reason: str, refused_at: str) -> None:
        """Record that an identity provider's event was refused.

        Parameters
        ----------
        message_id
            The id of the queue's message.
        facts
            Those of `Provider, EventId, OccurredAt` that the event has. No name and no address.
        refused_at
            RFC 3339; the same for each delivery of the message, so that it is recorded once.
        """
        log_entry = {"At": refused_at, "Step": "Refused", **facts, "Reason": reason}
        self._table.put(build_step(f"refused/{message_id}", {}, log_entry))

    def find_swept_until(self) -> datetime | None:
        """Return until when the ended executions were swept; None before the first time."""
        item = self._table.read(_SWEEP)
        return parse(item["SweptUntil"]) if item and "SweptUntil" in item else None

    def record_sweep(self, swept_until: str) -> None:
        """Record until when the ended executions were swept."""
        self._table.update(build_update(_SWEEP, {"SweptUntil": swept_until}))

    def record_last_verification_day(self, facts: Item, notice: str, at: str) -> bool:
        """Have people told of the last day on which a clean-up can be verified; False if they were told already.

        Parameters
        ----------
        facts
            `Day, ServiceEndsOn`.
        notice
            What tells this notice from the others.
        """
        update = build_update(
            _SWEEP,
            {"Notice": notice},
            condition="attribute_not_exists(#Notice) OR #Notice <> :Notice",
        )
        log_entry = {"At": at, "Step": "LastVerificationDay", **facts}
        return self._table.try_transact([{"Update": update}, _put_step(_SWEEP.id, {}, log_entry)])

    def _write_surplus(self, identifiers: list[Action], other_count: int) -> list[Action]:
        """Write the names and addresses for which one transaction, with other writes, is too small; return the rest."""
        while other_count + len(identifiers) > _MAX_TRANSACTION_SIZE:
            self._table.transact(identifiers[:_MAX_TRANSACTION_SIZE])
            identifiers = identifiers[_MAX_TRANSACTION_SIZE:]
        return identifiers

    def _take_over_window(self, offboarding: Offboarding, lock: EntityLock | None, at: str) -> list[Action]:
        """Return the writes that make a record that of the entity's window, and put the one that was out of date."""
        execution_arn = offboarding.execution_arn
        if lock is None or lock.execution_arn != execution_arn or lock.window_execution_arn == execution_arn:
            return []
        update = build_update(
            _lock_key(offboarding),
            {"WindowOf": execution_arn},
            condition="#ExecutionArn = :execution",
            execution=execution_arn,
        )
        previous = self.find(lock.window_execution_arn) if lock.window_execution_arn else None
        superseded = _supersede(previous.offboarding, execution_arn, at) if previous else []
        return [{"Update": update}, *superseded]

    def _write(
        self,
        offboarding: Offboarding,
        assignments: Item,
        removed: Sequence[str],
        log_entry: Item,
        further: Sequence[Action] = (),
        *,
        only_if: Status | None = None,
    ) -> bool:
        """Change a record and add a step, together with further writes; False if the record is not as expected."""
        condition, values = _EXISTS, {}
        if only_if is not None:
            condition, values = "#Status = :expected", {"expected": only_if.value}
        key = _record_key(offboarding.execution_arn)
        update: Action = {"Update": build_update(key, assignments, removed, condition=condition, **values)}
        step = _put_step(offboarding.execution_arn, _subject_of(offboarding), log_entry)
        try:
            self._table.transact([update, step, *further])
        except ConditionFailedError as failure:
            if 0 in failure.positions:
                return False
            raise _changed_meanwhile_error() from None
        return True


def _changed_meanwhile_error() -> errors.RecordUnavailable:
    return errors.RecordUnavailable("The records of this entity are changed at the same time. Start again.")


def _supersede(superseded: Offboarding, by: str, at: str, *, is_waiting: bool = False) -> list[Action]:
    key = _record_key(superseded.execution_arn)
    log_entry = {"At": at, "Step": "Superseded", "By": by}
    # An execution that waits for its date still does, until the other one has deregistered the entity.
    removed = () if is_waiting else _WINDOW_MEMBERS
    return [
        {"Update": build_update(key, {"SupersededBy": by}, removed, condition=_EXISTS)},
        _put_step(superseded.execution_arn, _subject_of(superseded), log_entry),
    ]


def _add_identifiers(offboarding: Offboarding, entity: Mapping[str, Any], at: str) -> list[Action]:
    """Return the writes by which a name or an address finds the entity, also after the entity has lost it."""
    aliases = entity.get("Aliases") or ()
    identifiers = {entity["Id"], entity["Name"], entity.get("Email"), *aliases} - {None}
    subject = entity_key(offboarding.organization_id, offboarding.entity_id)
    # They are kept for as long as any record to which they lead.
    expires = expiration(at, LONGEST_EXECUTION)
    items = [
        {"Id": id_, "Part": part, **expires}
        for key in sorted({identifier_key(str(identifier)) for identifier in identifiers})
        for id_, part in ((key, _ENTITY_PREFIX + subject), (subject, IDENTIFIER_PREFIX + key))
    ]
    return [{"Put": build_put(item)} for item in items]


def _add_provider_user(offboarding: Offboarding, reporter: Reporter, at: str) -> list[Action]:
    """Return the writes by which a provider's user stands for the entity."""
    user, subject = provider_user_key(reporter), _entity_key_of(offboarding)
    expires = expiration(at, LONGEST_EXECUTION)
    items: list[Item] = [
        {"Id": user, "Part": "Entity", "EntityKey": subject, **expires},
        {"Id": subject, "Part": f"{PROVIDER_PREFIX}{reporter.provider}", "ProviderUser": user, **expires},
    ]
    return [{"Put": build_put(item)} for item in items]


def _entity_key_of(offboarding: Offboarding) -> str:
    return entity_key(offboarding.organization_id, offboarding.entity_id)


def _put_step(id_: str, subject: Item, log_entry: Item) -> Action:
    return {"Put": build_put(build_step(id_, subject, log_entry))}


def build_step(id_: str, subject: Item, log_entry: Item) -> Item:
    """Return the item of a step: whom it is about, and what happened."""
    part = f"{_STEP_PREFIX}{log_entry['At']} {log_entry['Step']}"
    return {"Id": id_, "Part": part, "Kind": "Step", **subject, **log_entry, **expiration(log_entry["At"])}


def _subject_of(offboarding: Offboarding) -> Item:
    """Return whom a step is about."""
    entity = offboarding.entity
    return {
        "OrganizationId": offboarding.organization_id,
        "EntityKey": entity_key(offboarding.organization_id, entity["Id"]),
        "EntityId": entity["Id"],
        "EntityType": entity["Type"],
        "EntityName": entity["Name"],
        **({"EntityEmail": entity["Email"]} if entity.get("Email") else {}),
    }


def _subject_of_steps(steps: Sequence[Item]) -> Item:
    """Return whom the steps of an execution are about, if one of them says so."""
    step = next((step for step in steps if "EntityType" in step), {})
    members = ("OrganizationId", "EntityKey", "EntityId", "EntityType", "EntityName", "EntityEmail")
    return {member: step[member] for member in members if member in step}


def _subject_of_input(facts: Item) -> Item:
    """Return whom an execution without a record is about: the entity of its output, or the text of its input."""
    organization = {"OrganizationId": facts["OrganizationId"]} if "OrganizationId" in facts else {}
    dry_run = {"DryRun": True} if facts.get("DryRun") else {}
    entity = facts.get("Entity")
    if organization and entity and {"Id", "Type", "Name"} <= entity.keys():
        return {**_subject_of(Offboarding("", facts["OrganizationId"], entity)), **dry_run}
    identifier = facts.get("EntityId")
    if not identifier:
        return {**organization, **dry_run}
    if organization and is_entity_id(identifier):
        key = {"EntityId": identifier, "EntityKey": entity_key(facts["OrganizationId"], identifier)}
    else:
        key = {"Identifier": identifier, "EntityKey": identifier_key(identifier)}
    return {**organization, **key, **dry_run}


def _render_start(facts: Item) -> Item:
    members = {name: facts[name] for name in ("Requester", "RequestedBy", "Reason", "NotBefore") if name in facts}
    # In one form, whoever writes it: it is part of the step's key.
    return {"At": render(parse(facts["StartedAt"])), "Step": "Started", **members}


def _render_end(record: Record, outcome: str, cause: str | None, ended_at: str) -> Item:
    dates = {"DeregisteredAt": record.deregistered_at, "RetentionEndsAt": record.retention_ends_at}
    return {
        "At": ended_at,
        "Step": "Ended",
        "Outcome": outcome,
        **({"Cause": cause} if cause else {}),
        "MailboxTouched": record.mailbox_touched.value,
        **{name: date for name, date in dates.items() if date},
    }


def expiration(at: str, later_by: timedelta = timedelta()) -> Item:
    """Return when an item is deleted, as DynamoDB's time to live has it; nothing if it is kept for ever."""
    retention = configuration.record_retention()
    return {} if retention is None else {"ExpiresAt": int((parse(at) + retention + later_by).timestamp())}


def _record_key(execution_arn: str) -> Key:
    return Key(execution_arn, "Record")


def _lock_key(offboarding: Offboarding) -> Key:
    return Key(entity_key(offboarding.organization_id, offboarding.entity_id), "Lock")


def _parse_lock(item: Item) -> EntityLock:
    return EntityLock(
        execution_arn=item["ExecutionArn"],
        held_since=item["HeldSince"],
        is_live=item["Live"],
        window_execution_arn=item.get("WindowOf"),
        superseded_execution_arn=item.get("Superseded"),
    )


def _parse_record(item: Item) -> Record:
    return Record(
        execution_arn=item["Id"],
        organization_id=item["OrganizationId"],
        entity=item["Entity"],
        status=Status(item["Status"]),
        status_key=item.get("StatusKey"),
        started_at=item.get("StartedAt"),
        recorded_at=item.get("RecordedAt"),
        not_before=item.get("NotBefore"),
        outcome=item.get("Outcome"),
        ended_at=item.get("EndedAt"),
        closed_at=item.get("ClosedAt"),
        deregistered_at=item.get("DeregisteredAt"),
        retention_ends_at=item.get("RetentionEndsAt"),
        attempted_at=item.get("DeregisteringAt"),
        restore_began_at=item.get("RestoreBeganAt"),
        deregistration_attempted="DeregisteringAt" in item or "DeregisteredAt" in item,
        cap_is_reached=item.get("CapIsReached", False),
        task_token=item.get("TaskToken"),
        approval=item.get("Approval"),
        decision=item.get("Decision"),
        superseded_by=item.get("SupersededBy"),
        requester=item.get("Requester"),
        requested_by=item.get("RequestedBy"),
        export_requested=item.get("Export"),
        export=ExportState.from_item(item["ExportState"]) if "ExportState" in item else None,
        archive=to_json_numbers(item["Archive"]) if "Archive" in item else None,
    )

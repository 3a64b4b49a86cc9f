"""Invariants: a monitor of a flow that compares what the stack does and states with the real state.

`Monitor` observes WorkMail, the table of records, the executions and the queues. It reads the embedded AWS from within,
where it sees more than a client, and reports each violation as a sentence:

>>> monitor = Monitor(flow)                                                    # doctest: +SKIP
>>> flow.run("dana")
>>> assert monitor.find_final_violations() == []

Call `find_violations` at any moment at which the clock has settled, and `find_final_violations` when enough time has
passed for every execution to end. If an invariant has an exception, the docstring of its check states it and why.
"""

import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Self

from moto.dynamodb.models import dynamodb_backends
from moto.events.models import events_backends
from moto.sqs.models import sqs_backends
from moto.ssm.models import ssm_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from local.faults import function_name
from local.workmail.state import DELETED, DISABLED, ENABLED
from tests.definitions import list_outcomes
from tests.workflow.conftest import Flow, find_missing_record
from tests.workflow.export_invariants import ExportMonitor, requires_archive

RETENTION = timedelta(days=30)
REQUESTS = "offboardingRequested"
MAX_POLICY_AGE = timedelta(seconds=5)
MACHINES = {
    "StateMachineArn": "offboarding",
    "ApprovalStateMachineArn": "approval",
    "RestoreStateMachineArn": "restore",
}

LIVE_STATUSES = frozenset({"Scheduled", "AwaitingApproval", "Exporting", "InWindow"})
"""The statuses of the record of an execution that waits and holds its entity."""

FINAL_STATUSES = frozenset({"Ended", "Unwatched", "Restoring", "Restored"})
"""The statuses of a record that has an outcome."""

_UNTOUCHED_OUTCOMES = frozenset(
    {
        "AlreadyInProgress", "ApprovalTimedOut", "EntityAmbiguous", "EntityMismatch", "EntityProtected", "ExportFailed",
        "InvalidRequest", "NothingToDo", "Planned", "RecordMissing", "Rejected", "Withdrawn",
    }
)  # fmt: skip
"""Outcomes after which, by their text or the documentation, the execution has deregistered nothing."""

_READ_OPERATIONS = re.compile(r"(Describe|List|Get)[A-Za-z]+")
_WRITE_OPERATIONS = {
    "offboarding": {"DeregisterFromWorkMail", "StartMailboxExportJob", "CancelMailboxExportJob"},
    "restore": {"RegisterToWorkMail", "CreateAlias", "AssociateMemberToGroup"},
}
_REQUESTER_MEMBERS = frozenset({"actor", "userIdentity", "RequestedBy"})
"""Members of providers' events that name the requester, not the leaver."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FINAL_LOG_MESSAGES = {
    "execution started", "execution already started", "event ignored", "refused", "return processed",
    "departure withdrawn",
}  # fmt: skip
"""The log messages of the starter for a queue message that it has finished with."""


@dataclass(frozen=True)
class EntitySnapshot:
    """The real state of an entity at a moment, not the state that clients see; texts are casefolded."""

    at: datetime
    id: str
    type: str
    state: str
    names: frozenset[str]
    aliases: frozenset[str]
    groups: frozenset[str]
    enabled_date: datetime | None
    disabled_date: datetime | None
    mailbox_since: datetime | None

    @property
    def identifiers(self) -> frozenset[str]:
        """All texts by which a list in the settings can match the entity."""
        return self.names | self.aliases


@dataclass
class ExecutionActivity:
    """The calls of WorkMail by one execution.

    Attributes
    ----------
    names
        The names of each entity at the execution's first call.
    snapshots
        Each entity at the execution's latest call that concerns it.
    attempted, deregistered
        The entities that the execution has asked WorkMail to deregister; and those that were enabled at that moment and
        have not been registered again since.
    ever_deregistered
        Those that were enabled at that moment, whatever has happened since.
    """

    names: dict[str, frozenset[str]]
    snapshots: dict[str, EntitySnapshot] = field(default_factory=dict)
    attempted: set[str] = field(default_factory=set)
    deregistered: set[str] = field(default_factory=set)
    ever_deregistered: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Ledger:
    """The messages that were sent to a queue, by message id, and the ids of those that were deleted."""

    sent: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


def read_own_report(requester: Mapping[str, Any], entity_key: str) -> tuple[str | None, list[str], str]:
    """Return the provider, the ids of the presences that can take it back, and the time, of what started an execution.

    It is worked out here a second time, and not by the product's own code.
    """
    if "OccurredAt" not in requester:
        return None, [], "for ever"
    provider = "identityCenter" if requester["Provider"].startswith("identityCenter") else requester["Provider"]
    users = [requester.get("ProviderUserId", requester["EventId"])]
    users += [f"entity {entity_key}"] if provider == REQUESTS else []
    ids = ["provider-user/" + hashlib.sha256(f"{provider}\0{user}".encode()).hexdigest() for user in users]
    occurred_at = datetime.fromisoformat(requester["OccurredAt"]).astimezone(UTC)
    return provider, ids, occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Monitor:
    """Monitors a flow from now on, until `close` or the end of a ``with`` block.

    Parameters
    ----------
    flow
        The flow to monitor. Executions that started before are not checked.

    Attributes
    ----------
    stopped
        The executions that the test has stopped; only these may end as ABORTED.
    excused
        Parts of causes with which an execution may end as `UnexpectedFailure`, because the test injected an error that
        no model lists, or that lasts longer than the retries: ``Runtime.ExitError`` for instance.
    """

    def __init__(self, flow: Flow) -> None:
        self.stopped: set[str] = set()
        self.excused: set[str] = set()
        self._ended_before: set[str] = set()
        self._taken_back: set[str] = set()
        self._flow = flow
        self._organization = flow.backend.organizations[ORGANIZATION_ID]
        self._violations: list[str] = []
        self._activities: dict[str, ExecutionActivity] = {}
        self._checked = {execution.exec_arn for _, execution in self._iterate_executions()}
        self._deregistered_by: dict[str, str | None] = {}
        self._event_texts: set[str] = set()
        self._window_owners: set[str] = set()
        self._policies_as_read: dict[str, tuple[datetime, str]] = {}
        self._policies_by_execution: dict[str, dict[str, Any]] = {}
        self._hand_caps_by_execution: dict[str, int | None] = {}
        self._exports = ExportMonitor(flow)
        self._ledgers: dict[str, Ledger] = defaultdict(Ledger)
        self._told_ends: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._log_offset = len(self._read_starter_log())
        self._cleanups: list[Callable[[], None]] = []
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop monitoring."""
        while self._cleanups:
            self._cleanups.pop()()

    def find_violations(self) -> list[str]:
        """Return the violations until now; the clock must have settled."""
        self._check_results()
        return [*self._violations, *self._check_table()]

    def find_final_violations(self) -> list[str]:
        """Return all violations at the end, when nothing should run any more."""
        stop_dates = {execution.exec_arn: execution.stop_date for _, execution in self._iterate_executions()}
        return [
            *self.find_violations(),
            *self._check_all_ended(),
            *self._check_final_records(),
            *self._exports.check_final(self._list_items(), stop_dates),
            *self._check_told_ends(),
            *self.find_untold_returns(),
            *self._check_queues(),
        ]

    def find_untold_returns(self) -> list[str]:
        """Return the deregistrations whose reports had all been taken back, and of which no person was told.

        A return can be recorded between the record of the attempt and the call of WorkMail. Whoever processes it sees
        the attempt, and has a person told.
        """
        noticed_arns = {item["Id"] for item in self._list_items() if item.get("Step") == "LeaverReturned"}
        return [
            f"{arn} has deregistered somebody who is back, untold" for arn in sorted(self._taken_back - noticed_arns)
        ]

    def running(self) -> list[str]:
        """Return the ARNs of the executions that run."""
        return [execution.exec_arn for _, execution in self._iterate_executions() if execution.status == "RUNNING"]

    def _start(self) -> None:
        self._ended_before = {e.exec_arn for _, e in self._iterate_executions() if e.status != "RUNNING"}
        backend = self._flow.backend
        backend.before_hooks.append(self._check_call)
        backend.after_hooks.append(self._record_effect)
        self._cleanups += [
            lambda: backend.before_hooks.remove(self._check_call),
            lambda: backend.after_hooks.remove(self._record_effect),
        ]
        self._record_policy_reads()
        self._record_told_ends()
        for queue in sqs_backends[ACCOUNT][REGION].queues.values():
            self._record_messages(queue)

    def _check_call(self, operation: str, parameters: Mapping[str, Any]) -> None:
        current = self._find_current_execution()
        if current is None:
            return
        machine, execution = current
        activity = self._activity_of(execution)
        entity = self._find_entity(parameters)
        for entity_id in {*activity.snapshots, *([entity.id] if entity else [])}:
            activity.snapshots[entity_id] = self._take_snapshot(entity_id)
        if not _READ_OPERATIONS.fullmatch(operation) and operation not in _WRITE_OPERATIONS.get(machine, ()):
            self._violations.append(f"{machine} {execution.name} calls {operation}")
        if entity is None:
            return
        if operation == "DeregisterFromWorkMail":
            self._violations += [
                f"{execution.name} deregisters {entity.name}: {reason}"
                for reason in self._check_deregistration(execution, entity)
            ]
            activity.attempted.add(entity.id)
            if entity.state == ENABLED:
                activity.deregistered.add(entity.id)
                activity.ever_deregistered.add(entity.id)
                self._deregistered_by[entity.id] = execution.exec_arn
        if operation == "RegisterToWorkMail" and entity.has_mailbox and entity.mailbox is None:
            self._violations.append(
                f"{execution.name} restores {entity.name} with an empty mailbox, because the former one is removed"
            )

    def _record_effect(self, operation: str, parameters: Mapping[str, Any]) -> None:
        current = self._find_current_execution()
        if operation == "StartMailboxExportJob" and current is not None:
            _, execution = current
            self._violations += [
                f"{execution.name} exports {parameters['EntityId']}: {reason}"
                for reason in self._exports.record_start(execution, parameters)
            ]
        entity = self._find_entity(parameters)
        if entity is None:
            return
        if operation == "RegisterToWorkMail":
            self._deregistered_by.pop(entity.id, None)
            for activity in self._activities.values():
                activity.deregistered.discard(entity.id)
        if operation == "DeregisterFromWorkMail" and entity.id not in self._deregistered_by:
            self._deregistered_by[entity.id] = None

    def _check_deregistration(self, execution: Any, entity: Any) -> Iterator[str]:
        """Yield the reasons why this execution must not deregister this entity now.

        The input must mean the entity: its `EntityId` was the id, name or primary address of the entity at the
        execution's first call of WorkMail, and if an event started the execution, an event in the queue names the
        entity. This is exact as long as no test renames an entity between two waits of an execution.

        The entity must not be protected: by the parameter at this moment, or by the parameter as the function has
        read it in the last five seconds: what comes between its reading and the call can be slow.
        """
        snapshot, execution_input = self._take_snapshot(entity.id), json.loads(execution.execution_input)
        record = self._read_items().get(execution.exec_arn, {})
        yield from self._check_request(execution, execution_input, snapshot)
        if _matches_any(self._read_policy("DeregisterEntity")["Protected"], snapshot):
            yield "the settings protect it"
        if getattr(entity, "role", "USER") != "USER" or self._organization.migration_admin in snapshot.names:
            yield "its role or task protects it"
        if execution_input.get("DryRun"):
            yield "the input asks for a dry run"
        if "NotBefore" in execution_input and snapshot.at < datetime.fromisoformat(execution_input["NotBefore"]):
            yield f"it is before {execution_input['NotBefore']}"
        if execution.status != "RUNNING":
            yield f"the execution is {execution.status}"
        if record.get("Decision", {}).get("Decision") == "Withdrawn":
            yield f"it is withdrawn: {record['Decision']}"
        if requires_archive(self._read_policy("DeregisterEntity"), execution_input.get("Export")):
            yield from self._exports.check_deregistration(record, entity)
        yield from self._check_repetition(execution, snapshot)
        yield from filter(None, [find_missing_record(self._flow.environment, entity.id)])
        if self._is_taken_back(execution, execution_input):
            self._taken_back.add(execution.exec_arn)
        yield from self._check_approval(execution, execution_input, record, snapshot)

    def _check_request(
        self, execution: Any, execution_input: Mapping[str, Any], snapshot: EntitySnapshot
    ) -> Iterator[str]:
        names = self._activity_of(execution).names.get(snapshot.id, frozenset())
        if str(execution_input["EntityId"]).casefold() not in names:
            yield f"the input asks for {execution_input['EntityId']}"
        provider = execution_input.get("Requester", {}).get("Provider")
        if provider and not _UUID.fullmatch(execution.name) and not names & self._event_texts:
            yield "no event names it"
        if provider not in {None, "offboardingRequested"} and snapshot.type != "USER":
            yield f"an event about a person started the execution, and the entity is a {snapshot.type}"
        expected = execution_input.get("Expected", {})
        if (
            expected.get("Type", snapshot.type) != snapshot.type
            or not {str(expected[member]).casefold() for member in ("Name", "Email") if member in expected}
            <= snapshot.names
        ):
            yield f"the input expects {expected}"
        requesters = (execution_input.get("RequestedBy"), execution_input.get("Requester", {}).get("RequestedBy"))
        if {requester.casefold() for requester in requesters if requester} & snapshot.identifiers:
            yield "the requester is the leaver"

    def _is_taken_back(self, execution: Any, execution_input: Mapping[str, Any]) -> bool:
        """Return whether all who reported the leaver as away, or asked for the offboarding, have taken that back."""
        items = self._list_items()
        of_execution = [item for item in items if item["Id"] == execution.exec_arn]
        entity_key = next((item["EntityKey"] for item in of_execution if "EntityKey" in item), "")
        reports = [(i.get("Provider"), i["Presences"], i["OccurredAt"]) for i in of_execution if "Presences" in i]
        reports.append(read_own_report(execution_input.get("Requester", {}), entity_key))
        presences = {item["Id"]: item for item in items if item["Part"] == "Presence"}

        def is_upheld(provider: str | None, ids: list[str], occurred_at: str) -> bool:
            states = [presences.get(id_, {}) for id_ in ids]
            away_again = [state.get("AwayAt", "") if provider != REQUESTS else "" for state in states]
            return all(
                state.get("BackAt", "") < max(away_at, occurred_at)
                for state, away_at in zip(states, away_again, strict=True)
            )

        return not any(is_upheld(*report) for report in reports)

    def _check_repetition(self, execution: Any, snapshot: EntitySnapshot) -> Iterator[str]:
        """Yield a reason if another execution has deregistered the entity since its last registration.

        An execution may repeat its own call: if the answer was lost, or while WorkMail still shows the entity as
        enabled, it cannot know the effect, and the repeated call changes nothing. For two executions the call is a
        violation even if WorkMail lags, because the lock and not WorkMail tells them apart. The exception: the first
        execution had ended before the second call, *and* WorkMail shows the entity as enabled at this moment because of
        its lag. An offboarding that starts within that lag has no way to learn that nothing is left to do.
        """
        former = self._deregistered_by.get(snapshot.id)
        if snapshot.state == ENABLED or former in {None, execution.exec_arn}:
            return
        is_over = self._find_execution(former).status != "RUNNING"
        shown = self._flow.backend.get_visible_state(self._organization.entities[snapshot.id]).state
        if not (is_over and shown == ENABLED):
            yield f"{former} has deregistered it before, and it has not been registered since"

    def _check_approval(
        self, execution: Any, execution_input: Mapping[str, Any], record: Mapping[str, Any], snapshot: EntitySnapshot
    ) -> Iterator[str]:
        approval = record.get("Approval")
        if approval:
            decided = json.loads(self._find_execution(approval["DecidedIn"]).execution_input)
            if (decided["Decision"], decided["ExecutionArn"]) != ("Approved", execution.exec_arn):
                yield f"its approval refers to the decision {decided}"
            return
        if _matches_any(self._read_policy("RecordOffboarding")["ApprovalRequired"], snapshot):
            yield "it has no approval"
        if execution_input.get("Requester", {}).get("Doubts"):
            yield f"nobody has approved it in spite of its doubts: {execution_input['Requester']['Doubts']}"
        hand_cap = self._hand_caps_by_execution[execution.exec_arn]
        if "Requester" in execution_input or hand_cap is not None:
            taken_at = record.get("SlotTakenAt")
            if not taken_at or datetime.fromisoformat(taken_at) < snapshot.at - timedelta(hours=25):
                yield f"it has no slot of its cap: {taken_at}"

    def _check_results(self) -> None:
        for machine, execution in self._iterate_executions():
            if execution.status == "RUNNING" or execution.exec_arn in self._checked:
                continue
            self._checked.add(execution.exec_arn)
            summary = f"{machine} {execution.name} ended as {_recorded_outcome(execution)} at {execution.stop_date}"
            self._violations += [f"{summary}: {reason}" for reason in self._check_result(machine, execution)]

    def _check_result(self, machine: str, execution: Any) -> Iterator[str]:
        outcome = _recorded_outcome(execution)
        if execution.status == "ABORTED":
            if execution.exec_arn not in self.stopped:
                yield "the test has not stopped it"
            return
        if (execution.status, outcome) not in _named_outcomes(machine):
            yield f"{execution.status} is not an outcome of the definition ({execution.cause})"
            return
        if outcome == "UnexpectedFailure" and not any(part in execution.cause for part in self.excused):
            yield f"the test did not cause it: {execution.cause}"
        output = execution.output if isinstance(execution.output, dict) else {}
        check = {"offboarding": self._check_offboarding, "restore": self._check_restore}.get(machine)
        if check:
            yield from check(execution, outcome, output)

    def _check_offboarding(self, execution: Any, outcome: str, output: Mapping[str, Any]) -> Iterator[str]:
        """Compare a result with the execution's calls, and with the entity at its latest call."""
        activity = self._activity_of(execution)
        if outcome in _UNTOUCHED_OUTCOMES and activity.deregistered:
            yield f"it has deregistered {activity.deregistered}"
        is_unconfirmed = outcome == "ServiceEnded" and not output.get("DeregisteredAt")
        if is_unconfirmed and activity.deregistered and "The mailbox may be disabled." not in output["Explanation"]:
            yield f"it has deregistered {activity.deregistered} and does not state it"
        if execution.status == "FAILED":
            yield from _check_claim(execution.cause, activity)
            # It may be disabled only if the function that disables it was invoked: its answer can have been lost.
            if "may be disabled" in execution.cause and "DeregisterEntity" not in self._list_states(execution):
                yield f"it has not reached DeregisterEntity: {execution.cause}"
        if outcome == "AlreadyInProgress":
            holder = output["OtherExecutionArn"]
            if holder == execution.exec_arn or holder not in {e.exec_arn for _, e in self._iterate_executions()}:
                yield f"another execution {holder} does not exist"
        checks = {
            "CleanupVerified": self._check_cleanup_verified,
            "Reenabled": self._check_reenabled,
            "ReenabledAfterRetention": self._check_reenabled,
            "EntityRemoved": self._check_entity_removed,
            "NothingToDo": self._check_nothing_to_do,
            "ServiceEnded": self._check_service_ended,
        }
        if outcome == "Withdrawn":
            yield from _check_withdrawn(output, activity)
        if outcome == "ExportFailed":
            yield from self._check_export_failed(execution)
        if outcome in checks:
            snapshot = activity.snapshots.get((output.get("Entity") or {}).get("Id", ""))
            yield from checks[outcome](snapshot, output, execution)

    def _check_export_failed(self, execution: Any) -> Iterator[str]:
        """Yield a reason if nobody required an archive: neither the settings, as they were read last, nor the input."""
        policy = self._policies_by_execution[execution.exec_arn]
        if not requires_archive(policy, json.loads(execution.execution_input).get("Export")):
            yield f"no archive was required: {policy['Export']}"

    def _check_cleanup_verified(
        self, snapshot: EntitySnapshot | None, output: Mapping[str, Any], _: Any
    ) -> Iterator[str]:
        """Yield what contradicts a verified cleanup.

        The mailbox must really be removed. It may exist only if WorkMail's answers do not reveal it (no mailbox details
        for a disabled entity, and no date in the future); then the explanation has to state that the removal was not
        observed.
        """
        if snapshot is None:
            yield "it has not read the entity"
            return
        if snapshot.state != DISABLED or snapshot.disabled_date is None:
            yield f"it was {snapshot.state}"
            return
        if _parse_moment(output["DeregisteredAt"]) != snapshot.disabled_date:
            yield f"it was disabled at {snapshot.disabled_date}, not at {output['DeregisteredAt']}"
        if snapshot.at < snapshot.disabled_date + RETENTION:
            yield f"it last read the entity at {snapshot.at}, before the end of the 30 days"
        signals = output["Evidence"]["VerifyCleanup"]["Signals"]
        is_disclosed = signals["Mailbox"] in {"NotFound", "NotGiven"} and "not observed" in output["Explanation"]
        if snapshot.mailbox_since and not is_disclosed:
            yield f"the mailbox existed, and the explanation is: {output['Explanation']}"

    def _check_reenabled(self, snapshot: EntitySnapshot | None, output: Mapping[str, Any], _: Any) -> Iterator[str]:
        """Yield what contradicts a registration within the retention, or after it: the real date decides.

        An execution does not learn the date if WorkMail does not show it; then it claims neither.
        """
        deregistered_at = datetime.fromisoformat(output["DeregisteredAt"])
        if snapshot is None or (snapshot.state != ENABLED and snapshot.disabled_date == deregistered_at):
            yield f"it was not registered again: {snapshot}"
            return
        if output["WithinRetention"] == "NotGiven":
            if snapshot.enabled_date is not None and snapshot.enabled_date > deregistered_at:
                yield f"it was registered again at {snapshot.enabled_date}, and the output does not state it"
            return
        if snapshot.enabled_date is None:
            return
        is_within = snapshot.enabled_date < datetime.fromisoformat(output["RetentionEndsAt"])
        if (output["Outcome"] == "Reenabled", output["WithinRetention"] == "Yes") != (is_within, is_within):
            yield f"it was registered again at {snapshot.enabled_date}"

    def _check_entity_removed(self, snapshot: EntitySnapshot | None, *_: Any) -> Iterator[str]:
        if snapshot is None or snapshot.state != DELETED:
            yield f"the entity exists: {snapshot}"

    def _check_nothing_to_do(self, snapshot: EntitySnapshot | None, *_: Any) -> Iterator[str]:
        if snapshot is None or snapshot.state != DISABLED or snapshot.enabled_date or snapshot.disabled_date:
            yield f"it has been registered: {snapshot}"

    def _check_service_ended(
        self, snapshot: EntitySnapshot | None, output: Mapping[str, Any], execution: Any
    ) -> Iterator[str]:
        """Yield what contradicts the end of the service; after a deregistration it may be the last full day."""
        ends = datetime.fromisoformat(
            self._flow.environment.function_environment("DeregisterEntity")["SERVICE_ENDS_ON"]
        )
        last_day = ends.replace(tzinfo=UTC) - timedelta(days=1 if output.get("DeregisteredAt") else 0)
        if execution.stop_date < last_day:
            yield "the service has not ended"
        if output.get("DeregisteredAt") and (snapshot is None or snapshot.state == ENABLED):
            yield f"the output states a deregistration: {snapshot}"

    def _check_restore(self, execution: Any, outcome: str, output: Mapping[str, Any]) -> Iterator[str]:
        """Compare a restore with the entity at its latest call: registered, with its former mailbox."""
        snapshots = list(self._activity_of(execution).snapshots.values())
        if outcome in {"Restored", "RestoredInPart"}:
            record = self._read_items().get(output["OffboardingArn"], {})
            snapshot = self._activity_of(execution).snapshots.get(record["Entity"]["Id"])
            yield from _check_restored_entity(record, snapshot, in_full=outcome == "Restored")
        if outcome == "EntityGone" and not any(snapshot.state == DELETED for snapshot in snapshots):
            yield f"no entity was deleted: {snapshots}"
        if outcome == "RetentionEnded":
            for snapshot in snapshots:
                if (
                    snapshot.state == DISABLED
                    and snapshot.disabled_date
                    and snapshot.at < snapshot.disabled_date + RETENTION
                ):
                    yield f"the retention has not ended: {snapshot}"

    def _check_table(self) -> Iterator[str]:
        """Yield what is wrong in the table while executions wait.

        At most one live execution per entity: one that waits and whose record no other execution has superseded. An
        execution that only waits for the end of a window may wait on after the entity was registered again, beside the
        execution that offboards the entity again.

        At most one record per entity in the list of the window. The exception is an execution that ended between the
        record of its attempt and the move of the window to its own record: it stays in the list, because its call may
        have taken effect, and no other execution supersedes it.
        """
        items, live_arns = self._read_items(), defaultdict(list)
        self._window_owners.update(item["WindowOf"] for item in items.values() if "WindowOf" in item)
        window = [item for item in items.values() if item.get("StatusKey") == "InWindow"]
        counts = Counter(
            i["Entity"]["Id"] for i in window if i["Status"] != "Unwatched" or i["Id"] in self._window_owners
        )
        yield from (f"{entity_id} is listed as in the window {n} times" for entity_id, n in counts.items() if n > 1)
        for machine, execution in self._iterate_executions():
            record = items.get(execution.exec_arn)
            if machine != "offboarding" or execution.status != "RUNNING" or record is None:
                continue
            if record["Status"] in {"Recorded", "Deregistering", "Ended", "Unwatched"}:
                yield f"{execution.name} waits, and its record has the status {record['Status']}"
            if record["Status"] in LIVE_STATUSES and "SupersededBy" not in record:
                live_arns[record["Entity"]["Id"]].append(execution.exec_arn)
        for entity_id, arns in live_arns.items():
            lock = items.get(f"{ORGANIZATION_ID}/{entity_id}", {})
            if len(arns) > 1:
                yield f"{entity_id} is offboarded by {len(arns)} executions at once: {arns}"
            elif (lock.get("ExecutionArn"), lock.get("Live")) != (arns[0], True):
                yield f"{arns[0]} waits for {entity_id}, and the lock is {lock}"
        yield from self._check_window_list({item["Entity"]["Id"] for item in window})

    def _check_window_list(self, entity_ids: Container[str]) -> Iterator[str]:
        """Yield the entities that the stack has deregistered and whose window is not in the list."""
        for entity_id, arn in self._deregistered_by.items():
            entity = self._organization.entities[entity_id]
            if arn is None or entity.state != DISABLED or entity_id in entity_ids:
                continue
            if self._flow.clock.now() < entity.disabled_date + RETENTION:
                yield f"{entity.name} was deregistered by {arn} and is not listed as in the window"

    def _check_all_ended(self) -> Iterator[str]:
        for machine, execution in self._iterate_executions():
            if execution.status == "RUNNING":
                yield f"{machine} {execution.name} has not ended"

    def _check_final_records(self) -> Iterator[str]:
        """Yield the executions without a record, and the records and locks that still look active.

        A record whose entity was restored after the end of its execution states that, and keeps the outcome.

        A lock may still be live if its execution recorded no entity: the execution could not write to the table when it
        ended. The lock blocks nothing, because the next execution asks Step Functions about the holder.
        """
        items, executions = self._read_items(), {e.exec_arn: e for _, e in self._iterate_executions()}
        for key, item in items.items():
            if item.get("Live") and "Entity" in items.get(item["ExecutionArn"], {}):
                yield f"the lock {key} is still live for {item['ExecutionArn']}"
            if key not in executions or key in self._ended_before:
                continue
            outcome = _recorded_outcome(executions[key])
            if item["Status"] not in FINAL_STATUSES or item.get("Outcome") != outcome:
                yield f"{key} ended as {outcome}, and its record has {item['Status']}, {item.get('Outcome')}"
        for machine, execution in self._iterate_executions():
            if machine == "offboarding" and execution.exec_arn not in items.keys() | self._ended_before:
                yield f"{execution.exec_arn} ended as {_recorded_outcome(execution)} and has no record"

    def _check_told_ends(self) -> Iterator[str]:
        """Yield the executions of which no event tells the end, or more than one, or another outcome.

        An event that could not be put for half an hour is in the dead-letter queue, from which a person repeats it. If
        the function did not even run, AWS Lambda itself puts a message there, which has no keys.
        """
        dead_letters = str([*self._ledgers[self._queue_name("NotificationDeadLetterQueueUrl")].sent.values()])
        for machine, execution in self._iterate_executions():
            arn = execution.exec_arn
            if machine != "offboarding" or execution.status == "RUNNING" or arn in self._ended_before:
                continue
            facts = {(event["EventId"], event["Outcome"]) for event in self._told_ends[arn]}
            outcome = _recorded_outcome(execution)
            is_dead = arn in dead_letters or "DDBStreamBatchInfo" in dead_letters
            if [told_outcome for _, told_outcome in facts] != [outcome] and not is_dead:
                yield f"{arn} ended as {outcome}, and its events tell {facts}"

    def _check_queues(self) -> Iterator[str]:
        """Yield the messages that are lost: neither deleted after processing, nor waiting, nor in a dead-letter queue.

        The starter's log states how it finished each message, and must be right: the execution exists, the refused
        event is in the dead-letter queue.
        """
        queues = sqs_backends[ACCOUNT][REGION].queues
        for name, ledger in self._ledgers.items():
            queue = queues[name]
            waiting = {message.id for message in queue._messages}
            dead = self._ledgers[queue.dead_letter_queue.name].sent if queue.dead_letter_queue else {}
            for message_id in ledger.sent.keys() - ledger.deleted - waiting - dead.keys():
                yield f"{name} has lost {ledger.sent[message_id]}"
            if queue.dead_letter_queue and waiting:
                yield f"{name} still holds {len(waiting)} messages"
        yield from self._check_processed_events()

    def _check_processed_events(self) -> Iterator[str]:
        if "EventQueueUrl" not in self._flow.environment.outputs:
            return
        ledger, refused = (self._ledgers[self._queue_name(o)] for o in ("EventQueueUrl", "EventDeadLetterQueueUrl"))
        names = {execution.name for _, execution in self._iterate_executions()}
        lines = {line["message_id"]: line for line in self._parse_starter_log() if "message_id" in line}
        for message_id in ledger.deleted:
            line = lines.get(message_id, {})
            if line.get("message") not in _FINAL_LOG_MESSAGES:
                yield f"the starter deleted {ledger.sent[message_id]} and logged {line}"
            elif "execution" in line and line["execution"] not in names:
                yield f"the execution {line['execution']} does not exist"
            elif line["message"] == "refused" and ledger.sent[message_id] not in refused.sent.values():
                yield f"{ledger.sent[message_id]} was refused and is not in the dead-letter queue"

    def _find_current_execution(self) -> tuple[str, Any] | None:
        """Return the state machine and the execution that the calling thread works for; None outside of executions."""
        work = self._flow.clock.current()
        if work is None or not work.name.startswith("execution "):
            return None
        name = work.name.partition(" ")[2]
        return next((m, e) for m, e in reversed(list(self._iterate_executions())) if e.name == name)

    def _iterate_executions(self) -> Iterator[tuple[str, Any]]:
        machines = {self._flow.environment.outputs[output]: name for output, name in MACHINES.items()}
        for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
            for execution in list(machine.executions):
                yield machines[machine.arn], execution

    def _list_states(self, execution: Any) -> list[str]:
        return self._flow.read_result(execution.exec_arn).states

    def _find_execution(self, arn: str) -> Any:
        return next(execution for _, execution in self._iterate_executions() if execution.exec_arn == arn)

    def _read_items(self) -> dict[str, dict[str, Any]]:
        """Return the records by their executions, and the locks by their entities."""
        return {item["Id"]: item for item in self._list_items() if item["Part"] in {"Record", "Lock"}}

    def _list_items(self) -> list[dict[str, Any]]:
        table = dynamodb_backends[ACCOUNT][REGION].tables[self._flow.table_name]
        return [item.to_regular_json() for item in table.all_items()]

    def _read_policy(self, function: str) -> dict[str, Any]:
        """Return the policy that a function has to apply: the parameter, or what it has just read of it."""
        read_at, policy = self._policies_as_read.get(function, (datetime.min.replace(tzinfo=UTC), ""))
        if self._flow.clock.now() - read_at > MAX_POLICY_AGE:
            path = self._flow.environment.function_environment(function)["POLICIES_PATH"]
            policy = ssm_backends[ACCOUNT][REGION].get_parameter(f"{path}/{ORGANIZATION_ID}").value
        settings: dict[str, Any] = json.loads(policy)
        return settings

    def _record_policy_reads(self) -> None:
        backend = ssm_backends[ACCOUNT][REGION]
        get = backend.get_parameter
        path = self._flow.environment.function_environment("DeregisterEntity")["POLICIES_PATH"]

        def get_and_record(name: str) -> Any:
            parameter = get(name)
            function = function_name(os.environ.get("_HANDLER", ""))
            if name.startswith(path) and function and self._flow.clock.current() is not None:
                self._policies_as_read[function] = (self._flow.clock.now(), parameter.value)
                current = self._find_current_execution()
                if current is not None:
                    policy = self._policies_by_execution[current[1].exec_arn] = json.loads(parameter.value)
                    if function == "RecordOffboarding":
                        self._hand_caps_by_execution[current[1].exec_arn] = policy["HandCap"]
            return parameter

        backend.get_parameter = get_and_record
        self._cleanups.append(lambda: delattr(backend, "get_parameter"))

    def _record_told_ends(self) -> None:
        """Record the events of ends that EventBridge has taken, whether or not its answer has arrived."""
        backend = events_backends[ACCOUNT][REGION]
        put = backend.put_events

        def put_and_record(events: list[dict[str, Any]]) -> Any:
            for event in events:
                if event.get("DetailType") == "Offboarding Ended":
                    detail = json.loads(event["Detail"])
                    self._told_ends[detail["ExecutionArn"]].append(detail)
            return put(events)

        backend.put_events = put_and_record
        self._cleanups.append(lambda: delattr(backend, "put_events"))

    def _activity_of(self, execution: Any) -> ExecutionActivity:
        if execution.exec_arn not in self._activities:
            names = {entity_id: self._take_snapshot(entity_id).names for entity_id in list(self._organization.entities)}
            self._activities[execution.exec_arn] = ExecutionActivity(names)
        return self._activities[execution.exec_arn]

    def _find_entity(self, parameters: Mapping[str, Any]) -> Any:
        for member in ("EntityId", "UserId", "GroupId", "ResourceId", "MemberId"):
            if parameters.get(member) in self._organization.entities:
                return self._organization.entities[parameters[member]]
        return None

    def _take_snapshot(self, entity_id: str) -> EntitySnapshot:
        self._flow.backend.remove_expired_mailboxes()
        entity = self._organization.entities[entity_id]
        names = (entity.id, entity.name, entity.email, getattr(entity, "identity_provider_user_id", None))
        groups = [g.id for g in self._organization.entities.values() if entity.id in getattr(g, "members", ())]
        return EntitySnapshot(
            at=self._flow.clock.now(),
            id=entity.id,
            type=entity.type,
            state=entity.state,
            names=frozenset(name.casefold() for name in names if name),
            aliases=frozenset(alias.casefold() for alias in entity.aliases),
            groups=frozenset(groups),
            enabled_date=entity.enabled_date,
            disabled_date=entity.disabled_date,
            mailbox_since=entity.mailbox.provisioned_date if entity.mailbox else None,
        )

    def _record_messages(self, queue: Any) -> None:
        add, delete, ledger = queue.add_message, queue.delete_message, self._ledgers[queue.name]

        def add_and_record(message: Any) -> None:
            ledger.sent[message.id] = message.body
            if "EventQueueUrl" in self._flow.environment.outputs and queue.name == self._queue_name("EventQueueUrl"):
                self._event_texts.update(_list_texts(message.body))
            add(message)

        def delete_and_record(receipt_handle: str) -> None:
            ledger.deleted.update(m.id for m in queue._messages if m.had_receipt_handle(receipt_handle))
            delete(receipt_handle)

        queue.add_message, queue.delete_message = add_and_record, delete_and_record
        self._cleanups += [lambda: delattr(queue, "add_message"), lambda: delattr(queue, "delete_message")]

    def _queue_name(self, output: str) -> str:
        return str(self._flow.environment.outputs[output]).rpartition("/")[2]

    def _read_starter_log(self) -> list[str]:
        if "EventQueueUrl" not in self._flow.environment.outputs:
            return []
        return self._flow.environment.logs("StartOffboarding")

    def _parse_starter_log(self) -> Iterator[dict[str, Any]]:
        for line in self._read_starter_log()[self._log_offset :]:
            if line.startswith("{"):
                yield json.loads(line)


def _recorded_outcome(execution: Any) -> str:
    """Return the outcome that the record of an execution has to state."""
    if execution.status == "SUCCEEDED":
        return str(execution.output["Outcome"])
    return {"ABORTED": "Stopped", "TIMED_OUT": "TimedOut"}.get(execution.status) or str(execution.error)


@lru_cache
def _named_outcomes(machine: str) -> set[tuple[str, str]]:
    """Return the status and the name of each outcome of a definition."""
    return {(status, outcome) for outcome, status in list_outcomes(machine).items()}


def _matches_any(patterns: list[str], snapshot: EntitySnapshot) -> bool:
    return any(
        fnmatchcase(identifier, pattern.casefold()) for pattern in patterns for identifier in snapshot.identifiers
    )


def _check_claim(cause: str, activity: ExecutionActivity) -> Iterator[str]:
    """Yield what contradicts the first sentence of a failure, which says whether the mailbox was touched.

    That it may be disabled is not wrong here, because nothing more can be known where an answer of WorkMail or of a
    function is lost.
    """
    claim = re.match(
        r"The mailbox (was not touched|may be disabled|may have been disabled, and was registered again"
        r"|was disabled at (\S+?)(?:, and was registered again)?)\. ",
        cause,
    )
    if claim is None or "{" in cause:
        yield f"it does not say first whether the mailbox was touched, or holds JSON: {cause}"
    elif claim[1] == "was not touched" and activity.ever_deregistered:
        yield f"it has deregistered {activity.ever_deregistered}: {cause}"
    elif claim[2] is not None:
        disabled_dates = {
            snapshot.disabled_date for snapshot in activity.snapshots.values() if snapshot.state == DISABLED
        }
        if disabled_dates and datetime.fromisoformat(claim[2]) not in disabled_dates:
            yield f"it was disabled at {disabled_dates}: {cause}"
    if activity.attempted and re.search(r"Nothing was changed|WorkMail was not touched", cause):
        yield f"it has asked WorkMail to deregister {activity.attempted}: {cause}"


def _check_withdrawn(output: Mapping[str, Any], activity: ExecutionActivity) -> Iterator[str]:
    decision = output.get("Decision") or {}
    if decision.get("Decision") != "Withdrawn" or not {"DecidedBy", "DecidedIn", "Reason"} <= decision.keys():
        yield f"it has no decision that withdraws it: {decision}"
    if activity.attempted:
        yield f"it has asked WorkMail to deregister {activity.attempted}"


def _parse_moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _check_restored_entity(
    record: Mapping[str, Any], snapshot: EntitySnapshot | None, *, in_full: bool
) -> Iterator[str]:
    if snapshot is None or snapshot.state != ENABLED:
        yield f"it is not registered: {snapshot}"
        return
    deregistered_at = _parse_moment(record.get("DeregisteredAt"))
    if snapshot.type != "GROUP" and (
        snapshot.mailbox_since is None or (deregistered_at and snapshot.mailbox_since > deregistered_at)
    ):
        yield f"its mailbox is new: {snapshot}"
    recorded = record["Entity"]
    if in_full and not {alias.casefold() for alias in recorded.get("Aliases") or ()} <= snapshot.identifiers:
        yield f"aliases are missing: {recorded['Aliases']}, {snapshot.aliases}"
    if in_full and not {group["Id"] for group in recorded.get("Groups") or ()} <= snapshot.groups:
        yield f"groups are missing: {recorded['Groups']}, {snapshot.groups}"


def _list_texts(body: str) -> set[str]:
    """Return every text in an event that can identify the leaver, casefolded."""

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value.casefold()
        elif isinstance(value, dict):
            for member, inner in value.items():
                if member not in _REQUESTER_MEMBERS:
                    yield from texts(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner)

    try:
        return set(texts(json.loads(body)))
    except ValueError:
        return set()

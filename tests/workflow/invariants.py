"""What must hold whatever happens: a watch on a flow that compares what the stack does and says with what is so.

`Watch` stands beside WorkMail, the table of records, the executions and the queues. It reads the embedded AWS from
within, so that it sees what no client is shown, and keeps what is wrong as sentences:

>>> watch = Watch(flow)                                                    # doctest: +SKIP
>>> flow.run("dana")
>>> assert watch.violations() == []

`so_far` is for any moment at which the clock has settled; `violations` is for the end, when time enough has passed for
everything to be over. Where an invariant has to leave something out, the docstring of its check says what and why.
"""

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
from moto.sqs.models import sqs_backends
from moto.ssm.models import ssm_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.faults import function_name
from local.settings import ACCOUNT, ORGANIZATION_ID, REGION
from local.workmail.entities import DELETED, DISABLED, ENABLED
from tests.definitions import outcomes
from tests.workflow.conftest import Flow, find_missing_record

RETENTION = timedelta(days=30)
POLICY_CACHE_TIME = timedelta(seconds=5)
MACHINES = {
    "StateMachineArn": "offboarding",
    "ApprovalStateMachineArn": "approval",
    "RestoreStateMachineArn": "restore",
}

LIVE = frozenset({"Scheduled", "AwaitingApproval", "InWindow"})
"""What a record says of an execution that waits, and owns its entity."""

OVER = frozenset({"Ended", "Unwatched", "Restoring", "Restored"})
"""What a record with an outcome says."""

_NOTHING_DONE = frozenset(
    {
        "AlreadyInProgress", "ApprovalTimedOut", "EntityAmbiguous", "EntityMismatch", "EntityProtected",
        "InvalidRequest", "NothingToDo", "Planned", "RecordMissing", "Rejected",
    }
)  # fmt: skip
"""Outcomes that say, or of which the documentation says, that this execution has deregistered nothing."""

_READS = re.compile(r"(Describe|List|Get)[A-Za-z]+")
_WRITES = {
    "offboarding": {"DeregisterFromWorkMail"},
    "restore": {"RegisterToWorkMail", "CreateAlias", "AssociateMemberToGroup"},
}
_SOMEBODY_ELSE = frozenset({"actor", "userIdentity", "RequestedBy"})
"""Members of providers' events that name who acted, and not who leaves."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DONE_WITH = {"execution started", "execution already started", "event ignored", "refused"}
"""What the starter logs of a message that it needs no more."""


@dataclass(frozen=True)
class Truth:
    """An entity at a moment, as it is and not as clients are shown it; texts without regard to case."""

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
    def own(self) -> frozenset[str]:
        """All that a list of the settings can mean it by."""
        return self.names | self.aliases


@dataclass
class Doing:
    """What one execution has asked of WorkMail.

    Attributes
    ----------
    names
        How each entity was called when the execution asked for the first time.
    looks
        Each entity as it was when the execution looked at it last.
    tried, took_effect
        The entities that it has asked WorkMail to deregister, and those that were enabled then and that nobody has
        registered since.
    """

    names: dict[str, frozenset[str]]
    looks: dict[str, Truth] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)
    took_effect: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Ledger:
    """What went into a queue, by message id, and what was taken out of it as done with."""

    sent: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


class Watch:
    """Watches a flow from now on, until `close` or the end of a ``with`` block.

    Parameters
    ----------
    flow
        What to watch. What ran in it before is left out.

    Attributes
    ----------
    stopped
        The executions that the test has stopped; nothing else may end an execution as ABORTED.
    excused
        Parts of causes with which an execution may end as `UnexpectedFailure`, because the test made it fail in a way
        that no model lists, or for longer than is retried: ``Runtime.ExitError`` for instance.
    """

    def __init__(self, flow: Flow) -> None:
        self.stopped: set[str] = set()
        self.excused: set[str] = set()
        self._flow = flow
        self._organization = flow.backend.organizations[ORGANIZATION_ID]
        self._wrong: list[str] = []
        self._doing: dict[str, Doing] = {}
        self._judged = {execution.exec_arn for _, execution in self._executions()}
        self._deregistered_by: dict[str, str | None] = {}
        self._named: set[str] = set()
        self._owners: set[str] = set()
        self._read: dict[str, tuple[datetime, str]] = {}
        self._ledgers: dict[str, Ledger] = defaultdict(Ledger)
        self._logged = len(self._starters_log())
        self._undo: list[Callable[[], None]] = []
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Watch no longer."""
        while self._undo:
            self._undo.pop()()

    def so_far(self) -> list[str]:
        """Return what is wrong until now; the clock must have settled."""
        self._judge_endings()
        return [*self._wrong, *self._wrong_in_the_table()]

    def violations(self) -> list[str]:
        """Return what is wrong at the end, when everything should be over."""
        return [*self.so_far(), *self._still_running(), *self._wrong_in_the_books(), *self._wrong_in_the_queues()]

    def running(self) -> list[str]:
        """Return the ARNs of the executions that run."""
        return [execution.exec_arn for _, execution in self._executions() if execution.status == "RUNNING"]

    def _begin(self) -> None:
        backend = self._flow.backend
        backend.before.append(self._before)
        backend.after.append(self._after)
        self._undo += [lambda: backend.before.remove(self._before), lambda: backend.after.remove(self._after)]
        self._note_what_is_read()
        for queue in sqs_backends[ACCOUNT][REGION].queues.values():
            self._keep_ledger(queue)

    # What the stack asks of WorkMail, at the moment at which it does.

    def _before(self, operation: str, parameters: Mapping[str, Any]) -> None:
        actor = self._actor()
        if actor is None:
            return
        machine, execution = actor
        doing = self._doing_of(execution)
        entity = self._entity(parameters)
        for known in {*doing.looks, *([entity.id] if entity else [])}:
            doing.looks[known] = self._truth(known)
        if not _READS.fullmatch(operation) and operation not in _WRITES.get(machine, ()):
            self._wrong.append(f"{machine} {execution.name} calls {operation}")
        if entity is None:
            return
        if operation == "DeregisterFromWorkMail":
            self._wrong += [
                f"{execution.name} deregisters {entity.name}: {why}" for why in self._objections(actor, entity)
            ]
            doing.tried.add(entity.id)
            if entity.state == ENABLED:
                doing.took_effect.add(entity.id)
                self._deregistered_by[entity.id] = execution.exec_arn
        if operation == "RegisterToWorkMail" and entity.has_mailbox and entity.mailbox is None:
            self._wrong.append(f"{execution.name} restores {entity.name}, whose mailbox is gone, with an empty one")

    def _after(self, operation: str, parameters: Mapping[str, Any]) -> None:
        entity = self._entity(parameters)
        if entity is None:
            return
        if operation == "RegisterToWorkMail":
            self._deregistered_by.pop(entity.id, None)
            for doing in self._doing.values():
                doing.took_effect.discard(entity.id)
        if operation == "DeregisterFromWorkMail" and entity.id not in self._deregistered_by:
            self._deregistered_by[entity.id] = None

    def _objections(self, actor: tuple[str, Any], entity: Any) -> Iterator[str]:
        """Say why this execution must not deregister this entity now.

        *Asked for*: the input's `EntityId` was its id, its name or its primary address when the execution turned to
        WorkMail for the first time, and where an event started it, an event in the queue names the entity. That is
        exact if nobody renames an entity while an execution is between two waits.

        *Protected*: by the parameter as it is at this moment; or as the function that deregisters has read it in the
        last five seconds, for so long it may go by what it has read.
        """
        _, execution = actor
        truth, given = self._truth(entity.id), json.loads(execution.execution_input)
        record = self._items().get(execution.exec_arn, {})
        yield from self._not_asked_for(execution, given, truth)
        if _matches(self._policy_of("DeregisterEntity")["Protected"], truth):
            yield "it is protected by the settings"
        if getattr(entity, "role", "USER") != "USER" or self._organization.migration_admin in truth.names:
            yield "it is protected by what it is"
        if given.get("DryRun"):
            yield "only a plan was asked for"
        if "NotBefore" in given and truth.at < datetime.fromisoformat(given["NotBefore"]):
            yield f"it is before {given['NotBefore']}"
        if execution.status != "RUNNING":
            yield f"the execution is {execution.status}"
        yield from self._a_second_time(execution, truth)
        yield from filter(None, [find_missing_record(self._flow.environment, entity.id)])
        yield from self._without_approval(execution, given, record, truth)

    def _not_asked_for(self, execution: Any, given: Mapping[str, Any], truth: Truth) -> Iterator[str]:
        called = self._doing_of(execution).names.get(truth.id, frozenset())
        if str(given["EntityId"]).casefold() not in called:
            yield f"the input asks for {given['EntityId']}"
        provider = given.get("Requester", {}).get("Provider")
        if provider and not _UUID.fullmatch(execution.name) and not called & self._named:
            yield "no event names it"
        if provider not in {None, "offboardingRequested"} and truth.type != "USER":
            yield f"an event about a person made it, and it is a {truth.type}"
        expected = given.get("Expected", {})
        if (
            expected.get("Type", truth.type) != truth.type
            or not {str(expected[member]).casefold() for member in ("Name", "Email") if member in expected}
            <= truth.names
        ):
            yield f"{expected} is expected"
        asked_by = {given.get("RequestedBy"), given.get("Requester", {}).get("RequestedBy")} - {None}
        if {who.casefold() for who in asked_by} & truth.own:
            yield "who asks is who leaves"

    def _a_second_time(self, execution: Any, truth: Truth) -> Iterator[str]:
        """Say whether another execution has deregistered the entity since it was last registered.

        One execution may repeat its own call: after an answer that was lost, or while WorkMail still shows the entity
        as enabled, it cannot know, and the call changes nothing. For two executions that is a violation in general,
        also where WorkMail lags, because the record's pointer and not WorkMail has to tell them apart. It is none if
        the first one was over when the second one asked *and* WorkMail shows the entity as enabled at this moment, by
        its lag: whoever starts an offboarding anew within that lag is told by nobody that nothing is left to do.
        """
        former = self._deregistered_by.get(truth.id)
        if truth.state == ENABLED or former in {None, execution.exec_arn}:
            return
        is_over = self._execution(former).status != "RUNNING"
        shown = self._flow.backend._show(self._organization.entities[truth.id]).state
        if not (is_over and shown == ENABLED):
            yield f"{former} did so before, and nobody has registered it since"

    def _without_approval(
        self, execution: Any, given: Mapping[str, Any], record: Mapping[str, Any], truth: Truth
    ) -> Iterator[str]:
        approval = record.get("Approval")
        if approval:
            decided = json.loads(self._execution(approval["DecidedIn"]).execution_input)
            if (decided["Decision"], decided["ExecutionArn"]) != ("Approved", execution.exec_arn):
                yield f"the decision that it rests on is {decided}"
            return
        if _matches(self._policy_of("RecordOffboarding")["ApprovalRequired"], truth):
            yield "nobody approved it"
        if "Requester" in given:
            days = {(truth.at - timedelta(days=back)).date().isoformat() for back in (0, 1)}
            taken = [self._items().get(f"cap/{ORGANIZATION_ID}/{day}", {}).get("Taken", ()) for day in days]
            if not any(execution.exec_arn in slots for slots in taken):
                yield "it has no slot of the day's cap"

    # How executions end, and whether that is true.

    def _judge_endings(self) -> None:
        for machine, execution in self._executions():
            if execution.status == "RUNNING" or execution.exec_arn in self._judged:
                continue
            self._judged.add(execution.exec_arn)
            said = f"{machine} {execution.name} ended as {_outcome(execution)} at {execution.stop_date}"
            self._wrong += [f"{said}: {why}" for why in self._untrue(machine, execution)]

    def _untrue(self, machine: str, execution: Any) -> Iterator[str]:
        outcome = _outcome(execution)
        if execution.status == "ABORTED":
            if execution.exec_arn not in self.stopped:
                yield "nobody has stopped it"
            return
        if (execution.status, outcome) not in _endings(machine):
            yield f"{execution.status} is no ending that the definition names ({execution.cause})"
            return
        if outcome == "UnexpectedFailure" and not any(part in execution.cause for part in self.excused):
            yield f"for no reason that the test gave: {execution.cause}"
        output = execution.output if isinstance(execution.output, dict) else {}
        judge = {"offboarding": self._untrue_of_offboarding, "restore": self._untrue_of_restore}.get(machine)
        if judge:
            yield from judge(execution, outcome, output)

    def _untrue_of_offboarding(self, execution: Any, outcome: str, output: Mapping[str, Any]) -> Iterator[str]:
        """Hold an ending against what the execution has done, and against the entity as it was when it last looked."""
        doing = self._doing_of(execution)
        if outcome in _NOTHING_DONE and doing.took_effect:
            yield f"it has deregistered {doing.took_effect}"
        if outcome == "ServiceEnded" and not output.get("DeregisteredAt"):
            said = {i for i in doing.took_effect if f"been asked to deregister {i}" in output["Explanation"]}
            if doing.took_effect - said:
                yield f"it has deregistered {doing.took_effect}, and does not say so"
        if outcome == "AlreadyInProgress":
            other = output["OtherExecutionArn"]
            if other == execution.exec_arn or other not in {e.exec_arn for _, e in self._executions()}:
                yield f"there is no other execution {other}"
        claims = {
            "CleanupVerified": self._no_cleanup,
            "Reenabled": self._not_reenabled,
            "EntityRemoved": self._not_removed,
            "NothingToDo": self._something_to_do,
            "ServiceEnded": self._service_goes_on,
        }
        if outcome in claims:
            look = doing.looks.get((output.get("Entity") or {}).get("Id", ""))
            yield from claims[outcome](look, output, execution)

    def _no_cleanup(self, look: Truth | None, output: Mapping[str, Any], _: Any) -> Iterator[str]:
        """Say what is not so of a cleanup that is called verified.

        The mailbox must be gone, really. It may be there only where WorkMail answers nothing from which one could tell
        (it does not speak of the mailbox of a disabled entity, and shows no date in the future); then the outcome has
        to say that the removal itself was not observed.
        """
        if look is None:
            yield "it has not looked"
            return
        if look.state != DISABLED or look.disabled_date is None:
            yield f"it was {look.state}"
            return
        if _moment(output["DeregisteredAt"]) != look.disabled_date:
            yield f"it was disabled at {look.disabled_date}, not at {output['DeregisteredAt']}"
        if look.at < look.disabled_date + RETENTION:
            yield f"it was last looked at on {look.at}, before the 30 days were over"
        signals = output["Evidence"]["VerifyCleanup"]["Signals"]
        honest = signals["Mailbox"] in {"NotFound", "NotGiven"} and "not observed" in output["Explanation"]
        if look.mailbox_since and not honest:
            yield f"the mailbox was there, and it says: {output['Explanation']}"

    def _not_reenabled(self, look: Truth | None, output: Mapping[str, Any], _: Any) -> Iterator[str]:
        if look is None or (look.state != ENABLED and look.disabled_date == _moment(output["DeregisteredAt"])):
            yield f"it was not registered again: {look}"

    def _not_removed(self, look: Truth | None, *_: Any) -> Iterator[str]:
        if look is None or look.state != DELETED:
            yield f"the entity is there: {look}"

    def _something_to_do(self, look: Truth | None, *_: Any) -> Iterator[str]:
        if look is None or look.state != DISABLED or look.enabled_date or look.disabled_date:
            yield f"it has been registered: {look}"

    def _service_goes_on(self, look: Truth | None, output: Mapping[str, Any], execution: Any) -> Iterator[str]:
        """Say what is not so of an end with the service: on the last full day, if it says when it deregistered."""
        ends = datetime.fromisoformat(
            self._flow.environment.function_environment("DeregisterEntity")["SERVICE_ENDS_ON"]
        )
        last_day = ends.replace(tzinfo=UTC) - timedelta(days=1 if output.get("DeregisteredAt") else 0)
        if execution.stop_date < last_day:
            yield "the service has not ended"
        if output.get("DeregisteredAt") and (look is None or look.state == ENABLED):
            yield f"it says that it was deregistered: {look}"

    def _untrue_of_restore(self, execution: Any, outcome: str, output: Mapping[str, Any]) -> Iterator[str]:
        """Hold a restore against the entity as it was when it last looked: registered, with its former mailbox."""
        looks = list(self._doing_of(execution).looks.values())
        if outcome in {"Restored", "RestoredInPart"}:
            record = self._items().get(output["OffboardingArn"], {})
            look = self._doing_of(execution).looks.get(record["Entity"]["Id"])
            yield from _not_restored(record, look, in_full=outcome == "Restored")
        if outcome == "EntityGone" and not any(look.state == DELETED for look in looks):
            yield f"nothing was deleted: {looks}"
        if outcome == "RetentionEnded":
            for look in looks:
                if look.state == DISABLED and look.disabled_date and look.at < look.disabled_date + RETENTION:
                    yield f"the retention goes on: {look}"

    # What the table says at any quiet moment.

    def _wrong_in_the_table(self) -> Iterator[str]:
        """Say what the table has wrong while executions wait.

        *Live* is an execution that waits and has a record of its own that nobody has taken over: one that only watches
        a departure which was taken back may wait on beside the one that offboards the entity anew.

        *Listed twice* is nobody, but for an execution that ended between writing that the call comes next and making
        its record that of the window: it stays listed, because it may have taken effect, and nobody takes it over.
        """
        items, live = self._items(), defaultdict(list)
        self._owners.update(item["WindowOf"] for item in items.values() if "WindowOf" in item)
        listed = [item for item in items.values() if str(item.get("StatusKey", "")).startswith("InWindow ")]
        owned = Counter(i["Entity"]["Id"] for i in listed if i["Status"] != "Unwatched" or i["Id"] in self._owners)
        yield from (f"{entity_id} is listed as in the window {n} times" for entity_id, n in owned.items() if n > 1)
        for machine, execution in self._executions():
            record = items.get(execution.exec_arn)
            if machine != "offboarding" or execution.status != "RUNNING" or record is None:
                continue
            if record["Status"] in {"Recorded", "Deregistering", "Ended", "Unwatched"}:
                yield f"{execution.name} waits, and its record says {record['Status']}"
            if record["Status"] in LIVE and "SupersededBy" not in record:
                live[record["Entity"]["Id"]].append(execution.exec_arn)
        for entity_id, arns in live.items():
            pointer = items.get(f"{ORGANIZATION_ID}/{entity_id}", {})
            if len(arns) > 1:
                yield f"{entity_id} is offboarded by {len(arns)} executions at once: {arns}"
            elif (pointer.get("ExecutionArn"), pointer.get("Live")) != (arns[0], True):
                yield f"{arns[0]} waits for {entity_id}, and its pointer is {pointer}"
        yield from self._missing_in_the_window({item["Entity"]["Id"] for item in listed})

    def _missing_in_the_window(self, listed: Container[str]) -> Iterator[str]:
        """Say who was deregistered by the stack, loses the mailbox in 30 days, and stands in no list."""
        for entity_id, arn in self._deregistered_by.items():
            entity = self._organization.entities[entity_id]
            if arn is None or entity.state != DISABLED or entity_id in listed:
                continue
            if self._flow.clock.now() < entity.disabled_date + RETENTION:
                yield f"{entity.name} was deregistered by {arn} and is not listed as in the window"

    # What is left when everything is over.

    def _still_running(self) -> Iterator[str]:
        for machine, execution in self._executions():
            if execution.status == "RUNNING":
                yield f"{machine} {execution.name} has not ended"

    def _wrong_in_the_books(self) -> Iterator[str]:
        """Say which records and pointers read as if something went on.

        What was restored after its execution had ended says so, besides how that had ended.

        A pointer may still say `Live` if its execution has no record: it could write nothing to the table any more when
        it ended. Nobody is held up by it, because the next execution asks Step Functions who that is.
        """
        items, executions = self._items(), {e.exec_arn: e for _, e in self._executions()}
        for key, item in items.items():
            if "Live" in item and item["Live"] and item["ExecutionArn"] in items:
                yield f"the pointer {key} says Live, of {item['ExecutionArn']}"
            if "Entity" not in item or key not in executions:
                continue
            outcome = _outcome(executions[key])
            if item["Status"] not in OVER or item.get("Outcome") != outcome:
                yield f"{key} ended as {outcome}, and its record: {item['Status']}, {item.get('Outcome')}"
        for arn, doing in self._doing.items():
            if doing.took_effect and arn not in items:
                yield f"{arn} has deregistered {doing.took_effect} and has no record"

    def _wrong_in_the_queues(self) -> Iterator[str]:
        """Say which messages are lost: neither done with, nor waiting, nor in a dead-letter queue.

        That the starter was done with a message is read from its log, and what it logs must be so: the execution is
        there, the refused event is in the dead-letter queue.
        """
        queues = sqs_backends[ACCOUNT][REGION].queues
        for name, ledger in self._ledgers.items():
            queue = queues[name]
            waiting = {message.id for message in queue._messages}
            dead = self._ledgers[queue.dead_letter_queue.name].sent if queue.dead_letter_queue else {}
            for lost in ledger.sent.keys() - ledger.deleted - waiting - dead.keys():
                yield f"{name} has lost {ledger.sent[lost]}"
            if queue.dead_letter_queue and waiting:
                yield f"{name} still holds {len(waiting)} messages"
        yield from self._events_that_came_to_nothing()

    def _events_that_came_to_nothing(self) -> Iterator[str]:
        if "EventQueueUrl" not in self._flow.environment.outputs:
            return
        ledger, refused = (self._ledgers[self._queue_name(o)] for o in ("EventQueueUrl", "EventDeadLetterQueueUrl"))
        names = {execution.name for _, execution in self._executions()}
        said = {line["message_id"]: line for line in self._starters_lines() if "message_id" in line}
        for done in ledger.deleted:
            line = said.get(done, {})
            if line.get("message") not in _DONE_WITH:
                yield f"the starter was done with {ledger.sent[done]}, and said {line}"
            elif "execution" in line and line["execution"] not in names:
                yield f"there is no execution {line['execution']}"
            elif line["message"] == "refused" and ledger.sent[done] not in refused.sent.values():
                yield f"{ledger.sent[done]} was refused, and is not in the dead-letter queue"

    # Reading the embedded AWS from within.

    def _actor(self) -> tuple[str, Any] | None:
        """Return the machine and the execution that the calling thread works for; None outside of executions."""
        work = self._flow.clock.current()
        if work is None or not work.name.startswith("execution "):
            return None
        name = work.name.partition(" ")[2]
        return next((m, e) for m, e in reversed(list(self._executions())) if e.name == name)

    def _executions(self) -> Iterator[tuple[str, Any]]:
        machines = {self._flow.environment.outputs[output]: name for output, name in MACHINES.items()}
        for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
            for execution in list(machine.executions):
                yield machines[machine.arn], execution

    def _execution(self, arn: str) -> Any:
        return next(execution for _, execution in self._executions() if execution.exec_arn == arn)

    def _items(self) -> dict[str, dict[str, Any]]:
        table = dynamodb_backends[ACCOUNT][REGION].tables[self._flow.table_name]
        read = (item.to_regular_json() for item in table.all_items())
        return {item["Id"]: item for item in read}

    def _policy_of(self, function: str) -> dict[str, Any]:
        """Return what a function has to go by: the parameter as it is, unless it has read it a moment ago."""
        at, read = self._read.get(function, (datetime.min.replace(tzinfo=UTC), ""))
        if self._flow.clock.now() - at > POLICY_CACHE_TIME:
            name = self._flow.environment.function_environment(function)["POLICY_PARAMETER"]
            read = ssm_backends[ACCOUNT][REGION].get_parameter(name).value
        settings: dict[str, Any] = json.loads(read)["Organizations"][ORGANIZATION_ID]
        return settings

    def _note_what_is_read(self) -> None:
        backend = ssm_backends[ACCOUNT][REGION]
        get = backend.get_parameter

        def noting(name: str) -> Any:
            parameter = get(name)
            function = function_name(os.environ.get("_HANDLER", ""))
            if function and self._flow.clock.current() is not None:
                self._read[function] = (self._flow.clock.now(), parameter.value)
            return parameter

        backend.get_parameter = noting
        self._undo.append(lambda: delattr(backend, "get_parameter"))

    def _doing_of(self, execution: Any) -> Doing:
        if execution.exec_arn not in self._doing:
            names = {entity_id: self._truth(entity_id).names for entity_id in list(self._organization.entities)}
            self._doing[execution.exec_arn] = Doing(names)
        return self._doing[execution.exec_arn]

    def _entity(self, parameters: Mapping[str, Any]) -> Any:
        for member in ("EntityId", "UserId", "GroupId", "ResourceId", "MemberId"):
            if parameters.get(member) in self._organization.entities:
                return self._organization.entities[parameters[member]]
        return None

    def _truth(self, entity_id: str) -> Truth:
        self._flow.backend._expire()
        entity = self._organization.entities[entity_id]
        called = (entity.id, entity.name, entity.email, getattr(entity, "identity_provider_user_id", None))
        groups = [g.id for g in self._organization.entities.values() if entity.id in getattr(g, "members", ())]
        return Truth(
            at=self._flow.clock.now(),
            id=entity.id,
            type=entity.type,
            state=entity.state,
            names=frozenset(name.casefold() for name in called if name),
            aliases=frozenset(alias.casefold() for alias in entity.aliases),
            groups=frozenset(groups),
            enabled_date=entity.enabled_date,
            disabled_date=entity.disabled_date,
            mailbox_since=entity.mailbox.provisioned_date if entity.mailbox else None,
        )

    def _keep_ledger(self, queue: Any) -> None:
        add, delete, ledger = queue.add_message, queue.delete_message, self._ledgers[queue.name]

        def added(message: Any) -> None:
            ledger.sent[message.id] = message.body
            if "EventQueueUrl" in self._flow.environment.outputs and queue.name == self._queue_name("EventQueueUrl"):
                self._named.update(_named_in(message.body))
            add(message)

        def deleted(receipt_handle: str) -> None:
            ledger.deleted.update(m.id for m in queue._messages if m.had_receipt_handle(receipt_handle))
            delete(receipt_handle)

        queue.add_message, queue.delete_message = added, deleted
        self._undo += [lambda: delattr(queue, "add_message"), lambda: delattr(queue, "delete_message")]

    def _queue_name(self, output: str) -> str:
        return str(self._flow.environment.outputs[output]).rpartition("/")[2]

    def _starters_log(self) -> list[str]:
        if "EventQueueUrl" not in self._flow.environment.outputs:
            return []
        return self._flow.environment.logs("StartOffboarding")

    def _starters_lines(self) -> Iterator[dict[str, Any]]:
        for line in self._starters_log()[self._logged :]:
            if line.startswith("{"):
                yield json.loads(line)


def _outcome(execution: Any) -> str:
    """Name how an execution ended, as its record has to."""
    if execution.status == "SUCCEEDED":
        return str(execution.output["Outcome"])
    return {"ABORTED": "Stopped", "TIMED_OUT": "TimedOut"}.get(execution.status) or str(execution.error)


@lru_cache
def _endings(machine: str) -> set[tuple[str, str]]:
    """Return the status and the name of each ending of a definition."""
    return {(status, outcome) for outcome, status in outcomes(machine).items()}


def _matches(patterns: list[str], truth: Truth) -> bool:
    return any(fnmatchcase(own, pattern.casefold()) for pattern in patterns for own in truth.own)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _not_restored(record: Mapping[str, Any], look: Truth | None, *, in_full: bool) -> Iterator[str]:
    if look is None or look.state != ENABLED:
        yield f"it is not registered: {look}"
        return
    deregistered_at = _moment(record.get("DeregisteredAt"))
    if look.type != "GROUP" and (
        look.mailbox_since is None or (deregistered_at and look.mailbox_since > deregistered_at)
    ):
        yield f"its mailbox is a new one: {look}"
    wanted = record["Entity"]
    if in_full and not {alias.casefold() for alias in wanted.get("Aliases") or ()} <= look.own:
        yield f"aliases are missing: {wanted['Aliases']}, {look.aliases}"
    if in_full and not {group["Id"] for group in wanted.get("Groups") or ()} <= look.groups:
        yield f"groups are missing: {wanted['Groups']}, {look.groups}"


def _named_in(body: str) -> set[str]:
    """Return every text in an event that can mean who leaves."""

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value.casefold()
        elif isinstance(value, dict):
            for member, inner in value.items():
                if member not in _SOMEBODY_ELSE:
                    yield from texts(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner)

    try:
        return set(texts(json.loads(body)))
    except ValueError:
        return set()

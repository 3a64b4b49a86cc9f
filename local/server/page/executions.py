"""The executions of the three state machines: a page of them, one in full, and the start of one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from local.server.page.offboardings import find_offboarding, render_offboarding
from local.server.page.stack import PageError, StackView
from operate.details.history import Dossier
from operate.questions.offboardings import Offboarding
from operate.questions.table import Values
from operate.wording.outcomes import MAILBOX_TOUCHED, find_outcome_wording
from operate.wording.steps import describe_step

PAGE_SIZE = 25
MAX_EVENTS = 400
_LARGEST_PAGE_SIZE = 1000
"""The limit of one call of ListExecutions."""
_STATUSES = frozenset({"RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})
_OUTCOMES = {"ABORTED": "Stopped", "TIMED_OUT": "TimedOut"}
"""What the records call an end that the definition does not name."""
_Signature = tuple[str, datetime | None, int]


class Executions:
    """Reads and starts executions, as the Step Functions console does.

    Parameters
    ----------
    stack
        What is deployed.
    """

    def __init__(self, stack: StackView) -> None:
        self._stack = stack
        self._summaries: dict[str, tuple[_Signature, dict[str, Any]]] = {}

    def list_page(self, machine: str, status: str, offset: int) -> dict[str, Any]:
        """List a page of the executions of one state machine, the newest first.

        Parameters
        ----------
        machine
            The page's name of the state machine.
        status
            Step Functions' status; empty for all.
        offset
            How many to leave out.
        """
        if status and status not in _STATUSES:
            raise PageError(f"There is no status {status!r}. The statuses are {', '.join(sorted(_STATUSES))}.")
        if not self._stack.machines:
            return {"Machine": machine, "Offset": offset, "Rows": [], "HasMore": False}
        arn = self._stack.require_machine(machine)
        items = list(islice(self._iterate(arn, status), offset, offset + PAGE_SIZE + 1))
        rows = [self._summarize_item(item) for item in items[:PAGE_SIZE]]
        return {"Machine": machine, "Offset": offset, "Rows": rows, "HasMore": len(items) > PAGE_SIZE}

    def read(self, arn: str) -> dict[str, Any]:
        """Return all of one execution: its input and output, its record, its states and its history.

        Parameters
        ----------
        arn
            The execution.
        """
        answer = self._describe(arn)
        events = self._read_history(arn)
        offboarding = find_offboarding(self._stack, arn)
        output = _parse(answer.get("output"))
        steps = self._read_steps(arn)
        return {
            **self._summarize(answer),
            "StoppedAt": _render_time(answer.get("stopDate")),
            "Cause": answer.get("cause") or (output.get("Explanation") if isinstance(output, dict) else None),
            "Input": _parse(answer["input"]),
            "Output": output,
            "Evidence": output.get("Evidence") if isinstance(output, dict) else _collect_evidence(steps),
            "MailboxTouched": MAILBOX_TOUCHED[offboarding.mailbox_touched] if offboarding else None,
            "Record": render_offboarding(offboarding, self._stack.environment.clock.now()) if offboarding else None,
            "Steps": [{"At": step["At"], "Sentence": describe_step(step)} for step in steps],
            **_read_path(events, answer["status"]),
            "Events": [_render_event(event) for event in events[-MAX_EVENTS:]],
            "EventCount": len(events),
        }

    def summarize_existing(self, arns: Iterable[str]) -> list[dict[str, Any]]:
        """Return executions as the list has them, without those that were deleted with their state machine."""
        summaries = []
        for arn in arns:
            with contextlib.suppress(PageError):
                summaries.append(self._summarize(self._describe(arn)))
        return summaries

    def start(self, machine: str, text: str) -> dict[str, Any]:
        """Start an execution, wait until nothing runs at this moment of the clock, and return how it stands.

        Parameters
        ----------
        machine
            The page's name of the state machine.
        text
            The input, as JSON.
        """
        if not isinstance(_parse(text), dict):
            raise PageError("The input must be a JSON object.")
        arn = self._stack.require_machine(machine)
        answer = self._stack.client("stepfunctions").start_execution(stateMachineArn=arn, input=text)
        self._stack.environment.clock.settle()
        return self._summarize(self._describe(answer["executionArn"]))

    def read_definition(self, arn: str) -> tuple[dict[str, Any], str]:
        """Return the definition that an execution runs, and the name of its state machine."""
        answer = self._call("describe_state_machine_for_execution", executionArn=arn)
        return json.loads(answer["definition"]), answer["name"]

    def _iterate(self, machine_arn: str, status: str) -> Iterator[dict[str, Any]]:
        selection = {"statusFilter": status} if status else {}
        paginator = self._stack.client("stepfunctions").get_paginator("list_executions")
        pages = paginator.paginate(
            stateMachineArn=machine_arn, PaginationConfig={"PageSize": _LARGEST_PAGE_SIZE}, **selection
        )
        for page in pages:
            yield from page["executions"]

    def _summarize_item(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the summary of an item of ListExecutions; one that has not changed is not read again."""
        signature, summary = self._summaries.get(item["executionArn"], (None, {}))
        return summary if signature == _sign(item) else self._summarize(self._describe(item["executionArn"]))

    def _summarize(self, answer: dict[str, Any]) -> dict[str, Any]:
        arn, status = answer["executionArn"], answer["status"]
        output, execution_input = _parse(answer.get("output")), _parse(answer["input"])
        offboarding = self._find_subject(arn, execution_input)
        machine_arn = answer["stateMachineArn"]
        machine = next((name for name, known_arn in self._stack.machines.items() if known_arn == machine_arn), "")
        summary = {
            "ExecutionArn": arn,
            "Name": answer["name"],
            "Machine": machine,
            "Status": status,
            "Outcome": _find_outcome(answer, output),
            "Sentence": _find_sentence(answer, output, machine),
            "StartedAt": _render_time(answer["startDate"]),
            "Label": offboarding.label if offboarding else _find_label(execution_input, output),
            "IsPlan": isinstance(execution_input, dict) and execution_input.get("DryRun") is True,
        }
        if offboarding or status != "RUNNING":
            self._summaries[arn] = _sign(answer), summary
        return summary

    def _find_subject(self, arn: str, execution_input: Any) -> Offboarding | None:
        """Return the offboarding that an execution is about: its own, or that which its input names."""
        subject = execution_input.get("ExecutionArn", arn) if isinstance(execution_input, dict) else arn
        return find_offboarding(self._stack, subject) if isinstance(subject, str) else None

    def _describe(self, arn: str) -> dict[str, Any]:
        return self._call("describe_execution", executionArn=arn)

    def _call(self, operation: str, **request: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._stack.client("stepfunctions"), operation)(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"ExecutionDoesNotExist", "InvalidArn"}:
                raise PageError("Step Functions does not know this execution.") from None
            raise
        return answer

    def _read_history(self, arn: str) -> list[dict[str, Any]]:
        paginator = self._stack.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in paginator.paginate(executionArn=arn) for event in page["events"]]

    def _read_steps(self, arn: str) -> list[Values]:
        records = self._stack.records
        return Dossier(list(records.iterate_execution(arn))).steps if records else []


def _sign(execution: dict[str, Any]) -> _Signature:
    """Return what differs if an execution has changed: it ended, or was redriven."""
    return execution["status"], execution.get("stopDate"), execution.get("redriveCount", 0)


def _find_outcome(answer: dict[str, Any], output: Any) -> str | None:
    status = str(answer["status"])
    if status == "RUNNING":
        return None
    outcome = (output.get("Outcome") if isinstance(output, dict) else None) or answer.get("error")
    return str(outcome or _OUTCOMES.get(status, status))


def _find_sentence(answer: dict[str, Any], output: Any, machine: str) -> str:
    outcome = _find_outcome(answer, output)
    if outcome is None:
        return ""
    return find_outcome_wording(outcome).sentence if machine == "offboarding" else answer.get("cause") or ""


def _find_label(execution_input: Any, output: Any) -> str:
    """Return whom an execution without a record is about: as its output has it, or its input."""
    entity = output.get("Entity") if isinstance(output, dict) else None
    if isinstance(entity, dict):
        return str(entity.get("Email") or entity.get("Name"))
    return str(execution_input.get("EntityId", "")) if isinstance(execution_input, dict) else ""


def _collect_evidence(steps: list[Values]) -> dict[str, Any] | None:
    """Return what the records have of the evidence while an execution runs."""
    evidence = {step["Step"]: step["Answers"] for step in steps if "Answers" in step}
    for step in steps:
        evidence.update(step.get("Evidence", {}))
    return to_plain(evidence) or None


def to_plain(value: Any) -> Any:
    """Return a value of the table of records with numbers in place of decimals."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: to_plain(member) for name, member in value.items()}
    return [to_plain(member) for member in value] if isinstance(value, list) else value


def _read_path(events: list[dict[str, Any]], status: str) -> dict[str, Any]:
    """Return the states in the order in which they were entered, the current one, and the one that failed."""
    path = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
    last = path[-1] if path else None
    is_running = status == "RUNNING"
    has_failed = not is_running and status != "SUCCEEDED"
    failed = [name for name in path[-2:] if name == last or last == "Failed"] if has_failed else []
    return {"Path": path, "Current": last if is_running else None, "Failed": failed}


def _render_event(event: dict[str, Any]) -> dict[str, Any]:
    details = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return {
        "Id": event["id"],
        "At": _render_time(event["timestamp"]),
        "Type": event["type"],
        "State": details.get("name", ""),
        "Details": {name: _parse(value) for name, value in details.items() if not name.endswith("Details")},
    }


def _parse(text: Any) -> Any:
    """Return a text as JSON if it is that, and otherwise as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _render_time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()

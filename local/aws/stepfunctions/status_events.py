"""Step Functions tells EventBridge when an execution starts and when it ends.

A Standard execution sends ``Step Functions Execution Status Change`` to the default bus: RUNNING at its
start and SUCCEEDED, FAILED, TIMED_OUT or ABORTED at its end, each once and in this order. The events go
through moto's rules, so what a rule triggers is work on the clock. They are sent by the thread of the
execution, before the clock takes it for over: ``settle`` also waits for what they trigger, and
``DescribeExecution`` tells the same as the event. (An execution that is stopped has that status at once;
its event follows when what it was doing has been interrupted.)

AWS delivers these events on a best effort basis. Here each arrives, unless its target cannot take it.

https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution, SyncExecution

from local.hooks import Hooks

SOURCE = "aws.states"
DETAIL_TYPE = "Step Functions Execution Status Change"

_INCLUDED = {"included": True}
_EXCLUDED = {"included": False}
_LARGEST = 248 * 1024
_log = logging.getLogger(__name__)


class StatusChanges:
    """Sends the events, from `install` until `close`."""

    def __init__(self) -> None:
        self._closed = False

    def install(self, hooks: Hooks) -> None:
        """Have executions tell their status for as long as the hooks are in place."""
        start, terminated = Execution.start, BaseExecutionWorkerCommunication.terminated

        def start_and_tell(self_: Execution) -> None:
            if not _tells(self_):
                start(self_)
                return
            told = self_.local_told_start = threading.Event()
            try:
                start(self_)
                self._tell(self_, "RUNNING")
            finally:
                told.set()

        def end_and_tell(self_: BaseExecutionWorkerCommunication) -> None:
            terminated(self_)
            if _tells(self_.execution):
                # Not a wait on the clock: whoever starts an execution waits for nothing of it.
                self_.execution.local_told_start.wait()
                self._tell(self_.execution, self_.execution.status)

        hooks.replace(Execution, "start", start_and_tell)
        hooks.replace(BaseExecutionWorkerCommunication, "terminated", end_and_tell)

    def close(self) -> None:
        """Send nothing any more."""
        self._closed = True

    def _tell(self, execution: Execution, status: str) -> None:
        if self._closed:
            return
        backend = events_backends[execution.account_id][execution.region_name]
        event = {
            "version": "0",
            "source": SOURCE,
            "detail-type": DETAIL_TYPE,
            "account": execution.account_id,
            "region": execution.region_name,
            "resources": [execution.exec_arn],
            "detail": detail_of(execution, status),
        }
        rules = list(backend.describe_event_bus("default").rules.values())
        if not any(rule.event_pattern.matches_event(event) for rule in rules):
            return
        entry = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Resources": event["resources"],
            "Detail": json.dumps(event["detail"]),
        }
        try:
            backend.put_events([entry])
        except Exception:
            # As on AWS, the execution does not depend on whether anybody can be told of it.
            _log.warning("The status change of %s could not be delivered", execution.exec_arn, exc_info=True)


def detail_of(execution: Execution, status: str) -> dict[str, Any]:
    """Return the detail of the event for a status of an execution, as AWS documents it."""
    ended = status != "RUNNING"
    given, output = execution.execution_input or "{}", None
    if status == "SUCCEEDED":
        output = json.dumps(execution.output, separators=(",", ":"))
    given_size, output_size = (len(json.dumps(text).encode()) if text else 0 for text in (given, output))
    fits, output_fits = given_size + output_size <= _LARGEST, output_size <= _LARGEST
    output_details = _INCLUDED if output_fits else _EXCLUDED
    return {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": status,
        "startDate": _milliseconds(execution.start_date),
        "stopDate": _milliseconds(execution.stop_date) if ended else None,
        "input": given if fits else None,
        "inputDetails": _INCLUDED if fits else _EXCLUDED,
        "output": output if output_fits else None,
        "outputDetails": output_details if output is not None else None,
        "error": execution.error if ended else None,
        "cause": execution.cause if ended else None,
    }


def _tells(execution: Execution) -> bool:
    return execution.state_machine.type == "STANDARD" and not isinstance(execution, SyncExecution)


def _milliseconds(when: datetime) -> int:
    return round(when.astimezone(UTC).timestamp() * 1000)

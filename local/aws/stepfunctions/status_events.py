"""The events that Step Functions sends to EventBridge when an execution starts and when it ends.

A Standard execution sends ``Step Functions Execution Status Change`` to the default bus: RUNNING at its
start or redrive and SUCCEEDED, FAILED, TIMED_OUT or ABORTED at its end, each once and in this order. The events go
through moto's rules, so the targets of a rule run as work on the clock. They are sent by the thread of the
execution, before its work on the clock ends. So ``settle`` also waits for the targets, and
``DescribeExecution`` returns the same status as the event. (An execution that is stopped has that status at
once; its event follows when its current state has been interrupted.)

AWS delivers these events on a best effort basis. Here each is delivered, unless its target refuses it, or `are_lost` is
set.

https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution, SyncExecution

from local.aws.eventbridge import put_service_event
from local.hooks import Hooks

SOURCE = "aws.states"
DETAIL_TYPE = "Step Functions Execution Status Change"

_INCLUDED = {"included": True}
_EXCLUDED = {"included": False}
_MAX_BYTES = 248 * 1024


class StatusEvents:
    """Sends the events, from `install` until `close`.

    Attributes
    ----------
    are_lost
        Whether the events are lost, as AWS allows for.
    """

    def __init__(self) -> None:
        self.are_lost = False
        self._closed = False

    def install(self, hooks: Hooks) -> None:
        """Have executions send events for as long as the hooks are in place."""
        start, redrive = Execution.start, Execution.redrive
        terminated = BaseExecutionWorkerCommunication.terminated

        def publish_after(run: Callable[[Execution], None]) -> Callable[[Execution], None]:
            def run_and_publish(execution: Execution) -> None:
                if not _sends_events(execution):
                    run(execution)
                    return
                start_published = execution.local_start_published = threading.Event()
                try:
                    run(execution)
                    self._send_event(execution, "RUNNING")
                finally:
                    start_published.set()

            return run_and_publish

        def end_and_publish(worker: BaseExecutionWorkerCommunication) -> None:
            terminated(worker)
            if _sends_events(worker.execution):
                # Not a wait on the clock: the caller that starts an execution does not wait for it.
                worker.execution.local_start_published.wait()
                self._send_event(worker.execution, worker.execution.status)

        hooks.replace(Execution, "start", publish_after(start))
        hooks.replace(Execution, "redrive", publish_after(redrive))
        hooks.replace(BaseExecutionWorkerCommunication, "terminated", end_and_publish)

    def close(self) -> None:
        """Send no more events."""
        self._closed = True

    def _send_event(self, execution: Execution, status: str) -> None:
        if self._closed or self.are_lost:
            return
        place = (execution.account_id, execution.region_name)
        put_service_event(place, SOURCE, DETAIL_TYPE, [execution.exec_arn], make_detail(execution, status))


def make_detail(execution: Execution, status: str) -> dict[str, Any]:
    """Make the detail of the event for a status of an execution, as AWS documents it."""
    ended = status != "RUNNING"
    execution_input, output = execution.execution_input or "{}", None
    if status == "SUCCEEDED":
        output = json.dumps(execution.output, separators=(",", ":"))
    input_size, output_size = (len(json.dumps(text).encode()) if text else 0 for text in (execution_input, output))
    input_fits, output_fits = input_size + output_size <= _MAX_BYTES, output_size <= _MAX_BYTES
    output_details = _INCLUDED if output_fits else _EXCLUDED
    return {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": status,
        "startDate": _milliseconds(execution.start_date),
        "stopDate": _milliseconds(execution.stop_date) if ended else None,
        "input": execution_input if input_fits else None,
        "inputDetails": _INCLUDED if input_fits else _EXCLUDED,
        "output": output if output_fits else None,
        "outputDetails": output_details if output is not None else None,
        "error": execution.error if ended else None,
        "cause": execution.cause if ended else None,
    }


def _sends_events(execution: Execution) -> bool:
    return execution.state_machine.type == "STANDARD" and not isinstance(execution, SyncExecution)


def _milliseconds(when: datetime) -> int:
    return round(when.astimezone(UTC).timestamp() * 1000)

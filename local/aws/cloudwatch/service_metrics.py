"""The metrics that services publish about themselves, from what happens in the embedded AWS.

- ``AWS/Lambda``: Invocations, Errors and Throttles; per function, per version, and over all functions.
- ``AWS/States``: the starts and ends of executions, per state machine. Nothing throttles a state transition here, so
  ExecutionThrottled has no data.
- Log lines in the embedded metric format: whatever they say.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import LogsBackend
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution

from local.aws.cloudwatch.embedded_metrics import iterate_metric_data
from local.aws.functions.runtime import InvocationResult, Runtime
from local.defaults import ACCOUNT, REGION
from local.faults import Faults
from local.hooks import Hooks

_THROTTLED = "TooManyRequestsException"
_ENDS = {
    "ABORTED": "ExecutionsAborted",
    "FAILED": "ExecutionsFailed",
    "SUCCEEDED": "ExecutionsSucceeded",
    "TIMED_OUT": "ExecutionsTimedOut",
}


def install(hooks: Hooks, runtime: Runtime, faults: Faults) -> None:
    """Have the services publish their metrics for as long as the hooks are in place."""
    runtime.listeners.append(_count_invocation)
    hooks.add_cleanup(lambda: runtime.listeners.remove(_count_invocation))
    faults.listeners.append(_count_refused_invocation)
    hooks.add_cleanup(lambda: faults.listeners.remove(_count_refused_invocation))
    _hook_executions(hooks)
    put_log_events = LogsBackend.put_log_events

    def put_and_extract(
        backend: LogsBackend, log_group_name: str, log_stream_name: str, log_events: list[dict[str, Any]]
    ) -> Any:
        result = put_log_events(backend, log_group_name, log_stream_name, log_events)
        for event in log_events:
            for namespace, datum in iterate_metric_data(event["message"]):
                cloudwatch_backends[backend.account_id][backend.region_name].put_metric_data(namespace, [datum])
        return result

    hooks.replace(LogsBackend, "put_log_events", put_and_extract)


def _count_invocation(function: Any, arn: str, result: InvocationResult) -> None:
    _put_lambda_metrics(function.account_id, function.region, function.function_name, arn, result)


def _count_refused_invocation(service: str, operation: str, error: str, url: str) -> None:
    """Count an invocation that a fault has refused: the function is in the request's path."""
    if (service, operation, error) == ("lambda", "Invoke", _THROTTLED):
        name = unquote(url.partition("/functions/")[2].partition("/invocations")[0])
        function = name.split(":")[6] if name.startswith("arn:") else name.split(":")[0]
        _put_lambda_metrics(ACCOUNT, REGION, function, name, InvocationResult.THROTTLED)


def _put_lambda_metrics(account: str, region: str, function: str, arn: str, result: InvocationResult) -> None:
    is_invoked = result is not InvocationResult.THROTTLED
    values = {
        **({"Invocations": 1, "Errors": int(result is InvocationResult.FAILED)} if is_invoked else {}),
        "Throttles": int(not is_invoked),
    }
    qualifier = arn.split(":")[7:] if arn.startswith("arn:") else arn.split(":")[1:]
    by_function = {"FunctionName": function}
    by_resource = {**by_function, "Resource": ":".join([function, *qualifier])}
    for dimensions in ({}, by_function, by_resource):
        _put(account, region, "AWS/Lambda", values, dimensions)


def _hook_executions(hooks: Hooks) -> None:
    terminated = BaseExecutionWorkerCommunication.terminated

    def count_after(run: Callable[[Execution], None], metric: str) -> Callable[[Execution], None]:
        def run_and_count(execution: Execution) -> None:
            _put_execution_metrics(execution, {metric: 1})
            run(execution)

        return run_and_count

    def end_and_count(worker: BaseExecutionWorkerCommunication) -> None:
        terminated(worker)
        execution = worker.execution
        if execution.status in _ENDS and execution.stop_date is not None:
            duration = (execution.stop_date - execution.start_date) / timedelta(milliseconds=1)
            _put_execution_metrics(execution, {_ENDS[execution.status]: 1, "ExecutionTime": duration})

    hooks.replace(Execution, "start", count_after(Execution.start, "ExecutionsStarted"))
    hooks.replace(Execution, "redrive", count_after(Execution.redrive, "ExecutionsRedriven"))
    hooks.replace(BaseExecutionWorkerCommunication, "terminated", end_and_count)


def _put_execution_metrics(execution: Execution, values: dict[str, float]) -> None:
    dimensions = {"StateMachineArn": str(execution.state_machine_arn)}
    _put(execution.account_id, execution.region_name, "AWS/States", values, dimensions)


def _put(account: str, region: str, namespace: str, values: dict[str, float], dimensions: dict[str, str]) -> None:
    pairs = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    data = [{"MetricName": name, "Dimensions": pairs, "Value": value} for name, value in values.items()]
    cloudwatch_backends[account][region].put_metric_data(namespace, data)

"""Counts what a run on the embedded AWS uses, as AWS would bill it."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from botocore.client import BaseClient
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import Queue, SQSBackend

from local.aws.dynamodb.changes import find_item
from local.aws.functions.process_state import running_function
from local.aws.functions.runtime import InvocationResult
from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from local.hooks import Hooks
from tools.costs.capacity import Item, Write, count_read_units, count_write_units, measure_storage
from tools.costs.logs import PLATFORM_LINES, find_metrics, measure_lines, render_history

_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}
_RETRIED_EVENTS = ("LambdaFunctionScheduled", "TaskScheduled")
_TASK_ENTERED = "TaskStateEntered"
_STANDARD_PARAMETER_BYTES = 4096
_EXPORT_OBJECTS = 2
"""WorkMail writes an archive and its log, both encrypted. How many requests a large archive takes is not documented."""
_S3_READS = {"GetObject", "GetObjectAttributes", "HeadObject"}


@dataclass
class Counts:
    """What was used.

    Attributes
    ----------
    units
        By the key of a price: the quantity. Invocations, logs and metrics are in the other attributes.
    invocations, calls
        By the module of a function: how often it was invoked, and how many calls it made to AWS.
    operations
        By service and operation, such as ``ssm:GetParameter``: how often functions called it.
    log_bytes, stored_bytes
        What CloudWatch Logs ingests, and what the table and its indexes have more than before.
    metrics
        The custom metrics, each with the hours in which it has values.
    """

    units: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    log_bytes: int = 0
    stored_bytes: int = 0
    metrics: set[tuple[str, datetime]] = field(default_factory=set)

    @property
    def metric_names(self) -> int:
        """How many different custom metrics there are."""
        return len({name for name, _ in self.metrics})


class Meter:
    """Counts what the functions and state machines of an open environment use, for the duration of a ``with`` block."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._hooks = Hooks()
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._counts = Counts()

    def __enter__(self) -> Self:
        self._environment.runtime.listeners.append(self._count_invocation)
        self._count_calls()
        self._count_queue_requests()
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.restore()
        self._environment.runtime.listeners.remove(self._count_invocation)

    @contextlib.contextmanager
    def count(self) -> Iterator[Counts]:
        """Count what is used in the block; the result is complete at its end."""
        with self._lock:
            counts = self._counts = Counts()
        executions, lines = self._list_executions(), Counter(self._environment.all_logs())
        stored = _measure_tables()
        yield counts
        counts.stored_bytes = _measure_tables() - stored
        new_lines = list((Counter(self._environment.all_logs()) - lines).elements())
        counts.metrics = find_metrics(new_lines)
        counts.log_bytes = measure_lines(new_lines) + counts.invocations.total() * measure_lines(PLATFORM_LINES)
        for arn in self._list_executions() - executions:
            events = self._environment.history(arn)
            counts.log_bytes += measure_lines(render_history(arn, events))
            counts.units["state-transition"] += _count_transitions(events)
            counts.units["xray-trace"] += 1

    def _list_executions(self) -> set[str]:
        client = self._environment.client("stepfunctions")
        machines = client.list_state_machines()["stateMachines"]
        return {
            execution["executionArn"]
            for machine in machines
            for page in client.get_paginator("list_executions").paginate(stateMachineArn=machine["stateMachineArn"])
            for execution in page["executions"]
        }

    def _count_invocation(self, function: Any, _: str, result: InvocationResult) -> None:
        if result is InvocationResult.THROTTLED:
            return
        with self._lock:
            self._counts.invocations[_module_of(function)] += 1

    def _count_calls(self) -> None:
        meter, make_api_call = self, BaseClient._make_api_call

        def count_and_call(self: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
            function = running_function()
            if getattr(meter._thread, "is_nested", False) or (function is None and operation != "PutEvents"):
                return make_api_call(self, operation, parameters)
            meter._thread.is_nested = True
            items = _find_items(operation, parameters)
            answer: Any = {}
            try:
                answer = make_api_call(self, operation, parameters)
            finally:
                meter._thread.is_nested = False
                service = str(self.meta.service_model.service_name)
                meter._count_call(function, service, operation, parameters, answer, items)
            return answer

        self._hooks.replace(BaseClient, "_make_api_call", count_and_call)

    def _count_queue_requests(self) -> None:
        """Count the requests of Lambda and EventBridge too, and no empty receives: the idle stack has these."""
        add, receive, delete = Queue.add_message, SQSBackend.receive_message, SQSBackend.delete_message

        def count_requests(requests: int) -> None:
            with self._lock:
                self._counts.units["sqs-request"] += requests

        def add_message(queue: Queue, message: Any) -> None:
            count_requests(1)
            add(queue, message)

        def receive_message(backend: SQSBackend, *args: Any, **kwargs: Any) -> Any:
            messages = receive(backend, *args, **kwargs)
            count_requests(1 if messages else 0)
            return messages

        def delete_message(backend: SQSBackend, *args: Any, **kwargs: Any) -> None:
            count_requests(1)
            delete(backend, *args, **kwargs)

        self._hooks.replace(Queue, "add_message", add_message)
        self._hooks.replace(SQSBackend, "receive_message", receive_message)
        self._hooks.replace(SQSBackend, "delete_message", delete_message)

    def _count_call(
        self,
        function: Any,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        answer: Mapping[str, Any],
        items: "list[_TouchedItem]",
    ) -> None:
        with self._lock:
            counts = self._counts
            if function is not None:
                counts.calls[_module_of(function)] += 1
                counts.operations[f"{service}:{operation}"] += 1
            counts.units.update(_count_service_units(service, operation, parameters, answer))
            for item in items:
                counts.units["dynamodb-write"] += item.count_units(in_transaction=operation == "TransactWriteItems")


@dataclass(frozen=True)
class _TouchedItem:
    """An item that a call writes or checks, as it was before the call."""

    table: Any
    key: Mapping[str, Any]
    old: Item | None

    def count_units(self, *, in_transaction: bool) -> int:
        """Count its units after the call, whether or not that has succeeded."""
        write = Write(self.old, _read_item(self.table, self.key))
        return count_write_units(write, _list_index_keys(self.table), in_transaction=in_transaction)


def _list_index_keys(table: Any) -> list[list[str]]:
    return [[key["AttributeName"] for key in index.schema] for index in table.global_indexes]


def _measure_tables() -> int:
    return sum(
        measure_storage((item.to_json()["Attributes"] for item in table.all_items()), _list_index_keys(table))
        for table in dynamodb_backends[ACCOUNT][REGION].tables.values()
    )


def _find_items(operation: str, parameters: Mapping[str, Any]) -> list[_TouchedItem]:
    if operation == "TransactWriteItems":
        writes = [members for action in parameters["TransactItems"] for members in action.values()]
    elif operation in _WRITES:
        writes = [parameters]
    else:
        return []
    return [_find_touched_item(members) for members in writes]


def _find_touched_item(members: Mapping[str, Any]) -> _TouchedItem:
    table = dynamodb_backends[ACCOUNT][REGION].tables[members["TableName"]]
    attributes = members.get("Key") or members["Item"]
    key = {name: attributes[name] for name in table.table_key_attrs}
    return _TouchedItem(table, key, _read_item(table, key))


def _read_item(table: Any, key: Mapping[str, Any]) -> Item | None:
    item = find_item(table, key)
    return None if item is None else dict(item.to_json()["Attributes"])


def _count_service_units(
    service: str, operation: str, parameters: Mapping[str, Any], answer: Mapping[str, Any]
) -> dict[str, float]:
    """Return what a call is billed for, by the keys of the prices."""
    match service, operation:
        case "dynamodb", "GetItem":
            items = [answer["Item"]] if "Item" in answer else []
            is_consistent = bool(parameters.get("ConsistentRead"))
            return {"dynamodb-read": count_read_units(items, is_consistent=is_consistent)}
        case "dynamodb", "Query":
            is_consistent = bool(parameters.get("ConsistentRead"))
            return {"dynamodb-read": count_read_units(answer.get("Items", []), is_consistent=is_consistent)}
        case "events", "PutEvents":
            return {"event": len(parameters["Entries"])}
        case "sns", "Publish":
            return {"sns-publish": 1, "sns-mail": 1, "kms-request": 1}
        case "ssm", "GetParameter":
            value = answer.get("Parameter", {}).get("Value", "")
            return {"parameter-advanced-call": 1} if len(value.encode()) > _STANDARD_PARAMETER_BYTES else {}
        case "s3", name:
            return {"s3-read": 1, "kms-request": 1} if name in _S3_READS else {"s3-write": 1}
        case "workmail", "StartMailboxExportJob":
            return {"s3-write": _EXPORT_OBJECTS, "kms-request": _EXPORT_OBJECTS}
    return {}


def _count_transitions(events: list[dict[str, Any]]) -> int:
    """Count the states that were entered, and each retry of a task."""
    kinds = Counter(event["type"] for event in events)
    entered = sum(number for kind, number in kinds.items() if kind.endswith("StateEntered"))
    attempts = sum(kinds[kind] for kind in _RETRIED_EVENTS)
    return entered + max(0, attempts - kinds[_TASK_ENTERED])


def _module_of(function: Any) -> str:
    return str(function.handler).removesuffix(".handler")

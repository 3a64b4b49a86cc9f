"""Event source mappings: have their queues and streams read on the clock.

`queue_mappings` reads the queues and `stream_mappings` the streams of DynamoDB. moto goes on invoking the function of a
mapping that was deleted, and an update of a stack keeps the properties that the template no longer has.
"""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import EventSourceMapping, LambdaBackend
from moto.awslambda.utils import get_backend

from local.aws.dynamodb.streams import Streams
from local.aws.functions.queue_mappings import QueuePoller
from local.aws.functions.stream_mappings import StreamPoller, require_permissions
from local.clock import Clock
from local.hooks import Hooks

_DEFAULTS: dict[str, Any] = {
    "BatchSize": None,
    "BisectBatchOnFunctionError": None,
    "DestinationConfig": None,
    "Enabled": True,
    "FilterCriteria": None,
    "FunctionResponseTypes": None,
    "MaximumBatchingWindowInSeconds": None,
    "MaximumRecordAgeInSeconds": None,
    "MaximumRetryAttempts": None,
    "ParallelizationFactor": None,
}


class EventSourceMappings:
    """The event source mappings of an embedded AWS.

    Parameters
    ----------
    clock
        The clock on which they read.
    streams
        The streams of DynamoDB's tables.
    """

    def __init__(self, clock: Clock, streams: Streams) -> None:
        self._queues = QueuePoller(clock)
        self._streams = StreamPoller(clock, streams)

    def install(self, hooks: Hooks) -> None:
        """Read for the mappings for as long as the hooks are in place."""
        self._queues.install(hooks)
        self._streams.install()
        create, update = LambdaBackend.create_event_source_mapping, LambdaBackend.update_event_source_mapping
        delete = LambdaBackend.delete_event_source_mapping

        def create_mapping(backend: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
            if _is_stream(spec.get("EventSourceArn", "")):
                require_permissions(backend, spec)
            mapping: EventSourceMapping = create(backend, spec)
            self._poller_of(mapping).add(mapping)
            return mapping

        def update_mapping(backend: LambdaBackend, uuid: str, spec: dict[str, Any]) -> EventSourceMapping | None:
            mapping: EventSourceMapping | None = update(backend, uuid, spec)
            if mapping is not None:
                self._poller_of(mapping).update(mapping)
            return mapping

        def delete_mapping(backend: LambdaBackend, uuid: str) -> EventSourceMapping | None:
            mapping: EventSourceMapping | None = delete(backend, uuid)
            if mapping is not None:
                self._poller_of(mapping).remove(mapping)
            return mapping

        hooks.replace(LambdaBackend, "create_event_source_mapping", create_mapping)
        hooks.replace(LambdaBackend, "update_event_source_mapping", update_mapping)
        hooks.replace(LambdaBackend, "delete_event_source_mapping", delete_mapping)
        hooks.replace(EventSourceMapping, "update_from_cloudformation_json", classmethod(_update_from_template))

    def _poller_of(self, mapping: EventSourceMapping) -> QueuePoller | StreamPoller:
        return self._streams if _is_stream(mapping.event_source_arn) else self._queues


def _is_stream(arn: str) -> bool:
    return arn.startswith("arn:aws:dynamodb:")


def _update_from_template(
    cls: type[EventSourceMapping],
    original_resource: EventSourceMapping,
    new_resource_name: str,
    cloudformation_json: Any,
    account_id: str,
    region_name: str,
) -> EventSourceMapping:
    """Change a mapping in place; with another source, replace it."""
    properties, backend = cloudformation_json["Properties"], get_backend(account_id, region_name)
    if properties["EventSourceArn"] != original_resource.event_source_arn:
        mapping: EventSourceMapping = backend.create_event_source_mapping(properties)
        backend.delete_event_source_mapping(original_resource.uuid)
        return mapping
    changed: EventSourceMapping = backend.update_event_source_mapping(
        original_resource.uuid, {**_DEFAULTS, **properties}
    )
    return changed

"""What counts as progress of running work: each event in the history of an execution, and each call of a client.

A thousand executions that run at once share the processor, so that none may end for minutes. A function that computes
without an end makes no call: the clock reports it.
"""

from __future__ import annotations

from typing import Any

from botocore.client import BaseClient
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager

from local.clock import Clock
from local.hooks import Hooks


def install(hooks: Hooks, clock: Clock) -> None:
    """Tell the clock of progress for as long as the hooks are in place."""
    add_event, make_api_call = EventManager.add_event, BaseClient._make_api_call

    def add_event_and_tell(self: EventManager, *args: Any, **kwargs: Any) -> int:
        clock.note_progress()
        event_id: int = add_event(self, *args, **kwargs)
        return event_id

    def call_and_tell(self: BaseClient, operation_name: str, parameters: Any) -> Any:
        if clock.current() is not None:
            clock.note_progress()
        return make_api_call(self, operation_name, parameters)

    hooks.replace(EventManager, "add_event", add_event_and_tell)
    hooks.replace(BaseClient, "_make_api_call", call_and_tell)

"""Caches of definitions and clients, faster copies, and less logging: speed and memory only."""

from __future__ import annotations

import copy
import functools
import logging
import threading
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.eval import states
from moto.stepfunctions.parser.asl.eval.event import event_manager
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import boto_client

from local.hooks import Hooks

_MOTO_PACKAGE = "moto.stepfunctions"
_ATOMS = frozenset({str, int, float, bool, type(None)})
_log = logging.getLogger(__name__)
_parse_definition = AmazonStateLanguageParser.parse


def install(hooks: Hooks) -> None:
    """Keep definitions and clients for as long as the hooks are in place."""
    _hook_parser(hooks)
    _hook_clients(hooks)
    _hook_copies(hooks)
    _hook_logging(hooks)


def _hook_parser(hooks: Hooks) -> None:
    """Parse each definition once; all executions share its components, which a run must not change.

    A run keeps what it counts and computes in its environment. In moto a component makes its key there when it first
    needs it, which two executions could do at once.
    """
    hooks.replace(AmazonStateLanguageParser, "parse", staticmethod(_parse_once))
    hooks.replace(EvalComponent, "heap_key", property(lambda self: f"{id(self):x}"))


@functools.lru_cache(maxsize=128)
def _parse_once(definition: str) -> tuple[Any, Any]:
    program, tree = _parse_definition(definition)
    return program, tree


def _hook_clients(hooks: Hooks) -> None:
    """Make one boto3 client per service, and one at a time: boto3's default session is not thread safe."""
    make_client = boto_client.boto_client_for
    lock = threading.Lock()
    clients: dict[tuple[str, str], Any] = {}

    def client(region: str, service: str, state_credentials: Any = None) -> Any:
        with lock:
            if (region, service) not in clients:
                clients[region, service] = make_client(region, service, state_credentials)
            return clients[region, service]

    hooks.replace_imported(_MOTO_PACKAGE, make_client, client)


def _hook_copies(hooks: Hooks) -> None:
    """Copy the data of states and the history of executions without a search for cycles: JSON has none."""
    for module in (states, event_manager):
        hooks.replace(module, "copy", SimpleNamespace(deepcopy=copy_json))


def copy_json(value: Any) -> Any:
    """Copy a JSON value as `copy.deepcopy` does; what is neither an object nor a list in it is copied by that."""
    if type(value) is dict:
        return {name: copy_json(member) for name, member in value.items()}
    if type(value) is list:
        return [copy_json(item) for item in value]
    return value if type(value) in _ATOMS else copy.deepcopy(value)


def _hook_logging(hooks: Hooks) -> None:
    """Log a failing state at level DEBUG only: the failure is in the execution's history."""

    def log_at_debug(self: EvalComponent, *_: Any, **error: Exception) -> None:
        _log.debug("%s: %r", type(self).__name__, error)

    hooks.replace(EvalComponent, "_log_failure_event_exception", log_at_debug)
    hooks.replace(EvalComponent, "_log_exception", log_at_debug)

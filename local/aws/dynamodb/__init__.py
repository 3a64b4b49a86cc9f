"""Amazon DynamoDB where moto's differs from AWS's, a module per subject.

- `requests`: conditions, sets, and one request at a time.
- `changes`: the writes that change an item; what other parts of the embedded AWS do then.
- `streams`: the records of these changes.
- `time_to_live`: the deletion of items on the clock; installed by itself.
- `transactions`: ``TransactWriteItems``.
- `expressions`, `items`, `queries`: speed only.
"""

from __future__ import annotations

from dataclasses import dataclass

from local.aws.dynamodb import expressions, items, queries, requests, transactions
from local.aws.dynamodb.changes import Change, Changes
from local.aws.dynamodb.streams import Streams
from local.hooks import Hooks

__all__ = ["Change", "Changes", "DynamoDB", "install"]


@dataclass(frozen=True)
class DynamoDB:
    """What other parts of the embedded AWS can listen to."""

    changes: Changes
    streams: Streams


def install(hooks: Hooks) -> DynamoDB:
    """Have DynamoDB behave as on AWS for as long as the hooks are in place."""
    changes, streams = Changes(), Streams()
    requests.install(hooks, changes.lock)
    changes.install(hooks)
    changes.listeners.append(streams.add)
    transactions.install(hooks, changes)
    queries.install(hooks)
    expressions.install(hooks)
    items.install(hooks)
    return DynamoDB(changes, streams)

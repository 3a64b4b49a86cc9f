"""Amazon DynamoDB where moto's differs from AWS's, a module per subject.

- `requests`: conditions, sets, and one request at a time.
- `changes`: the writes that change an item; what other parts of the embedded AWS do then.
- `transactions`: ``TransactWriteItems``.
- `queries`: speed only.
"""

from __future__ import annotations

from local.aws.dynamodb import queries, requests, transactions
from local.aws.dynamodb.changes import Change, Changes
from local.hooks import Hooks

__all__ = ["Change", "Changes", "install"]


def install(hooks: Hooks) -> Changes:
    """Have DynamoDB behave as on AWS for as long as the hooks are in place.

    Returns
    -------
    Changes
        The changes of items, to which a part of the embedded AWS can listen.
    """
    changes = Changes()
    requests.install(hooks, changes.lock)
    changes.install(hooks)
    transactions.install(hooks, changes)
    queries.install(hooks)
    return changes

"""Reads items of a table of records by their keys."""

import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from operate.account import Account
from operate.errors import Refusal
from operate.records.adjustments import key_of
from operate.records.files import Item

Key = tuple[str, str]

BATCH_SIZE = 100
"""What BatchGetItem takes at most."""
_MAX_ATTEMPTS = 20
_LONGEST_WAIT_SECONDS = 20.0


def read_items(account: Account, table: str, keys: Iterable[Key]) -> dict[Key, Item]:
    """Read items consistently; those that DynamoDB did not process are asked for again.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html

    Parameters
    ----------
    account
        The account with the table.
    table
        Its name.
    keys
        The `Id` and the `Part` of each.

    Returns
    -------
    dict[Key, Item]
        Those that exist, in DynamoDB's notation.

    Raises
    ------
    Refusal
        If DynamoDB does not process all of them, again and again.
    """
    remaining, items = iter(keys), dict[Key, Item]()
    while batch := list(islice(remaining, BATCH_SIZE)):
        items |= _read_batch(account, table, batch)
    return items


def _read_batch(account: Account, table: str, keys: Iterable[Key]) -> dict[Key, Item]:
    items: dict[Key, Item] = {}
    request: Mapping[str, Any] = {
        table: {"Keys": [{"Id": {"S": id_}, "Part": {"S": part}} for id_, part in keys], "ConsistentRead": True}
    }
    for attempt in range(_MAX_ATTEMPTS):
        answer = account.client("dynamodb").batch_get_item(RequestItems=request)
        items |= {key_of(item): item for item in answer["Responses"].get(table, ())}
        request = answer.get("UnprocessedKeys", {})
        if not request:
            return items
        time.sleep(min(_LONGEST_WAIT_SECONDS, 0.05 * 2**attempt))
    raise Refusal("DynamoDB does not process all keys: it is throttled. Start again.")

"""The request units of DynamoDB on demand, from the sizes of items.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
"""An item in DynamoDB's own JSON: each attribute with its type."""

_WRITE_BYTES = 1024
_READ_BYTES = 4096
_CONTAINER_BYTES = 3
_STORAGE_OVERHEAD_BYTES = 100
_TRANSACTION_FACTOR = 2
"""Preparing and committing a transaction are a write each. AWS does not say whether those of an index double: here they
do."""


@dataclass(frozen=True)
class Write:
    """An item before and after a write; None if it did not exist. Both are the same for a mere check."""

    old: Item | None
    new: Item | None


def measure_item(item: Item | None) -> int:
    """Return the size of an item in bytes; 0 if there is none."""
    return sum(len(name.encode()) + _measure_value(value) for name, value in (item or {}).items())


def count_write_units(write: Write, indexes: Iterable[Sequence[str]], *, in_transaction: bool) -> int:
    """Count the units of a write to the table and its indexes, which project all attributes.

    Parameters
    ----------
    write
        The item before and after.
    indexes
        The key attributes of each global secondary index.
    in_transaction
        Whether it is part of `TransactWriteItems`.

    Returns
    -------
    int
        The write request units.
    """
    units = _round_up(max(measure_item(write.old), measure_item(write.new)))
    units += sum(_count_index_units(write, keys) for keys in indexes)
    return units * _TRANSACTION_FACTOR if in_transaction else units


def measure_storage(items: Iterable[Item], indexes: Sequence[Sequence[str]]) -> int:
    """Return the bytes that a table and its indexes store for items, with DynamoDB's overhead for each.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.StorageConsiderations
    """
    return sum(
        (measure_item(item) + _STORAGE_OVERHEAD_BYTES) * (1 + sum(all(key in item for key in keys) for keys in indexes))
        for item in items
    )


def count_read_units(items: Iterable[Item], *, is_consistent: bool) -> float:
    """Count the units of one read or query that returns these items; what finds nothing costs one, too."""
    size = sum(measure_item(item) for item in items)
    units = max(1, math.ceil(size / _READ_BYTES))
    return units if is_consistent else units / 2


def _count_index_units(write: Write, keys: Sequence[str]) -> int:
    """Count the writes of an index: none if nothing in it changes, two if its key does."""
    old, new = (item if item and all(key in item for key in keys) else None for item in (write.old, write.new))
    if old == new:
        return 0
    if old and new and any(old[key] != new[key] for key in keys):
        return _round_up(measure_item(old)) + _round_up(measure_item(new))
    return _round_up(max(measure_item(old), measure_item(new)))


def _round_up(size: int) -> int:
    return max(1, math.ceil(size / _WRITE_BYTES))


def _measure_value(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return math.ceil(len(content.strip("-").replace(".", "")) / 2) + 1
        case "B":
            return len(content)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return _CONTAINER_BYTES + sum(1 + _measure_value(element) for element in content)
        case "M":
            return _CONTAINER_BYTES + sum(
                1 + len(name.encode()) + _measure_value(element) for name, element in content.items()
            )
        case _:
            return sum(_measure_value({kind[0]: element}) for element in content)

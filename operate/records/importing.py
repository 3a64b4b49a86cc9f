"""Writes the items of an export into a table of records, and never over an item that differs."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from operate.account import Account
from operate.errors import Refusal, error_code
from operate.records.adjustments import IMPORTED_AT, Adjustments, Erasures, belongs_to_table, key_of
from operate.records.exporting import Report
from operate.records.files import Header, Item, RecordsReader
from operate.records.reading import BATCH_SIZE, Key, read_items

_PROGRESS_SECONDS = 5.0
_SETS = frozenset({"SS", "NS", "BS"})


@dataclass
class ImportResult:
    """What an import has done.

    Attributes
    ----------
    written, present
        How many items were written, and how many were there already.
    kept
        How many items of the table are its own, and differ: slots of the caps, the state of the sweep.
    erased
        How many were left out, because their person was erased after the export.
    different
        How many are in the table and differ. They are not changed.
    adjustments
        What was changed in them.
    """

    adjustments: Adjustments
    written: int = 0
    present: int = 0
    kept: int = 0
    erased: int = 0
    different: int = 0


@dataclass
class RecordsImport:
    """An import into one table.

    Attributes
    ----------
    account, table
        Where to.
    reader
        The export.
    imported_at
        RFC 3339.
    report
        Called every few seconds.
    report_difference
        Called with the key of each item that differs in the table.
    """

    account: Account
    table: str
    reader: RecordsReader
    imported_at: str
    report: Report
    report_difference: Callable[[Key], None]
    _reported_at: float = field(default_factory=time.monotonic)

    def run(self) -> ImportResult:
        """Write what is missing. It can be repeated: what is there is passed over.

        Raises
        ------
        Refusal
            If the file is of another stack, is not complete or is damaged: nothing was written then.
        """
        _require_same_place(self.reader.header, self.account)
        for _ in self.reader.iterate_items():
            pass  # all of it is checked before any of it is written
        result = ImportResult(Adjustments(self.account.client("stepfunctions"), self.imported_at))
        erasures = Erasures(self._iterate_erased_ids(), self.reader.iterate_items())
        for batch in _iterate_batches(self.reader.iterate_items()):
            remaining = [item for item in batch if not erasures.covers(item)]
            result.erased += len(batch) - len(remaining)
            self._import_batch(remaining, result)
            self._report_progress(result)
        return result

    def _import_batch(self, items: Sequence[Item], result: ImportResult) -> None:
        present_items = read_items(self.account, self.table, [key_of(item) for item in items])
        for item in items:
            adjusted = result.adjustments.adjust(item)
            present = present_items.get(key_of(item)) or self._create(adjusted)
            if present is None:
                result.written += 1
                result.adjustments.count(item, adjusted)
            elif _normalize(present) in (_normalize(item), _normalize(adjusted)):
                result.present += 1
            elif belongs_to_table(item):
                result.kept += 1
            else:
                result.different += 1
                self.report_difference(key_of(item))

    def _create(self, item: Item) -> Item | None:
        """Write an item; return the one that is there, if somebody has written it meanwhile.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
        """
        try:
            self.account.client("dynamodb").put_item(
                TableName=self.table,
                Item=item,
                ConditionExpression="attribute_not_exists(#Id)",
                ExpressionAttributeNames={"#Id": "Id"},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            key = key_of(item)
            return read_items(self.account, self.table, [key]).get(key) or item
        return None

    def _iterate_erased_ids(self) -> Iterator[str]:
        pages = (
            self.account.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self.table,
                ConsistentRead=True,
                FilterExpression="begins_with(#Id, :prefix)",
                ProjectionExpression="#Id",
                ExpressionAttributeNames={"#Id": "Id"},
                ExpressionAttributeValues={":prefix": {"S": "erased/"}},
            )
        )
        return (item["Id"]["S"] for page in pages for item in page["Items"])

    def _report_progress(self, result: ImportResult) -> None:
        if time.monotonic() - self._reported_at > _PROGRESS_SECONDS:
            self.report(f"Items written: {result.written} …")
            self._reported_at = time.monotonic()


def _require_same_place(header: Header, account: Account) -> None:
    """Require the same account, Region and stack: records have ARNs with these, and only there are they understood."""
    source = (header["Account"], header["Region"], header["Stack"])
    target = (account.id, account.region, account.stack_name)
    if source != target:
        raise Refusal(
            f"The file is of {'/'.join(map(str, source))}, and this is {'/'.join(target)}: its records only fit a "
            "stack of the same account, Region and name."
        )


def _iterate_batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Go through the items in batches, none of which has a key twice."""
    batch: dict[Key, Item] = {}
    for item in items:
        if len(batch) == BATCH_SIZE or key_of(item) in batch:
            yield list(batch.values())
            batch = {}
        batch[key_of(item)] = item
    if batch:
        yield list(batch.values())


def _normalize(item: Item) -> dict[str, Any]:
    """Return what can be compared: sets keep no order, and an item that was imported before says so."""
    return {name: _normalize_value(value) for name, value in item.items() if name != IMPORTED_AT}


def _normalize_value(value: dict[str, Any]) -> dict[str, Any]:
    [(kind, content)] = value.items()
    if kind in _SETS:
        return {kind: sorted(content)}
    if kind == "L":
        return {kind: [_normalize_value(element) for element in content]}
    if kind == "M":
        return {kind: {name: _normalize_value(element) for name, element in content.items()}}
    return value

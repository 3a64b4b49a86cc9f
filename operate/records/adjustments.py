"""What an import changes in items, and what it leaves out, so that they are true in another table.

Executions of a stack are gone with it, and the items of its table do not know that:

- An entity's **lock** that says that such an execution holds the entity: it does not any more.
- The **record** of such an execution that waits for a date or an approval: it has no task that could be answered, and
  it is due, so that the next sweep closes it. A record in the window keeps its date: by it the entity can be restored.
- A **step** tells nobody again what was told before: it gets `ImportedAt`, by which NotifySubscribers leaves it out.

What a person had erased after the export stays erased. What counts or limits the work of one table stays that table's.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from operate.errors import error_code
from operate.records.files import Item

IMPORTED_AT = "ImportedAt"
_RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})
_WAITING = frozenset({"Scheduled", "AwaitingApproval", "Exporting"})
_ENTITY_PREFIX = "Entity "


def read_text(item: Item, name: str) -> str:
    """Return a text of an item; an empty one if it has none of this name."""
    return str(item.get(name, {}).get("S", ""))


def key_of(item: Item) -> tuple[str, str]:
    """Return the key of an item."""
    return read_text(item, "Id"), read_text(item, "Part")


def belongs_to_table(item: Item) -> bool:
    """Return whether an item is about the work of its table: slots, or how far the sweep has come."""
    return read_text(item, "Id").startswith(("cap/", "export/")) or key_of(item) == ("sweep", "State")


@dataclass
class Adjustments:
    """Changes items for the table into which they are written.

    Attributes
    ----------
    states
        A client of Step Functions.
    imported_at
        RFC 3339.
    released, closed
        How many locks were released, and how many waiting records the next sweep is to close.
    unwatched
        How many offboardings are in the window, and no execution verifies them.
    """

    states: Any
    imported_at: str
    released: int = 0
    closed: int = 0
    unwatched: int = 0
    _unfinished: dict[str, bool] = field(default_factory=dict)

    def adjust(self, item: Item) -> Item:
        """Return an item as it is to be written."""
        part = read_text(item, "Part")
        if read_text(item, "Kind") == "Step":
            return {**item, IMPORTED_AT: {"S": self.imported_at}}
        if part == "Lock" and _is_live(item) and not self._is_unfinished(read_text(item, "ExecutionArn")):
            return {**item, "Live": {"BOOL": False}}
        if part == "Record" and _waits(item) and not self._is_unfinished(read_text(item, "Id")):
            due = {**item, "DueAt": item["RecordedAt"]}
            return {name: value for name, value in due.items() if name != "TaskToken"}
        return item

    def count(self, item: Item, adjusted: Item) -> None:
        """Count what was changed in an item that was written."""
        part = read_text(item, "Part")
        self.released += part == "Lock" and adjusted != item
        self.closed += part == "Record" and adjusted != item
        self.unwatched += part == "Record" and _is_in_window(item) and not self._is_unfinished(read_text(item, "Id"))

    def _is_unfinished(self, execution_arn: str) -> bool:
        """Return whether an execution runs.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
        """
        if execution_arn not in self._unfinished:
            try:
                status = self.states.describe_execution(executionArn=execution_arn)["status"]
            except ClientError as error:
                if error_code(error) != "ExecutionDoesNotExist":
                    raise
                status = ""
            self._unfinished[execution_arn] = status in _RUNNING
        return self._unfinished[execution_arn]


def _is_live(lock: Item) -> bool:
    return bool(lock.get("Live", {}).get("BOOL"))


def _waits(record: Item) -> bool:
    return read_text(record, "StatusKey") in _WAITING and "Outcome" not in record


def _is_in_window(record: Item) -> bool:
    return read_text(record, "StatusKey") == "InWindow" and read_text(record, "Outcome") != "ServiceEnded"


class Erasures:
    """The people who were erased in a table, as far as a file has something of them.

    Parameters
    ----------
    erased_ids
        The `Id` of each item that says that an execution was erased.
    items
        The items of the file.
    """

    def __init__(self, erased_ids: Iterable[str], items: Iterator[Item]) -> None:
        self._erased_ids = frozenset(erased_ids)
        self._entities: set[str] = set()
        if self._erased_ids:
            for item in items:
                if self._is_of_erased_execution(item):
                    self._entities |= _list_entity_keys(item)

    def covers(self, item: Item) -> bool:
        """Return whether an item is about somebody who was erased."""
        subjects = {read_text(item, "Id"), read_text(item, "EntityKey")}
        subjects.add(read_text(item, "Part").removeprefix(_ENTITY_PREFIX))
        return bool(self._entities & subjects) or self._is_of_erased_execution(item)

    def _is_of_erased_execution(self, item: Item) -> bool:
        if not self._erased_ids:
            return False
        digest = hashlib.sha256(read_text(item, "Id").encode()).hexdigest()
        return f"erased/{digest}" in self._erased_ids


def _list_entity_keys(item: Item) -> set[str]:
    """Return the keys of the entity that an item of an execution is about: of its lock, and in its steps."""
    entity_id = read_text(item, "EntityId") or str(item.get("Entity", {}).get("M", {}).get("Id", {}).get("S", ""))
    organization_id = read_text(item, "OrganizationId")
    keys = {read_text(item, "EntityKey"), f"{organization_id}/{entity_id}" if organization_id and entity_id else ""}
    return keys - {""}

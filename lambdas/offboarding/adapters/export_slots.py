"""The slots for exports: how many an organization runs at once for this stack, over all executions.

These items stand in the table of `records.py`:

| item | Id | Part |
|---|---|---|
| a **slot**, with the execution that has leased it | `export/m-…` | `Slot …` |

A lease lapses, so that an execution that somebody stops does not keep its slot for ever. A slot whose lease has lapsed
is not free while WorkMail still exports that mailbox.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from offboarding.adapters.table import Item, Key, Table, build_update
from offboarding.domain import errors
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.timestamps import parse, render

LEASE = timedelta(hours=12)
"""Longer than the time between two looks at an export, with the retries of the state in all but long outages."""
_MAX_ATTEMPTS = 20
"""Others can take a slot in between. The state's own retries follow."""
_RELEASED = ("ExecutionArn", "EntityId", "LeasedUntil")


@dataclass(frozen=True)
class Lease:
    """A slot: its number, and if it is leased to which execution, for which entity, and until when (RFC 3339)."""

    number: int
    execution_arn: str | None = None
    entity_id: str = ""
    leased_until: str = ""

    def is_live(self, running_entities: Collection[str], now: datetime) -> bool:
        """Return whether it occupies its slot."""
        return parse(self.leased_until) > now or self.entity_id in running_entities


class ExportSlots:
    """The slots of one organization. Every method can raise `RecordUnavailable` and `AccessDenied`.

    Parameters
    ----------
    organization_id
        The organization.
    """

    def __init__(self, organization_id: str) -> None:
        self._table = Table()
        self._id = f"export/{organization_id}"

    def take(self, offboarding: Offboarding, size: int, running_entities: Collection[str], now: datetime) -> int | None:
        """Lease a slot, and return its number; None if none of them is free.

        An execution keeps the slot that it has, as `take_over` says.

        Parameters
        ----------
        offboarding
            The execution and its entity.
        size
            How many slots there are.
        running_entities
            The entities whose mailboxes WorkMail exports now.
        """
        for _ in range(_MAX_ATTEMPTS):
            leases = self._list()
            lease = _find_lease(leases, offboarding)
            if lease is None:
                occupied = {lease.number for lease in leases if lease.is_live(running_entities, now)}
                if len(occupied) >= size:
                    return None
                # Everybody tries the same one, so that no two take the last that is free.
                number = next(number for number in range(size) if number not in occupied)
                lease = next((lease for lease in leases if lease.number == number), None) or Lease(number)
            if self._lease(lease, offboarding, now):
                return lease.number
        raise errors.RecordUnavailable(
            "Many exports of this organization begin at once, and this one got no slot. Start again."
        )

    def take_over(self, offboarding: Offboarding, now: datetime) -> int | None:
        """Lease the slot in which the entity's mailbox is exported, and return its number; None if there is none.

        The slot belongs to this execution already, or to one that somebody has stopped.
        """
        lease = _find_lease(self._list(), offboarding)
        return lease.number if lease is not None and self._lease(lease, offboarding, now) else None

    def has_free(self, size: int, running_entities: Collection[str], now: datetime) -> bool:
        """Return whether a slot is free now."""
        return sum(lease.is_live(running_entities, now) for lease in self._list()) < size

    def renew(self, number: int, offboarding: Offboarding, now: datetime) -> None:
        """Extend a lease, unless the slot belongs to another execution by now."""
        self._table.try_update(
            build_update(
                self._key(number),
                {"LeasedUntil": render(now + LEASE)},
                condition="#ExecutionArn = :execution",
                execution=offboarding.execution_arn,
            )
        )

    def release(self, number: int, offboarding: Offboarding) -> None:
        """Give a slot back, unless it belongs to another execution by now."""
        self._table.try_update(
            build_update(
                self._key(number),
                {},
                _RELEASED,
                condition="#ExecutionArn = :execution",
                execution=offboarding.execution_arn,
            )
        )

    def _lease(self, lease: Lease, offboarding: Offboarding, now: datetime) -> bool:
        """Lease a slot that is as it was read; False if it has changed since."""
        assignments = {
            "ExecutionArn": offboarding.execution_arn,
            "EntityId": offboarding.entity_id,
            "LeasedUntil": render(now + LEASE),
        }
        condition, values = "attribute_not_exists(#ExecutionArn)", {}
        if lease.execution_arn is not None:
            condition = "#ExecutionArn = :seen AND #LeasedUntil = :seen_until"
            values = {"seen": lease.execution_arn, "seen_until": lease.leased_until}
        return self._table.try_update(build_update(self._key(lease.number), assignments, condition=condition, **values))

    def _list(self) -> list[Lease]:
        items = self._table.query("#Id = :id AND begins_with(#Part, :prefix)", id=self._id, prefix="Slot ")
        return [_parse_lease(item) for item in items if "ExecutionArn" in item]

    def _key(self, number: int) -> Key:
        return Key(self._id, f"Slot {number}")


def _find_lease(leases: Iterable[Lease], offboarding: Offboarding) -> Lease | None:
    return next((lease for lease in leases if lease.entity_id == offboarding.entity_id), None)


def _parse_lease(item: Item) -> Lease:
    return Lease(
        number=int(item["Part"].removeprefix("Slot ")),
        execution_arn=item["ExecutionArn"],
        entity_id=item["EntityId"],
        leased_until=item["LeasedUntil"],
    )

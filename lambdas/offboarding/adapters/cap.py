"""The slots of a cap: how many entities of an organization can be deregistered within 24 hours without an approval.

Identity providers have one cap, and people who start executions have another; each has slots of its own. Each
deregistration takes the next slot: an item with its number and time. Slot 57 is free under a cap of 20 once slot 37 was
taken 24 hours ago, whatever the cap was at that time. The item with the next number and the slot are written in one
transaction, so that two executions never take the same slot. Slots are deleted by their time to live.
"""

import hashlib
from datetime import datetime, timedelta

from offboarding.adapters.table import (
    Action,
    ConditionFailedError,
    Key,
    Table,
    build_check,
    build_put,
    build_update,
)
from offboarding.domain import errors
from offboarding.domain.caps import CapKind
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.timestamps import ONE_DAY, parse, render

_MAX_ATTEMPTS = 20
"""Others can take a slot in between. The state's own retries follow."""
_ID_PREFIXES = {CapKind.PROVIDERS: "cap/", CapKind.HAND: "cap/hand/"}
"""How the ids of the items begin, before the organization."""
_SLOT_KEPT_FOR = timedelta(days=3)
_COUNT, _RECORD, _SLOT, _OLDEST = range(4)
"""The positions of the writes in a transaction."""


def _hash(execution_arn: str) -> str:
    """Return what tells an execution from others, and nothing of its entity: this item is kept for ever."""
    return hashlib.sha256(execution_arn.encode()).hexdigest()


class Cap:
    """One cap of one organization. Every method can raise `RecordUnavailable` and `AccessDenied`.

    Parameters
    ----------
    organization_id
        The organization.
    kind
        Whose offboardings it counts.
    """

    def __init__(self, organization_id: str, kind: CapKind) -> None:
        self._table = Table()
        self._id = f"{_ID_PREFIXES[kind]}{organization_id}"

    def take_slot(self, offboarding: Offboarding, size: int, now: datetime) -> bool:
        """Take a slot for an execution, which must have its record; return whether one was free.

        An execution that has taken one in the last 24 hours keeps that. `size` is how many slots there are within 24
        hours.
        """
        if size == 0:
            return False
        for _ in range(_MAX_ATTEMPTS):
            number = self._read_next_number()
            try:
                self._table.transact(self._build_actions(offboarding, number, size, now))
            except ConditionFailedError as failure:
                if _RECORD in failure.positions:
                    return True
                if failure.positions == {_OLDEST}:
                    return False
            else:
                return True
        raise errors.RecordUnavailable(
            "Many offboardings of this organization begin at once, and this one could not be counted. Start again."
        )

    def is_reached(self, size: int, moment: datetime) -> bool:
        """Return whether no slot is free at a moment, by what is taken until now."""
        if size == 0:
            return True
        # There is no such slot as long as fewer were ever taken.
        oldest = self._table.read(self._slot_key(self._read_next_number() - size))
        return oldest is not None and parse(oldest["TakenAt"]) > moment - ONE_DAY

    def claim_notification(self, offboarding: Offboarding, now: datetime) -> bool:
        """Return whether this execution is the one to notify people that the cap is reached, once in 24 hours."""
        return self._table.try_update(
            build_update(
                self._count_key,
                {"NotifiedBy": _hash(offboarding.execution_arn), "NotifiedAt": render(now)},
                condition="attribute_not_exists(#NotifiedBy) OR #NotifiedBy = :NotifiedBy OR #NotifiedAt <= :yesterday",
                yesterday=render(now - ONE_DAY),
            )
        )

    @property
    def _count_key(self) -> Key:
        return Key(self._id, "Count")

    def _slot_key(self, number: int) -> Key:
        return Key(self._id, f"Slot {number:08}")

    def _read_next_number(self) -> int:
        return int((self._table.read(self._count_key) or {}).get("NextNumber", 0))

    def _build_actions(self, offboarding: Offboarding, number: int, size: int, now: datetime) -> list[Action]:
        taken_at, yesterday = render(now), render(now - ONE_DAY)
        count = build_update(
            self._count_key,
            {"NextNumber": number + 1},
            condition="attribute_not_exists(#NextNumber) OR #NextNumber = :number",
            number=number,
        )
        record = build_update(
            Key(offboarding.execution_arn, "Record"),
            {"SlotTakenAt": taken_at},
            condition="attribute_exists(#Id) AND (attribute_not_exists(#SlotTakenAt) OR #SlotTakenAt <= :yesterday)",
            yesterday=yesterday,
        )
        key = self._slot_key(number)
        slot = {
            "Id": key.id,
            "Part": key.part,
            "TakenAt": taken_at,
            "ExecutionArn": offboarding.execution_arn,
            "ExpiresAt": int((now + _SLOT_KEPT_FOR).timestamp()),
        }
        actions: list[Action] = [{"Update": count}, {"Update": record}, {"Put": build_put(slot)}]
        if number >= size:
            condition = "attribute_not_exists(#Id) OR #TakenAt <= :yesterday"
            oldest = build_check(self._slot_key(number - size), condition, yesterday=yesterday)
            actions.append({"ConditionCheck": oldest})
        return actions

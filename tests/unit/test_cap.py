"""The caps on deregistrations within 24 hours: slots that slide, are taken once, and never too many at a time."""

import hashlib
import threading
from datetime import datetime, timedelta

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.cap import Cap
from offboarding.domain import errors
from offboarding.domain.caps import CapKind
from offboarding.domain.timestamps import parse
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    OTHER_ORGANIZATION_ID,
    TABLE_NAME,
    Table,
    make_execution_arn,
    make_key,
    make_offboarding,
)

START = parse(NOW)
DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
CAP_ID, HAND_CAP_ID = f"cap/{ORGANIZATION_ID}", f"cap/hand/{ORGANIZATION_ID}"
ATTEMPTS = 20


def make_cap(organization_id: str = ORGANIZATION_ID, kind: CapKind = CapKind.PROVIDERS) -> Cap:
    return Cap(organization_id, kind)


def take_slot(
    table: Table,
    name: str,
    size: int,
    moment: datetime = START,
    organization_id: str = ORGANIZATION_ID,
    kind: CapKind = CapKind.PROVIDERS,
) -> bool:
    """Take a slot for an execution, which gets a record if it has none."""
    execution_arn = make_execution_arn(name)
    if table.read_item(execution_arn) is None:
        table.create_record(name, f"entity-{name}")
    return make_cap(organization_id, kind).take_slot(make_offboarding(execution_arn), size, moment)


def is_reached(size: int, moment: datetime = START, kind: CapKind = CapKind.PROVIDERS) -> bool:
    return make_cap(kind=kind).is_reached(size, moment)


def count_slots(table: Table) -> int:
    return sum(item["Part"]["S"].startswith("Slot ") for item in table.read_all())


def take_slot_before_each_claim(
    monkeypatch: pytest.MonkeyPatch, table: Table, size: int, times: int, moment: datetime = START
) -> None:
    """Have other executions take a slot after the next number was read and before it is claimed."""
    read_next_number, names = Cap._read_next_number, [f"other-{number}" for number in range(times)]

    def read_and_lose_slot(cap: Cap) -> int:
        number = read_next_number(cap)
        if names:
            name = names.pop()
            monkeypatch.setattr(Cap, "_read_next_number", read_next_number)
            assert take_slot(table, name, size, moment)
            monkeypatch.setattr(Cap, "_read_next_number", read_and_lose_slot)
        return number

    monkeypatch.setattr(Cap, "_read_next_number", read_and_lose_slot)


def test_a_slot_has_its_execution_its_time_and_its_number(table: Table) -> None:
    assert take_slot(table, "a", 2)
    assert take_slot(table, "b", 2, START + MILLISECOND)

    assert table.read_members(CAP_ID, "Count") == {"NextNumber": 2}
    assert table.read_members(CAP_ID, "Slot 00000001") == {
        "TakenAt": "2026-11-24T09:00:00.001Z",
        "ExecutionArn": ARN_B,
        "ExpiresAt": int((START + timedelta(days=3)).timestamp()),
    }
    assert table.read_text(CAP_ID, "ExecutionArn", "Slot 00000000") == ARN_A
    assert table.read_text(ARN_A, "SlotTakenAt") == NOW


def test_a_cap_of_zero_has_no_slots(table: Table) -> None:
    assert not take_slot(table, "a", 0)
    assert is_reached(0)
    assert count_slots(table) == 0


@pytest.mark.parametrize(
    ("elapsed", "is_free"), [(DAY - MILLISECOND, False), (DAY, True), (timedelta(hours=15), False), (2 * DAY, True)]
)
def test_a_slot_is_free_again_after_exactly_24_hours(table: Table, elapsed: timedelta, is_free: bool) -> None:
    take_slot(table, "a", 1)

    assert is_reached(1, START + elapsed) is not is_free
    assert take_slot(table, "b", 1, START + elapsed) is is_free
    assert count_slots(table) == 1 + is_free


def test_at_no_moment_more_slots_than_the_cap_were_taken_within_24_hours(table: Table) -> None:
    moments = [START + number * timedelta(hours=3) for number in range(30)]

    taken = [moment for number, moment in enumerate(moments) if take_slot(table, f"n{number}", 3, moment)]

    assert len(taken) > 9
    assert all(sum(moment - DAY < former <= moment for former in taken) == 3 for moment in taken[2:])


def test_an_execution_takes_one_slot_even_if_it_retries(table: Table) -> None:
    assert take_slot(table, "a", 1)
    assert take_slot(table, "a", 1), "a retry already has its slot"
    assert take_slot(table, "a", 1, START + DAY - MILLISECOND)
    assert not take_slot(table, "b", 1)
    assert count_slots(table) == 1


def test_a_slot_older_than_a_day_is_taken_again_by_the_same_execution(table: Table) -> None:
    take_slot(table, "a", 1)

    assert take_slot(table, "a", 1, START + DAY)

    assert count_slots(table) == 2
    assert table.read_text(ARN_A, "SlotTakenAt") == "2026-11-25T09:00:00.000Z"
    assert not take_slot(table, "b", 1, START + DAY)


def test_an_execution_whose_slot_is_older_than_a_day_can_find_the_cap_reached(table: Table) -> None:
    take_slot(table, "a", 1)
    take_slot(table, "b", 1, START + DAY)

    assert not take_slot(table, "a", 1, START + DAY + MILLISECOND)


def test_a_lowered_cap_stops_new_executions_and_keeps_the_taken_slots(table: Table) -> None:
    assert all(take_slot(table, name, 3) for name in "abc")

    assert not take_slot(table, "d", 2)
    assert take_slot(table, "c", 2), "it has its slot"
    assert not take_slot(table, "d", 1, START + DAY - MILLISECOND)
    assert take_slot(table, "d", 1, START + DAY)
    assert not take_slot(table, "e", 1, START + DAY)


def test_a_raised_cap_has_room_for_as_many_as_it_was_raised_by(table: Table) -> None:
    assert take_slot(table, "a", 1)
    assert not take_slot(table, "b", 1)

    assert [take_slot(table, name, 3) for name in "bcd"] == [True, True, False]
    assert is_reached(3)
    assert not is_reached(4)


def test_a_slot_that_has_been_deleted_is_free(table: Table) -> None:
    take_slot(table, "a", 1)
    table.delete_item(CAP_ID, "Slot 00000000")

    assert not is_reached(1)
    assert take_slot(table, "b", 1)


def test_each_organization_has_its_own_cap(table: Table) -> None:
    assert take_slot(table, "a", 1)

    assert take_slot(table, "b", 1, organization_id=OTHER_ORGANIZATION_ID)
    assert is_reached(1)
    assert not take_slot(table, "c", 1)


def test_people_and_identity_providers_have_slots_of_their_own(table: Table) -> None:
    assert take_slot(table, "a", 1, kind=CapKind.HAND)

    assert is_reached(1, kind=CapKind.HAND)
    assert not take_slot(table, "b", 1, kind=CapKind.HAND)
    assert not is_reached(1)
    assert take_slot(table, "c", 1)
    assert not take_slot(table, "d", 1)
    assert table.read_text(HAND_CAP_ID, "ExecutionArn", "Slot 00000000") == ARN_A
    assert table.read_text(CAP_ID, "ExecutionArn", "Slot 00000000") == make_execution_arn("c")


def test_each_organization_has_its_own_cap_of_offboardings_by_hand(table: Table) -> None:
    assert take_slot(table, "a", 1, kind=CapKind.HAND)

    assert take_slot(table, "b", 1, organization_id=OTHER_ORGANIZATION_ID, kind=CapKind.HAND)
    assert not take_slot(table, "c", 1, kind=CapKind.HAND)


def test_the_cap_is_reached_when_as_many_slots_are_taken(table: Table) -> None:
    assert not is_reached(1)
    take_slot(table, "a", 2)
    assert not is_reached(2)
    take_slot(table, "b", 2)
    assert is_reached(2)
    assert count_slots(table) == 2, "asking takes none"


@pytest.mark.parametrize(("size", "has_slot"), [(20, True), (3, False)])
def test_a_claim_is_tried_again_if_others_take_its_slot(
    table: Table, monkeypatch: pytest.MonkeyPatch, size: int, has_slot: bool
) -> None:
    take_slot_before_each_claim(monkeypatch, table, size, times=3)

    assert take_slot(table, "a", size) is has_slot

    assert count_slots(table) == 3 + has_slot


def test_a_claim_is_given_up_if_others_take_its_slot_each_time(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    take_slot_before_each_claim(monkeypatch, table, 100, times=ATTEMPTS)

    with pytest.raises(errors.RecordUnavailable, match="Many offboardings of this organization begin at once"):
        take_slot(table, "a", 100)

    assert count_slots(table) == ATTEMPTS
    assert table.read_text(ARN_A, "SlotTakenAt") is None
    assert take_slot(table, "a", 100)


def test_a_claim_succeeds_at_its_last_attempt(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    take_slot_before_each_claim(monkeypatch, table, 100, times=ATTEMPTS - 1)

    assert take_slot(table, "a", 100)


def test_a_claim_with_a_former_number_is_tried_again_even_if_its_slot_is_not_free(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(take_slot(table, name, 2) for name in "bc")
    read_next_number, numbers, reads = Cap._read_next_number, [1], []

    def read_former_number(cap: Cap) -> int:
        reads.append(numbers.pop() if numbers else read_next_number(cap))
        return reads[-1]

    monkeypatch.setattr(Cap, "_read_next_number", read_former_number)

    assert not take_slot(table, "a", 1)
    assert reads == [1, 2]


def test_sixty_simultaneous_executions_take_exactly_twenty_slots(table: Table) -> None:
    names = [f"claim-{number}" for number in range(60)]
    for name in names:
        table.client.put_item(TableName=TABLE_NAME, Item=make_key(make_execution_arn(name), "Record"))
    start, results = threading.Barrier(len(names)), []

    def claim_slot(name: str) -> None:
        start.wait()
        results.append(make_cap().take_slot(make_offboarding(make_execution_arn(name)), 20, START))

    threads = [threading.Thread(target=claim_slot, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False] * 40 + [True] * 20
    assert count_slots(table) == 20
    assert table.read_members(CAP_ID, "Count") == {"NextNumber": 20}
    assert sum(table.read_text(make_execution_arn(name), "SlotTakenAt") is not None for name in names) == 20


@pytest.mark.parametrize("has_count", [False, True])
def test_one_execution_claims_the_notification_within_24_hours(table: Table, has_count: bool) -> None:
    if has_count:
        take_slot(table, "a", 1)
    cap, execution_a, execution_b = make_cap(), make_offboarding(ARN_A), make_offboarding(ARN_B)

    assert cap.claim_notification(execution_a, START)
    assert not cap.claim_notification(execution_b, START)
    assert cap.claim_notification(execution_a, START), "a retry claims it again"
    assert not cap.claim_notification(execution_b, START + DAY - MILLISECOND)
    assert cap.claim_notification(execution_b, START + DAY)
    assert not cap.claim_notification(execution_a, START + DAY)
    assert make_cap(OTHER_ORGANIZATION_ID).claim_notification(execution_a, START)


def test_people_are_notified_of_each_cap(table: Table) -> None:
    assert make_cap(kind=CapKind.HAND).claim_notification(make_offboarding(ARN_A), START)

    assert make_cap().claim_notification(make_offboarding(ARN_B), START)
    assert not make_cap(kind=CapKind.HAND).claim_notification(make_offboarding(ARN_B), START)


@pytest.mark.parametrize("is_first_slot", [True, False])
def test_a_notification_changes_no_slot(table: Table, is_first_slot: bool) -> None:
    if not is_first_slot:
        take_slot(table, "b", 2)

    make_cap().claim_notification(make_offboarding(ARN_A), START)

    assert take_slot(table, "a", 2)
    assert table.read_members(CAP_ID, "Count") == {
        "NextNumber": 2 - is_first_slot,
        "NotifiedBy": hashlib.sha256(ARN_A.encode()).hexdigest(),
        "NotifiedAt": NOW,
    }


def test_no_slot_is_counted_for_an_execution_whose_record_was_deleted(table: Table) -> None:
    assert make_cap().take_slot(make_offboarding(ARN_A), 1, START), "it ends before it deregisters anything"

    assert count_slots(table) == 0
    assert table.read_item(ARN_A) is None

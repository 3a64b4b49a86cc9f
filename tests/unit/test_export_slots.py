"""The slots for exports: never more than the size, whoever asks when, and none for ever."""

import threading
from datetime import datetime, timedelta

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.export_slots import LEASE, ExportSlots
from offboarding.domain import errors
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import NOW, OTHER_ORGANIZATION_ID, Table, make_execution_arn, make_offboarding

START = parse(NOW)
MILLISECOND = timedelta(milliseconds=1)
SLOTS_ID = f"export/{ORGANIZATION_ID}"


def take(
    name: str, size: int = 2, moment: datetime = START, running: frozenset[str] = frozenset(), entity: str | None = None
) -> int | None:
    offboarding = make_offboarding(make_execution_arn(name), entity or f"entity-{name}")
    return ExportSlots(ORGANIZATION_ID).take(offboarding, size, running, moment)


def release(name: str, number: int) -> None:
    ExportSlots(ORGANIZATION_ID).release(number, make_offboarding(make_execution_arn(name), f"entity-{name}"))


def has_free(size: int, moment: datetime = START, running: frozenset[str] = frozenset()) -> bool:
    return ExportSlots(ORGANIZATION_ID).has_free(size, running, moment)


def test_the_lowest_free_slot_is_leased_to_an_execution_and_its_entity(table: Table) -> None:
    assert has_free(2)
    assert [take("a"), take("b"), take("c")] == [0, 1, None]
    assert not has_free(2)
    assert has_free(3)
    assert table.read_members(SLOTS_ID, "Slot 1") == {
        "ExecutionArn": make_execution_arn("b"),
        "EntityId": "entity-b",
        "LeasedUntil": render(START + LEASE),
    }
    release("a", 0)
    assert has_free(2)
    assert [take("c"), take("d")] == [0, None]


def test_an_execution_keeps_its_slot_when_it_asks_again(table: Table) -> None:
    assert [take("a"), take("a"), take("b"), take("a", size=1)] == [0, 0, 1, 0]


def test_another_execution_takes_over_the_slot_of_its_entity(table: Table) -> None:
    take("a", entity="dana")
    take("b")

    assert take("c", entity="dana") == 0
    assert table.read_text(SLOTS_ID, "ExecutionArn", "Slot 0") == make_execution_arn("c")
    slots, offboarding = ExportSlots(ORGANIZATION_ID), make_offboarding(make_execution_arn("d"), "dana")
    assert slots.take_over(offboarding, START) == 0
    assert slots.take_over(make_offboarding(make_execution_arn("e"), "kim"), START) is None


def test_a_slot_that_changes_while_it_is_taken_over_is_not_taken_over(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    take("a", entity="dana")
    stale = ExportSlots(ORGANIZATION_ID)._list()
    take("b", entity="dana", moment=START + MILLISECOND)
    monkeypatch.setattr(ExportSlots, "_list", lambda _: stale)

    assert ExportSlots(ORGANIZATION_ID).take_over(make_offboarding(make_execution_arn("c"), "dana"), START) is None
    assert table.read_text(SLOTS_ID, "ExecutionArn", "Slot 0") == make_execution_arn("b")


def test_a_lease_lapses_unless_its_mailbox_is_still_exported(table: Table) -> None:
    take("a", size=1)

    assert take("b", 1, START + LEASE - MILLISECOND) is None
    assert take("b", 1, START + LEASE, frozenset({"entity-a"})) is None
    assert not has_free(1, START + LEASE, frozenset({"entity-a"}))
    assert has_free(1, START + LEASE)
    assert take("b", 1, START + LEASE) == 0


def test_a_renewed_lease_lapses_later_and_only_its_execution_renews_it(table: Table) -> None:
    take("a", size=1)
    slots = ExportSlots(ORGANIZATION_ID)
    slots.renew(0, make_offboarding(make_execution_arn("b")), START + LEASE)
    assert table.read_text(SLOTS_ID, "LeasedUntil", "Slot 0") == render(START + LEASE)

    slots.renew(0, make_offboarding(make_execution_arn("a")), START + timedelta(hours=1))

    assert take("b", 1, START + LEASE) is None
    assert take("b", 1, START + LEASE + timedelta(hours=1)) == 0


def test_only_its_execution_releases_a_slot_and_twice_is_once(table: Table) -> None:
    take("a", size=1)
    release("b", 0)
    assert not has_free(1)

    release("a", 0)
    release("a", 0)

    assert take("b", size=1) == 0
    release("a", 0)
    assert not has_free(1)


def test_a_smaller_size_counts_all_leases_and_a_larger_one_has_room(table: Table) -> None:
    assert [take(name, 4) for name in "abcd"] == [0, 1, 2, 3]
    release("a", 0)
    release("b", 1)

    assert take("e", 2) is None, "two still run, with higher numbers"
    assert not has_free(2)
    assert take("e", 3) == 0
    assert take("f", 5) == 1


def test_each_organization_has_its_own_slots(table: Table) -> None:
    take("a", size=1)
    another = make_offboarding(make_execution_arn("b"), organization_id=OTHER_ORGANIZATION_ID)

    assert ExportSlots(OTHER_ORGANIZATION_ID).take(another, 1, frozenset(), START) == 0


@pytest.mark.parametrize("size", [1, 8])
def test_thirty_executions_at_once_take_as_many_slots_as_there_are(table: Table, size: int) -> None:
    start, results = threading.Barrier(30), []

    def take_slot(number: int) -> None:
        start.wait()
        try:
            results.append(take(f"n{number}", size))
        except errors.RecordUnavailable:
            results.append(None)

    threads = [threading.Thread(target=take_slot, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(number for number in results if number is not None) == list(range(size))
    assert len(results) == 30
    assert not has_free(size)


def test_executions_that_read_at_the_same_moment_do_not_both_take_the_last_slot(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, names = ExportSlots._list, ["b"]

    def read_and_lose(slots: ExportSlots) -> object:
        leases = read(slots)
        if names:
            assert take(names.pop(), size=1) == 0
        return leases

    monkeypatch.setattr(ExportSlots, "_list", read_and_lose)

    assert take("a", size=1) is None


def test_a_slot_that_others_take_each_time_is_given_up_and_tried_again_later(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []
    monkeypatch.setattr(ExportSlots, "_lease", lambda *_: attempts.append(1))

    with pytest.raises(errors.RecordUnavailable, match="Many exports of this organization begin at once"):
        take("a")
    assert len(attempts) == 20

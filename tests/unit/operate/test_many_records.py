"""The questions of people in worlds of 1,000 and 10,000 records, each asked by a process of its own."""

import pytest

from benchmarks.questions import SIZES, list_problems, measure_world


@pytest.mark.long
def test_answers_from_many_records_are_right_and_come_soon_in_the_same_memory() -> None:
    worlds = {count: measure_world(count) for count in SIZES}

    assert all(worlds.values())
    assert [*list_problems(worlds)] == []

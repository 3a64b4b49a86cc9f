"""The movable clock: what moves it, what does not, and in which order things run."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from local.clock import Clock, ClockStoppedError, DeadlineReachedError

START = datetime(2026, 11, 22, 17, 0, 0, 123000, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with Clock(START) as clock:
        yield clock


@pytest.fixture
def log() -> list[tuple[str, datetime]]:
    return []


@pytest.fixture
def sleeper(clock: Clock, log: list[tuple[str, datetime]]) -> Callable[..., None]:
    """Make work that sleeps for each of some durations, and notes when it wakes."""

    def start(name: str, *durations: timedelta, automatic: bool = False) -> None:
        def run() -> None:
            for duration in durations:
                clock.sleep_until(clock.now() + duration, automatic=automatic)
                log.append((name, datetime.now(UTC)))

        clock.start_thread(name, run)

    return start


def test_the_whole_process_reads_the_same_time(clock: Clock) -> None:
    seen: list[datetime] = []
    thread = threading.Thread(target=lambda: seen.append(datetime.now(UTC)))
    thread.start()
    thread.join()

    assert seen == [START]
    assert datetime.now(UTC) == clock.now() == START
    assert time.time() == START.timestamp()


def test_it_starts_at_the_real_time_and_restores_it() -> None:
    real_time_before = datetime.now(UTC)
    with Clock() as clock:
        assert real_time_before - timedelta(milliseconds=1) <= clock.now() <= real_time_before + timedelta(minutes=1)
        clock.advance(30 * DAY)
    assert datetime.now(UTC) - real_time_before < timedelta(minutes=1)


def test_the_time_zone_of_the_process_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with Clock(START):
            assert datetime.now().hour == 12  # noqa: DTZ005 (a clock without a zone is what is tested)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_instant_in_another_zone_is_the_same_instant() -> None:
    with Clock(START.astimezone(timezone(timedelta(hours=-5)))) as clock:
        assert clock.now() == START
        clock.move_to((START + HOUR).astimezone(timezone(timedelta(hours=9))))
        assert clock.now() == START + HOUR


def test_an_instant_without_a_zone_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="time zone"):
        clock.move_to(datetime(2027, 1, 1))  # noqa: DTZ001 (a date without a zone is what is tested)


def test_it_never_goes_backwards(clock: Clock) -> None:
    with pytest.raises(ValueError, match="backwards"):
        clock.move_to(START - HOUR)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-HOUR)
    assert clock.now() == START


def test_everything_due_has_run_in_order_when_advance_returns(
    clock: Clock, sleeper: Callable[..., None], log: list
) -> None:
    sleeper("a", 3 * HOUR, 3 * HOUR)
    sleeper("b", 5 * HOUR)
    clock.advance(10 * HOUR)

    assert log == [("a", START + 3 * HOUR), ("b", START + 5 * HOUR), ("a", START + 6 * HOUR)]
    assert clock.now() == START + 10 * HOUR


def test_a_timer_that_is_not_due_does_not_run(clock: Clock, sleeper: Callable[..., None], log: list) -> None:
    sleeper("a", DAY)
    clock.advance(DAY - timedelta(milliseconds=1))
    assert log == []

    clock.advance(timedelta(milliseconds=1))
    assert log == [("a", START + DAY)]


def test_things_due_at_one_instant_run_in_the_order_in_which_they_were_set_up(clock: Clock) -> None:
    ran: list[int] = []
    for number in range(20):
        clock.call_at(START + HOUR, lambda number=number: ran.append(number))
    clock.advance(HOUR)

    assert ran == list(range(20))


def test_no_wait_ends_before_its_instant_even_between_two_milliseconds(clock: Clock, log: list) -> None:
    until = START + timedelta(microseconds=400)

    def run() -> None:
        clock.sleep_until(until)
        log.append(datetime.now(UTC))

    clock.start_thread("a", run)
    clock.advance(DAY)

    assert log == [START + timedelta(milliseconds=1)]


def test_a_wait_for_the_past_does_not_block(clock: Clock) -> None:
    assert clock.sleep_until(START - DAY) is False
    assert clock.sleep_until(START) is False


def test_idleness_alone_never_moves_the_clock(clock: Clock, sleeper: Callable[..., None], log: list) -> None:
    sleeper("wait", HOUR)
    clock.settle()

    assert (clock.now(), log) == (START, [])


def test_automatic_waits_end_by_themselves_and_only_their_time_passes(
    clock: Clock, sleeper: Callable[..., None], log: list
) -> None:
    sleeper("retry", HOUR, 2 * HOUR, automatic=True)
    sleeper("wait", DAY)
    clock.settle()

    assert log == [("retry", START + HOUR), ("retry", START + 3 * HOUR)]
    assert clock.now() == START + 3 * HOUR


def test_what_is_due_before_an_automatic_wait_runs_first(clock: Clock, sleeper: Callable[..., None], log: list) -> None:
    sleeper("wait", HOUR)
    clock.call_at(START + 2 * HOUR, lambda: log.append(("timer", clock.now())))
    clock.settle()
    sleeper("retry", 3 * HOUR, automatic=True)
    clock.settle()

    assert log == [("wait", START + HOUR), ("timer", START + 2 * HOUR), ("retry", START + 3 * HOUR)]


def test_an_automatic_wait_does_not_end_while_other_work_runs(
    clock: Clock, sleeper: Callable[..., None], log: list
) -> None:
    busy = clock.begin("somebody")
    sleeper("retry", HOUR, automatic=True)
    with pytest.raises(TimeoutError, match="somebody"):
        clock.settle(timeout=0.05)
    assert (clock.now(), log) == (START, [])

    busy.end()
    clock.settle()
    assert log == [("retry", START + HOUR)]


class Racing(Clock):
    """A clock whose first `settle` is preceded by something that another thread does at that moment."""

    before_settling: Callable[[], None] | None = None
    after_settling: Callable[[], None] | None = None

    def settle(self, timeout: float = 30) -> None:
        hook, self.before_settling = self.before_settling, None
        if hook:
            hook()
        super().settle(timeout)
        hook, self.after_settling = self.after_settling, None
        if hook:
            hook()


def test_running_retries_do_not_shorten_an_advance() -> None:
    with Racing(START) as clock:
        busy = clock.begin("busy")
        clock.start_thread("retry", lambda: clock.sleep(HOUR))
        clock.before_settling = busy.end
        clock.advance(DAY)

        assert clock.now() == START + HOUR + DAY


def test_time_stands_still_for_work_that_begins_during_an_advance() -> None:
    seen: list[datetime] = []
    with Racing(START) as clock:
        go = threading.Event()

        def begin() -> None:
            clock.before_settling = go.set
            clock.start_thread("late", lambda: (go.wait(), seen.append(clock.now())))

        clock.after_settling = begin
        clock.advance(DAY)

    assert seen == [START]


def test_work_that_waits_for_other_work_is_busy_before_that_ends() -> None:
    idle: list[bool] = []

    class Watching(Clock):
        def _run_automatic_waits(self) -> None:
            idle.append(not self._busy)
            super()._run_automatic_waits()

    with Watching(START) as clock:
        child = clock.begin("child")
        hold = threading.Event()
        clock.start_thread("parent", lambda: (child.ended.wait(), hold.wait()))
        other_work = clock.begin("other")
        with pytest.raises(TimeoutError, match="child, other"):
            clock.settle(timeout=0.05)
        other_work.end()
        idle.clear()
        child.end()
        hold.set()
        clock.settle()

    assert idle[0] is False


def test_a_retry_that_starts_during_an_advance_runs_to_its_end_beyond_the_target(clock: Clock, log: list) -> None:
    def run() -> None:
        clock.sleep_until(START + HOUR)
        clock.sleep(2 * HOUR)
        log.append(clock.now())

    clock.start_thread("a", run)
    clock.advance(2 * HOUR)

    assert log == [START + 3 * HOUR]
    assert clock.now() == START + 3 * HOUR


def test_an_opened_gate_ends_a_wait_at_once(clock: Clock, log: list) -> None:
    gate = clock.gate()
    clock.start_thread("a", lambda: log.append((clock.sleep_until(START + DAY, gate), clock.now())))
    clock.settle()
    gate.open()
    clock.settle()

    assert log == [(True, START)]
    clock.advance(2 * DAY)
    assert len(log) == 1


def test_an_open_gate_does_not_block(clock: Clock) -> None:
    gate = clock.gate()
    gate.open()

    assert gate.wait(START + DAY) is True


def test_work_that_waits_for_other_work_is_not_busy(clock: Clock, sleeper: Callable[..., None], log: list) -> None:
    def parent() -> None:
        children = [clock.start_thread(f"child {n}", lambda n=n: clock.sleep_until(START + n * HOUR)) for n in (1, 2)]
        for child in children:
            child.ended.wait()
        log.append(clock.now())

    clock.start_thread("parent", parent)
    clock.advance(DAY)

    assert log == [START + 2 * HOUR]


def test_there_is_no_idle_moment_when_work_is_handed_over(clock: Clock) -> None:
    """A relay: each runner starts the next and ends. In no gap may settle return early."""
    finished: list[int] = []

    def runner(number: int) -> None:
        if number:
            gate = clock.gate()
            following = clock.start_thread(f"runner {number - 1}", lambda: (gate.open(), runner(number - 1)))
            gate.wait()
            following.ended.wait()
        finished.append(number)

    for _ in range(20):
        finished.clear()
        clock.start_thread("runner 20", lambda: runner(20))
        clock.settle()
        assert len(finished) == 21


def test_a_hang_is_reported_by_name(clock: Clock) -> None:
    work = clock.begin("execution of dana")
    with pytest.raises(TimeoutError, match="execution of dana"):
        clock.advance(DAY, timeout=0.05)
    assert clock.now() == START
    work.end()


def test_slow_work_whose_parts_are_counted_makes_progress(clock: Clock) -> None:
    release = threading.Event()

    def run() -> None:
        for _ in range(20):
            release.wait(0.05)
            with clock.count_as_work("invocation"):
                pass

    clock.start_thread("slow", run)

    clock.settle(timeout=0.3)


def test_slow_work_that_tells_of_its_parts_makes_progress(clock: Clock) -> None:
    release = threading.Event()

    def run() -> None:
        for _ in range(20):
            release.wait(0.05)
            clock.note_progress()

    clock.start_thread("slow", run)

    clock.settle(timeout=0.3)


def test_many_works_that_end_one_after_the_other_are_waited_for_however_long_all_take(clock: Clock) -> None:
    release = threading.Event()
    works = [clock.begin(f"work {number}") for number in range(40)]

    def run() -> None:
        for work in works:
            release.wait(0.02)
            work.end()

    clock.start_thread("ends them", run)

    # Twenty times this is less than all take.
    clock.settle(timeout=0.03)


def test_work_that_repeats_its_parts_without_an_end_is_reported_by_name(clock: Clock) -> None:
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.001):
            with clock.count_as_work("invocation"):
                clock.sleep(timedelta(milliseconds=1))

    clock.start_thread("endless", run)
    try:
        with pytest.raises(TimeoutError, match=r"no work has come to rest for 0\.4 s: endless"):
            clock.settle(timeout=0.02)
    finally:
        stop.set()
    clock.settle()


def test_a_report_of_very_many_works_has_some_of_their_names(clock: Clock) -> None:
    works = [clock.begin(f"work {number:03}") for number in range(1000)]
    with pytest.raises(TimeoutError, match=r"work 000, work 001, .*work 019, and 980 more$"):
        clock.settle(timeout=0.01)
    for work in works:
        work.end()


def test_a_thread_that_waits_stops_at_the_first_of_its_deadlines(clock: Clock) -> None:
    steps: list[Any] = []

    def run() -> None:
        with clock.limit(START + 2 * HOUR, lambda: steps.append("outer")) as outer:
            clock.sleep(HOUR)
            with clock.limit(START + 3 * HOUR, lambda: steps.append("inner")):
                clock.sleep(HOUR)
                try:
                    clock.gate().wait()
                finally:
                    with pytest.raises(DeadlineReachedError):
                        clock.require_time()
                    steps.append(clock.now())
            steps.append("never")
        steps.append(outer.was_reached)
        clock.require_time()
        clock.sleep(HOUR)

    clock.start_thread("limited", run)
    clock.settle()

    assert steps == ["outer", START + 2 * HOUR, True]
    assert clock.now() == START + 3 * HOUR


def test_a_gate_that_opens_in_time_ends_a_limited_wait(clock: Clock) -> None:
    gate = clock.gate()
    opened: list[bool] = []

    def run() -> None:
        with clock.limit(START + HOUR, lambda: None):
            opened.append(gate.wait())

    with clock.count_as_work("start"):
        clock.start_thread("limited", run)
        gate.open()
    clock.settle()

    assert (opened, clock.now()) == ([True], START)


def test_slow_work_that_makes_progress_is_waited_for(clock: Clock) -> None:
    release = threading.Event()

    def run() -> None:
        for _ in range(6):
            release.wait(0.02)
            clock.sleep(HOUR)

    clock.start_thread("slow", run)
    clock.settle(timeout=0.08)

    assert clock.now() == START + 6 * HOUR


def test_work_cannot_move_the_clock_that_it_runs_on(clock: Clock) -> None:
    refused: list[str] = []

    def run() -> None:
        for move in (clock.settle, lambda: clock.advance(HOUR), lambda: clock.move_to(START + DAY)):
            try:
                move()
            except RuntimeError as error:
                refused.append(str(error))

    clock.start_thread("a", run)
    clock.settle()

    assert len(refused) == 3


def test_a_cancelled_timer_does_not_run(clock: Clock, log: list) -> None:
    timer = clock.call_at(START + HOUR, lambda: log.append("ran"))
    assert clock.upcoming() == START + HOUR
    timer.cancel()
    assert clock.upcoming() is None
    clock.advance(DAY)

    assert log == []


def test_the_clock_waits_for_work_that_a_timer_starts(clock: Clock, sleeper: Callable[..., None], log: list) -> None:
    clock.call_at(START + HOUR, lambda: sleeper("a", HOUR))
    clock.advance(3 * HOUR)

    assert log == [("a", START + 2 * HOUR)]


def test_a_thread_releases_its_locks_while_it_waits(clock: Clock, log: list) -> None:
    lock = threading.Lock()

    def holder() -> None:
        with lock, clock.while_blocked(lock.release, lock.acquire):
            clock.sleep_until(START + HOUR)
            log.append(("holds it again", lock.locked()))

    clock.start_thread("holder", holder)
    clock.settle()
    assert not lock.locked()

    clock.advance(HOUR)
    assert log == [("holds it again", True)]


def test_stopping_the_clock_ends_all_waits(log: list) -> None:
    def run(clock: Clock) -> None:
        try:
            clock.sleep_until(START + DAY)
        except ClockStoppedError:
            log.append("released")

    with Clock(START) as clock:
        works = [clock.start_thread(f"{n}", lambda: run(clock)) for n in range(5)]
        clock.settle()
        clock.release()
        clock.settle()
        assert all(work.ended.is_open() for work in works)

    assert log == ["released"] * 5


def test_hundreds_of_waits_end_in_the_order_of_their_dates(
    clock: Clock, sleeper: Callable[..., None], log: list
) -> None:
    for number in range(300):
        sleeper(f"{number}", DAY + number % 7 * HOUR)
    clock.settle()
    clock.advance(2 * DAY)

    assert [when for _, when in log] == sorted(when for _, when in log)
    assert len(log) == 300

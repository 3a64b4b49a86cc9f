"""The rules of exports: whether one is made, which job is taken up, when it is looked at, and how it is recorded."""

import itertools
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from offboarding.domain.errors import InvalidRequest
from offboarding.domain.exports import (
    REQUESTED_MODES,
    ArchivePlace,
    ExportJob,
    ExportMode,
    ExportPolicy,
    ExportState,
    JobState,
    can_start,
    describe_archive,
    find_adoptable_job,
    is_recent,
    is_verified,
    make_missing_archive,
    plan_look_at_job,
    plan_look_at_slots,
    running_entities,
)
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import NOW

MOMENT = parse(NOW)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
LATE = render(MOMENT + 14 * DAY)
PLACE = ArchivePlace("archives", "mail/")


def make_job(name: str = "j", entity_id: str = "e", state: str = "RUNNING", **members: Any) -> ExportJob:
    return ExportJob(name, entity_id, JobState(state), **{"bucket": "archives", "started_at": MOMENT, **members})


EXPECTED_MODES = {
    # Settings, may be skipped, and the mode for each request: none, No, IfPossible, Required. None is a refusal.
    ("No", False): ("No", "No", None, None),
    ("No", True): ("No", "No", None, None),
    ("OnRequest", False): ("No", "No", "IfPossible", "Required"),
    ("OnRequest", True): ("No", "No", "IfPossible", "Required"),
    ("IfPossible", False): ("IfPossible", None, "IfPossible", "Required"),
    ("IfPossible", True): ("IfPossible", "No", "IfPossible", "Required"),
    ("Required", False): ("Required", None, None, "Required"),
    ("Required", True): ("Required", "No", None, "Required"),
}


@pytest.mark.parametrize(("settings", "expected"), EXPECTED_MODES.items())
def test_an_input_can_ask_for_more_than_the_settings_and_for_none_only_where_that_is_allowed(
    settings: tuple[str, bool], expected: tuple[str | None, ...]
) -> None:
    policy = ExportPolicy(ExportMode(settings[0]), settings[1])

    assert REQUESTED_MODES == ("No", "IfPossible", "Required")
    for requested, mode in zip((None, *REQUESTED_MODES), expected, strict=True):
        if mode is not None:
            assert policy.select_mode(requested) == mode
            assert policy.requires_archive(requested) is (mode == "Required")
        else:
            with pytest.raises(InvalidRequest, match=f"The execution's input asks for Export {requested}") as failure:
                policy.select_mode(requested)
            assert "Leave Export out" in str(failure.value)


@pytest.mark.parametrize("may_be_skipped", [True, False])
def test_settings_that_have_become_stricter_require_an_archive_whatever_the_input_asks_for(
    may_be_skipped: bool,
) -> None:
    policy = ExportPolicy(ExportMode.REQUIRED, may_be_skipped)

    assert policy.requires_archive("IfPossible")
    assert policy.requires_archive("No") is not may_be_skipped
    for mode in (ExportMode.NO, ExportMode.ON_REQUEST):
        assert ExportPolicy(mode, may_be_skipped).requires_archive("Required"), "it asked while it could"


def find(jobs: list[ExportJob], now: timedelta = HOUR, departed: timedelta = -HOUR) -> str | None:
    job = find_adoptable_job(jobs, "e", PLACE, MOMENT + departed, MOMENT + now)
    return job.id if job else None


def make_completed(name: str = "c", **members: Any) -> ExportJob:
    return make_job(name, state="COMPLETED", **{"ended_at": MOMENT + MINUTE, **members})


@pytest.mark.parametrize(
    ("job", "is_adopted"),
    [
        (make_job(), True),
        (make_job(started_at=MOMENT - 3 * DAY), True),
        (make_job(started_at=None), True),
        (make_job(entity_id="another"), False),
        (make_job(bucket="elsewhere"), False),
        (make_job(bucket=None), False),
        (make_job(path=None), True),
        (make_job(path="mail/o/e/t/j.zip"), True),
        (make_job(path="archives/mail/o/e/t/"), True),
        (make_job(path="by-hand/j.zip"), False),
        (make_job(path="archives/by-hand/mail/j.zip"), False),
        (make_job(path="mail"), False),
        (make_completed(), True),
        (make_completed(started_at=MOMENT - HOUR), True),
        (make_completed(started_at=MOMENT - HOUR - SECOND), False),
        (make_completed(started_at=None), False),
        (make_completed(ended_at=None), True),
        (make_completed(entity_id="another"), False),
        (make_completed(bucket="elsewhere"), False),
        (make_completed(path="mail/o/e/t/j.zip"), True),
        (make_completed(path="by-hand/j.zip"), False),
        (make_job(state="FAILED"), False),
        (make_job(state="CANCELLED"), False),
    ],
)
def test_a_job_is_taken_up_if_it_runs_or_has_the_mail_of_the_leaver(job: ExportJob, is_adopted: bool) -> None:
    assert find([job]) == (job.id if is_adopted else None)


@pytest.mark.parametrize(("age", "is_adopted"), [(DAY, True), (DAY + SECOND, False)])
def test_a_completed_job_is_taken_up_for_24_hours(age: timedelta, is_adopted: bool) -> None:
    assert find([make_completed()], now=MINUTE + age) == ("c" if is_adopted else None)
    assert find([make_completed(ended_at=None)], now=age) == ("c" if is_adopted else None)


def test_a_running_job_comes_before_a_completed_one_and_the_last_before_the_first() -> None:
    former, last = make_completed("former"), make_completed("last", started_at=MOMENT + SECOND)
    running = make_job("running", started_at=MOMENT - DAY)

    for jobs in itertools.permutations([former, last, running]):
        assert find(list(jobs)) == "running"
        assert find([job for job in jobs if job is not running]) == "last"
    assert find([]) is None


def test_a_look_is_in_five_minutes_to_an_hour_and_never_after_its_deadline() -> None:
    generator = random.Random(18)  # noqa: S311 (it makes examples, and no secret)
    for _ in range(3000):
        now = MOMENT + timedelta(seconds=generator.uniform(0, 9e5))
        deadline = now + timedelta(seconds=generator.choice([-60, 0, 1, 200, 301, 3000, 3601, 1e6]))
        jobs = [
            make_job(
                progress=generator.choice([None, 0, 1, 50, 99, 100]),
                started_at=generator.choice([None, now, now - timedelta(seconds=generator.uniform(0, 1e6))]),
                state=generator.choice(["RUNNING", "COMPLETED"]),
            )
            for _ in range(generator.randrange(3))
        ]
        state = ExportState(1, render(deadline), job_deadline=render(deadline))
        size = generator.choice([None, 0, 1.5, 50 * 1024])
        looks = [plan_look_at_slots(jobs, now, state, generator.choice([1, 14]))]
        looks += [plan_look_at_job(job, now, state, size) for job in jobs]
        for look in looks:
            assert look.microsecond == 0
            assert now <= look < now + HOUR + SECOND
            # A timestamp has milliseconds, and a look whole seconds: it is rounded up.
            assert look <= max(deadline, now) + SECOND
            assert look >= min(now + 5 * MINUTE, parse(render(deadline)))


@pytest.mark.parametrize(
    ("progress", "elapsed", "size", "minutes"),
    [
        (None, 0, None, 10),
        (0, 0, 1000, 20),
        (None, 5, 1000, 15),
        (None, 0, 50 * 1024, 60),
        (50, 20, 1, 20),
        (99, 30, 1, 5),
        (1, 10, 0, 60),
    ],
)
def test_a_job_is_looked_at_when_it_may_be_over(
    progress: int | None, elapsed: int, size: float | None, minutes: int
) -> None:
    now = MOMENT + elapsed * MINUTE
    state = ExportState(1, LATE, job_deadline=LATE)

    assert plan_look_at_job(make_job(progress=progress), now, state, size) == now + minutes * MINUTE


def test_a_job_without_a_deadline_is_looked_at_at_once() -> None:
    assert plan_look_at_job(make_job(), MOMENT, ExportState(1, LATE), None) == MOMENT


def test_who_has_waited_longer_looks_for_a_slot_earlier() -> None:
    looks = []
    for waited in (0, 15, 30, 60, 600):
        state = ExportState(1, render(MOMENT + 14 * DAY - waited * MINUTE))
        looks.append(plan_look_at_slots([make_job(progress=50, started_at=MOMENT - 20 * MINUTE)], MOMENT, state, 14))

    assert looks == [MOMENT + minutes * MINUTE for minutes in (30, 27.5, 25, 20, 20)]
    assert plan_look_at_slots([], MOMENT, ExportState(1, LATE), 14) == MOMENT + HOUR
    assert plan_look_at_slots([make_completed()], MOMENT, ExportState(1, LATE), 14) == MOMENT + HOUR


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize(("age", "is_within"), [(timedelta(), True), (DAY - SECOND, True), (DAY, False)])
def test_a_mailbox_is_exported_again_after_24_hours_or_if_its_export_has_failed(
    state: JobState, age: timedelta, is_within: bool
) -> None:
    job, has_ended = make_job(state=state), state in (JobState.FAILED, JobState.CANCELLED)

    assert can_start([job], "e", MOMENT + age) is (has_ended or not is_within)
    assert can_start([job], "another", MOMENT + age)
    assert can_start([replace(job, started_at=None)], "e", MOMENT + age)


def test_ten_exports_run_at_once() -> None:
    jobs = [make_job(str(number), f"e-{number}") for number in range(10)]

    assert not can_start(jobs, "e", MOMENT)
    assert can_start([*jobs[1:], make_job(entity_id="x", state="COMPLETED")], "e", MOMENT)
    assert running_entities([*jobs[:2], make_completed(entity_id="x")]) == {"e-0", "e-1"}


STATES = [
    ExportState(1, LATE),
    ExportState(2, LATE, 1, 0, "j-2", NOW, "why", ("j-1",)),
    ExportState(3, LATE, slot=7),
]


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_recorded_and_read_back(state: ExportState) -> None:
    assert ExportState.from_item(state.to_item()) == state
    assert None not in state.to_item().values()
    assert set(state.to_evidence()) <= {"Attempt", "SlotDeadline", "JobId", "JobDeadline", "Problem"}
    assert set(state.to_evidence().items()) <= {item for item in state.to_item().items() if item[0] != "FailedJobs"}


def test_a_failed_attempt_has_no_job_and_no_slot_and_keeps_the_deadline() -> None:
    failed = STATES[1].fail("again")

    assert failed == ExportState(3, LATE, failures=2, problem="again", failed_jobs=("j-1", "j-2"))
    assert STATES[0].fail("once") == ExportState(2, LATE, failures=1, problem="once")


def test_another_export_of_the_mailbox_has_another_attempt_and_deadline() -> None:
    assert STATES[1].begin_again(MOMENT) == ExportState(3, NOW, failed_jobs=("j-1", "j-2"))


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (None, None),
        ("", None),
        ("a/b.zip", "a/b.zip"),
        ("archives/a/b.zip", "a/b.zip"),
        ("archives-2/b", "archives-2/b"),
    ],
)
def test_the_key_of_an_archive_is_its_path_without_the_bucket(path: str | None, key: str | None) -> None:
    assert make_job(path=path).key == key


def test_the_result_of_an_export_is_recent_for_24_hours_from_its_end() -> None:
    archive = {"At": NOW, "ExportEndedAt": render(MOMENT - HOUR)}

    assert is_recent(archive, MOMENT + 23 * HOUR)
    assert not is_recent(archive, MOMENT + 23 * HOUR + SECOND)
    assert is_recent({"At": NOW}, MOMENT + DAY)
    assert not is_recent({"At": NOW}, MOMENT + DAY + SECOND)


def test_the_evidence_of_a_deregistration_has_the_minutes_since_the_export() -> None:
    verified = {"Status": "Verified", "At": NOW, "ExportEndedAt": NOW}

    assert describe_archive(None, MOMENT) == {}
    assert describe_archive(verified, MOMENT + 119 * SECOND) == {"Archive": "Verified", "MinutesSinceExport": 1}
    assert describe_archive({"Status": "Verified", "At": NOW}, MOMENT) == {"Archive": "Verified"}
    assert describe_archive(make_missing_archive("why", NOW), MOMENT) == {"Archive": "NotArchived"}
    assert [is_verified(archive) for archive in (None, verified, make_missing_archive("why", NOW))] == [
        False,
        True,
        False,
    ]

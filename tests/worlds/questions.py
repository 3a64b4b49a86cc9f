"""The questions that people ask of the records, each as one command, with the right answer by the independent count."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local.defaults import ACCOUNT, REGION
from offboarding.domain.timestamps import render
from tests.worlds.lives import ADDRESS, FORMER_ADDRESS
from tests.worlds.world import Copy, World, fill_in

Answer = Any
MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
QUARTER = (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes
    ----------
    title
        As a person asks it.
    arguments
        Those of the command, in a world.
    read_answer
        What the output says.
    expect
        What it has to say.
    """

    title: str
    arguments: Callable[[World], tuple[str, ...]]
    read_answer: Callable[[str], Answer]
    expect: Callable[[World], Answer]


def list_counts(text: str) -> dict[str, Any]:
    """Return the counts of a report in JSON, in the form of `expect_counts`; a report that is wrong has none."""
    document = json.loads(text)
    assert all(check["Right"] for check in document["Reconciliation"]["Checks"]), document["Reconciliation"]
    counts = document["Counts"]
    return {
        "Happened": Counter((row["At"], row["Step"]) for row in document["Happened"]),
        "Steps": counts["Steps"],
        "Outcomes": {(row["Outcome"], row["MailboxTouched"]): row["Count"] for row in counts["Outcomes"]},
        "Requesters": counts["Requesters"],
        "Decisions": {(row["Decision"], row["By"]): row["Count"] for row in counts["Decisions"]},
        "Organizations": counts["Organizations"],
        "Groups": counts.get("Days", counts.get("Months")),
        "Results": [counts["MailboxesDisabled"], counts["MailboxesFoundDisabled"], counts["RestoredInPart"]],
        "Started": document["Reconciliation"]["Checks"][-2]["Parts"],
        "OpenNow": _sum_open(document["Reconciliation"]["OpenNow"]),
        "Removals": document["Reconciliation"]["Removals"],
    }


def expect_counts(world: World, since: datetime, until: datetime) -> dict[str, Any]:
    """Return what a report of a period has to count."""
    expectation = world.expect(since, until)
    organizations = {name or "(no organization)": count for name, count in expectation.organizations.items()}
    groups: Counter[str] = Counter()
    for day, count in expectation.days.items():
        groups[day if until - since <= timedelta(days=62) else day[:7]] += count
    return {
        "Happened": list_happened(world, since, until),
        "Steps": expectation.steps,
        "Outcomes": expectation.outcomes,
        "Requesters": expectation.requesters,
        "Decisions": expectation.decisions,
        "Organizations": organizations,
        "Groups": groups,
        "Results": [expectation.was_enabled[True], expectation.was_enabled[False], expectation.restored_in_part],
        "Started": expect_whereabouts(world, since, until),
        "OpenNow": expect_open(world, since, until),
        "Removals": expect_removals(world),
    }


def list_happened(world: World, since: datetime, until: datetime) -> Counter[tuple[str, str]]:
    """Return the times and names of all steps of a period."""
    return Counter(
        (render(at), step) for copy in world.copies for at, step in _iterate_steps(copy) if since <= at < until
    )


def _iterate_steps(copy: Copy) -> Iterator[tuple[datetime, str]]:
    return ((copy.began_at + fact.after, fact.step) for fact in copy.life.facts)


def expect_whereabouts(world: World, since: datetime, until: datetime) -> dict[str, int]:
    """Return where the offboardings of a period stand."""
    ends = Counter[str]()
    for copy in world.select_started(since, until):
        life = copy.life
        if life.ends_after is not None:
            ends["ended in the period" if copy.began_at + life.ends_after < until else "ended after it"] += 1
        else:
            ends["wait, or are in the window, now" if life.status_key else "run now, by their records"] += 1
    names = ("ended in the period", "ended after it", "wait, or are in the window, now", "run now, by their records")
    return {**{name: ends[name] for name in names}, "ended while this report was read": 0}


def _sum_open(rows: list[dict[str, Any]]) -> Counter[str]:
    counts = Counter[str]()
    for row in rows:
        counts[row["Started"]] += row["Count"]
    return counts


def expect_open(world: World, since: datetime, until: datetime) -> Counter[str]:
    """Return how many offboardings wait or are in the window, by when they started."""
    is_open = [copy for copy in world.copies if copy.life.status_key and copy.life.ends_after is None]
    return Counter("Before" if c.began_at < since else "In" if c.began_at < until else "After" for c in is_open)


def expect_removals(world: World) -> dict[str, int]:
    """Return how many mailboxes WorkMail removes on each day; nothing is removed of what is being restored."""
    window = [copy for copy in world.select_due("InWindow") if copy.life.name != "begin_restore"]
    return Counter(f"{copy.began_at + (copy.life.due_after or timedelta()):%Y-%m-%d}" for copy in window)


def _list_csv_rows(text: str) -> Counter[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return Counter((row["At"], row["Step"]) for row in rows)


def _make_arn(copy: Copy) -> str:
    return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:offboarding:{copy.execution_name}"


def _list_arns(text: str) -> list[str]:
    return sorted(row["ExecutionArn"] for row in json.loads(text))


def _list_history(text: str) -> Answer:
    document = json.loads(text)
    steps = sorted((step["At"], step["Step"]) for step in document["Offboarding"]["Steps"])
    return document["Subject"]["EntityId"], [row["ExecutionArn"] for row in document["Offboardings"]], steps


def _expect_history(world: World) -> Answer:
    copy = _find_person(world)
    steps = sorted((render(at), step) for at, step in _iterate_steps(copy))
    return fill_in("12a3b4c5-0000-4000-8000-000090909090", copy.number), [_make_arn(copy)], steps


def _find_person(world: World) -> Copy:
    """Return somebody in the middle of the world, whose address has changed."""
    return [copy for copy in world.copies if copy.life.name == "archive_then_verify"][-1]


QUESTIONS = (
    Question(
        "March, with the proof",
        lambda _: ("report", "--from", "2026-03", "--json"),
        list_counts,
        lambda world: expect_counts(world, *MARCH),
    ),
    Question(
        "The quarter, row by row",
        lambda _: ("report", "--from", "2026-04-01", "--to", "2026-06-30", "--csv"),
        _list_csv_rows,
        lambda world: list_happened(world, *QUARTER),
    ),
    Question(
        "The quarter, with the proof",
        lambda _: ("report", "--from", "2026-Q2", "--json"),
        list_counts,
        lambda world: expect_counts(world, *QUARTER),
    ),
    Question(
        "Who is in the window",
        lambda _: ("list", "--window", "--json"),
        _list_arns,
        lambda world: sorted(map(_make_arn, world.select_due("InWindow"))),
    ),
    Question(
        "This mailbox",
        lambda world: ("show", fill_in(ADDRESS, _find_person(world).number), "--json"),
        _list_history,
        _expect_history,
    ),
    Question(
        "A person by an old address",
        lambda world: ("show", fill_in(FORMER_ADDRESS, _find_person(world).number).upper(), "--json"),
        _list_history,
        _expect_history,
    ),
)

"""`offboarding report`, in a world of all kinds of offboardings, against a count made while it was built."""

import csv
import io
import json
import re
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from operate.account import Account, Stack
from operate.command import offboarding
from operate.reporting.counts import Counts, read_requester
from operate.reporting.dates import parse_days
from operate.reporting.ledger import Ledger, OpenOffboardings
from operate.reporting.page import _STYLE
from operate.reporting.reconciliation import Reconciliation
from operate.reporting.removals import render_calendar
from operate.reporting.sections import KINDS, list_sections
from operate.reporting.survey import sort_moments
from operate.wording.steps import STEPS
from tests.unit.conftest import TABLE_NAME, client
from tests.worlds.lives import ADDRESS, FORMER_ADDRESS, MARK, NAME
from tests.worlds.questions import QUESTIONS, Question, expect_counts, expect_removals, list_counts
from tests.worlds.world import Copy, World, fill_in, opened_world

NOW = datetime(2026, 12, 5, 9, tzinfo=UTC)
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with opened_world(200) as opened:
        yield opened


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = Stack("workmail-offboarding", "arn:stack", "CREATE_COMPLETE", True, {"RecordsTableName": TABLE_NAME})
    monkeypatch.setattr(Account, "find_stack", lambda *_: deployed)
    monkeypatch.setattr(Account, "read_time", lambda _: NOW)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(offboarding, [*map(str, arguments)])


def read(*arguments: str | Path) -> str:
    result = run("report", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
def test_each_question_has_the_answer_of_an_independent_count(world: World, question: Question) -> None:
    result = run(*question.arguments(world))

    assert result.exit_code == 0, result.output
    expected = question.expect(world)
    assert expected
    assert question.read_answer(result.stdout) == expected


def test_a_day_ends_before_the_next_one_in_utc(world: World) -> None:
    busiest, _ = world.expect(*YEAR).days.most_common(1)[0]
    since = datetime.fromisoformat(f"{busiest}T00:00:00+00:00")

    counts = list_counts(read("--from", busiest, "--json"))
    assert counts == expect_counts(world, since, since + timedelta(days=1))
    assert counts["Groups"].keys() == {busiest}


def find_requester(copy: Copy) -> str:
    return str(next(fact.members["Requester"] for fact in copy.life.facts if fact.step == "Started"))


class TestTerminal:
    def test_the_tables_say_what_happened_and_that_the_sums_are_right(self, world: World) -> None:
        text = read("--from", "2026")
        lines = [re.sub(r"\s{2,}", " | ", line.strip()) for line in text.splitlines()]
        expectation = world.expect(*YEAR)

        assert lines[0] == (
            "Offboardings of workmail-offboarding in us-east-1, account 123456789012: 2026-01-01 to 2026-12-31, both "
            "included, whole days in UTC."
        )
        for line in (
            f"Offboardings started | {expectation.steps['Started']}",
            f"Mailboxes disabled | {expectation.was_enabled[True]}",
            f"Clean-ups verified | {expectation.outcomes['CleanupVerified', 'Yes']}",
            f"Restores with something missing | {expectation.restored_in_part}",
            f"Rejected | {expectation.decisions['Rejected', '+second']}",
            f"Failed, mailbox: perhaps disabled | {expectation.outcomes['Stopped', 'Maybe']}",
            f"Requests refused | {expectation.outcomes['EntityProtected', 'No']}",
            f"Departure taken back before it started anything | Withdrawn | {expectation.steps['Withdrawn']}",
        ):
            assert any(row == line or row.startswith(f"{line} | ") for row in lines), line
        sums = lines[lines.index("Reconciliation") :]
        assert sum(line.endswith("| right") for line in sums) == 9
        assert "WRONG" not in text
        assert "emovals verified" not in text

    def test_the_columns_by_organization_and_month_have_the_independent_sums(self, world: World) -> None:
        expectation = world.expect(*YEAR)
        steps, outcomes = expectation.steps, expectation.outcomes
        failures = ("DeregistrationRefused", "EntityMismatch", "EntityNotFound", "Stopped")
        refused = sum(outcomes[name, "No"] for name in ("EntityProtected", "Rejected", "Withdrawn"))
        sums = (
            *(steps["Started"], expectation.was_enabled[True], outcomes["CleanupVerified", "Yes"], steps["Restored"]),
            sum(count for (outcome, _), count in outcomes.items() if outcome in failures),
            refused + steps["Refused"] + steps["Withdrawn"],
            sum(steps.values()),
        )

        rows = [line.split() for line in read("--from", "2026").splitlines() if line.startswith("All  ")]
        assert rows == [["All", *map(str, sums)]] * 2 + [["All", str(sums[-1])]]

    def test_a_period_in_which_nothing_happened_is_reported_all_the_same(self, world: World) -> None:
        lines = read("--from", "2019").splitlines()

        assert "Offboardings started" in "".join(lines)
        assert any(line.startswith("Offboardings started in the period") and line.endswith("right") for line in lines)


class TestCsv:
    def test_a_plan_is_true_and_everything_else_is_empty(self, world: World) -> None:
        text = read("--from", "2026", "--csv")
        rows = [*csv.DictReader(io.StringIO(text, newline=""), strict=True)]

        plans = [row["ExecutionArn"].rpartition(":")[2] for row in rows if row["Plan"] == "true"]
        expected = {copy.execution_name for copy in world.select_started(*YEAR) if copy.life.name == "plan"}
        assert {*plans} == expected
        assert {row["Plan"] for row in rows} == {"true", ""}

    def test_each_end_and_each_restore_says_who_asked(self, world: World) -> None:
        names = {copy.execution_name: find_requester(copy) for copy in world.select_started(*YEAR)}
        rows = json.loads(read("--from", "2026", "--json"))["Happened"]

        ends = {row["ExecutionArn"]: row["RequestedBy"] or row["Provider"] for row in rows if row["Step"] == "Ended"}
        expected = {arn: names[arn.rpartition(":")[2]] for arn in ends}
        assert len(ends) > 50
        assert ends == expected
        assert {row["RequestedBy"] for row in rows if row["Step"] == "Restored"} == {"+second"}

    def test_an_end_says_who_asked_before_the_period(self, world: World) -> None:
        copy = next(c for c in world.copies if c.life.name == "verify" and c.began_at.month < 11)
        assert copy.life.ends_after is not None
        end = copy.began_at + copy.life.ends_after

        rows = json.loads(read("--from", f"{end:%Y-%m-%d}", "--json"))["Happened"]
        [row] = [row for row in rows if row["Step"] == "Ended" and row["ExecutionArn"].endswith(copy.execution_name)]
        assert row["Provider"] == "okta"

    def test_a_spreadsheet_evaluates_no_cell(self, world: World) -> None:
        text = CliRunner().invoke(offboarding, ["report", "--from", "2026", "--csv"]).stdout_bytes.decode()
        rows = [*csv.reader(io.StringIO(text, newline=""), strict=True)]

        assert {len(row) for row in rows} == {len(rows[0])}
        assert len(rows) - 1 == sum(world.expect(*YEAR).steps.values())
        assert text.count("\r\n") == text.count("\n") == len(rows)
        cells = {cell for row in rows for cell in row}
        assert {"'=helpdesk", "'+second", "'@sum"} <= cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


class Page(HTMLParser):
    """A page as a browser reads it: its tags, its texts, and the cells of its tables."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input", "base"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
        if {"td", "th"} & {*self.open}:
            self.rows[-1][-1] += data


def list_tables_by_name(page: Page) -> list[list[list[str]]]:
    """Return the rows of the lists by name, each without its head."""
    tables: list[list[list[str]]] = []
    for row in page.rows:
        if row[0] in {"When (UTC)", "Retention ends (UTC)"}:
            tables.append([])
        elif tables:
            tables[-1].append(row)
    return tables


@pytest.fixture(scope="module")
def path(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Account, "read_time", lambda _: NOW)
        read("--from", "2026", "--html", path, "--table", TABLE_NAME)
    return path


@pytest.fixture(scope="module")
def page(path: Path) -> Page:
    return Page(path.read_text())


REMOVALS = {"2027-03-30": 2, "2027-03-31": 3, "2027-04-01": 1}


class TestCalendar:
    def test_no_removal_is_claimed_from_the_day_on_which_workmail_ends(self) -> None:
        text = "".join(render_calendar(REMOVALS, date(2027, 3, 20), date(2027, 3, 31)))

        assert re.findall(r'datetime="([\d-]+)">\d+</time> <b>(\d)<i> ([a-z ]+)</i>', text) == [
            ("2027-03-30", "2", "removed"),
            ("2027-03-31", "3", "not observable"),
            ("2027-04-01", "1", "not observable"),
        ]
        assert "<p>Removals that cannot be observed, as WorkMail ends on 2027-03-31: 4.</p>" in text

    @pytest.mark.parametrize(
        ("deployed", "day"),
        [
            (Stack("s", "arn:stack", "CREATE_COMPLETE", True, {"WorkMailEndsOn": "2027-02-15"}), "2027-02-15"),
            (None, "2027-03-31"),
        ],
        ids=["by the settings of the stack", "as announced, of a stack that was deleted"],
    )
    def test_the_page_has_the_end_of_workmail(
        self, monkeypatch: pytest.MonkeyPatch, world: World, tmp_path: Path, deployed: Stack | None, day: str
    ) -> None:
        monkeypatch.setattr(Account, "find_stack", lambda *_: deployed)
        read("--from", "2026-03", "--html", tmp_path / "report.html", "--table", TABLE_NAME)

        text = (tmp_path / "report.html").read_text()
        assert re.findall(r'datetime="([\d-]+)">\d+</time>[^/]*<span>WorkMail ends', text) == [day]

    def test_the_end_is_the_day_that_is_given(self) -> None:
        text = "".join(render_calendar(REMOVALS, date(2027, 3, 20), date(2027, 6, 30)))

        assert "not observable" not in text
        assert "cannot be observed" not in text
        assert '"2027-06-30">30</time> <span>WorkMail ends</span>' in text


class TestPage:
    def test_it_asks_no_other_host_for_anything(self, path: Path, page: Page) -> None:
        text = path.read_text()

        assert {tag for tag, _ in page.tags} <= {
            *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "dl", "dt", "dd", "div"),
            *("table", "caption", "thead", "tbody", "tr", "th", "td", "time", "b", "i", "small", "span"),
        }
        names = {name for _, attributes in page.tags for name in attributes}
        assert names == {"lang", "charset", "http-equiv", "content", "name", "scope", "class", "datetime"} | {
            *("role", "tabindex", "aria-label"),
        }
        assert not re.search(r"url\(|@import|https?:|//|expression\(", _STYLE + text.partition("<body>")[0])
        [policy] = [tag["content"] for _, tag in page.tags if tag.get("http-equiv") == "Content-Security-Policy"]
        assert str(policy).startswith("default-src 'none'; style-src 'sha256-")

    def test_what_people_have_typed_is_text(self, world: World, path: Path, page: Page) -> None:
        name = fill_in(NAME, world.find("plan").number)

        assert any(name in row for row in page.rows)
        assert "<script" not in path.read_text()

    def test_it_lists_by_name_whatever_was_started_disabled_decided_or_ended(self, world: World, page: Page) -> None:
        steps = world.expect(*YEAR).steps
        window = sum(expect_removals(world).values())
        ended = sum(steps[name] for name in ("Ended", "Restored", "Refused", "Withdrawn"))

        expected = [steps["Started"], steps["Deregistered"], steps["Decided"], ended, window]
        assert [len(rows) for rows in list_tables_by_name(page)] == expected
        for title, count in (
            ("Offboardings started", steps["Started"]),
            ("Mailboxes disabled, or found disabled", steps["Deregistered"]),
            ("Decisions", steps["Decided"]),
            ("What ended, was restored or was refused", ended),
            ("Mailboxes in the window when this report was made", window),
        ):
            assert f"{title}: {count}" in page.texts

    def test_each_list_has_the_people_and_whoever_asked(self, world: World, page: Page) -> None:
        started, _, decided, ended, window = list_tables_by_name(page)

        address = fill_in(FORMER_ADDRESS, world.find("withdraw").number)
        assert address in {row[1] for row in started} & {row[1] for row in decided} & {row[1] for row in ended}
        waiting = world.find("wait_in_window")
        [row] = [row for row in window if row[1] == fill_in(ADDRESS, waiting.number)]
        assert row[2].endswith(waiting.execution_name)
        assert row[4] == find_requester(waiting)
        assert {row[4] for row in decided} == {"=helpdesk; decided by +second", "=helpdesk; decided by =helpdesk"}
        for row in ended:
            # An event that was refused names its provider, and everything else a person or a provider.
            assert row[4] or "a departure" in row[2].lower(), row

    def test_an_execution_has_its_name_in_small_type_and_no_arn(self, world: World, path: Path) -> None:
        text = path.read_text()

        assert f"<small>{world.find('verify').execution_name}</small>" in text
        assert "arn:aws:states" not in text

    def test_a_table_scrolls_in_its_place_and_breaks_no_word(self, path: Path, page: Page) -> None:
        tables = [place for place, (tag, _) in enumerate(page.tags) if tag == "table"]

        assert all(page.tags[place - 1][1].get("class") == "table" for place in tables)
        assert ".table{overflow-x:auto" in _STYLE
        assert 'class="whole">2026-03</td>' in path.read_text()
        assert "td.whole{white-space:nowrap}" in _STYLE
        assert ".month{max-width:100%}" in _STYLE
        anywhere = [rule for rule in _STYLE.splitlines() if "anywhere" in rule]
        assert all(rule.startswith(("dt{", "td small{")) for rule in anywhere)

    def test_its_calendar_has_each_mailbox_that_is_removed(self, world: World, path: Path) -> None:
        day, removed = r'<td[^>]*><time datetime="([\d-]+)">\d+</time>', r"(?: <b>(\d+)<i> removed</i></b>)?"
        cells = re.findall(f"{day}{removed}( <span>WorkMail ends</span>)?", path.read_text())

        removals = {day: int(count) for day, count, _ in cells if count}
        assert removals == {day: count for day, count in expect_removals(world).items() if day >= "2026-12"}
        assert removals
        assert [day for day, _, mark in cells if mark] == ["2027-03-31"]
        earlier = sum(count for day, count in expect_removals(world).items() if day < "2026-12")
        assert f"no offboarding has verified: {earlier}.</p>" in path.read_text()

    def test_it_says_of_what_it_is(self, page: Page) -> None:
        text = "|".join(page.texts)

        for fact in ("workmail-offboarding", "123456789012", "us-east-1", TABLE_NAME, "2026-12-05 09:00:00 UTC"):
            assert f"|{fact}|" in text
        assert "2026-01-01 to 2026-12-31, both included, whole days in UTC" in text
        assert sum(row[-1] == "right" for row in page.rows) == 10
        # Each table has a head, and each text and its ground differ enough to be read.
        assert sum(tag == "table" for tag, _ in page.tags) == sum(tag == "thead" for tag, _ in page.tags)

    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    def test_its_colours_can_be_read(self, scheme: int) -> None:
        colours = [dict(re.findall(r"--(\w+):#([0-9a-f]+)", line)) for line in _STYLE.splitlines() if "--text:" in line]
        chosen = {name: luminance_of(value) for name, value in colours[scheme].items()}

        for text, ground, least in (
            ("text", "page", 4.5),
            ("text", "head", 4.5),
            ("wrong", "page", 4.5),
            ("line", "page", 3),
        ):
            lighter, darker = sorted((chosen[text], chosen[ground]), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= least, (text, ground)

    def test_only_its_owner_can_read_it_and_it_is_replaced_only_by_force(self, world: World, path: Path) -> None:
        content = path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

        result = run("report", "--from", "2026-03", "--html", path)
        assert (result.exit_code, path.read_bytes()) == (1, content)
        assert result.stderr.endswith("exists, and nothing was written: name another file, or give --force.\n")

        another = path.with_name("march.html")
        another.write_text("old")
        read("--from", "2026-03", "--html", another, "--force")
        assert "2026-03-01 to 2026-03-31" in another.read_text()
        assert sorted(entry.name for entry in path.parent.iterdir()) == ["march.html", "report.html"]


def luminance_of(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("outcome", "plan", "expected"),
    [
        ("EntityNotFound", {}, True),
        ("EntityNotFound", {"DryRun": True}, False),
        ("Withdrawn", {}, False),
    ],
)
def test_a_plan_that_fails_is_no_offboarding_that_failed(outcome: str, plan: dict[str, bool], expected: bool) -> None:
    step = {"Id": "arn:a", "At": "2026-03-05T00:00:00.000Z", "Step": "Ended", "Outcome": outcome, **plan}
    counts = Counts(parse_days("2026-03", None))
    counts.add(step)

    assert (counts.results["Failed"], counts.groups["2026-03-05"]["Failed"]) == (expected, expected)


REFUSED_LIFE = [
    {"Step": "Started"},
    {"Step": "RequestRefused", "Error": "EntityProtected"},
    {"Step": "Ended", "Outcome": "EntityProtected", "MailboxTouched": "No"},
]
REJECTED_LIFE = [
    {"Step": "Started"},
    {"Step": "Decided", "Decision": "Rejected", "DecidedBy": "carol"},
    {"Step": "Ended", "Outcome": "Rejected", "MailboxTouched": "No"},
]


@pytest.mark.parametrize("life", [REFUSED_LIFE, REJECTED_LIFE], ids=["refused", "rejected"])
def test_an_offboarding_that_was_refused_counts_once_and_has_not_failed(life: list[dict[str, str]]) -> None:
    counts = Counts(parse_days("2026-03", None))
    for step in life:
        counts.add({"Id": "arn:a", "At": "2026-03-05T00:00:00.000Z", **step})

    assert counts.groups["2026-03-05"] == {"": 3, "Started": 1, "Refused": 1}
    assert counts.results["Failed"] == 0


def test_decisions_name_about_whom_they_are() -> None:
    counts = Counts(parse_days("2026-03", None))
    decision = {"Id": "arn:a", "At": "2026-03-05T00:00:00.000Z", "Step": "Decided", "Decision": "Approved"}
    for number in range(7):
        counts.add({**decision, "DecidedBy": "carol", "EntityEmail": f"p{number}@example.com"})

    [section] = [
        section
        for section in list_sections(counts, OpenOffboardings(), Reconciliation((), ()))
        if section.title == "Decisions"
    ]
    people = ", ".join(f"p{number}@example.com" for number in range(5))
    assert section.rows == [("Approved", "carol", 7, f"{people}, and 2 further decisions")]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"Requester": {"Provider": "hr", "RequestedBy": "bob"}}, "bob, through hr"),
        ({"Requester": {"Provider": "okta"}}, "okta"),
        ({"RequestedBy": "helpdesk"}, "helpdesk"),
        ({}, "(the request names nobody)"),
    ],
)
def test_a_start_is_counted_by_the_person_beside_the_provider(request_: dict[str, Any], expected: str) -> None:
    assert read_requester(request_) == expected


def test_steps_of_one_moment_are_in_the_order_in_which_they_happen() -> None:
    names = ["Deregister", "Deregistered", "Ended", "Invented", "Recorded", "Started"]
    steps = [{"At": at, "Step": name} for at in ("2026-03-05", "2026-03-06") for name in names]

    order = ["Started", "Recorded", "Deregister", "Deregistered", "Ended", "Invented"]
    expected = [(at, name) for at in ("2026-03-05", "2026-03-06") for name in order]
    assert [(step["At"], step["Step"]) for step in sort_moments(steps)] == expected


@pytest.mark.parametrize(
    ("begin", "notice"),
    [
        ("2026-11", None),
        ("2026-12-04", None),
        (
            "2026-12",
            "The period is not over: it ends with 2026-12-31. The report has what happened until 2026-12-05 09:00 UTC.",
        ),
        ("2028-01", "The period lies ahead: it begins on 2028-01-01, and nothing of it has happened yet."),
    ],
)
def test_a_period_that_is_not_over_is_called_so_in_all_formats(
    world: World, tmp_path: Path, begin: str, notice: str | None
) -> None:
    lines = read("--from", begin).splitlines()
    document = json.loads(read("--from", begin, "--json"))
    csv_result = run("report", "--from", begin, "--csv")
    read("--from", begin, "--html", tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())

    assert lines[1] == "Made at 2026-12-05 09:00 UTC."
    assert lines[2] == (notice or "")
    assert document["Report"]["Notice"] == notice
    assert (csv_result.exit_code, csv_result.stderr) == (0, f"{notice}\n" if notice else "")
    notices = [text for text in page.texts if text.startswith("The period ")]
    assert notices == ([notice] if notice else [])


class TestLedger:
    @pytest.mark.parametrize("order", [("Started", "Ended"), ("Ended", "Started")], ids=" then ".join)
    def test_a_start_and_an_end_of_one_moment_come_in_any_order(self, order: tuple[str, str]) -> None:
        ledger = Ledger()
        for step in order:
            ledger.add({"Id": "arn:a", "Step": step})

        assert (len(ledger.started), len(ledger.ended), ledger.unfinished) == (1, 1, set())

    def test_a_start_that_comes_twice_makes_the_sum_wrong(self) -> None:
        ledger = Ledger()
        for _ in range(2):
            ledger.add({"Id": "arn:a", "Step": "Started"})

        assert ledger.repeated_starts == 1


class TestReconciliation:
    @pytest.fixture
    def database(self, world: World) -> Iterator[Any]:
        """A client, whose writes and deletions are taken back."""
        database = client("dynamodb")
        kept = database.scan(TableName=TABLE_NAME, Limit=1)
        assert kept["Items"]
        changed: list[tuple[dict[str, Any], dict[str, Any] | None]] = []

        def remember(key: dict[str, Any]) -> None:
            changed.append((key, database.get_item(TableName=TABLE_NAME, Key=key).get("Item")))

        database.remember = remember
        yield database
        for key, item in reversed(changed):
            database.delete_item(TableName=TABLE_NAME, Key=key)
            if item:
                database.put_item(TableName=TABLE_NAME, Item=item)

    def find_item(self, world: World, life: str, part: str) -> dict[str, Any]:
        arn = f"arn:aws:states:us-east-1:123456789012:execution:offboarding:{world.find(life).execution_name}"
        answer = client("dynamodb").query(
            TableName=TABLE_NAME,
            KeyConditionExpression="Id = :id",
            ExpressionAttributeValues={":id": {"S": arn}},
        )
        [item] = [item for item in answer["Items"] if item["Part"]["S"].endswith(part)]
        return dict(item)

    @pytest.mark.parametrize(
        ("life", "part"),
        [("stay_recorded", "Record"), ("reject", " Ended"), ("wait_in_window", " Started")],
        ids=["a record that somebody has deleted", "an end that no step has", "an open one without its start"],
    )
    def test_an_offboarding_that_cannot_be_accounted_for_is_named(
        self, world: World, database: Any, life: str, part: str
    ) -> None:
        item = self.find_item(world, life, part)
        key = {name: item[name] for name in ("Id", "Part")}
        database.remember(key)
        database.delete_item(TableName=TABLE_NAME, Key=key)

        month = f"{world.find(life).began_at:%Y-%m}"
        result = run("report", "--from", month)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1].startswith("The report does not add up.")
        assert f"Started, and neither ended nor open, or open without a start: {item['Id']['S']}" in result.stdout
        assert "WRONG: +1 not accounted for" in result.stdout

        document = json.loads(run("report", "--from", month, "--json").stdout)
        assert document["Reconciliation"]["Unaccounted"] == [item["Id"]["S"]]

    def test_an_end_after_a_redrive_is_counted_apart(self, world: World, database: Any) -> None:
        end = self.find_item(world, "reject", " Ended")
        at = end["At"]["S"].replace(".", ":").rpartition(":")[0] + ".999Z"
        again = {**end, "At": {"S": at}, "Part": {"S": f"Step {at} Ended"}}
        database.remember({name: again[name] for name in ("Id", "Part")})
        database.put_item(TableName=TABLE_NAME, Item=again)

        document = json.loads(read("--from", at[:10], "--json"))
        parts = document["Reconciliation"]["Checks"][-1]["Parts"]
        assert parts["further ends of the same, after a redrive"] == 1
        day = datetime.fromisoformat(f"{at[:10]}T00:00:00+00:00")
        expected = world.expect(day, day + timedelta(days=1)).steps["Ended"] + 1
        assert document["Counts"]["Steps"]["Ended"] == sum(parts.values()) == expected

    def test_a_step_of_a_later_release_is_counted(self, world: World, database: Any) -> None:
        step = {**self.find_item(world, "reject", " Decided"), "Part": {"S": "Step x"}, "Step": {"S": "Invented"}}
        database.remember({name: step[name] for name in ("Id", "Part")})
        database.put_item(TableName=TABLE_NAME, Item=step)

        document = json.loads(read("--from", step["At"]["S"][:10], "--json"))
        assert document["Counts"]["Steps"]["Invented"] == 1


class TestUse:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("--from", "2026-03", "--csv", "--json"),
            ("--from", "2026-03", "--force"),
            ("--from", "2026-13"),
            ("--from", "yesterday"),
            ("--from", "2026-03", "--to", "2026-02"),
            ("--to", "2026-02"),
        ],
        ids=" ".join,
    )
    def test_wrong_use_is_a_sentence_and_the_code_2(self, arguments: tuple[str, ...]) -> None:
        result = run("report", *arguments)

        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].startswith("Error: ")

    @pytest.mark.parametrize(
        ("begin", "end", "since", "until"),
        [
            ("2026-03-05", None, "2026-03-05", "2026-03-06"),
            ("2024-02", None, "2024-02-01", "2024-03-01"),
            ("2026-12", None, "2026-12-01", "2027-01-01"),
            ("2026-Q1", None, "2026-01-01", "2026-04-01"),
            ("2026q4", None, "2026-10-01", "2027-01-01"),
            ("2026", None, "2026-01-01", "2027-01-01"),
            ("2026-01", "2026-Q3", "2026-01-01", "2026-10-01"),
            ("2026-03-31", "2026-03-31", "2026-03-31", "2026-04-01"),
        ],
    )
    def test_dates_name_days_months_quarters_and_years(
        self, begin: str, end: str | None, since: str, until: str
    ) -> None:
        period = parse_days(begin, end).period

        assert (period.since, period.until) == (f"{since}T00:00:00.000Z", f"{until}T00:00:00.000Z")

    def test_the_last_day_of_the_calendar_has_no_next_one(self) -> None:
        with pytest.raises(click.UsageError):
            parse_days("9999-12-31", None)

    def test_every_step_has_a_title(self) -> None:
        assert KINDS.keys() == STEPS.keys()
        assert MARK not in "".join(KINDS.values())

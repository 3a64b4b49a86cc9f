"""The page about archives says what is so: its figures are computed again, and its settings are tried."""

import json
import re
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.archives import LOG_SUFFIXES
from offboarding.domain import errors
from offboarding.domain.exports import (
    LONGEST_WAIT_FOR_LOOK,
    MAX_ATTEMPTS,
    REQUESTED_MODES,
    REUSE_ARCHIVE_FOR,
    Archive,
    ExportLog,
    ExportMode,
    ExportPolicy,
)
from offboarding.domain.retention import RetentionRules, service_end
from stacks.settings import ANNOUNCED_SERVICE_END, EXPORT_MODES, ExportSettings, Settings
from stacks.settings_fields import SettingsError
from tests.infrastructure.templates import Template

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "archive.md").read_text()
DEFAULTS = ExportSettings()
SERVICE_END = service_end(ANNOUNCED_SERVICE_END)
HOUR = timedelta(hours=1)
COUNTS, HOURS = (1, 100, 1000), (1, 6, 24)
LARGEST = ExportSettings(slots=10, slot_deadline_days=21)


def read_section(heading: str) -> str:
    return re.split(r"\n## ", PAGE.partition(f"\n## {heading}\n")[2])[0]


def read_rows(heading: str, columns: int) -> list[list[str]]:
    """Read the rows below the headings of the section's tables that have so many columns."""
    lines = [line.strip("| ").split(" | ") for line in read_section(heading).splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line] for line in lines if len(line) == columns]
    return rows[1:]


def parse_context(export: dict[str, Any]) -> ExportSettings:
    return Settings.from_context({"organizations": [{"id": ORGANIZATION_ID}], "export": export}).export


def is_accepted(export: dict[str, Any]) -> bool:
    try:
        parse_context(export)
    except SettingsError:
        return False
    return True


def render_duration(duration: timedelta) -> str:
    hours = duration // HOUR
    days, rest = divmod(hours, 24)
    parts = [f"{days} d"] * bool(days) + [f"{rest} h"] * bool(rest or not days)
    return " ".join(parts)


def compute_row(count: int, hours: int) -> list[str]:
    """Compute how long so many exports of so many hours take, one round of all slots after the other."""
    rounds = ceil(count / DEFAULTS.slots)
    least = rounds * hours * HOUR
    most = least + rounds * 2 * LONGEST_WAIT_FOR_LOOK
    wait = (rounds - 1) * hours * HOUR
    is_in_time = wait < timedelta(days=DEFAULTS.slot_deadline_days)
    return [
        f"{count:,}",
        str(hours),
        str(rounds),
        render_duration(least),
        render_duration(most),
        f"{SERVICE_END - least:%Y-%m-%d %H:%M}",
        render_duration(wait),
        "yes" if is_in_time else "**no**",
    ]


def count_largest_group(settings: ExportSettings, hours: int) -> int:
    """Count how many can begin at once, so that the last round begins before the deadline for a slot."""
    rounds = ceil(timedelta(days=settings.slot_deadline_days) / (hours * HOUR))
    return rounds * settings.slots


def test_the_table_of_durations_is_what_the_slots_make_of_it() -> None:
    expected = [compute_row(count, hours) for count in COUNTS for hours in HOURS]

    assert read_rows("How long it takes", 8) == expected, "\n".join(f"| {' | '.join(row)} |" for row in expected)


def test_the_largest_groups_are_those_whose_last_member_gets_a_slot_in_time() -> None:
    expected = [
        [str(hours), *(f"{count_largest_group(settings, hours):,}" for settings in (DEFAULTS, LARGEST))]
        for hours in HOURS
    ]

    assert read_rows("How long it takes", 3) == expected, "\n".join(f"| {' | '.join(row)} |" for row in expected)
    assert is_accepted({"slots": LARGEST.slots, "slotDeadlineDays": LARGEST.slot_deadline_days})
    assert not is_accepted({"slots": LARGEST.slots + 1})
    assert not is_accepted({"slotDeadlineDays": LARGEST.slot_deadline_days + 1})


def test_the_dates_of_the_page_come_from_the_settings() -> None:
    section = " ".join(read_section("How long it takes").split())
    last_safe_start = SERVICE_END - timedelta(days=DEFAULTS.slot_deadline_days + DEFAULTS.job_deadline_days)

    assert f"ends, at {SERVICE_END:%Y-%m-%d %H:%M} UTC" in section
    assert f"defaults {last_safe_start:%Y-%m-%d %H:%M} UTC" in section
    last_verifiable_moment = find_last_verifiable_moment(
        Settings.from_context({"organizations": [{"id": ORGANIZATION_ID}]})
    )
    assert f"count back from {last_verifiable_moment:%Y-%m-%d %H:%M} UTC" in section


def find_last_verifiable_moment(settings: Settings) -> datetime:
    rules = RetentionRules(
        retention=timedelta(days=settings.retention_days),
        slack=timedelta(hours=settings.verification_slack_hours),
        overdue=timedelta(days=settings.overdue_days),
        service_ends_on=settings.service_ends_on,
    )
    return rules.last_verifiable_moment


def test_the_table_of_settings_has_each_key_with_its_default() -> None:
    rows = {row[0].strip("`"): row[1].strip("`") for row in read_rows("Switch it on", 4)}

    assert rows == {
        "mode": DEFAULTS.mode,
        "mayBeSkipped": str(DEFAULTS.may_be_skipped).lower(),
        "prefix": DEFAULTS.prefix,
        "slots": str(DEFAULTS.slots),
        "jobDeadlineDays": str(DEFAULTS.job_deadline_days),
        "slotDeadlineDays": str(DEFAULTS.slot_deadline_days),
        "lockDays": "none",
    }
    assert DEFAULTS.lock_days is None
    with pytest.raises(SettingsError) as refusal:
        parse_context({"0": None})
    assert str(refusal.value).partition("; the settings are ")[2].split(", ") == [*rows]


def test_the_settings_accept_the_documented_ranges_and_no_more() -> None:
    rows = {row[0].strip("`"): row[2] for row in read_rows("Switch it on", 4)}
    ranges = {key: values.split(" to ") for key, values in rows.items() if re.fullmatch(r"\d+ to \d+", values)}

    assert ranges.keys() == {"slots", "jobDeadlineDays", "slotDeadlineDays", "lockDays"}
    for key, (low, high) in ranges.items():
        accepted = [is_accepted({key: value}) for value in (int(low) - 1, int(low), int(high), int(high) + 1)]
        assert accepted == [False, True, True, False], key
    assert re.findall(r"`(\w+)`", rows["mode"]) == [*EXPORT_MODES]
    characters = rows["prefix"].split("`")[1].replace(" ", "")
    assert is_accepted({"prefix": f"aZ9{characters}/"})
    assert not any(is_accepted({"prefix": prefix}) for prefix in ("archives", "a b/", "a~/", "ä/", "a:/"))


def test_the_input_asks_for_an_export_as_the_table_says() -> None:
    def select(mode: str, requested: str | None, *, may_be_skipped: bool) -> str:
        try:
            selected = ExportPolicy(ExportMode(mode), may_be_skipped).select_mode(requested)
        except errors.InvalidRequest:
            return "`InvalidRequest`"
        return "none" if selected is ExportMode.NO else f"`{selected}`"

    expected = []
    for mode in EXPORT_MODES:
        row = [f"`{mode}`"]
        for requested in (None, *REQUESTED_MODES):
            cell, skipped = (select(mode, requested, may_be_skipped=value) for value in (False, True))
            row.append(cell if cell == skipped else f"{cell}; with `mayBeSkipped` {skipped}")
        expected.append(row)

    assert read_rows("Switch it on", 5) == expected


def test_each_sentence_of_a_failed_export_is_one_of_the_functions() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "lambdas").rglob("*.py"))
    flat = re.sub(r'"\s*\n\s*f?"', "", source)
    sentences = [text for row in read_rows("When an export has failed", 3) for text in re.findall(r"`(.+?)`", row[0])]

    assert len(sentences) >= 10
    for sentence in sentences:
        parts = [part for part in re.split(r"FAILED|CANCELLED|StartMailboxExportJob", sentence) if part.strip()]
        assert all(part in flat for part in parts), sentence


def test_the_first_command_reads_members_that_an_archive_has() -> None:
    [query] = re.findall(r"'Item\.Archive\.M\.\[(.+?)\]'", PAGE, re.S)
    members = [re.sub(r"\.(S|N|M)\b", "", member) for member in re.split(r",\s+", query)]

    assert [name.split(".")[0] for name in members if name.split(".")[0] not in Archive.__annotations__] == []
    assert members[-1] == "Log.Sha384"
    assert "Sha384" in ExportLog.__annotations__
    documented = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in read_rows("Find and verify one archive", 2))))
    assert documented == set(Archive.__annotations__) - {"At", "Reason"}


def test_the_figures_in_the_text_are_those_of_the_product() -> None:
    text = " ".join(PAGE.split())

    assert "three attempts in all" in text
    assert MAX_ATTEMPTS == 3
    assert timedelta(hours=24) == REUSE_ARCHIVE_FOR
    assert timedelta(hours=1) == LONGEST_WAIT_FOR_LOOK
    assert "names end with `.json` or `.log`" in text
    assert LOG_SUFFIXES == (".json", ".log")
    assert "WorkMail does not publish durations" in text


def test_the_outputs_that_the_page_names_are_those_of_a_stack_with_exports(with_exports: Template) -> None:
    for name in ("ArchiveBucketName", "ArchiveKeyArn"):
        assert f"`{name}`" in PAGE
        assert name in with_exports["Outputs"]


def test_the_documented_role_may_read_archives_and_nothing_else() -> None:
    [document] = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    objects, listing, key = json.loads(document)["Statement"]

    assert objects["Resource"].endswith(f"/{DEFAULTS.prefix}*")
    assert all(action.startswith("s3:Get") for action in objects["Action"])
    assert listing["Condition"] == {"StringLike": {"s3:prefix": f"{DEFAULTS.prefix}*"}}
    assert (listing["Action"], key["Action"]) == ("s3:ListBucketVersions", "kms:Decrypt")

"""Each reader of the configuration parses its environment variables, once per process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from local.defaults import ACCOUNT, REGION
from offboarding import configuration
from offboarding.configuration import (
    IntakeConfiguration,
    NotificationConfiguration,
    TwoPeopleRule,
)
from offboarding.domain.retention import RetentionRules
from tests.unit.conftest import configure

STATE_MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:offboarding"


@dataclass(frozen=True)
class Reader:
    """A reader, its variables with other values for a second read, and the value that it parses first."""

    read: Callable[[], object]
    variables: dict[str, str]
    other_variables: dict[str, str]
    value: object


READERS = {
    "WorkMail's Region": Reader(
        configuration.workmail_region, {"WORKMAIL_REGION": "eu-west-1"}, {"WORKMAIL_REGION": "us-west-2"}, "eu-west-1"
    ),
    "the table": Reader(
        configuration.records_table, {"RECORDS_TABLE": "records-1"}, {"RECORDS_TABLE": "records-2"}, "records-1"
    ),
    "the retention of records": Reader(
        configuration.record_retention,
        {"RECORD_RETENTION_DAYS": "90"},
        {"RECORD_RETENTION_DAYS": "0"},
        timedelta(days=90),
    ),
    "the age of stale events": Reader(
        configuration.stale_after, {"STALE_EVENT_DAYS": "3"}, {"STALE_EVENT_DAYS": "14"}, timedelta(days=3)
    ),
    "the state machine": Reader(
        configuration.state_machine_arn,
        {"STATE_MACHINE_ARN": "arn:machine"},
        {"STATE_MACHINE_ARN": "arn:another"},
        "arn:machine",
    ),
    "the rule for requesters": Reader(
        configuration.requires_requested_by, {"REQUIRE_REQUESTED_BY": "true"}, {"REQUIRE_REQUESTED_BY": "false"}, True
    ),
    "the rule of two people": Reader(
        configuration.two_people_rule,
        {
            "TWO_PEOPLE_FOR_APPROVAL_REQUIRED": "true",
            "TWO_PEOPLE_FOR_DAILY_CAP": "false",
            "TWO_PEOPLE_FOR_HAND_CAP": "true",
        },
        {
            "TWO_PEOPLE_FOR_APPROVAL_REQUIRED": "false",
            "TWO_PEOPLE_FOR_DAILY_CAP": "true",
            "TWO_PEOPLE_FOR_HAND_CAP": "false",
        },
        TwoPeopleRule(for_approval_required=True, for_daily_cap=False, for_hand_cap=True),
    ),
    "the parameter": Reader(
        configuration.policies_path, {"POLICIES_PATH": "/policies"}, {"POLICIES_PATH": "/others"}, "/policies"
    ),
    "the places of archives": Reader(
        configuration.archives_path, {"ARCHIVES_PATH": "/archives"}, {"ARCHIVES_PATH": "/others"}, "/archives"
    ),
    "the end of the service": Reader(
        configuration.service_ends_at,
        {"SERVICE_ENDS_ON": "2027-03-31"},
        {"SERVICE_ENDS_ON": "2027-06-30"},
        datetime(2027, 3, 31, tzinfo=UTC),
    ),
    "the retention": Reader(
        configuration.retention, {"RETENTION_DAYS": "35"}, {"RETENTION_DAYS": "30"}, timedelta(days=35)
    ),
    "the rules of the retention": Reader(
        configuration.retention_rules,
        {
            "RETENTION_DAYS": "35",
            "VERIFICATION_SLACK_HOURS": "0",
            "OVERDUE_DAYS": "7",
            "SERVICE_ENDS_ON": "2027-03-31",
        },
        {"VERIFICATION_SLACK_HOURS": "6"},
        RetentionRules(timedelta(days=35), timedelta(), timedelta(days=7), date(2027, 3, 31)),
    ),
    "the notifications": Reader(
        configuration.notifications,
        {
            "NOTIFICATION_TOPIC_ARN": "arn:topic",
            "NOTIFICATION_QUEUE_URL": "https://queue",
            "NAMES_IN_NOTIFICATIONS": "true",
            "STACK_NAME": "stack",
        },
        {"NAMES_IN_NOTIFICATIONS": "false"},
        NotificationConfiguration("arn:topic", "https://queue", names_in_mails=True, stack_name="stack"),
    ),
    "the intake": Reader(
        configuration.intake,
        {
            "STATE_MACHINE_ARN": STATE_MACHINE_ARN,
            "DEAD_LETTER_QUEUE_URL": "https://queue",
            "DRY_RUN": "true",
            "INTAKE_SETTINGS_PATH": "/offboarding/intake",
        },
        {"DRY_RUN": "false"},
        IntakeConfiguration(
            state_machine_arn=STATE_MACHINE_ARN,
            dead_letter_queue_url="https://queue",
            is_dry_run=True,
            settings_path="/offboarding/intake",
        ),
    ),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_reader_parses_its_variables_once_per_process(monkeypatch: pytest.MonkeyPatch, reader: Reader) -> None:
    configure(monkeypatch, **reader.variables)

    assert reader.read() == reader.value

    for name, value in reader.other_variables.items():
        monkeypatch.setenv(name, value)
    assert reader.read() == reader.value, "the variables are not read again"

    configure(monkeypatch, **reader.other_variables)
    assert reader.read() != reader.value, "another process reads the other values"


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_reader_needs_each_of_its_variables(monkeypatch: pytest.MonkeyPatch, reader: Reader) -> None:
    for missing in reader.variables:
        configure(monkeypatch, **reader.variables)
        monkeypatch.delenv(missing)

        with pytest.raises(KeyError, match=missing):
            reader.read()


@pytest.mark.parametrize(("variable", "is_dry_run"), [("true", True), ("false", False), ("", False), ("True", False)])
def test_only_true_makes_the_intake_a_dry_run(monkeypatch: pytest.MonkeyPatch, variable: str, is_dry_run: bool) -> None:
    configure(monkeypatch, **{**READERS["the intake"].variables, "DRY_RUN": variable})

    assert configuration.intake().is_dry_run is is_dry_run


def test_a_retention_of_no_days_keeps_records_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, RECORD_RETENTION_DAYS="0")

    assert configuration.record_retention() is None


def test_every_reader_is_tested() -> None:
    readers: set[Any] = {value for value in vars(configuration).values() if hasattr(value, "cache_clear")}

    assert {reader.read for reader in READERS.values()} == readers

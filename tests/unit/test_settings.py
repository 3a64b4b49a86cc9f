"""The settings in cdk.json: what is taken, and the sentence for what is not."""

from datetime import date
from typing import Any

import pytest

from stacks.settings import Organization, Settings, SettingsError

ONE = "m-" + "1" * 32
TWO = "m-" + "2" * 32
MINIMAL: dict[str, Any] = {"organizations": [{"id": ONE}]}


def test_the_organizations_are_enough() -> None:
    assert Settings.from_context(MINIMAL) == Settings(
        organizations=(Organization(id=ONE),),
        retention_days=30,
        verification_slack_hours=6,
        overdue_days=7,
        log_retention_days=365,
        service_ends_on=date(2027, 3, 31),
        workmail_region=None,
    )


def test_every_setting_is_taken_as_it_is_written() -> None:
    settings = Settings.from_context(
        {
            "organizations": [{"id": TWO}, {"id": ONE}],
            "retentionDays": 35,
            "verificationSlackHours": 0,
            "overdueDays": 0,
            "logRetentionDays": 3653,
            "serviceEndsOn": "2027-06-30",
            "workmailRegion": "eu-west-1",
        }
    )
    assert settings.organization_ids == (TWO, ONE)
    assert settings == Settings(
        organizations=(Organization(id=TWO), Organization(id=ONE)),
        retention_days=35,
        verification_slack_hours=0,
        overdue_days=0,
        log_retention_days=3653,
        service_ends_on=date(2027, 6, 30),
        workmail_region="eu-west-1",
    )


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (None, "offboarding is missing: it must be an object with at least its organizations"),
        ("3", 'offboarding must be an object, got "3"'),
        ([], "offboarding must be an object, got []"),
        ({}, "offboarding.organizations is missing"),
        (
            {"organizations": []},
            'offboarding.organizations must be a list of at least one object like {"id": "m-…"}, got []',
        ),
        (
            {"organizations": {"id": ONE}},
            'offboarding.organizations must be a list of at least one object like {"id": "m-…"}, '
            f'got {{"id": "{ONE}"}}',
        ),
        (
            {"organizations": [ONE]},
            f'offboarding.organizations[0] must be an object like {{"id": "m-…"}}, got "{ONE}"',
        ),
        (
            {"organizations": [None]},
            'offboarding.organizations[0] must be an object like {"id": "m-…"}, got null',
        ),
        ({"organizations": [{}]}, "offboarding.organizations[0].id is missing"),
        (
            {"organizations": [{"id": ONE}, {"id": "m-123"}]},
            'offboarding.organizations[1].id must be m- followed by 32 hexadecimal digits in lower case, got "m-123"',
        ),
        (
            {"organizations": [{"id": ONE.replace("1", "A")}]},
            "offboarding.organizations[0].id must be m- followed by 32 hexadecimal digits in lower case, got "
            f'"m-{"A" * 32}"',
        ),
        (
            {"organizations": [{"id": f"{ONE}\n"}]},
            "offboarding.organizations[0].id must be m- followed by 32 hexadecimal digits in lower case, got "
            f'"{ONE}\\n"',
        ),
        (
            {"organizations": [{"id": 7}]},
            "offboarding.organizations[0].id must be m- followed by 32 hexadecimal digits in lower case, got 7",
        ),
        (
            {"organizations": [{"id": ONE}, {"id": TWO}, {"id": ONE}]},
            "offboarding.organizations[2].id must be different from the others, but "
            f"offboarding.organizations[0].id is {ONE} too",
        ),
        (
            {"organizations": [{"id": ONE, "Id": TWO}]},
            "offboarding.organizations[0].Id is not a setting; did you mean id?",
        ),
        ({**MINIMAL, "retentonDays": 31}, "offboarding.retentonDays is not a setting; did you mean retentionDays?"),
        (
            {**MINIMAL, "colour": "blue"},
            "offboarding.colour is not a setting; the settings are organizations, retentionDays, "
            "verificationSlackHours, overdueDays, logRetentionDays, serviceEndsOn, workmailRegion",
        ),
        (
            {**MINIMAL, "retentionDays": 29},
            "offboarding.retentionDays must be a whole number from 30 to 35, got 29",
        ),
        (
            {**MINIMAL, "retentionDays": "30"},
            'offboarding.retentionDays must be a whole number from 30 to 35, got "30"',
        ),
        (
            {**MINIMAL, "retentionDays": 30.5},
            "offboarding.retentionDays must be a whole number from 30 to 35, got 30.5",
        ),
        (
            {**MINIMAL, "retentionDays": None},
            "offboarding.retentionDays must be a whole number from 30 to 35, got null",
        ),
        (
            {**MINIMAL, "verificationSlackHours": 49},
            "offboarding.verificationSlackHours must be a whole number from 0 to 48, got 49",
        ),
        (
            {**MINIMAL, "verificationSlackHours": True},
            "offboarding.verificationSlackHours must be a whole number from 0 to 48, got true",
        ),
        (
            {**MINIMAL, "overdueDays": -1},
            "offboarding.overdueDays must be a whole number from 0 to 7, got -1",
        ),
        (
            {**MINIMAL, "overdueDays": 8},
            "offboarding.overdueDays must be a whole number from 0 to 7, got 8",
        ),
        (
            {**MINIMAL, "logRetentionDays": 31},
            "offboarding.logRetentionDays must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, "
            "731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, got 31",
        ),
        (
            {**MINIMAL, "serviceEndsOn": "31.03.2027"},
            'offboarding.serviceEndsOn must be a date like 2027-03-31, got "31.03.2027"',
        ),
        (
            {**MINIMAL, "serviceEndsOn": "20270331"},
            'offboarding.serviceEndsOn must be a date like 2027-03-31, got "20270331"',
        ),
        (
            {**MINIMAL, "serviceEndsOn": "2027-02-30"},
            'offboarding.serviceEndsOn must be a date like 2027-03-31, got "2027-02-30"',
        ),
        (
            {**MINIMAL, "workmailRegion": "eu-central-1"},
            "offboarding.workmailRegion must be one of us-east-1, us-west-2, eu-west-1, got " + '"eu-central-1"',
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence_that_names_it(context: object, sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(context)
    assert str(refusal.value) == sentence


def test_true_is_not_a_number_of_days() -> None:
    with pytest.raises(SettingsError, match=r"logRetentionDays must be one of .*, got true"):
        Settings.from_context({**MINIMAL, "logRetentionDays": True})


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-west-1", None])
def test_a_region_with_workmail_or_one_that_is_not_known_yet_needs_no_setting(region: str | None) -> None:
    assert Settings.from_context(MINIMAL, region).workmail_region is None


def test_deploying_where_workmail_does_not_exist_needs_to_know_where_it_is() -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(MINIMAL, "eu-central-1")
    assert str(refusal.value) == (
        "offboarding.workmailRegion must be given (us-east-1, us-west-2, eu-west-1) when the stack is deployed to "
        "eu-central-1, because Amazon WorkMail does not exist there"
    )
    settings = Settings.from_context({**MINIMAL, "workmailRegion": "eu-west-1"}, "eu-central-1")
    assert settings.workmail_region == "eu-west-1"

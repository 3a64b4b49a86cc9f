"""The settings in cdk.json: the accepted values, and the sentences for all others."""

import json
from datetime import date
from typing import Any

import pytest

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from offboarding.adapters.intake_settings import read_intake_settings
from offboarding.adapters.policy import read_policy
from stacks.settings import (
    ExportSettings,
    IdentityCenterProvider,
    IdentityProviders,
    OffboardingRequests,
    OrganizationSettings,
    PartnerProvider,
    SailPointProvider,
    ScimTenant,
    Settings,
    TwoPeopleSettings,
)
from stacks.settings_fields import SettingsError
from tests.infrastructure.providers import PROVIDERS
from tests.unit.conftest import (
    INTAKE_SETTINGS_PATH,
    OTHER_ORGANIZATION_ID,
    PutIntakeSettings,
    PutPolicy,
    client,
    configure,
)

ONE = "m-" + "1" * 32
TWO = "m-" + "2" * 32
MINIMAL: dict[str, Any] = {"organizations": [{"id": ONE}]}
STORE = "d-1234567890"
MAPPED: dict[str, Any] = {"organizations": [{"id": ONE, "mailDomains": ["example.com"], "identityStores": [STORE]}]}
OKTA = "aws.partner/okta.com/exampleco/leavers"
SAILPOINT = "aws.partner/sailpoint.com/11111111-2222-3333-4444-555555555555/idn/account-deleted"
HR_SOURCE = "2c918085784cc5a30178500f1c3a0b2f"
EVERY_SETTING: dict[str, Any] = {
    "organizations": [
        {"id": TWO, "mailDomains": ["Example.COM", "sub.example.com"], "identityStores": [STORE]},
        {
            "id": ONE,
            "identityStores": ["12345678-1234-1234-1234-123456789012"],
            "protected": ["Chief@example.com", "svc-*", "S-1-1-12-????"],
            "approvalRequired": ["*"],
        },
    ],
    "retentionDays": 35,
    "verificationSlackHours": 0,
    "overdueDays": 0,
    "logRetentionDays": 3653,
    "serviceEndsOn": "2027-06-30",
    "confirmServiceEndsOn": "2027-06-30",
    "workmailRegion": "eu-west-1",
    "identityProviders": {
        "identityCenter": {"userUpdated": True},
        "identityCenterCloudTrail": {},
        "identityCenterScim": {"tenants": {"tenant-1": STORE, "tenant-2": STORE}},
        "okta": {"eventSource": OKTA, "organizationId": TWO},
        "auth0": {"eventSource": "aws.partner/auth0.com/exampleco-2308531e/auth0.logs"},
        "sailpoint": {"eventSource": SAILPOINT, "accountSources": [HR_SOURCE, "other"]},
        "offboardingRequested": {"eventBus": "leavers"},
    },
    "starterMaxConcurrency": 10,
    "dailyCap": 0,
    "handCap": None,
    "staleEventDays": 14,
    "dryRunIdentityProviders": True,
    "twoPeople": {"approvalRequired": False, "dailyCap": True, "handCap": True},
    "requireRequestedBy": True,
    "notificationEmails": ["IT@Example.com", "help.desk+leavers@sub.example.com"],
    "namesInNotifications": False,
    "alarms": False,
    "approvalReminderDays": 13,
}


def test_only_the_organizations_are_required() -> None:
    assert Settings.from_context(MINIMAL) == Settings(
        organizations=(OrganizationSettings(id=ONE),),
        retention_days=30,
        verification_slack_hours=6,
        overdue_days=7,
        log_retention_days=365,
        service_ends_on=date(2027, 3, 31),
        workmail_region=None,
        identity_providers=IdentityProviders(),
        starter_max_concurrency=2,
        daily_cap=20,
        hand_cap=50,
        dry_run_identity_providers=False,
        export=ExportSettings(
            mode="No", may_be_skipped=False, prefix="archives/", slots=8, job_deadline_days=3, slot_deadline_days=14
        ),
        two_people=TwoPeopleSettings(approval_required=True, daily_cap=False, hand_cap=False),
        require_requested_by=False,
        notification_emails=(),
        names_in_notifications=True,
        alarms=True,
        approval_reminder_days=3,
    )
    assert not Settings.from_context(MINIMAL).identity_providers.has_provider


def test_every_setting_is_parsed() -> None:
    settings = Settings.from_context(EVERY_SETTING)
    assert settings.organization_ids == (TWO, ONE)
    assert settings.identity_stores == (STORE, "12345678-1234-1234-1234-123456789012")
    assert settings == Settings(
        organizations=(
            OrganizationSettings(id=TWO, mail_domains=("example.com", "sub.example.com"), identity_stores=(STORE,)),
            OrganizationSettings(
                id=ONE,
                identity_stores=("12345678-1234-1234-1234-123456789012",),
                protected=("chief@example.com", "svc-*", "s-1-1-12-????"),
                approval_required=("*",),
            ),
        ),
        retention_days=35,
        verification_slack_hours=0,
        overdue_days=0,
        log_retention_days=3653,
        service_ends_on=date(2027, 6, 30),
        workmail_region="eu-west-1",
        identity_providers=IdentityProviders(
            identity_center=IdentityCenterProvider(user_updated=True),
            identity_center_cloudtrail=True,
            identity_center_scim=(ScimTenant("tenant-1", STORE), ScimTenant("tenant-2", STORE)),
            okta=PartnerProvider(event_source=OKTA, organization_id=TWO),
            auth0=PartnerProvider(
                event_source="aws.partner/auth0.com/exampleco-2308531e/auth0.logs", organization_id=None
            ),
            sailpoint=SailPointProvider(
                event_source=SAILPOINT, organization_id=None, account_sources=(HR_SOURCE, "other")
            ),
            offboarding_requested=OffboardingRequests(event_bus="leavers"),
        ),
        starter_max_concurrency=10,
        daily_cap=0,
        hand_cap=None,
        stale_event_days=14,
        dry_run_identity_providers=True,
        two_people=TwoPeopleSettings(approval_required=False, daily_cap=True, hand_cap=True),
        require_requested_by=True,
        notification_emails=("it@example.com", "help.desk+leavers@sub.example.com"),
        names_in_notifications=False,
        alarms=False,
        approval_reminder_days=13,
    )


@pytest.mark.parametrize(
    ("members", "two_people"),
    [
        ({}, TwoPeopleSettings(approval_required=True, daily_cap=False)),
        ({"dailyCap": True}, TwoPeopleSettings(approval_required=True, daily_cap=True)),
        ({"handCap": True}, TwoPeopleSettings(approval_required=True, daily_cap=False, hand_cap=True)),
        ({"approvalRequired": False}, TwoPeopleSettings(approval_required=False, daily_cap=False)),
    ],
)
def test_each_kind_of_approval_has_its_own_rule_of_two_people(
    members: dict[str, bool], two_people: TwoPeopleSettings
) -> None:
    assert Settings.from_context({**MINIMAL, "twoPeople": members}).two_people == two_people


def test_requests_use_the_default_bus_unless_the_settings_name_another() -> None:
    providers = Settings.from_context({**MINIMAL, "identityProviders": {"offboardingRequested": {}}}).identity_providers
    assert providers == IdentityProviders(offboarding_requested=OffboardingRequests(event_bus="default"))
    assert providers.has_provider


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (None, "offboarding is missing; it must be an object with at least organizations"),
        ("3", 'offboarding must be an object, but it is "3"'),
        ([], "offboarding must be an object, but it is []"),
        ({}, "offboarding.organizations is missing"),
        (
            {"organizations": []},
            'offboarding.organizations must be a list of at least one object like {"id": "m-…"}, but it is []',
        ),
        (
            {"organizations": {"id": ONE}},
            'offboarding.organizations must be a list of at least one object like {"id": "m-…"}, '
            f'but it is {{"id": "{ONE}"}}',
        ),
        (
            {"organizations": [ONE]},
            f'offboarding.organizations[0] must be an object like {{"id": "m-…"}}, but it is "{ONE}"',
        ),
        (
            {"organizations": [None]},
            'offboarding.organizations[0] must be an object like {"id": "m-…"}, but it is null',
        ),
        ({"organizations": [{}]}, "offboarding.organizations[0].id is missing"),
        (
            {"organizations": [{"id": ONE}, {"id": "m-123"}]},
            "offboarding.organizations[1].id must be m- followed by 32 hexadecimal digits in lower case, but it is "
            '"m-123"',
        ),
        (
            {"organizations": [{"id": ONE.replace("1", "A")}]},
            "offboarding.organizations[0].id must be m- followed by 32 hexadecimal digits in lower case, but it is "
            f'"m-{"A" * 32}"',
        ),
        (
            {"organizations": [{"id": f"{ONE}\n"}]},
            "offboarding.organizations[0].id must be m- followed by 32 hexadecimal digits in lower case, but it is "
            f'"{ONE}\\n"',
        ),
        (
            {"organizations": [{"id": 7}]},
            "offboarding.organizations[0].id must be m- followed by 32 hexadecimal digits in lower case, but it is 7",
        ),
        (
            {"organizations": [{"id": ONE}, {"id": TWO}, {"id": ONE}]},
            f"offboarding.organizations[2].id must be unique, but offboarding.organizations[0].id is also {ONE}",
        ),
        (
            {"organizations": [{"id": ONE, "Id": TWO}]},
            "offboarding.organizations[0].Id is not a setting; did you mean id?",
        ),
        ({**MINIMAL, "retentonDays": 31}, "offboarding.retentonDays is not a setting; did you mean retentionDays?"),
        (
            {**MINIMAL, "colour": "blue"},
            "offboarding.colour is not a setting; the settings are organizations, stackName, retentionDays, "
            "verificationSlackHours, overdueDays, logRetentionDays, serviceEndsOn, confirmServiceEndsOn, "
            "workmailRegion, identityProviders, starterMaxConcurrency, dailyCap, handCap, "
            "staleEventDays, dryRunIdentityProviders, export, recordRetentionDays, twoPeople, requireRequestedBy, "
            "notificationEmails, namesInNotifications, alarms, approvalReminderDays",
        ),
        (
            {**MINIMAL, "retentionDays": 29},
            "offboarding.retentionDays must be a whole number from 30 to 35, but it is 29",
        ),
        (
            {**MINIMAL, "retentionDays": "30"},
            'offboarding.retentionDays must be a whole number from 30 to 35, but it is "30"',
        ),
        (
            {**MINIMAL, "retentionDays": 30.5},
            "offboarding.retentionDays must be a whole number from 30 to 35, but it is 30.5",
        ),
        (
            {**MINIMAL, "retentionDays": None},
            "offboarding.retentionDays must be a whole number from 30 to 35, but it is null",
        ),
        (
            {**MINIMAL, "verificationSlackHours": 49},
            "offboarding.verificationSlackHours must be a whole number from 0 to 48, but it is 49",
        ),
        (
            {**MINIMAL, "verificationSlackHours": True},
            "offboarding.verificationSlackHours must be a whole number from 0 to 48, but it is true",
        ),
        (
            {**MINIMAL, "overdueDays": -1},
            "offboarding.overdueDays must be a whole number from 0 to 7, but it is -1",
        ),
        (
            {**MINIMAL, "overdueDays": 8},
            "offboarding.overdueDays must be a whole number from 0 to 7, but it is 8",
        ),
        (
            {**MINIMAL, "logRetentionDays": 31},
            "offboarding.logRetentionDays must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, "
            "731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, but it is 31",
        ),
        (
            {**MINIMAL, "serviceEndsOn": "31.03.2027"},
            'offboarding.serviceEndsOn must be a date like 2027-03-31, but it is "31.03.2027"',
        ),
        (
            {**MINIMAL, "serviceEndsOn": "20270331"},
            'offboarding.serviceEndsOn must be a date like 2027-03-31, but it is "20270331"',
        ),
        (
            {**MINIMAL, "serviceEndsOn": "2027-02-30"},
            'offboarding.serviceEndsOn must be a date like 2027-03-31, but it is "2027-02-30"',
        ),
        *(
            (
                {**MINIMAL, "serviceEndsOn": mistyped},
                "offboarding.serviceEndsOn must be 2027-03-31, the date that AWS announced; "
                f"if {mistyped} is meant, repeat it in offboarding.confirmServiceEndsOn",
            )
            for mistyped in ("2026-03-31", "2028-03-31", "2027-03-30")
        ),
        (
            {**MINIMAL, "serviceEndsOn": "2028-03-31", "confirmServiceEndsOn": "2027-03-31"},
            "offboarding.serviceEndsOn must be 2027-03-31, the date that AWS announced; "
            "if 2028-03-31 is meant, repeat it in offboarding.confirmServiceEndsOn",
        ),
        (
            {**MINIMAL, "serviceEndsOn": "2028-03-31", "confirmServiceEndsOn": "2028-03-30"},
            "offboarding.confirmServiceEndsOn must be the same date as serviceEndsOn, 2028-03-31, but it is 2028-03-30",
        ),
        (
            {**MINIMAL, "confirmServiceEndsOn": "2028-03-31"},
            "offboarding.confirmServiceEndsOn must be the same date as serviceEndsOn, 2027-03-31, but it is 2028-03-31",
        ),
        (
            {**MINIMAL, "serviceEndsOn": "2028-03-31", "confirmServiceEndsOn": True},
            "offboarding.confirmServiceEndsOn must be a date like 2027-03-31, but it is true",
        ),
        (
            {**MINIMAL, "workmailRegion": "eu-central-1"},
            "offboarding.workmailRegion must be one of us-east-1, us-west-2, eu-west-1, but it is " + '"eu-central-1"',
        ),
        (
            {**MINIMAL, "starterMaxConcurrency": 1},
            "offboarding.starterMaxConcurrency must be a whole number from 2 to 10, but it is 1",
        ),
        (
            {**MINIMAL, "starterMaxConcurrency": 11},
            "offboarding.starterMaxConcurrency must be a whole number from 2 to 10, but it is 11",
        ),
        *(
            (
                {**MINIMAL, "dailyCap": wrong},
                f"offboarding.dailyCap must be a whole number from 0 to 500, but it is {spelled}",
            )
            for wrong, spelled in ((-1, "-1"), (501, "501"), (True, "true"), ("20", '"20"'), (20.5, "20.5"))
        ),
        *(
            (
                {**MINIMAL, "handCap": wrong},
                f"offboarding.handCap must be a whole number from 0 to 10000, or null, but it is {spelled}",
            )
            for wrong, spelled in (
                *((-1, "-1"), (10001, "10001"), (True, "true"), (False, "false")),
                *(("null", '"null"'), ("50", '"50"'), (50.5, "50.5"), ([], "[]")),
            )
        ),
        *(
            (
                {**MINIMAL, "staleEventDays": wrong},
                f"offboarding.staleEventDays must be a whole number from 1 to 14, but it is {spelled}",
            )
            for wrong, spelled in ((0, "0"), (15, "15"), ("3", '"3"'))
        ),
        *(
            (
                {**MINIMAL, "approvalReminderDays": wrong},
                f"offboarding.approvalReminderDays must be a whole number from 1 to 13, but it is {spelled}",
            )
            for wrong, spelled in ((0, "0"), (14, "14"), (True, "true"))
        ),
        *(
            (
                {**MINIMAL, key: wrong},
                f"offboarding.{key} must be true or false, but it is {spelled}",
            )
            for key in ("dryRunIdentityProviders", "requireRequestedBy", "alarms")
            for wrong, spelled in ((1, "1"), (0, "0"), ("true", '"true"'), (None, "null"))
        ),
        *(
            ({**MINIMAL, "twoPeople": wrong}, f"offboarding.twoPeople must be an object, but it is {spelled}")
            for wrong, spelled in ((True, "true"), (None, "null"), ("yes", '"yes"'), (["dailyCap"], '["dailyCap"]'))
        ),
        *(
            (
                {**MINIMAL, "twoPeople": {key: wrong}},
                f"offboarding.twoPeople.{key} must be true or false, but it is {spelled}",
            )
            for key in ("approvalRequired", "dailyCap", "handCap")
            for wrong, spelled in ((1, "1"), ("true", '"true"'), (None, "null"))
        ),
        (
            {**MINIMAL, "twoPeople": {"approvalsRequired": True}},
            "offboarding.twoPeople.approvalsRequired is not a setting; did you mean approvalRequired?",
        ),
        (
            {**MINIMAL, "twoPeople": {"everything": True}},
            "offboarding.twoPeople.everything is not a setting; the settings are approvalRequired, dailyCap, handCap",
        ),
        (
            {**MINIMAL, "namesInNotifications": "no"},
            'offboarding.namesInNotifications must be true or false, but it is "no"',
        ),
        (
            {**MINIMAL, "notificationEmails": "it@example.com"},
            'offboarding.notificationEmails must be a list, but it is "it@example.com"',
        ),
        *(
            (
                {**MINIMAL, "notificationEmails": ["it@example.com", wrong]},
                f"offboarding.notificationEmails[1] must be an e-mail address like it@example.com, but it is {spelled}",
            )
            for wrong, spelled in (
                ("example.com", '"example.com"'),
                ("@example.com", '"@example.com"'),
                ("it@example", '"it@example"'),
                ("it desk@example.com", '"it desk@example.com"'),
                ("IT <it@example.com>", '"IT <it@example.com>"'),
                ("it@example.com\n", r'"it@example.com\n"'),
                (f"{'i' * 65}@example.com", f'"{"i" * 65}@example.com"'),
                (7, "7"),
            )
        ),
        (
            {**MINIMAL, "notificationEmails": ["it@example.com", "IT@Example.com"]},
            "offboarding.notificationEmails[1] must be unique, but offboarding.notificationEmails[0] is also "
            "it@example.com",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence_that_names_its_key(context: object, sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(context)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("organization", "sentence"),
    [
        ({"mailDomains": "example.com"}, 'mailDomains must be a list, but it is "example.com"'),
        ({"mailDomains": None}, "mailDomains must be a list, but it is null"),
        *(
            (
                {"mailDomains": ["example.com", wrong]},
                f'mailDomains[1] must be a domain name like example.com, but it is "{wrong}"',
            )
            for wrong in ("example", "@example.com", "example.com.", "-a.example.com", "exa mple.com", "1.2.3.4", "")
        ),
        ({"mailDomains": [7]}, "mailDomains[0] must be a domain name like example.com, but it is 7"),
        (
            {"mailDomains": ["example.org", "example.com", "Example.com"]},
            "mailDomains[2] must be unique, but offboarding.organizations[0].mailDomains[1] is also example.com",
        ),
        *(
            (
                {"identityStores": [wrong]},
                "identityStores[0] must be an Identity Store id: d- followed by 10 hexadecimal digits, or a UUID in "
                f'lower case, but it is "{wrong}"',
            )
            for wrong in ("d-123", "d-123456789G", "D-1234567890", "d-12345678901")
        ),
        (
            {"identityStores": [STORE, STORE]},
            f"identityStores[1] must be unique, but offboarding.organizations[0].identityStores[0] is also {STORE}",
        ),
        ({"maildomains": []}, "maildomains is not a setting; did you mean mailDomains?"),
    ],
)
def test_the_mail_domains_and_identity_stores_of_an_organization_are_checked(
    organization: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"organizations": [{"id": ONE, **organization}]})
    assert str(refusal.value) == f"offboarding.organizations[0].{sentence}"


@pytest.mark.parametrize("key", ["protected", "approvalRequired"])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("chief", ' must be a list, but it is "chief"'),
        (None, " must be a list, but it is null"),
        ({}, " must be a list, but it is {}"),
        *(
            (
                ["chief", wrong],
                "[1] must be an id, a name, an address, or a pattern with * for any characters and ? for one "
                "character, "
                f"but it is {spelled}",
            )
            for wrong, spelled in (
                ("", '""'),
                ("a b", '"a b"'),
                ("[ab]*", '"[ab]*"'),
                ("a/b", '"a/b"'),
                ("ceo\n", r'"ceo\n"'),
                ("Müller", '"Müller"'),
                ("a" * 257, f'"{"a" * 257}"'),
                (7, "7"),
                (None, "null"),
            )
        ),
        (
            ["svc-*", "chief@example.com", "Chief@Example.com"],
            "[2] must be unique, but offboarding.organizations[0].{key}[1] is also chief@example.com",
        ),
    ],
)
def test_the_lists_of_protected_entities_and_required_approvals_are_checked(
    key: str, value: object, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"organizations": [{"id": ONE, key: value}]})
    assert str(refusal.value) == f"offboarding.organizations[0].{key}{sentence.replace('{key}', key)}"


@pytest.mark.parametrize("pattern", ["*", "**", "?*", "??*", "*@*", "*.*", "*@*.*", "*-*", "?"])
@pytest.mark.parametrize("domains", [[], ["example.com"]])
def test_a_protected_pattern_without_a_letter_or_a_digit_is_refused(pattern: str, domains: list[str]) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"organizations": [{"id": ONE, "mailDomains": domains, "protected": ["chief", pattern]}]})
    assert str(refusal.value) == (
        f"offboarding.organizations[0].protected[1] must leave entities that can be offboarded, but {pattern} matches "
        "every identifier"
    )


@pytest.mark.parametrize(
    ("pattern", "domains"),
    [
        ("*@example.com", ["example.com"]),
        ("*@EXAMPLE.com", ["Example.COM"]),
        ("?*@example.com", ["example.com"]),
        ("??*@example.com", ["example.com"]),
        ("*@*.com", ["example.com"]),
        ("*example.com", ["example.com", "sub.example.com"]),
        ("*.com", ["example.com", "example-company.com"]),
        ("*@example.?*", ["example.com", "example.org"]),
        ("*e*", ["example.com", "example.org"]),
        ("*m", ["example.com"]),
    ],
)
def test_a_protected_pattern_that_matches_every_address_is_refused(pattern: str, domains: list[str]) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"organizations": [{"id": ONE, "mailDomains": domains, "protected": [pattern]}]})
    assert str(refusal.value) == (
        "offboarding.organizations[0].protected[0] must leave entities that can be offboarded, but "
        f"{pattern.lower()} matches every address of the organization"
    )


@pytest.mark.parametrize("pattern", ["*@example.com", "?*@*.com", "@example.com"])
def test_a_protected_pattern_for_a_whole_domain_requires_the_other_domains(pattern: str) -> None:
    with pytest.raises(SettingsError, match="every address of a domain, and mailDomains lists no other domain"):
        Settings.from_context({"organizations": [{"id": ONE, "protected": [pattern]}]})


@pytest.mark.parametrize(
    ("pattern", "domains"),
    [
        ("a*@example.com", []),
        ("boss@*", []),
        ("*@example.com", ["example.com", "example.org"]),
        ("*@board.example.com", ["example.com", "board.example.com"]),
        ("svc-*", ["example.com"]),
        ("*admin*", ["example.com"]),
        ("*a*@example.com", ["example.com"]),
        ("????@example.com", ["example.com"]),
        ("*.example.com", ["example.com"]),
        ("*1", ["example.com"]),
        ("r-*", ["example.com"]),
        ("6*", ["example.com"]),
        ("chief@example.com", ["example.com"]),
        ("a" * 256, ["example.com"]),
    ],
)
def test_a_protected_pattern_that_leaves_other_entities_is_accepted(pattern: str, domains: list[str]) -> None:
    settings = Settings.from_context({"organizations": [{"id": ONE, "mailDomains": domains, "protected": [pattern]}]})
    assert settings.organizations[0].protected == (pattern,)


def test_a_pattern_with_many_stars_is_compared_quickly() -> None:
    pattern = "*a" * 127 + "*b"
    Settings.from_context({"organizations": [{"id": ONE, "mailDomains": ["a" * 60 + ".com"], "protected": [pattern]}]})


def test_the_same_entity_can_be_protected_in_two_organizations() -> None:
    settings = Settings.from_context({"organizations": [{"id": id_, "protected": ["admin"]} for id_ in (ONE, TWO)]})
    assert [organization.protected for organization in settings.organizations] == [("admin",), ("admin",)]


def test_each_organization_has_a_compact_policy_of_its_own() -> None:
    organizations = [{"id": ONE, "protected": ["Chief"], "approvalRequired": ["*"]}, {"id": TWO}]
    no_export = '"Export":{"Mode":"No","MayBeSkipped":false}'
    assert Settings.from_context({"organizations": organizations, "dailyCap": 3}).render_policies() == {
        ONE: f'{{"DailyCap":3,"HandCap":50,"Protected":["chief"],"ApprovalRequired":["*"],{no_export}}}',
        TWO: f'{{"DailyCap":3,"HandCap":50,"Protected":[],"ApprovalRequired":[],{no_export}}}',
    }


@pytest.mark.parametrize(("hand_cap", "rendered"), [(None, "null"), (0, "0"), (10_000, "10000")])
def test_the_policies_have_the_cap_of_offboardings_by_hand(hand_cap: int | None, rendered: str) -> None:
    settings = Settings.from_context({**MINIMAL, "handCap": hand_cap})

    assert settings.hand_cap == hand_cap
    assert f'"HandCap":{rendered},' in settings.render_policies()[ONE]


MAX_PARAMETER_BYTES = 8192
SOURCE = "aws.partner/sailpoint.com/11111111-2222-3333-4444-555555555555/idn/account-deleted"


def configure_list(key: str, values: list[str]) -> dict[str, Any]:
    """Return settings of which one parameter holds a list."""
    organization: dict[str, Any] = {"id": ONE, "mailDomains": ["example.com"]}
    if key == "accountSources":
        provider = {"sailpoint": {"eventSource": SOURCE, "accountSources": values}}
        return {"organizations": [organization], "identityProviders": provider}
    return {"organizations": [{**organization, key: values}]}


def measure_list(key: str, settings: Settings) -> int:
    parameters = {**settings.render_policies(), **settings.render_intake()}
    names = {"mailDomains": f"organizations/{ONE}", "accountSources": "providers/sailpoint"}
    return len(parameters[names.get(key, ONE)].encode())


@pytest.mark.parametrize(
    ("key", "suffix", "entries"),
    [
        ("protected", "", "offboarding.organizations[0].protected and approvalRequired"),
        ("approvalRequired", "", "offboarding.organizations[0].protected and approvalRequired"),
        ("mailDomains", ".example.com", "offboarding.organizations[0].mailDomains and identityStores"),
        ("accountSources", "", "offboarding.identityProviders.sailpoint"),
    ],
)
def test_a_parameter_above_the_limit_of_systems_manager_is_refused(key: str, suffix: str, entries: str) -> None:
    def with_size(size: int) -> Settings:
        values = [f"n000{suffix}"]
        while (room := size - measure_list(key, Settings.from_context(configure_list(key, values)))) > 50:
            values.append(f"n{len(values):03}{'x' * (20 - len(suffix))}{suffix}")
        values[0] = f"n000{'y' * room}{suffix}"
        return Settings.from_context(configure_list(key, values))

    assert measure_list(key, with_size(MAX_PARAMETER_BYTES)) == MAX_PARAMETER_BYTES
    with pytest.raises(SettingsError) as refusal:
        with_size(MAX_PARAMETER_BYTES + 1)
    assert str(refusal.value) == (
        f"There must be fewer or shorter entries in {entries}: they need 8193 bytes and Systems Manager allows 8192"
    )


def test_more_organizations_than_a_stack_can_have_are_refused() -> None:
    def with_count(count: int) -> Settings:
        return Settings.from_context({"organizations": [{"id": f"m-{number:032x}"} for number in range(count)]})

    assert len(with_count(60).organizations) == 60
    with pytest.raises(SettingsError, match=r"^offboarding\.organizations must have at most 60 organizations, but it"):
        with_count(61)


def test_a_mail_domain_of_two_organizations_is_refused_with_the_names_of_both() -> None:
    organizations = [{"id": ONE, "mailDomains": ["example.com"]}, {"id": TWO, "mailDomains": ["EXAMPLE.com"]}]
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"organizations": organizations})
    assert str(refusal.value) == (
        "offboarding.organizations[1].mailDomains must not contain example.com, because it must belong to one "
        f"organization only, and both {ONE} and {TWO} have it"
    )


def test_two_organizations_can_have_the_same_identity_store() -> None:
    organizations = [{"id": ONE, "identityStores": [STORE]}, {"id": TWO, "identityStores": [STORE, "d-abcdef0123"]}]

    settings = Settings.from_context({"organizations": organizations})

    assert settings.identity_stores == (STORE, "d-abcdef0123")


@pytest.mark.parametrize(
    ("providers", "stores"),
    [
        ({}, ()),
        ({"identityCenter": {}, "identityCenterCloudTrail": {}}, ()),
        ({"identityCenter": {"userUpdated": False}}, ()),
        ({"identityCenter": {"userUpdated": True}}, (STORE, "d-abcdef0123")),
        ({"identityCenterScim": {"tenants": {"t-1": "d-abcdef0123", "t-2": "d-abcdef0123"}}}, ("d-abcdef0123",)),
        (
            {"identityCenter": {"userUpdated": True}, "identityCenterScim": {"tenants": {"t-1": "d-abcdef0123"}}},
            (STORE, "d-abcdef0123"),
        ),
    ],
)
def test_users_are_read_only_in_the_identity_stores_for_which_the_settings_ask(
    providers: dict[str, Any], stores: tuple[str, ...]
) -> None:
    organizations = [{"id": ONE, "identityStores": [STORE, "d-abcdef0123"]}]

    settings = Settings.from_context({"organizations": organizations, "identityProviders": providers})

    assert settings.described_identity_stores == stores


@pytest.mark.parametrize(
    ("providers", "sentence"),
    [
        (None, " must be an object, but it is null"),
        ([], " must be an object, but it is []"),
        (
            {"onelogin": {}},
            ".onelogin is not a setting; the settings are identityCenter, identityCenterCloudTrail, "
            "identityCenterScim, okta, auth0, sailpoint, offboardingRequested",
        ),
        ({"Okta": {}}, ".Okta is not a setting; did you mean okta?"),
        ({"identityCenter": True}, ".identityCenter must be an object, but it is true"),
        (
            {"identityCenter": {"identityStores": [STORE]}},
            ".identityCenter.identityStores is not a setting; the settings are userUpdated",
        ),
        (
            {"identityCenter": {"userUpdated": "yes"}},
            '.identityCenter.userUpdated must be true or false, but it is "yes"',
        ),
        (
            {"identityCenterCloudTrail": {"identityStores": [STORE]}},
            ".identityCenterCloudTrail.identityStores is not a setting; "
            "offboarding.identityProviders.identityCenterCloudTrail must be an empty object",
        ),
        ({"identityCenterScim": {}}, ".identityCenterScim.tenants is missing"),
        *(
            (
                {"identityCenterScim": {"tenants": wrong}},
                '.identityCenterScim.tenants must be an object like {"<tenant id>": "<identity store id>"}, but it is '
                f"{json.dumps(wrong)}",
            )
            for wrong in ({}, ["tenant-1"], "tenant-1")
        ),
        (
            {"identityCenterScim": {"tenants": {"a tenant": STORE}}},
            '.identityCenterScim.tenants must be an object whose keys are ids of SCIM tenants, but it is "a tenant"',
        ),
        (
            {"identityCenterScim": {"tenants": {"tenant-1": "d-abcdef0123"}}},
            f'.identityCenterScim.tenants.tenant-1 must be one of {STORE}, but it is "d-abcdef0123"',
        ),
        (
            {"identityCenterScim": {"tenants": {"tenant-1": STORE}, "tenant": "x"}},
            ".identityCenterScim.tenant is not a setting; did you mean tenants?",
        ),
        ({"okta": None}, ".okta must be an object, but it is null"),
        ({"okta": {}}, ".okta.eventSource is missing"),
        *(
            (
                {"okta": {"eventSource": wrong}},
                ".okta.eventSource must be a partner event source like aws.partner/okta.com/<tenant>/<stream>, "
                f'but it is "{wrong}"',
            )
            for wrong in (
                "exampleco/leavers",
                "aws.partner/okta.com",
                "aws.partner/okta.com/exampleco",
                "aws.partner/okta.com/exampleco/",
                "aws.partner/okta.com/exampleco/lea vers",
                "aws.partner/okta.com.example/exampleco/leavers",
                SAILPOINT,
                OKTA + "x" * 256,
            )
        ),
        (
            {"okta": {"eventSource": OKTA, "organizationId": TWO}},
            f'.okta.organizationId must be one of {ONE}, but it is "{TWO}"',
        ),
        (
            {"okta": {"eventSource": OKTA, "colour": 1}},
            ".okta.colour is not a setting; the settings are eventSource, organizationId",
        ),
        (
            {"auth0": {"eventSource": OKTA}},
            ".auth0.eventSource must be a partner event source like aws.partner/auth0.com/<tenant>/auth0.logs, but it "
            f'is "{OKTA}"',
        ),
        (
            {"sailpoint": {"eventSource": OKTA, "accountSources": [HR_SOURCE]}},
            ".sailpoint.eventSource must be a partner event source like "
            f'aws.partner/sailpoint.com/<tenant>/idn/account-deleted, but it is "{OKTA}"',
        ),
        ({"sailpoint": {"eventSource": SAILPOINT}}, ".sailpoint.accountSources is missing"),
        (
            {"sailpoint": {"eventSource": SAILPOINT, "accountSources": []}},
            ".sailpoint.accountSources must be a list of at least one id of a SailPoint source, but it is []",
        ),
        (
            {"sailpoint": {"eventSource": SAILPOINT, "accountSources": ["an HR source"]}},
            '.sailpoint.accountSources[0] must be the id of a SailPoint source, but it is "an HR source"',
        ),
        *(
            (
                {"offboardingRequested": {"eventBus": wrong}},
                ".offboardingRequested.eventBus must be the name of an event bus in this account and Region, but it is "
                f'"{wrong}"',
            )
            for wrong in ("", OKTA, "arn:aws:events:us-east-1:123456789012:event-bus/leavers")
        ),
    ],
)
def test_a_wrong_identity_provider_is_refused_with_a_sentence_that_names_its_key(
    providers: object, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({**MAPPED, "identityProviders": providers})
    assert str(refusal.value) == f"offboarding.identityProviders{sentence}"


def test_scim_requires_an_organization_with_an_identity_store() -> None:
    with pytest.raises(SettingsError, match=r"identityCenterScim\.tenants requires identityStores in"):
        Settings.from_context({**MINIMAL, "identityProviders": {"identityCenterScim": {"tenants": {"t-1": STORE}}}})


@pytest.mark.parametrize("key", ["identityCenter", "identityCenterCloudTrail"])
def test_identity_center_requires_an_organization_with_an_identity_store(key: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({**MINIMAL, "identityProviders": {key: {}}})
    assert str(refusal.value) == (
        f"offboarding.identityProviders.{key} requires identityStores in offboarding.organizations, because they "
        "determine the organization of a leaver"
    )


def test_a_partner_requires_mail_domains_or_an_organization_id() -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({**MINIMAL, "identityProviders": {"okta": {"eventSource": OKTA}}})
    assert str(refusal.value) == (
        "offboarding.identityProviders.okta requires mailDomains in offboarding.organizations, because they determine "
        "the organization of a leaver"
    )
    Settings.from_context({**MINIMAL, "identityProviders": {"okta": {"eventSource": OKTA, "organizationId": ONE}}})


@pytest.mark.parametrize(
    ("key", "provider"),
    [
        ("identityCenter", {}),
        ("identityCenterCloudTrail", {}),
        ("identityCenterScim", {"tenants": {"tenant-1": STORE}}),
    ],
)
def test_identity_center_is_refused_in_a_region_where_its_events_never_arrive(
    key: str, provider: dict[str, Any]
) -> None:
    context = {**MAPPED, "workmailRegion": "eu-west-1", "identityProviders": {key: provider}}
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(context, "eu-central-1")
    assert str(refusal.value) == (
        f"offboarding.identityProviders.{key} must be removed when the stack is deployed to eu-central-1, because "
        "IAM Identity Center's events arrive only in eu-west-1"
    )
    assert Settings.from_context(context, "eu-west-1") == Settings.from_context(context)


def test_the_announced_end_of_the_service_can_be_confirmed_too() -> None:
    assert Settings.from_context({**MINIMAL, "confirmServiceEndsOn": "2027-03-31"}) == Settings.from_context(MINIMAL)


def test_a_service_that_has_ended_is_refused_for_a_deployment() -> None:
    settings = Settings.from_context(MINIMAL)

    assert settings.find_deployment_problems(date(2027, 3, 30)) == {}
    assert settings.find_deployment_problems(date(2027, 3, 31)) == {
        "ServiceEndIsPast": "offboarding.serviceEndsOn must be ahead for a deployment, but it is 2027-03-31: "
        "every new offboarding would end as ServiceEnded, and deregister nothing"
    }


def test_the_example_organization_is_refused_for_a_deployment() -> None:
    settings = Settings.from_context({"organizations": [{"id": ONE}, {"id": "m-" + "0" * 32}]})

    assert list(settings.find_deployment_problems(date(2026, 11, 26))) == ["ExampleOrganization"]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    organization = {"id": "m-1", "mailDomains": ["example", "a.example.com", "b_"], "protected": "boss", "owner": 1}
    okta = {"eventSource": "okta", "organizationId": "m-2"}
    context = {
        "organizations": [organization, {"mailDomains": []}],
        "retentionDays": 29,
        "serviceEndsOn": "2027",
        "identityProviders": {"okta": okta, "sailpoint": {"eventSource": SAILPOINT}, "identityCenter": {"a": 1}},
        "dailyCapp": 3,
    }
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(context)

    assert [problem.partition(" ")[0].removeprefix("offboarding.") for problem in refusal.value.problems] == [
        "organizations[0].id",
        "organizations[0].mailDomains[0]",
        "organizations[0].mailDomains[2]",
        "organizations[0].protected",
        "organizations[0].owner",
        "organizations[1].id",
        "retentionDays",
        "serviceEndsOn",
        "identityProviders.identityCenter.a",
        "identityProviders.okta.eventSource",
        "identityProviders.okta.organizationId",
        "identityProviders.sailpoint.accountSources",
        "dailyCapp",
    ]
    assert str(refusal.value).splitlines() == list(refusal.value.problems)


def test_providers_are_not_blamed_for_organizations_that_are_wrong() -> None:
    providers = {
        "identityCenter": {},
        "identityCenterScim": {"tenants": {"tenant-1": STORE}},
        "okta": {"eventSource": OKTA, "organizationId": ONE},
        "sailpoint": {"eventSource": SAILPOINT, "accountSources": [HR_SOURCE]},
    }
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"organizations": [{"id": "m-1"}], "identityProviders": providers})
    assert len(refusal.value.problems) == 1

    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"identityProviders": providers})
    assert refusal.value.problems == ("offboarding.organizations is missing",)


def test_limits_that_depend_on_several_settings_are_told_at_once() -> None:
    entries = [f"{'x' * 200}{number:03}" for number in range(60)]
    context = {
        "organizations": [{"id": ONE, "protected": entries}],
        "stackName": "test",
        "identityProviders": {"offboardingRequested": {}},
    }
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(context, "eu-central-1")
    assert [problem.partition(" must be ")[0].split()[0] for problem in refusal.value.problems] == [
        "offboarding.workmailRegion",
        "offboarding.identityProviders.offboardingRequested.eventBus",
        "There",
    ]


@pytest.mark.parametrize("name", ["a", "WorkMail-Offboarding-test", "x" * 60])
def test_a_stack_can_have_another_name(name: str) -> None:
    assert Settings.from_context({**MINIMAL, "stackName": name}).stack_name == name


@pytest.mark.parametrize("name", ["", "1a", "-a", "a_b", "a.b", "a/b", "x" * 61, "aws-a", "SSM", "ä", "a\n", 7, None])
def test_a_name_that_cannot_be_that_of_a_stack_and_a_path_is_refused(name: object) -> None:
    with pytest.raises(SettingsError, match=r"^offboarding\.stackName must be 1 to 60 letters, digits or hyphens that"):
        Settings.from_context({**MINIMAL, "stackName": name})


@pytest.mark.parametrize(
    ("name", "bus", "is_refused"),
    [("test", None, True), ("test", "default", True), ("test", "leavers", False), (None, None, False)],
)
def test_a_further_stack_reads_requests_from_an_event_bus_of_its_own(
    name: str | None, bus: str | None, is_refused: bool
) -> None:
    requests = {"eventBus": bus} if bus else {}
    context = {**MINIMAL, "identityProviders": {"offboardingRequested": requests}}
    if name:
        context["stackName"] = name
    if not is_refused:
        assert Settings.from_context(context).identity_providers.offboarding_requested is not None
        return
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(context)
    assert str(refusal.value) == (
        "offboarding.identityProviders.offboardingRequested.eventBus must be an event bus of its own, because "
        "stackName is test: the stack workmail-offboarding reads those of the default bus"
    )


def test_true_is_not_accepted_as_a_number_of_days() -> None:
    with pytest.raises(SettingsError, match=r"logRetentionDays must be one of .*, but it is true"):
        Settings.from_context({**MINIMAL, "logRetentionDays": True})


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-west-1", None])
def test_a_region_with_workmail_or_an_unknown_region_needs_no_setting(region: str | None) -> None:
    assert Settings.from_context(MINIMAL, region).workmail_region is None


def test_a_deployment_to_a_region_without_workmail_requires_the_region_of_workmail() -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context(MINIMAL, "eu-central-1")
    assert str(refusal.value) == (
        "offboarding.workmailRegion must be one of us-east-1, us-west-2, eu-west-1, because Amazon WorkMail does not "
        "exist in eu-central-1, where the stack is deployed"
    )
    settings = Settings.from_context({**MINIMAL, "workmailRegion": "eu-west-1"}, "eu-central-1")
    assert settings.workmail_region == "eu-west-1"


def test_the_parameter_that_the_stack_writes_is_not_damaged(put_policy: PutPolicy) -> None:
    entries = ["chief@example.com", "svc-*", "S-1-1-12-????", "a"]
    organizations = [{"id": ORGANIZATION_ID, "protected": entries}, {"id": OTHER_ORGANIZATION_ID}]
    put_policy(Settings.from_context({"organizations": organizations}).render_policies()[ORGANIZATION_ID])

    assert len(read_policy(ORGANIZATION_ID).protected) == len(entries)


def test_the_parameters_of_a_stack_are_not_damaged(
    put_intake_settings: PutIntakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    organizations = [
        {"id": f"m-{number:032x}", "mailDomains": [f"d{number}.example.com"], "identityStores": [STORE]}
        for number in range(60)
    ]
    providers = {**PROVIDERS, "okta": {**PROVIDERS["okta"], "organizationId": organizations[0]["id"]}}
    context = {"organizations": organizations, "identityProviders": providers}
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:offboarding"
    configure(monkeypatch, STATE_MACHINE_ARN=machine, DEAD_LETTER_QUEUE_URL="not used", DRY_RUN="false")
    ssm = client("ssm")
    for name, value in Settings.from_context(context).render_intake().items():
        ssm.put_parameter(Name=f"{INTAKE_SETTINGS_PATH}/{name}", Type="String", Value=value)

    settings = read_intake_settings()

    assert [organization.id for organization in settings.organizations] == [o["id"] for o in organizations]
    assert settings.providers.keys() == PROVIDERS.keys()


EVERY_EXPORT_SETTING: dict[str, Any] = {
    "mode": "Required", "mayBeSkipped": True, "prefix": "leavers/mail-1.0/", "slots": 10, "jobDeadlineDays": 7,
    "slotDeadlineDays": 1, "lockDays": 3653,
}  # fmt: skip


def parse_export(**members: Any) -> ExportSettings:
    return Settings.from_context({**MINIMAL, "export": members}).export


def test_every_setting_of_exports_is_parsed_and_rendered() -> None:
    export = parse_export(**EVERY_EXPORT_SETTING)

    assert export == ExportSettings("Required", True, "leavers/mail-1.0/", 10, 7, 1, 3653)
    assert export.is_enabled
    assert not parse_export().is_enabled
    assert export.render_policy() == {"Mode": "Required", "MayBeSkipped": True}
    limits = {"Slots": 10, "JobDeadlineDays": 7, "SlotDeadlineDays": 1}
    assert export.render_limits() == {**limits, "LockDays": 3653}
    assert parse_export(slots=10, jobDeadlineDays=7, slotDeadlineDays=1).render_limits() == limits


@pytest.mark.parametrize("mode", ["OnRequest", "IfPossible", "Required"])
def test_each_mode_but_no_makes_a_stack_that_exports(mode: str) -> None:
    export = parse_export(mode=mode)

    assert export.is_enabled
    assert export.render_policy() == {"Mode": mode, "MayBeSkipped": False}


@pytest.mark.parametrize("days", [1, 21])
def test_a_slot_is_waited_for_one_to_21_days(days: int) -> None:
    assert parse_export(slotDeadlineDays=days).render_limits()["SlotDeadlineDays"] == days


WRONG_EXPORT_SETTINGS = [
    *(("mode", wrong) for wrong in ("no", "Maybe", "", None, True, 1)),
    *(("mayBeSkipped", wrong) for wrong in ("true", None, 1)),
    *(("slots", wrong) for wrong in (0, 11, 1.5, "8", True)),
    *(("jobDeadlineDays", wrong) for wrong in (0, 8, "3", None)),
    *(("slotDeadlineDays", wrong) for wrong in (0, 22, "14", False)),
    *(("lockDays", wrong) for wrong in (0, 3654, "30", 0.5)),
    *(
        ("prefix", wrong)
        for wrong in (
            *("", "/", "mail", "/mail/", "mail//", "a//b/", "../", "a/../", "./", "a/./b/", "mail /", "m\u00fcll/"),
            *("a*/", "a?/", "${aws:username}/", "a\n/", "a/\n", "a:b/", "a'/", f"{'a' * 201}/", None, 7),
        )
    ),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG_EXPORT_SETTINGS)
def test_a_wrong_setting_of_exports_is_refused_with_its_key(name: str, wrong: object) -> None:
    with pytest.raises(SettingsError, match=rf"^offboarding\.export\.{name} must be "):
        parse_export(**{name: wrong})


@pytest.mark.parametrize("prefix", ["a/", "a/b/", "Mail_2026-11/(x)/!/", "a../", "..a/", f"{'a' * 200}/"])
def test_a_prefix_is_a_path_that_ends_with_a_slash(prefix: str) -> None:
    assert parse_export(prefix=prefix).prefix == prefix


def test_an_unknown_setting_of_exports_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"offboarding\.export\.lockDay is not a setting; did you mean lockDays\?"):
        parse_export(lockDay=1)


@pytest.mark.parametrize(
    ("mode", "is_refused"), [("No", False), ("OnRequest", True), ("IfPossible", True), ("Required", True)]
)
def test_mailboxes_are_exported_only_in_the_region_of_workmail(mode: str, is_refused: bool) -> None:
    context = {**MINIMAL, "export": {"mode": mode}, "workmailRegion": "eu-west-1"}

    if mode != "No":
        with pytest.raises(SettingsError, match="deploy the stack in eu-west-1"):
            Settings.from_context(context)
    else:
        assert Settings.from_context(context).workmail_region == "eu-west-1"

"""`make serve SETTINGS=cdk.json`: the settings of a file, and the organizations that they name."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.defaults import (
    AUTH0_BUS,
    MAIL_DOMAIN,
    OFFBOARDING,
    OKTA_BUS,
    ORGANIZATION_ALIAS,
    ORGANIZATION_ID,
    SAILPOINT_BUS,
)
from local.environment import Environment
from local.server.serve import serve
from local.server.settings_file import create_event_buses, create_organizations, load_settings

ID_A, ID_B = "m-" + "a" * 32, "m-" + "b" * 32
ORGANIZATIONS = [
    {"id": ID_A, "mailDomains": ["acme.example", "acme.awsapps.com"], "protected": ["boss*"]},
    {"id": ID_B, "mailDomains": ["other.example"]},
]


def write_settings(folder: Path, **offboarding: Any) -> Path:
    path = folder / "cdk.json"
    path.write_text(json.dumps({"app": "python app.py", "context": {"offboarding": offboarding}}))
    return path


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_organizations_of_the_file_are_active_with_their_mail_domains(tmp_path: Path, region: str) -> None:
    settings = load_settings(write_settings(tmp_path, organizations=ORGANIZATIONS, workmailRegion=region))
    with Environment(None, None) as environment:
        create_organizations(environment, settings.parsed)
        summaries = environment.workmail.list_organizations()["OrganizationSummaries"]
        domains = [list(environment.workmail.organizations[name].domains) for name in (ID_A, ID_B)]

    assert environment.workmail.region_name == region
    assert [(summary["OrganizationId"], summary["State"]) for summary in summaries] == [
        (ID_A, "Active"),
        (ID_B, "Active"),
    ]
    assert domains == [["acme.awsapps.com", "acme.example"], [f"{ID_B}.awsapps.com", "other.example"]]
    assert settings.context == {"organizations": ORGANIZATIONS, "workmailRegion": region}


def test_without_a_file_the_organization_is_that_of_the_embedded_aws() -> None:
    settings = load_settings(None)
    with Environment(None, None) as environment:
        create_organizations(environment, settings.parsed)
        [organization] = environment.workmail.organizations.values()
    with Environment(None) as environment:
        [usual_organization] = environment.workmail.organizations.values()

    assert settings.context == OFFBOARDING
    assert (organization.id, organization.alias) == (ORGANIZATION_ID, ORGANIZATION_ALIAS)
    assert organization.default_mail_domain == MAIL_DOMAIN
    assert organization.domains == usual_organization.domains


def test_the_checkouts_own_settings_can_be_served() -> None:
    assert load_settings(Path(__file__).parents[4] / "cdk.json").parsed.organizations


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b'{"context": {"offboarding": {"organizations": []}}}',
            "offboarding.organizations must be a list of at least",
        ),
        (b'{"context": {}}', "offboarding is missing; it must be an object with at least organizations."),
        (
            b'{"context": {"offboarding": {"organizations": [{"id": "m-1"}]}}}',
            "offboarding.organizations[0].id",
        ),
        (b"{}", "cdk.json must have the member context"),
        (b"{", "cdk.json must be JSON, but line 1, column 2 is not"),
        (None, "cdk.json cannot be read: No such file or directory."),
    ],
)
def test_a_wrong_file_is_a_sentence_before_anything_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "cdk.json"
    if content is not None:
        path.write_bytes(content)

    assert serve(0, settings_file=path) == 1

    output = capsys.readouterr()
    assert sentence in output.err
    assert (output.err.count("\n"), output.out) == (1, "")


def test_the_event_buses_of_the_settings_exist_once() -> None:
    with Environment(None, None) as environment:
        for _ in range(2):
            create_event_buses(load_settings(None).parsed)
        buses = environment.client("events").list_event_buses()["EventBuses"]

    assert {bus["Name"] for bus in buses} == {"default", OKTA_BUS, AUTH0_BUS, SAILPOINT_BUS}

"""The logs of the functions: structured, with the execution, and without personal data."""

import json
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID

SECRETS = {
    "DisplayName": "Dana Displayed",
    "FirstName": "Firstname",
    "LastName": "Lastname",
    "Password": "Pa55word-never",
}
TELEPHONE = "+1-555-0100"


@pytest.fixture
def lines(flow: Any) -> list[str]:
    user = flow.people.create_user(
        "dana.logged", SECRETS["DisplayName"], **{k: SECRETS[k] for k in ("FirstName", "LastName")}
    )
    flow.workmail.update_user(OrganizationId=ORGANIZATION_ID, UserId=user, Telephone=TELEPHONE)
    flow.run(flow.people.address("dana.logged"), Expected={"DisplayName": SECRETS["DisplayName"]})
    flow.people.create_user("other", SECRETS["DisplayName"])
    flow.run("other", days=0, Expected={"DisplayName": "Somebody Else"})
    flow.run("nobody@example.com", days=0)
    flow.run("not valid " + SECRETS["DisplayName"], days=0)
    return flow.environment.all_logs()


def test_no_log_line_holds_personal_data(lines: list[str]) -> None:
    text = "\n".join(lines)

    assert len(lines) > 8
    for secret in (*SECRETS.values(), TELEPHONE, "dana.logged", "Somebody Else", "nobody@", "@example", "not valid"):
        assert secret not in text


def test_every_log_message_is_structured_and_names_the_execution(lines: list[str]) -> None:
    messages = [json.loads(line) for line in lines if line.startswith("{") and '"_aws"' not in line]

    assert {message["message"] for message in messages} >= {
        "resolved", "organization checked", "deregistered", "verified",
    }  # fmt: skip
    for message in messages:
        assert message["correlation_id"].startswith("arn:aws:states:us-east-1:123456789012:execution:")
        assert message["service"] == "workmail-offboarding"
        assert message["level"] in {"INFO", "WARNING"}


def test_the_metrics_count_each_step(lines: list[str]) -> None:
    metrics = [json.loads(line) for line in lines if '"_aws"' in line]
    metric_names = {name for metric in metrics for name in metric if isinstance(metric[name], list)}

    assert {"EntitiesResolved", "OrganizationsChecked", "EntitiesDeregistered", "CleanupVerified"} <= metric_names

"""What an identity provider's event becomes: an execution's input and name, as a plan or for real, now or later."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

import start_offboarding
from local.people import People
from local.settings import ORGANIZATION_ID
from offboarding.executions import ExecutionStatus
from offboarding.identity_providers import LeaverEvent, RefusedEvent, read_event
from offboarding.retention import parse
from tests.unit.conftest import NOW, client

EVENTS = Path(__file__).parents[1] / "events"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:offboarding"
ORGANIZATIONS = [start_offboarding.Organization(ORGANIZATION_ID, frozenset({"example.com"}), frozenset())]
NOT_BEFORE = "2026-12-22T17:00:00+01:00"


class Started:
    """What was asked of Step Functions: the name and the input."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> None:  # noqa: N803
        assert stateMachineArn == MACHINE
        self.requests.append((name, json.loads(input)))


Start = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture
def start(people: People, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start an offboarding from an event, and say under which name and with which input."""
    started = Started()
    monkeypatch.setattr(start_offboarding.states, "start_execution", started.start_execution)
    monkeypatch.setenv("STATE_MACHINE_ARN", MACHINE)
    monkeypatch.setenv("PROVIDERS", json.dumps({"okta": {}, "offboardingRequested": {}}))

    def start(event: dict[str, Any], *, setting: str = "false") -> tuple[str, dict[str, Any]]:
        monkeypatch.setenv("DRY_RUN", setting)
        leaver = read_event(event, {"okta": {}, "offboardingRequested": {}})
        assert isinstance(leaver, LeaverEvent)
        name = start_offboarding.start(leaver, ORGANIZATIONS)
        assert started.requests[-1][0] == name
        return started.requests[-1]

    return start


def requested(entity_id: str, request_id: str = "r-1", **more: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "offboarding-requested.json").read_text())
    event["time"] = "2099-01-01T00:00:00Z"
    event["detail"] = {"RequestId": request_id, "OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **more}
    return event


def okta() -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "okta-user-lifecycle-deactivate.json").read_text())
    event["detail"]["published"] = "2099-01-01T00:00:00.000Z"
    return event


def test_without_the_setting_an_event_is_an_offboarding(start: Start, people: People) -> None:
    people.user("dana.leaver")

    _, given = start(okta())

    assert given == {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": "dana.leaver@example.com",
        "Expected": {"Type": "USER"},
        "Requester": {
            "Provider": "okta",
            "EventId": "6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a",
            "RequestedBy": "it.admin@example.com",
        },
    }


def test_the_setting_makes_a_plan_of_every_event(start: Start, people: People) -> None:
    people.user("dana.leaver")

    assert start(okta(), setting="true")[1]["DryRun"] is True
    assert start(requested("dana.leaver"), setting="true")[1]["DryRun"] is True


def test_no_event_lifts_the_setting(start: Start, people: People) -> None:
    people.user("dana")

    assert start(requested("dana", DryRun=False), setting="true")[1]["DryRun"] is True


def test_a_request_can_ask_for_a_plan_a_date_and_give_its_reason(start: Start, people: People) -> None:
    people.user("dana")

    _, given = start(requested("dana", DryRun=True, NotBefore=NOT_BEFORE, Reason="left", RequestedBy="hr"))

    assert given == {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": "dana",
        "DryRun": True,
        "NotBefore": NOT_BEFORE,
        "Reason": "left",
        "Requester": {"Provider": "offboardingRequested", "EventId": "r-1", "RequestedBy": "hr"},
    }


def test_a_request_for_no_plan_and_no_date_says_nothing_of_them(start: Start, people: People) -> None:
    people.user("dana")

    assert not {"DryRun", "NotBefore", "Reason"} & set(start(requested("dana", DryRun=False))[1])


@pytest.mark.parametrize("by_setting", [False, True])
@pytest.mark.parametrize("subject", ["dana", "room"])
def test_a_plan_never_takes_the_name_of_the_offboarding_that_follows(
    start: Start, people: People, subject: str, by_setting: bool
) -> None:
    people.user("dana")
    people.resource("room")

    if by_setting:
        planned, _ = start(requested(subject), setting="true")
    else:
        planned, _ = start(requested(subject, DryRun=True))
    real, _ = start(requested(subject))

    assert planned != real
    assert start(requested(subject))[0] == real, "the same request again has the same name"


def test_a_plan_by_the_setting_and_one_by_a_request_are_the_same_plan(start: Start, people: People) -> None:
    people.user("dana")

    assert start(requested("dana", DryRun=True))[0] == start(requested("dana"), setting="true")[0]


def test_the_reports_of_two_providers_have_one_name_whatever_date_one_of_them_asks_for(
    start: Start, people: People
) -> None:
    people.user("dana.leaver")

    assert start(okta())[0] == start(requested("dana.leaver", NotBefore=NOT_BEFORE))[0]


def test_who_was_hired_again_leaves_under_another_name(start: Start, people: People, organization: Any) -> None:
    user = people.user("dana")
    first, _ = start(requested("dana"))
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse("2098-06-01T00:00:00Z"))

    assert start(requested("dana"))[0] != first


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"DryRun": "true"}, "DryRun must be true or false."),
        ({"DryRun": 1}, "DryRun must be true or false."),
        ({"NotBefore": "2026-12-22"}, "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
        ({"NotBefore": "2026-12-22T17:00:00"}, "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
        ({"NotBefore": 7}, "NotBefore must be an RFC 3339 timestamp"),
    ],
)
def test_a_request_that_is_wrong_starts_nothing(start: Start, people: People, more: Any, says: str) -> None:
    people.user("dana")

    with pytest.raises(RefusedEvent) as refusal:
        start(requested("dana", **more))
    assert says in str(refusal.value)


@pytest.fixture
def start_again(people: People, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Start an offboarding whose name is taken by an execution that stands as a test says."""
    monkeypatch.setenv("DRY_RUN", "false")
    monkeypatch.setenv("STATE_MACHINE_ARN", MACHINE)
    asked: list[str] = []

    def start_again(stands: ExecutionStatus, **more: Any) -> str:
        leaver = read_event(requested("dana", **more), {"offboardingRequested": {}})
        assert isinstance(leaver, LeaverEvent)
        monkeypatch.setattr(start_offboarding, "execution_status", lambda arn: asked.append(arn) or stands)
        with Stubber(start_offboarding.states) as states:
            states.add_client_error("start_execution", "ExecutionAlreadyExists")
            name = start_offboarding.start(leaver, ORGANIZATIONS)
        assert asked == [f"{MACHINE.replace('stateMachine', 'execution')}:{name}"]
        return name

    people.user("dana")
    return start_again


def over(outcome: str) -> ExecutionStatus:
    return ExecutionStatus(running=False, outcome=outcome, ended_at=NOW)


@pytest.mark.parametrize(
    "outcome",
    [
        "CleanupVerified",
        "Reenabled",
        "EntityRemoved",
        "ServiceEnded",
        "NothingToDo",
        "Planned",
        "Rejected",
        "Forgotten",
    ],
)
def test_a_departure_that_was_dealt_with_is_not_started_again(start_again: Any, outcome: str) -> None:
    assert start_again(over(outcome))


@pytest.mark.parametrize(
    "outcome", ["Stopped", "ApprovalTimedOut", "WorkMailUnavailable", "EntityProtected", "TimedOut"]
)
def test_a_departure_whose_execution_failed_is_shown_to_a_person(start_again: Any, outcome: str) -> None:
    with pytest.raises(RefusedEvent, match=f"ended as {outcome}. Start another one by hand"):
        start_again(over(outcome))


@pytest.mark.parametrize(
    ("runs_with", "asked", "refused"),
    [
        ({}, {}, False),
        ({"NotBefore": NOT_BEFORE}, {"NotBefore": NOT_BEFORE}, False),
        ({"NotBefore": NOT_BEFORE}, {}, True),
        ({}, {"NotBefore": NOT_BEFORE}, True),
        ({"NotBefore": NOT_BEFORE}, {"NotBefore": "2026-12-23T17:00:00+01:00"}, True),
    ],
)
def test_an_execution_that_runs_is_not_silently_taken_for_one_with_another_date(
    start_again: Any, runs_with: dict[str, str], asked: dict[str, str], refused: bool
) -> None:
    stands = ExecutionStatus(running=True, input=json.dumps(runs_with))
    if not refused:
        assert start_again(stands, **asked)
        return
    with pytest.raises(RefusedEvent, match="with another NotBefore"):
        start_again(stands, **asked)


def test_a_group_that_is_meant_is_not_expected_to_be_a_user(start: Start, people: People) -> None:
    group = people.group("staff")

    _, given = start(requested("staff", DryRun=True))

    assert "Expected" not in given
    assert client("workmail").describe_group(OrganizationId=ORGANIZATION_ID, GroupId=group)["State"] == "ENABLED"

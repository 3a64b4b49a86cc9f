"""What an identity provider's event becomes: an execution's input and name, as a plan or for real, now or later."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

import start_offboarding
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import WorkMailBackend
from offboarding import configuration
from offboarding.adapters import executions
from offboarding.adapters.executions import ExecutionStatus
from offboarding.domain import errors
from offboarding.domain.timestamps import parse, render
from offboarding.edge.identity_providers import LeaverEvent, RefusedEvent, SubjectKind, parse_event
from start_offboarding import find_organization
from tests.unit.conftest import NOW, Context, client, configure, deregister, fail

EVENTS = Path(__file__).parents[1] / "events"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:offboarding"
STORE = "d-1234567890"
ORGANIZATIONS = [{"Id": ORGANIZATION_ID, "MailDomains": ["example.com"], "IdentityStores": [STORE]}]
NOT_BEFORE = "2026-12-22T17:00:00+01:00"


STARTED = {"executionArn": MACHINE}


class Started:
    """What was asked of Step Functions: the name and the input."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> dict[str, str]:  # noqa: N803 (the API's names)
        assert stateMachineArn == MACHINE
        self.requests.append((name, json.loads(input)))
        return {"executionArn": f"{MACHINE}:{name}"}


Start = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def intake(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the stack tells the function."""
    configure(monkeypatch, "STATE_MACHINE_ARN", MACHINE)
    configure(monkeypatch, "DEAD_LETTER_QUEUE_URL", "not used")
    configure(monkeypatch, "DRY_RUN", "false")
    configure(monkeypatch, "ORGANIZATIONS", json.dumps(ORGANIZATIONS))
    configure(monkeypatch, "PROVIDERS", json.dumps({"okta": {}, "offboardingRequested": {}}))


@pytest.fixture
def start(people: People, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start an offboarding from an event, and say under which name and with which input."""
    started = Started()
    monkeypatch.setattr(executions.states, "start_execution", started.start_execution)

    def start(event: dict[str, Any], *, setting: str = "false") -> tuple[str, dict[str, Any]]:
        configure(monkeypatch, "DRY_RUN", setting)
        leaver = parse_event(event, configuration.intake().providers)
        assert isinstance(leaver, LeaverEvent)
        name = start_offboarding.start_offboarding(leaver)
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
    asked: list[str] = []

    def start_again(stands: ExecutionStatus, **more: Any) -> str:
        leaver = parse_event(requested("dana", **more), configuration.intake().providers)
        assert isinstance(leaver, LeaverEvent)
        monkeypatch.setattr(start_offboarding, "read_execution_status", lambda arn: asked.append(arn) or stands)
        with Stubber(executions.states) as states:
            states.add_client_error("start_execution", "ExecutionAlreadyExists")
            name = start_offboarding.start_offboarding(leaver)
        assert asked == [f"{MACHINE.replace('stateMachine', 'execution')}:{name}"]
        return name

    people.user("dana")
    return start_again


def over(outcome: str) -> ExecutionStatus:
    return ExecutionStatus(is_running=False, outcome=outcome, ended_at=NOW)


@pytest.mark.parametrize(
    "outcome",
    [
        "CleanupVerified",
        "Reenabled",
        "EntityRemoved",
        "ServiceEnded",
        "NothingToDo",
        "Rejected",
    ],
)
def test_a_departure_that_was_dealt_with_is_not_started_again(start_again: Any, outcome: str) -> None:
    assert start_again(over(outcome))


PLANS = ExecutionStatus(is_running=True, input='{"DryRun": true}')
OFFBOARDS = ExecutionStatus(is_running=True, input="{}")


@pytest.mark.parametrize("stands", [over("Planned"), PLANS], ids=["over", "running"])
def test_a_plan_is_all_that_an_event_asks_for_which_asks_for_a_plan(start_again: Any, stands: ExecutionStatus) -> None:
    assert start_again(stands, DryRun=True)


@pytest.mark.parametrize(
    ("stands", "asked", "says"),
    [
        (over("Planned"), {}, r"ended as Planned\. If the leaver is still to be offboarded"),
        (PLANS, {}, "with another NotBefore or DryRun"),
        (OFFBOARDS, {"DryRun": True}, "with another NotBefore or DryRun"),
    ],
    ids=["planned", "plans", "offboards"],
)
def test_a_plan_and_an_offboarding_are_not_silently_taken_for_each_other(
    start_again: Any, stands: ExecutionStatus, asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(RefusedEvent, match=says):
        start_again(stands, **asked)


def test_an_execution_that_exists_and_does_not_is_no_reason_to_be_done_with_the_event(start_again: Any) -> None:
    with pytest.raises(errors.UnexpectedAnswer, match="because it exists, and does not find it"):
        start_again(over("Forgotten"))


@pytest.mark.parametrize(
    "outcome", ["Stopped", "ApprovalTimedOut", "WorkMailUnavailable", "EntityProtected", "TimedOut"]
)
def test_a_departure_whose_execution_failed_is_shown_to_a_person(start_again: Any, outcome: str) -> None:
    with pytest.raises(RefusedEvent, match=f"ended as {outcome}. If the leaver is still to be offboarded"):
        start_again(over(outcome))


@pytest.mark.parametrize(
    ("runs_with", "asked", "refused"),
    [
        ({}, {}, False),
        ({"NotBefore": NOT_BEFORE}, {"NotBefore": NOT_BEFORE}, False),
        ({"NotBefore": NOT_BEFORE}, {}, True),
        ({}, {"NotBefore": NOT_BEFORE}, True),
        ({"NotBefore": NOT_BEFORE}, {"NotBefore": "2026-12-23T17:00:00+01:00"}, True),
        ({"NotBefore": NOT_BEFORE}, {"NotBefore": "2026-12-22T16:00:00Z"}, False),
        ({"NotBefore": "2026-13-01T00:00:00Z"}, {"NotBefore": "2026-13-01T00:00:00Z"}, False),
        ({"NotBefore": "2026-13-01T00:00:00Z"}, {"NotBefore": NOT_BEFORE}, True),
    ],
)
def test_an_execution_that_runs_is_not_silently_taken_for_one_with_another_date(
    start_again: Any, runs_with: dict[str, str], asked: dict[str, str], refused: bool
) -> None:
    stands = ExecutionStatus(is_running=True, input=json.dumps(runs_with))
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


STORE_USER = "94482488-3041-7097-2d41-0242ac120002"
OTHER_ORGANIZATION = "m-" + "0" * 32
LEAVER = LeaverEvent(
    provider="okta",
    subject="dana@example.com",
    subject_kind=SubjectKind.EMAIL,
    deduplication_id="e-1",
    occurred_at="2099-01-01T00:00:00Z",
)
TWO = [
    {"Id": ORGANIZATION_ID, "MailDomains": ["example.com", "shared.example.com"], "IdentityStores": [STORE]},
    {"Id": OTHER_ORGANIZATION, "MailDomains": ["shared.example.com"], "IdentityStores": []},
]


@dataclass(frozen=True)
class LittleTime(Context):
    """A function that has some time left."""

    milliseconds: int = 0

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


class Batch:
    """Messages that the starter gets, and what it puts aside."""

    def __init__(self, queue: str) -> None:
        self._queue = queue

    def deliver(self, *bodies: object, context: Context | None = None) -> list[str]:
        """Deliver messages 0, 1, …; return those that go back to the queue."""
        records = [
            {
                "messageId": str(place),
                "receiptHandle": "handle",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:starts",
                "awsRegion": "us-east-1",
            }
            for place, body in enumerate(bodies)
        ]
        answer = start_offboarding.handler({"Records": records}, context or Context())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def put_aside(self) -> list[tuple[str, str, str]]:
        """Return of each message that was put aside the body, the reason and the former id."""
        found = client("sqs").receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            (m["Body"], *(m["MessageAttributes"][name]["StringValue"] for name in ("Reason", "MessageId")))
            for m in found.get("Messages", [])
        ]


@pytest.fixture
def batch(start: Start, monkeypatch: pytest.MonkeyPatch) -> Batch:
    queue = client("sqs").create_queue(QueueName="refused")["QueueUrl"]
    configure(monkeypatch, "DEAD_LETTER_QUEUE_URL", queue)
    return Batch(queue)


def test_what_is_started_is_counted_and_leaves_the_queue(
    batch: Batch, people: People, counted: Callable[[], dict[str, float]], logged: list[str]
) -> None:
    people.user("dana.leaver")

    assert batch.deliver(okta()) == []

    assert batch.put_aside() == []
    assert counted() == {"LeaversAccepted": 1}
    (line,) = (json.loads(line) for line in logged)
    assert (line["message"], line["provider"], line["message_id"]) == ("execution started", "okta", "0")
    assert line["event_id"] == "6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a"
    assert "dana" not in str(line)


def test_what_is_not_for_us_leaves_the_queue_and_starts_nothing(
    batch: Batch, counted: Callable[[], dict[str, float]]
) -> None:
    event = okta()
    event["detail"]["eventType"] = "user.lifecycle.suspend"

    assert batch.deliver(event) == []

    assert batch.put_aside() == []
    assert counted() == {"EventsNotForUs": 1}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("no JSON", "The message is not JSON."),
        ("[]", "not an EventBridge event"),
        (json.dumps({"source": "aws.ec2"}), "No identity provider of this product"),
    ],
)
def test_what_nobody_may_act_on_is_put_aside_with_the_reason(
    batch: Batch, counted: Callable[[], dict[str, float]], body: str, says: str
) -> None:
    assert batch.deliver(body) == []

    ((kept, reason, message_id),) = batch.put_aside()
    assert (kept, message_id) == (body, "0")
    assert says in reason
    assert counted() == {"EventsRefused": 1}


def test_a_long_reason_is_cut(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise RefusedEvent("x" * 1024 + "never said")

    monkeypatch.setattr(start_offboarding, "parse_event", refuse)

    assert batch.deliver("{}") == []
    assert [reason for _, reason, _ in batch.put_aside()] == ["x" * 1024]


def test_a_message_that_leaves_no_room_for_the_reason_is_left_to_the_queue_itself(
    batch: Batch, counted: Callable[[], dict[str, float]]
) -> None:
    reason = "The message is not JSON."
    room = 256 * 1024 - len(reason) - 128

    assert batch.deliver("x" * room) == []
    assert len(batch.put_aside()) == 1
    assert counted() == {"EventsRefused": 1}
    assert batch.deliver("x" * (room + 1)) == ["0"]
    assert batch.put_aside() == []
    assert counted() == {"EventsLeftInQueue": 1}
    assert batch.deliver("ä" * (room // 2)) == []
    assert batch.deliver("ä" * (room // 2 + 1)) == ["0"], "it is bytes that are counted"


def test_one_message_that_fails_is_delivered_again_and_it_alone(
    batch: Batch, people: People, organization: WorkMailBackend, counted: Callable[[], dict[str, float]]
) -> None:
    people.user("dana.leaver")
    fail(organization, "ListUsers", "ThrottlingException")

    assert batch.deliver(okta(), okta(), "no JSON") == ["0"]

    assert len(batch.put_aside()) == 1
    assert counted() == {"EventsLeftInQueue": 1, "LeaversAccepted": 1, "EventsRefused": 1}


@pytest.mark.parametrize(("milliseconds", "left"), [(19_999, ["0"]), (20_000, [])])
def test_a_message_for_which_there_is_too_little_time_is_left_for_later(
    batch: Batch, people: People, milliseconds: int, left: list[str]
) -> None:
    people.user("dana.leaver")

    assert batch.deliver(okta(), context=LittleTime(milliseconds=milliseconds)) == left


def test_another_event_of_the_same_departure_is_said_to_be_so(
    batch: Batch, people: People, counted: Callable[[], dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    people.user("dana.leaver")

    def taken(**given: str) -> None:
        raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")

    monkeypatch.setattr(executions.states, "start_execution", taken)
    monkeypatch.setattr(start_offboarding, "read_execution_status", lambda arn: over("CleanupVerified"))

    assert batch.deliver(okta()) == []
    assert counted() == {"LeaversRepeated": 1}


def test_an_answer_that_shows_no_execution_is_not_taken_for_one(
    batch: Batch, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.user("dana.leaver")
    monkeypatch.setattr(executions.states, "start_execution", lambda **given: {})

    assert batch.deliver(okta()) == ["0"]


def test_what_step_functions_refuses_is_tried_again(
    batch: Batch, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.user("dana.leaver")

    def denied(**given: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "StartExecution")

    monkeypatch.setattr(executions.states, "start_execution", denied)

    assert batch.deliver(okta()) == ["0"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ORGANIZATION_ID),
        ({"subject": "Dana@Example.COM"}, ORGANIZATION_ID),
        ({"subject": "a@b@example.com"}, ORGANIZATION_ID),
        ({"subject": "dana@shared.example.com", "organization_id": OTHER_ORGANIZATION}, OTHER_ORGANIZATION),
        ({"organization_id": OTHER_ORGANIZATION, "identity_store_id": STORE}, OTHER_ORGANIZATION),
        ({"identity_store_id": STORE, "subject": STORE_USER}, ORGANIZATION_ID),
        ({"subject": "dana", "subject_kind": SubjectKind.NAME}, OTHER_ORGANIZATION),
        ({"subject": STORE_USER, "subject_kind": SubjectKind.IDENTITY_STORE_USER}, OTHER_ORGANIZATION),
    ],
)
def test_a_leaver_belongs_to_the_one_organization_that_fits(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], found: str
) -> None:
    configure(monkeypatch, "ORGANIZATIONS", json.dumps(TWO))
    configure(monkeypatch, "PROVIDERS", json.dumps({"okta": {"OrganizationId": OTHER_ORGANIZATION}}))

    assert find_organization(replace(LEAVER, **changes), configuration.intake()).id == found


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"subject": "dana@elsewhere.example.com"},
            "0 organizations of the settings fit the leaver's mail domain",
        ),
        ({"subject": "dana@shared.example.com"}, "2 organizations of the settings fit the leaver's mail domain"),
        ({"organization_id": "m-" + "9" * 32}, "0 organizations of the settings fit this OrganizationId"),
        ({"identity_store_id": "d-0"}, "0 organizations of the settings fit identity store d-0"),
        ({"subject": "dana", "subject_kind": SubjectKind.NAME}, "0 organizations of the settings fit a leaver without"),
    ],
)
def test_a_leaver_whom_none_or_several_organizations_fit_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], says: str
) -> None:
    configure(monkeypatch, "ORGANIZATIONS", json.dumps(TWO))
    configure(monkeypatch, "PROVIDERS", json.dumps({"okta": {}}))

    with pytest.raises(RefusedEvent) as refusal:
        find_organization(replace(LEAVER, **changes), configuration.intake())
    assert str(refusal.value).startswith(says)


def deleted_in_identity_center() -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "identity-center-user-deleted.json").read_text())
    return {**event, "time": "2099-01-01T00:00:00Z"}


def test_who_left_identity_center_is_found_by_the_id_there_and_asked_for_by_the_one_in_workmail(
    batch: Batch, people: People, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(executions.states, "start_execution", lambda **given: asked.append(given) or STARTED)
    configure(monkeypatch, "PROVIDERS", json.dumps({"identityCenter": {}}))
    user = people.user("dana")
    organization.arrange(ORGANIZATION_ID, user, identity_provider_user_id=STORE_USER)

    assert batch.deliver(deleted_in_identity_center()) == []

    assert batch.put_aside() == []
    assert json.loads(asked[0]["input"])["EntityId"] == user


def test_who_is_no_user_of_workmail_is_put_aside(batch: Batch, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    login = okta()
    login["detail"]["target"][0]["alternateId"] = "dana.leaver"
    configure(monkeypatch, "PROVIDERS", json.dumps({"identityCenter": {}, "okta": {"OrganizationId": ORGANIZATION_ID}}))

    assert batch.deliver(deleted_in_identity_center(), okta(), login) == []

    assert [
        reason.partition(", and exactly one")[0] for _, reason, _ in sorted(batch.put_aside(), key=lambda m: m[2])
    ] == [
        "0 users of the organization have this Identity Center user id",
        "0 users of the organization have this primary address",
        "0 users of the organization have this name",
    ]


def test_two_users_of_one_name_are_no_leaver(batch: Batch, people: People, organization: WorkMailBackend) -> None:
    people.user("dana.leaver")
    organization.arrange(ORGANIZATION_ID, people.user("kim"), email="dana.leaver@example.com")

    assert batch.deliver(okta()) == []
    ((_, reason, _),) = batch.put_aside()
    assert reason.startswith("2 users of the organization have this primary address, and exactly one must have it.")


def test_a_login_without_an_address_is_a_name(start: Start, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, "PROVIDERS", json.dumps({"okta": {"OrganizationId": ORGANIZATION_ID}}))
    people.user("dana.leaver")
    event = okta()
    event["detail"]["target"][0]["alternateId"] = "dana.leaver"

    assert start(event)[1]["EntityId"] == "dana.leaver"


@pytest.mark.parametrize("form", ["12A3b4c5-0000-4000-8000-00000000000F", "S-1-1-12-1-2-3"])
def test_a_request_by_id_is_about_the_user_with_this_id(
    start: Start, people: People, organization: WorkMailBackend, form: str
) -> None:
    user = people.user("dana")
    organization.arrange(ORGANIZATION_ID, user, id=form)
    by_name, _ = start(requested("dana"))

    assert start(requested(form))[0] == by_name


def test_a_login_that_looks_like_an_id_is_a_name_all_the_same(
    start: Start, people: People, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, "PROVIDERS", json.dumps({"okta": {"OrganizationId": ORGANIZATION_ID}}))
    user = people.user("dana")
    event = okta()
    event["detail"]["target"][0]["alternateId"] = user

    with pytest.raises(RefusedEvent, match="0 users of the organization have this name"):
        start(event)


def test_an_event_from_before_the_user_was_registered_is_about_an_earlier_departure(
    start: Start, people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana")
    registered_at = parse("2026-11-20T10:00:00Z")
    organization.arrange(ORGANIZATION_ID, user, enabled_date=registered_at)

    def happened(at: str) -> tuple[str, dict[str, Any]]:
        event = requested("dana")
        event["time"] = at
        return start(event)

    assert happened(render(registered_at - timedelta(minutes=1)))
    with pytest.raises(RefusedEvent, match=r"registered later, at 2026-11-20T10:00:00.000Z. It is about an earlier"):
        happened(render(registered_at - timedelta(minutes=1, milliseconds=1)))
    with pytest.raises(RefusedEvent, match="has no RFC 3339 timestamp of when it happened"):
        happened("yesterday")
    deregister(user)
    assert happened("2020-01-01T00:00:00Z"), "who is disabled left at some time, whenever it was"


@pytest.mark.parametrize("actor", ["dana.leaver@example.com", "DANA.leaver@Example.com"])
def test_who_asked_and_who_leaves_are_never_the_same(start: Start, people: People, actor: str) -> None:
    people.user("dana.leaver")

    with pytest.raises(RefusedEvent, match="Requester and leaver must be different people"):
        start(requested("dana.leaver", RequestedBy=actor))
    with pytest.raises(RefusedEvent, match="Requester and leaver must be different people"):
        start(requested("room", RequestedBy="ROOM"))


def test_what_the_schema_of_the_input_refuses_starts_nothing(
    start: Start, people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana")
    organization.arrange(ORGANIZATION_ID, user, email="dä@example.com")
    event = okta()
    event["detail"]["target"][0]["alternateId"] = "dä@example.com"

    with pytest.raises(RefusedEvent, match="EntityId must be the id, name or e-mail address"):
        start(event)

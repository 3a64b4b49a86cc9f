"""The event of an identity provider becomes the input and the name of an execution."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError

import start_offboarding
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from offboarding.adapters import executions
from offboarding.adapters import table as table_module
from offboarding.adapters.identity_store import IdentityStoreUnavailableError, StoreUser
from offboarding.adapters.intake_settings import read_intake_settings
from offboarding.adapters.records import Records, entity_key, provider_user_key
from offboarding.adapters.reports import Presence, Report, Reports
from offboarding.domain import errors
from offboarding.domain.entities import LeavingUser
from offboarding.domain.execution_names import Departure, execution_name
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from offboarding.edge.identity_providers import LeaverEvent, RefusedEvent, SubjectKind, parse_event
from offboarding.edge.intake import leavers
from offboarding.edge.intake.departures import LaterDateError
from offboarding.edge.intake.leavers import match_organizations
from offboarding.edge.remaining_time import NoTimeLeftError
from tests.unit.conftest import (
    NOW,
    OTHER_ORGANIZATION_ID,
    Context,
    PutIntakeSettings,
    ReadMetrics,
    Table,
    client,
    configure,
    delete_user,
    deregister,
    fail_operation,
    load_event,
    make_raiser,
    take_calls,
)

STATE_MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:offboarding"
IDENTITY_STORE_ID = "d-1234567890"
OKTA, REQUEST = Reporter("okta", "00uleaver00000000001"), Reporter("offboardingRequested", "r-1")
STORE_REPORTER = Reporter("identityCenter", "94482488-3041-7097-2d41-0242ac120002")
ORGANIZATIONS = {ORGANIZATION_ID: {"MailDomains": ["example.com"], "IdentityStores": [IDENTITY_STORE_ID]}}
NOT_BEFORE = "2026-12-22T17:00:00+01:00"


class FakeStepFunctions:
    """Step Functions, which keeps the name and the input of each execution that it starts."""

    def __init__(self) -> None:
        self.executions: list[tuple[str, dict[str, Any]]] = []

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> dict[str, str]:  # noqa: N803 (the API's names)
        assert stateMachineArn == STATE_MACHINE_ARN
        self.executions.append((name, json.loads(input)))
        return {"executionArn": f"{STATE_MACHINE_ARN}:{name}"}


Start = Callable[..., tuple[str, dict[str, Any]]]
StartAgain = Callable[..., tuple[list[str], str]]


@pytest.fixture(autouse=True)
def configured_intake(put_intake_settings: PutIntakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    put_intake_settings(ORGANIZATIONS, {"okta": {}, "offboardingRequested": {}})
    configure(
        monkeypatch,
        STATE_MACHINE_ARN=STATE_MACHINE_ARN,
        DEAD_LETTER_QUEUE_URL="not used",
        DRY_RUN="false",
        STALE_EVENT_DAYS="14",
    )


@pytest.fixture
def step_functions(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    fake = FakeStepFunctions()
    monkeypatch.setattr(executions.states, "start_execution", fake.start_execution)
    return fake


@pytest.fixture
def start(
    people: OrganizationBuilder, table: Table, step_functions: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> Start:
    """Start an offboarding from an event; return the name and the input of the execution."""

    def start(event: dict[str, Any], *, dry_run: str = "false") -> tuple[str, dict[str, Any]]:
        configure(monkeypatch, DRY_RUN=dry_run)
        leaver = parse_event(event, read_intake_settings().providers)
        assert isinstance(leaver, LeaverEvent)
        name = start_offboarding.start_offboarding(leaver, Context())
        assert step_functions.executions[-1][0] == name
        return step_functions.executions[-1]

    return start


def make_request_event(entity_id: str, request_id: str = "r-1", **members: Any) -> dict[str, Any]:
    event = load_event("offboarding-requested")
    event["time"] = "2099-01-01T00:00:00Z"
    event["detail"] = {"RequestId": request_id, "OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **members}
    return event


def make_okta_event(login: str = "dana.leaver@example.com") -> dict[str, Any]:
    event = load_event("okta-user-lifecycle-deactivate")
    event["detail"]["published"] = "2099-01-01T00:00:00.000Z"
    event["detail"]["target"][0]["alternateId"] = login
    return event


def test_without_the_dry_run_setting_an_event_starts_an_offboarding(start: Start, people: OrganizationBuilder) -> None:
    user = people.create_user("dana.leaver")

    _, execution_input = start(make_okta_event())

    assert execution_input == {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": user,
        "Expected": {"Type": "USER", "Email": "dana.leaver@example.com"},
        "Requester": {
            "Provider": "okta",
            "EventId": "6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a",
            "OccurredAt": "2099-01-01T00:00:00.000Z",
            "ProviderUserId": "00uleaver00000000001",
            "RequestedBy": "it.admin@example.com",
        },
    }


@pytest.mark.parametrize(
    "event",
    [make_okta_event(), make_request_event("dana.leaver"), make_request_event("dana.leaver", DryRun=False)],
    ids=["okta", "request", "request without a dry run"],
)
def test_the_dry_run_setting_makes_every_event_a_plan(
    start: Start, people: OrganizationBuilder, event: dict[str, Any]
) -> None:
    people.create_user("dana.leaver")

    assert start(event, dry_run="true")[1]["DryRun"] is True


def test_a_request_can_have_a_dry_run_a_date_and_a_reason(start: Start, people: OrganizationBuilder) -> None:
    user = people.create_user("dana")

    _, execution_input = start(
        make_request_event("dana", DryRun=True, NotBefore=NOT_BEFORE, Reason="left", RequestedBy="hr")
    )

    assert execution_input == {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": user,
        "Expected": {"Type": "USER", "Email": "dana@example.com"},
        "DryRun": True,
        "NotBefore": NOT_BEFORE,
        "Reason": "left",
        "Requester": {
            "Provider": "offboardingRequested",
            "EventId": "r-1",
            "OccurredAt": "2099-01-01T00:00:00Z",
            "RequestedBy": "hr",
        },
    }


def test_optional_members_are_left_out_of_the_input(start: Start, people: OrganizationBuilder) -> None:
    people.create_user("dana")

    assert not {"DryRun", "NotBefore", "Reason"} & set(start(make_request_event("dana", DryRun=False))[1])


@pytest.mark.parametrize("is_by_setting", [False, True])
@pytest.mark.parametrize("subject", ["dana", "room"])
def test_a_plan_has_another_name_than_the_offboarding_that_follows(
    start: Start, people: OrganizationBuilder, subject: str, is_by_setting: bool
) -> None:
    people.create_user("dana")
    people.create_resource("room")

    event = make_request_event(subject) if is_by_setting else make_request_event(subject, DryRun=True)
    plan_name, _ = start(event, dry_run=str(is_by_setting).lower())
    offboarding_name, _ = start(make_request_event(subject))

    assert plan_name != offboarding_name
    assert start(make_request_event(subject))[0] == offboarding_name, "the same request again has the same name"


def test_a_plan_by_the_setting_has_the_name_of_a_plan_by_a_request(start: Start, people: OrganizationBuilder) -> None:
    people.create_user("dana")

    assert start(make_request_event("dana", DryRun=True))[0] == start(make_request_event("dana"), dry_run="true")[0]


def test_the_events_of_two_providers_have_one_name_even_with_different_dates(
    start: Start, people: OrganizationBuilder
) -> None:
    people.create_user("dana.leaver")

    assert start(make_okta_event())[0] == start(make_request_event("dana.leaver", NotBefore=NOT_BEFORE))[0]


def test_the_name_of_a_departure_stays_as_it_was_released(start: Start, people: OrganizationBuilder) -> None:
    user = people.create_user("dana")
    registered = datetime_of_registration(user)

    assert start(make_request_event("dana"))[0] == execution_name(Departure(ORGANIZATION_ID, user, "dana", registered))


def datetime_of_registration(user: str) -> str:
    date = client("workmail").describe_user(OrganizationId=ORGANIZATION_ID, UserId=user)["EnabledDate"]
    return render(date)


def test_the_departure_of_a_user_who_was_registered_again_has_another_name(
    start: Start, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    first_name, _ = start(make_request_event("dana"))
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse("2098-06-01T00:00:00Z"))

    assert start(make_request_event("dana"))[0] != first_name


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"DryRun": "true"}, "DryRun must be true or false."),
        ({"DryRun": 1}, "DryRun must be true or false."),
        ({"NotBefore": "2026-12-22"}, "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
        ({"NotBefore": "2026-12-22T17:00:00"}, "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
        ({"NotBefore": 7}, "NotBefore must be an RFC 3339 timestamp"),
    ],
)
def test_an_invalid_request_starts_no_execution(
    start: Start, people: OrganizationBuilder, members: Any, message: str
) -> None:
    people.create_user("dana")

    with pytest.raises(RefusedEvent) as refusal:
        start(make_request_event("dana", **members))
    assert message in str(refusal.value)


@pytest.fixture
def start_again(
    people: OrganizationBuilder, table: Table, step_functions: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> StartAgain:
    """Start an offboarding while executions with its names exist, as a test says which of them are repeated."""

    def start_again(*are_repeated: bool, context: Context | None = None) -> tuple[list[str], str]:
        leaver = parse_event(make_request_event("dana"), read_intake_settings().providers)
        assert isinstance(leaver, LeaverEvent)
        answers, arns_read = list(are_repeated), list[str]()

        def find_repeated_execution(execution_arn: str, request: Any, user: Any) -> str | None:
            assert request["EntityId"] == user.id
            arns_read.append(execution_arn)
            return execution_arn if answers.pop(0) else None

        def start_execution(**parameters: Any) -> dict[str, str]:
            if answers:
                raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
            return step_functions.start_execution(**parameters)

        monkeypatch.setattr(start_offboarding, "find_repeated_execution", find_repeated_execution)
        monkeypatch.setattr(executions.states, "start_execution", start_execution)
        name = start_offboarding.start_offboarding(leaver, context or Context())
        return arns_read, f"{STATE_MACHINE_ARN.replace('stateMachine', 'execution')}:{name}"

    people.create_user("dana")
    return start_again


def test_a_repeated_departure_is_not_started_again(start_again: StartAgain, step_functions: FakeStepFunctions) -> None:
    arns_read, arn = start_again(True)

    assert arns_read == [arn]
    assert step_functions.executions == []


def list_reports(table: Table, execution_arn: str) -> list[dict[str, Any]]:
    """Return the further reports for which an execution stands."""
    items = [item for item in table.read_all() if item["Part"]["S"].startswith("Report ")]
    return [table.read_members(execution_arn, item["Part"]["S"]) for item in items if item["Id"]["S"] == execution_arn]


def test_an_execution_that_is_repeated_stands_for_the_further_report_too(start_again: StartAgain, table: Table) -> None:
    _, arn = start_again(True)

    presence = table.read_members(provider_user_key(REQUEST), "Presence")
    [report] = list_reports(table, arn)
    assert report == {
        "Provider": "offboardingRequested",
        "Presences": [
            provider_user_key(reporter) for reporter in (REQUEST, Reporter.of_all_requests(presence["EntityKey"]))
        ],
        "OccurredAt": "2099-01-01T00:00:00.000Z",
    }


def test_a_departure_has_another_execution_if_the_repeated_one_has_been_withdrawn(
    start_again: StartAgain, step_functions: FakeStepFunctions, table: Table
) -> None:
    _, arn = start_again(True)
    Reports()._set_open(arn, is_open=False, at=NOW)

    assert start_again(True)[1] != arn
    assert len(step_functions.executions) == 1


def test_the_report_of_a_person_without_a_user_has_its_request_alone(
    people: OrganizationBuilder, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Report] = []
    monkeypatch.setattr(start_offboarding, "start_execution", lambda *_: False)
    monkeypatch.setattr(start_offboarding, "find_repeated_execution", lambda arn, *_: arn)
    monkeypatch.setattr(Reports, "join", lambda self, arn, report, name, at: bool(reports.append(report)) or True)
    people.create_group("staff")
    leaver = parse_event(make_request_event("staff"), read_intake_settings().providers)
    assert isinstance(leaver, LeaverEvent)

    start_offboarding.start_offboarding(leaver, Context())

    assert [report.presences for report in reports] == [(provider_user_key(REQUEST),)]


@pytest.mark.parametrize("executions_before", [1, 2, 9])
def test_a_departure_that_is_not_repeated_has_an_execution_with_the_next_name(
    start_again: StartAgain, step_functions: FakeStepFunctions, executions_before: int
) -> None:
    arns_read, arn = start_again(*[False] * executions_before)

    assert len({*arns_read, arn}) == executions_before + 1
    assert [name for name, _ in step_functions.executions] == [arn.rpartition(":")[2]]
    assert start_again(*[False] * executions_before) == (arns_read, arn), "two reports have the same names"


def test_a_later_execution_of_a_departure_can_be_the_one_that_is_repeated(
    start_again: StartAgain, step_functions: FakeStepFunctions
) -> None:
    arns_read, arn = start_again(False, False, True)

    assert arns_read[-1] == arn
    assert step_functions.executions == []


def test_a_departure_has_at_most_10_executions(start_again: StartAgain, step_functions: FakeStepFunctions) -> None:
    with pytest.raises(RefusedEvent, match="10 executions have been started for this departure"):
        start_again(*[False] * 10)
    assert step_functions.executions == []


@pytest.mark.parametrize("milliseconds", [24_999, 25_000])
def test_a_former_execution_is_looked_at_only_if_enough_time_is_left(
    start_again: StartAgain, milliseconds: int
) -> None:
    context = Context(remaining_milliseconds=milliseconds)

    if milliseconds < 25_000:
        with pytest.raises(NoTimeLeftError):
            start_again(True, context=context)
    else:
        assert start_again(True, context=context)


def test_a_request_for_a_group_does_not_expect_a_user(start: Start, people: OrganizationBuilder) -> None:
    group = people.create_group("staff")

    _, execution_input = start(make_request_event("staff", DryRun=True))

    assert "Expected" not in execution_input
    assert client("workmail").describe_group(OrganizationId=ORGANIZATION_ID, GroupId=group)["State"] == "ENABLED"


USER = LeavingUser(
    id="12a3b4c5-0000-4000-8000-00000000000f",
    name="dana",
    email="dana@example.com",
    is_enabled=True,
    enabled_since=None,
    disabled_since=None,
    registration_key="",
)
STORE_USER_ID = "94482488-3041-7097-2d41-0242ac120002"
LEAVER = LeaverEvent(
    provider="okta",
    subject="dana@example.com",
    subject_kind=SubjectKind.EMAIL,
    deduplication_id="e-1",
    occurred_at="2099-01-01T00:00:00Z",
)
TWO_ORGANIZATIONS: dict[str, Any] = {
    ORGANIZATION_ID: {"MailDomains": ["example.com", "shared.example.com"], "IdentityStores": [IDENTITY_STORE_ID]},
    OTHER_ORGANIZATION_ID: {"MailDomains": ["shared.example.com"], "IdentityStores": []},
}


FIRST_RECEIVED_AT = "2026-11-24T08:59:59.123Z"


class Batch:
    """The messages that the handler gets, and those that it sends to the dead-letter queue."""

    def __init__(self, queue: str) -> None:
        self._queue = queue

    def deliver(
        self, *bodies: object, context: Context | None = None, count: int = 1, waited: timedelta = timedelta()
    ) -> list[str]:
        """Deliver messages 0, 1, …; return the ids of those that return to the queue.

        They have waited in the queue until they were delivered first.
        """
        first_received_at = int(parse(FIRST_RECEIVED_AT).timestamp() * 1000)
        records = [
            {
                "messageId": str(place),
                "receiptHandle": "handle",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {
                    "ApproximateReceiveCount": str(count),
                    "ApproximateFirstReceiveTimestamp": str(first_received_at),
                    "SentTimestamp": str(first_received_at - waited // timedelta(milliseconds=1)),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:starts",
                "awsRegion": "us-east-1",
            }
            for place, body in enumerate(bodies)
        ]
        answer = start_offboarding.handler({"Records": records}, context or Context())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def receive_dead_letters(self) -> list[tuple[str, str, str]]:
        """Return the body, the reason and the former id of each message in the dead-letter queue."""
        answer = client("sqs").receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            (message["Body"], *(message["MessageAttributes"][name]["StringValue"] for name in ("Reason", "MessageId")))
            for message in answer.get("Messages", [])
        ]


@pytest.fixture
def batch(start: Start, table: Table, monkeypatch: pytest.MonkeyPatch) -> Batch:
    queue = client("sqs").create_queue(QueueName="refused")["QueueUrl"]
    configure(monkeypatch, DEAD_LETTER_QUEUE_URL=queue)
    return Batch(queue)


def test_an_accepted_event_is_counted_logged_and_removed_from_the_queue(
    batch: Batch, people: OrganizationBuilder, read_metrics: ReadMetrics, log_lines: list[str]
) -> None:
    people.create_user("dana.leaver")

    assert batch.deliver(make_okta_event()) == []

    assert batch.receive_dead_letters() == []
    assert read_metrics() == {"LeaversAccepted": 1}
    (line,) = (json.loads(line) for line in log_lines)
    assert (line["message"], line["provider"], line["message_id"]) == ("execution started", "okta", "0")
    assert line["event_id"] == "6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a"
    assert "dana" not in str(line)


def test_an_ignored_event_is_counted_and_removed_from_the_queue(batch: Batch, read_metrics: ReadMetrics) -> None:
    event = make_okta_event()
    event["detail"]["eventType"] = "user.lifecycle.suspend"

    assert batch.deliver(event) == []

    assert batch.receive_dead_letters() == []
    assert read_metrics() == {"EventsNotForUs": 1}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("no JSON", "The message is not JSON."),
        ("[]", "not an EventBridge event"),
        (json.dumps({"source": "aws.ec2"}), "No identity provider of this product"),
    ],
)
def test_a_refused_event_becomes_a_dead_letter_with_the_reason(
    batch: Batch, read_metrics: ReadMetrics, body: str, message: str
) -> None:
    assert batch.deliver(body) == []

    ((dead_letter_body, reason, message_id),) = batch.receive_dead_letters()
    assert (dead_letter_body, message_id) == (body, "0")
    assert message in reason
    assert read_metrics() == {"EventsRefused": 1}


def test_a_refused_event_is_recorded_with_its_provider_and_the_reason_but_no_address(
    batch: Batch, table: Table
) -> None:
    event = make_okta_event()

    assert batch.deliver(event) == []
    assert batch.deliver(event) == [], "the same message again"

    step = table.read_step("refused/0", "Refused")
    assert step == {
        "Step": "Refused",
        "At": FIRST_RECEIVED_AT,
        "Provider": "okta",
        "EventId": event["id"],
        "OccurredAt": event["time"],
        "Reason": batch.receive_dead_letters()[0][1],
    }
    assert "dana" not in str(step)
    assert len(table.read_all()) == 1


@pytest.mark.parametrize(
    "body",
    ["no JSON", "[]", "null", json.dumps({"source": 7, "id": "dana@example.com", "time": "dana@example.com"})],
)
def test_an_event_without_a_provider_is_recorded_with_the_reason_alone(batch: Batch, table: Table, body: str) -> None:
    assert batch.deliver(body) == []

    assert set(table.read_step("refused/0", "Refused")) == {"Step", "At", "Reason"}


def test_a_refused_event_that_cannot_be_recorded_returns_to_the_queue(
    batch: Batch, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Records, "record_refused_event", make_raiser(errors.RecordUnavailable("no answer")))

    assert batch.deliver("no JSON") == ["0"]
    assert batch.receive_dead_letters() == []


@pytest.mark.parametrize(("milliseconds", "returned"), [(14_999, ["0"]), (15_000, [])])
def test_a_refused_event_returns_to_the_queue_if_too_little_time_is_left_to_record_it(
    batch: Batch, milliseconds: int, returned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_offboarding, "_MIN_REMAINING_MS", 0)

    assert batch.deliver("no JSON", context=Context(remaining_milliseconds=milliseconds)) == returned


def test_a_long_reason_is_cut_to_1024_characters(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = RefusedEvent("x" * 1024 + "cut off")
    monkeypatch.setattr(start_offboarding, "parse_event", make_raiser(refusal))

    assert batch.deliver("{}") == []
    assert [reason for _, reason, _ in batch.receive_dead_letters()] == ["x" * 1024]


def test_a_message_without_room_for_the_reason_returns_to_the_queue(batch: Batch, read_metrics: ReadMetrics) -> None:
    reason = "The message is not JSON."
    room = 1024 * 1024 - len(reason) - 128

    assert batch.deliver("x" * room) == []
    assert len(batch.receive_dead_letters()) == 1
    assert read_metrics() == {"EventsRefused": 1}
    assert batch.deliver("x" * (room + 1)) == ["0"]
    assert batch.receive_dead_letters() == []
    assert read_metrics() == {"EventsLeftInQueue": 1}
    assert batch.deliver("ä" * (room // 2)) == []
    assert batch.deliver("ä" * (room // 2 + 1)) == ["0"], "the limit is in bytes"


def test_only_a_failed_message_returns_to_the_queue(
    batch: Batch, people: OrganizationBuilder, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    people.create_user("dana.leaver")
    fail_operation(organization, "ListUsers", "ThrottlingException")

    assert batch.deliver(make_okta_event(), make_okta_event(), "no JSON") == ["0"]

    assert len(batch.receive_dead_letters()) == 1
    published = {"EventsLeftInQueue": 1, "LeaversAccepted": 1, "EventsRefused": 1, "WorkMailThrottled": 1}
    assert read_metrics() == published


@pytest.mark.parametrize(("milliseconds", "returned"), [(24_999, ["0"]), (25_000, [])])
def test_a_message_returns_to_the_queue_if_too_little_time_is_left(
    batch: Batch, people: OrganizationBuilder, milliseconds: int, returned: list[str]
) -> None:
    people.create_user("dana.leaver")

    assert batch.deliver(make_okta_event(), context=Context(remaining_milliseconds=milliseconds)) == returned


def test_the_time_of_a_message_covers_its_calls_at_their_slowest() -> None:
    """A message finds the user and starts an execution; or looks at former ones first; or is refused."""

    def longest_call(client: Any) -> float:
        config = client.meta.config
        return config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)

    calls = (leavers.workmail, table_module.database, executions.states)
    former = (*[executions.states] * 2, table_module.database, executions.states)
    refusal = (table_module.database, start_offboarding.queues)

    assert sum(map(longest_call, calls)) * 1000 <= start_offboarding._MIN_REMAINING_MS
    assert sum(map(longest_call, former)) * 1000 <= start_offboarding._REPETITION_MS
    assert sum(map(longest_call, refusal)) * 1000 <= start_offboarding._REFUSAL_MS
    assert Context().get_remaining_time_in_millis() > start_offboarding._MIN_REMAINING_MS


def test_a_repeated_event_is_counted_as_repeated(
    batch: Batch, people: OrganizationBuilder, read_metrics: ReadMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.create_user("dana.leaver")

    error = ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
    monkeypatch.setattr(executions.states, "start_execution", make_raiser(error))
    monkeypatch.setattr(start_offboarding, "find_repeated_execution", lambda arn, *_: arn)

    assert batch.deliver(make_okta_event()) == []
    assert read_metrics() == {"LeaversRepeated": 1}


@pytest.mark.parametrize(
    "start_execution",
    [
        lambda **_: {},
        make_raiser(ClientError({"Error": {"Code": "AccessDeniedException"}}, "StartExecution")),
    ],
    ids=["empty answer", "access denied"],
)
def test_a_message_returns_to_the_queue_if_its_execution_does_not_start(
    batch: Batch, people: OrganizationBuilder, start_execution: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    people.create_user("dana.leaver")
    monkeypatch.setattr(executions.states, "start_execution", start_execution)

    assert batch.deliver(make_okta_event()) == ["0"]


def test_a_message_returns_to_the_queue_if_the_dead_letter_queue_does_not_confirm_it(
    batch: Batch, read_metrics: ReadMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_offboarding.queues, "send_message", lambda **_: {})

    assert batch.deliver("no JSON") == ["0"]
    assert read_metrics() == {"EventsLeftInQueue": 1}


@pytest.mark.parametrize(
    ("changes", "organization_id"),
    [
        ({}, ORGANIZATION_ID),
        ({"subject": "Dana@Example.COM"}, ORGANIZATION_ID),
        ({"subject": "a@b@example.com"}, ORGANIZATION_ID),
        ({"subject": "dana@shared.example.com", "organization_id": OTHER_ORGANIZATION_ID}, OTHER_ORGANIZATION_ID),
        ({"organization_id": OTHER_ORGANIZATION_ID, "identity_store_id": IDENTITY_STORE_ID}, OTHER_ORGANIZATION_ID),
        ({"identity_store_id": IDENTITY_STORE_ID, "subject": STORE_USER_ID}, ORGANIZATION_ID),
        ({"subject": "dana", "subject_kind": SubjectKind.NAME}, OTHER_ORGANIZATION_ID),
        ({"subject": STORE_USER_ID, "subject_kind": SubjectKind.IDENTITY_STORE_USER}, OTHER_ORGANIZATION_ID),
    ],
)
def test_a_leaver_belongs_to_the_one_organization_that_matches(
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    organization_id: str,
    put_intake_settings: PutIntakeSettings,
) -> None:
    put_intake_settings(TWO_ORGANIZATIONS, {"okta": {"OrganizationId": OTHER_ORGANIZATION_ID}})

    organizations = match_organizations(replace(LEAVER, **changes), read_intake_settings())

    assert [organization.id for organization in organizations] == [organization_id]


@pytest.mark.parametrize(
    ("changes", "message"),
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
def test_a_leaver_of_no_or_several_organizations_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str, put_intake_settings: PutIntakeSettings
) -> None:
    put_intake_settings(TWO_ORGANIZATIONS, {"okta": {}})

    with pytest.raises(RefusedEvent) as refusal:
        match_organizations(replace(LEAVER, **changes), read_intake_settings())
    assert str(refusal.value).startswith(message)


def make_identity_center_event() -> dict[str, Any]:
    return {**load_event("identity-center-user-deleted"), "time": "2099-01-01T00:00:00Z"}


def test_an_identity_center_user_is_offboarded_by_the_id_in_workmail(
    batch: Batch,
    people: OrganizationBuilder,
    organization: WorkMailBackend,
    step_functions: FakeStepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    put_intake_settings: PutIntakeSettings,
) -> None:
    put_intake_settings(ORGANIZATIONS, {"identityCenter": {}})
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, identity_provider_user_id=STORE_USER_ID)

    assert batch.deliver(make_identity_center_event()) == []

    assert batch.receive_dead_letters() == []
    assert [execution_input["EntityId"] for _, execution_input in step_functions.executions] == [user]


SHARED_STORE: dict[str, Any] = {
    organization_id: {"MailDomains": [], "IdentityStores": [IDENTITY_STORE_ID]}
    for organization_id in (ORGANIZATION_ID, OTHER_ORGANIZATION_ID)
}


@pytest.fixture
def other_organization(
    organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch, put_intake_settings: PutIntakeSettings
) -> OrganizationBuilder:
    """Return a second organization with the same identity store."""
    organization.create_organization_with_id(OTHER_ORGANIZATION_ID, "second-corp", mail_domains=("example.org",))
    put_intake_settings(SHARED_STORE, {"identityCenter": {}})
    return OrganizationBuilder(client("workmail"), OTHER_ORGANIZATION_ID)


def test_the_user_of_a_shared_identity_store_is_found_in_the_one_organization_that_has_it(
    batch: Batch,
    people: OrganizationBuilder,
    other_organization: OrganizationBuilder,
    step_functions: FakeStepFunctions,
) -> None:
    people.create_user("dana")
    user = other_organization.create_user("kim", domain="example.org", IdentityProviderUserId=STORE_USER_ID)

    assert batch.deliver(make_identity_center_event()) == []

    assert batch.receive_dead_letters() == []
    [(_, execution_input)] = step_functions.executions
    assert (execution_input["OrganizationId"], execution_input["EntityId"]) == (OTHER_ORGANIZATION_ID, user)


@pytest.mark.parametrize("count", [0, 2])
def test_a_user_of_none_or_both_organizations_of_an_identity_store_becomes_a_dead_letter(
    batch: Batch,
    people: OrganizationBuilder,
    other_organization: OrganizationBuilder,
    step_functions: FakeStepFunctions,
    count: int,
) -> None:
    for builder, domain in [(people, "example.com"), (other_organization, "example.org")][:count]:
        builder.create_user("dana", domain=domain, IdentityProviderUserId=STORE_USER_ID)

    assert batch.deliver(make_identity_center_event()) == []

    ((_, reason, _),) = batch.receive_dead_letters()
    assert reason.startswith(f"{count} users of 2 organizations have this Identity Center user id, and exactly one")
    assert step_functions.executions == []


def test_each_organization_of_an_identity_store_is_searched_only_if_enough_time_is_left(
    batch: Batch,
    organization: WorkMailBackend,
    other_organization: OrganizationBuilder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_calls(organization)
    remaining = iter([25_000, 20_000, 19_999])
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(remaining))

    assert batch.deliver(make_identity_center_event()) == ["0"]
    assert take_calls(organization) == ["ListUsers"]


class FakeIdentityStore:
    """The Identity Store with one user, whose answers can be changed; it keeps the users that were read."""

    def __init__(self) -> None:
        self.answer: Any = StoreUser(is_enabled=False, created_at=parse("2098-12-31T00:00:00Z"))
        self.reads: list[tuple[str, str]] = []

    def find_store_user(self, identity_store_id: str, user_id: str) -> StoreUser | None:
        self.reads.append((identity_store_id, user_id))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def identity_store(
    people: OrganizationBuilder,
    organization: WorkMailBackend,
    monkeypatch: pytest.MonkeyPatch,
    put_intake_settings: PutIntakeSettings,
) -> FakeIdentityStore:
    fake = FakeIdentityStore()
    monkeypatch.setattr(start_offboarding, "find_store_user", fake.find_store_user)
    put_intake_settings(ORGANIZATIONS, {"identityCenter": {"UserUpdated": True}})
    configure(monkeypatch, STALE_EVENT_DAYS="3")
    organization.arrange(ORGANIZATION_ID, people.create_user("dana"), identity_provider_user_id=STORE_USER_ID)
    return fake


def make_user_updated(**members: Any) -> dict[str, Any]:
    event = {**load_event("identity-center-user-updated"), "time": "2099-01-01T00:00:00Z"}
    event["detail"] |= members
    return event


def test_a_changed_user_who_is_disabled_is_offboarded_with_the_time_of_the_reading(
    batch: Batch, identity_store: FakeIdentityStore, step_functions: FakeStepFunctions
) -> None:
    with time_machine.travel(parse(NOW), tick=False):
        assert batch.deliver(make_user_updated()) == []

    assert batch.receive_dead_letters() == []
    [(_, execution_input)] = step_functions.executions
    assert identity_store.reads == [(IDENTITY_STORE_ID, STORE_USER_ID)]
    assert execution_input["Requester"] == {
        "Provider": "identityCenter",
        "EventId": "9f5f3a2e-1111-4a4a-9b9b-000000000004",
        "OccurredAt": "2099-01-01T00:00:00Z",
        "ProviderUserId": STORE_USER_ID,
        "StatusReadAt": NOW,
    }


@pytest.mark.parametrize(("created_at", "doubts"), [("2098-12-29", []), ("2098-12-28", ["FoundDisabled"])])
def test_a_user_who_may_have_been_disabled_for_long_is_in_doubt(
    batch: Batch,
    identity_store: FakeIdentityStore,
    step_functions: FakeStepFunctions,
    created_at: str,
    doubts: list[str],
) -> None:
    identity_store.answer = StoreUser(is_enabled=False, created_at=parse(f"{created_at}T00:00:00Z"))

    assert batch.deliver(make_user_updated()) == []

    [(_, execution_input)] = step_functions.executions
    assert execution_input["Requester"].get("Doubts", []) == doubts


def test_a_changed_user_who_is_gone_starts_nothing(
    batch: Batch, identity_store: FakeIdentityStore, step_functions: FakeStepFunctions, read_metrics: ReadMetrics
) -> None:
    identity_store.answer = None

    assert batch.deliver(make_user_updated()) == ["0"], "the answer may be that from before the creation"
    assert read_metrics() == {"EventsDeferred": 1}
    assert batch.deliver(make_user_updated(), count=2) == []

    assert batch.receive_dead_letters() == []
    assert step_functions.executions == []
    assert read_metrics() == {"EventsNotForUs": 1}


ENABLED = StoreUser(is_enabled=True, created_at=None)


def test_a_user_who_reads_as_enabled_right_after_the_change_is_read_again_once(
    batch: Batch,
    identity_store: FakeIdentityStore,
    step_functions: FakeStepFunctions,
    read_metrics: ReadMetrics,
    log_lines: list[str],
) -> None:
    identity_store.answer = ENABLED
    event = make_user_updated()

    assert batch.deliver(event) == ["0"]

    assert Reports().find_presence(STORE_REPORTER) == Presence()
    assert read_metrics() == {"EventsDeferred": 1}
    assert "event deferred" in log_lines[0]
    assert batch.deliver(event, count=2) == []
    assert Reports().find_presence(STORE_REPORTER).back_at == "2099-01-01T00:00:00.000Z"
    assert read_metrics() == {"PeopleActive": 1}
    assert step_functions.executions == []
    assert batch.receive_dead_letters() == []


@pytest.mark.parametrize(
    ("age", "failures"), [(timedelta(seconds=59, milliseconds=999), ["0"]), (timedelta(minutes=1), [])]
)
def test_a_user_who_reads_as_enabled_a_minute_after_the_change_is_enabled(
    batch: Batch, identity_store: FakeIdentityStore, age: timedelta, failures: list[str]
) -> None:
    identity_store.answer = ENABLED

    with time_machine.travel(parse(NOW), tick=False):
        assert batch.deliver({**make_user_updated(), "time": render(parse(NOW) - age)}) == failures


def test_a_user_who_was_reported_as_disabled_and_reads_as_enabled_is_back(
    batch: Batch, identity_store: FakeIdentityStore, read_metrics: ReadMetrics
) -> None:
    assert batch.deliver(make_user_updated()) == []
    identity_store.answer = ENABLED

    assert batch.deliver({**make_user_updated(), "time": "2099-01-02T00:00:00Z"}, count=2) == []

    assert read_metrics() == {"LeaversAccepted": 1, "LeaversReturned": 1}


EARLIER, LATER = "2098-12-01T00:00:00Z", "2098-12-02T00:00:00Z"


def record_return(reports: Reports) -> None:
    reports.record_return(STORE_REPORTER, EARLIER)


def record_stated_departure(reports: Reports) -> None:
    reports.record_departure(STORE_REPORTER, EARLIER, None, is_stated=True)


def record_read_departure(reports: Reports) -> None:
    reports.record_departure(STORE_REPORTER, EARLIER, None, is_stated=False)


def record_departure_and_return(reports: Reports) -> None:
    record_read_departure(reports)
    reports.record_return(STORE_REPORTER, LATER)


@pytest.mark.parametrize(
    ("report", "is_first_sight"),
    [
        (None, True),
        (record_read_departure, True),
        (record_stated_departure, False),
        (record_return, False),
        (record_departure_and_return, False),
    ],
)
def test_a_user_who_is_found_disabled_is_in_doubt_unless_an_event_has_said_so_or_the_user_was_back(
    batch: Batch,
    identity_store: FakeIdentityStore,
    step_functions: FakeStepFunctions,
    report: Callable[[Reports], object] | None,
    is_first_sight: bool,
) -> None:
    identity_store.answer = StoreUser(is_enabled=False, created_at=parse("2098-01-01T00:00:00Z"))
    if report:
        report(Reports())

    assert batch.deliver(make_user_updated(), count=2) == []

    [(_, execution_input)] = step_functions.executions
    assert execution_input["Requester"].get("Doubts", []) == (["FoundDisabled"] if is_first_sight else [])


@pytest.mark.parametrize(
    ("report", "is_new"),
    [
        (None, True),
        (record_read_departure, False),
        (record_stated_departure, False),
        (record_return, True),
        (record_departure_and_return, True),
    ],
)
@pytest.mark.parametrize("age", [timedelta(seconds=59), timedelta(minutes=1)])
def test_a_status_that_was_read_right_after_the_change_is_read_again_unless_it_shows_a_new_departure(
    batch: Batch,
    identity_store: FakeIdentityStore,
    step_functions: FakeStepFunctions,
    report: Callable[[Reports], object] | None,
    is_new: bool,
    age: timedelta,
) -> None:
    if report:
        report(Reports())
    event = {**make_user_updated(), "time": "2099-01-01T00:00:00Z"}
    is_deferred = not is_new and age < timedelta(minutes=1)

    with time_machine.travel(parse("2099-01-01T00:00:00Z") + age, tick=False):
        assert batch.deliver(event) == (["0"] if is_deferred else [])
        assert len(step_functions.executions) == (0 if is_deferred else 1)
        assert batch.deliver(event, count=2) == []
    assert step_functions.executions


def test_a_changed_user_of_an_unknown_identity_store_is_refused_and_not_read(
    batch: Batch, identity_store: FakeIdentityStore
) -> None:
    assert batch.deliver(make_user_updated(identityStoreId="d-0")) == []

    ((_, reason, _),) = batch.receive_dead_letters()
    assert reason.startswith("0 organizations of the settings fit identity store d-0, and at least one must fit.")
    assert identity_store.reads == []


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (IdentityStoreUnavailableError("throttled"), ["0"]),
        (errors.AccessDenied("denied"), ["0"]),
        (errors.InvalidRequest("no such store"), []),
    ],
    ids=["unavailable", "denied", "no such store"],
)
def test_a_message_returns_to_the_queue_if_the_status_cannot_be_read_now(
    batch: Batch, identity_store: FakeIdentityStore, error: Exception, failures: list[str]
) -> None:
    identity_store.answer = error

    assert batch.deliver(make_user_updated()) == failures
    assert len(batch.receive_dead_letters()) == 1 - len(failures)


def test_a_leaver_without_a_user_becomes_a_dead_letter(
    batch: Batch, people: OrganizationBuilder, monkeypatch: pytest.MonkeyPatch, put_intake_settings: PutIntakeSettings
) -> None:
    events = [make_identity_center_event(), make_okta_event(), make_okta_event("dana.leaver")]
    put_intake_settings(ORGANIZATIONS, {"identityCenter": {}, "okta": {"OrganizationId": ORGANIZATION_ID}})

    assert batch.deliver(*events) == []

    assert [
        reason.partition(", and exactly one")[0]
        for _, reason, _ in sorted(batch.receive_dead_letters(), key=lambda dead_letter: dead_letter[2])
    ] == [
        "0 users of the organization have this Identity Center user id",
        "0 users of the organization have this primary address",
        "0 users of the organization have this name",
    ]


def test_an_address_of_two_users_becomes_a_dead_letter(
    batch: Batch, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    people.create_user("dana.leaver")
    organization.arrange(ORGANIZATION_ID, people.create_user("kim"), email="dana.leaver@example.com")

    assert batch.deliver(make_okta_event()) == []
    ((_, reason, _),) = batch.receive_dead_letters()
    assert reason.startswith("2 users of the organization have this primary address, and exactly one must have it.")


def test_a_login_without_an_at_sign_is_a_name(
    start: Start, people: OrganizationBuilder, monkeypatch: pytest.MonkeyPatch, put_intake_settings: PutIntakeSettings
) -> None:
    put_intake_settings(ORGANIZATIONS, {"okta": {"OrganizationId": ORGANIZATION_ID}})
    user = people.create_user("dana.leaver")

    assert start(make_okta_event("dana.leaver"))[1]["EntityId"] == user


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"email": None}, {"Type": "USER", "Name": "dana"}),
        ({"email": "other@example.com"}, {"Type": "USER", "Email": "other@example.com"}),
    ],
)
def test_the_execution_expects_what_workmail_shows_of_the_user(
    start: Start, people: OrganizationBuilder, organization: WorkMailBackend, shown: Any, expected: dict[str, str]
) -> None:
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, **shown)

    assert start(make_request_event(user))[1]["Expected"] == expected


def test_a_listed_user_without_a_name_and_an_address_is_expected_to_be_a_user(
    start: Start, people: OrganizationBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leavers, "_find_user", lambda *_: replace(USER, name="", email=None))

    assert start(make_okta_event())[1]["Expected"] == {"Type": "USER"}


def test_a_request_by_id_lists_no_users(
    start: Start, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    take_calls(organization)

    start(make_request_event(user))

    assert take_calls(organization) == ["DescribeUser"]


def test_a_request_by_the_id_of_a_deleted_user_or_a_group_finds_no_user(
    start: Start, people: OrganizationBuilder
) -> None:
    user, group = people.create_user("dana"), people.create_group("staff")
    deregister(user)
    delete_user(user)

    for entity in (user, group):
        execution_input = start(make_request_event(entity))[1]
        assert (execution_input["EntityId"], "Expected" in execution_input) == (entity, False)


@pytest.mark.parametrize("user_id", ["12A3b4c5-0000-4000-8000-00000000000F", "S-1-1-12-1-2-3"])
def test_a_request_by_id_is_about_the_user_with_this_id(
    start: Start, people: OrganizationBuilder, organization: WorkMailBackend, user_id: str
) -> None:
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, id=user_id)
    by_name, _ = start(make_request_event("dana"))

    assert start(make_request_event(user_id))[0] == by_name


def test_a_login_in_the_form_of_an_id_is_a_name(
    start: Start,
    people: OrganizationBuilder,
    organization: WorkMailBackend,
    monkeypatch: pytest.MonkeyPatch,
    put_intake_settings: PutIntakeSettings,
) -> None:
    put_intake_settings(ORGANIZATIONS, {"okta": {"OrganizationId": ORGANIZATION_ID}})
    user = people.create_user("dana")

    with pytest.raises(RefusedEvent, match="0 users of the organization have this name"):
        start(make_okta_event(user))


def test_an_event_from_before_the_registration_of_the_user_is_refused(
    start: Start, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    registered_at = parse("2026-11-20T10:00:00Z")
    organization.arrange(ORGANIZATION_ID, user, enabled_date=registered_at)

    def start_at(at: str) -> tuple[str, dict[str, Any]]:
        event = make_request_event("dana")
        event["time"] = at
        return start(event)

    assert start_at(render(registered_at - timedelta(minutes=1)))
    with pytest.raises(RefusedEvent, match=r"registered later, at 2026-11-20T10:00:00.000Z. It is about an earlier"):
        start_at(render(registered_at - timedelta(minutes=1, milliseconds=1)))
    with pytest.raises(RefusedEvent, match="has no RFC 3339 timestamp of when it happened"):
        start_at("yesterday")
    deregister(user)
    assert start_at("2020-01-01T00:00:00Z"), "a disabled user may have left at any time"


@pytest.mark.parametrize("requester", ["dana.leaver@example.com", "DANA.leaver@Example.com"])
def test_the_requester_must_not_be_the_leaver(start: Start, people: OrganizationBuilder, requester: str) -> None:
    people.create_user("dana.leaver")

    with pytest.raises(RefusedEvent, match="Requester and leaver must be different people"):
        start(make_request_event("dana.leaver", RequestedBy=requester))
    with pytest.raises(RefusedEvent, match="Requester and leaver must be different people"):
        start(make_request_event("room", RequestedBy="ROOM"))


def test_an_input_that_the_schema_refuses_starts_no_execution(start: Start, people: OrganizationBuilder) -> None:
    with pytest.raises(RefusedEvent, match=r"Requester\.OccurredAt must be an RFC 3339 timestamp"):
        start({**make_request_event("dana"), "time": "2099-01-01 00:00:00+00:00"})


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("OrganizationStateException", "organization"),
        ("OrganizationNotFoundException", "Check OrganizationId"),
        ("InvalidParameterException", "is not accepted"),
    ],
)
def test_an_answer_that_stays_the_same_is_a_refusal_at_once(
    batch: Batch, organization: WorkMailBackend, code: str, message: str
) -> None:
    fail_operation(organization, "ListUsers", code)

    assert batch.deliver(make_okta_event()) == []
    ((_, reason, _),) = batch.receive_dead_letters()
    assert message in reason


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[" * 10_000, "nested too deeply"),
        ('{"detail":' * 10_000, "nested too deeply"),
        (make_okta_event("\ud800@example.com"), "alternateId is missing, or is not a text"),
        (make_request_event("dana", Reason="\ud800"), "Reason"),
        (make_request_event("dana", RequestedBy="\udfff"), "RequestedBy"),
        (make_request_event("\ud800"), "EntityId"),
        ({**make_request_event("dana"), "detail-type": "\ud800"}, "detail-type is missing"),
        ({**make_request_event("dana"), "time": "0001-01-01T00:00:00+01:00"}, "has no RFC 3339 timestamp"),
        ({**make_request_event("dana"), "time": "9999-12-31T23:59:59-01:00"}, "has no RFC 3339 timestamp"),
        ({**make_request_event("dana"), "source": "\ud800"}, "No identity provider"),
    ],
    ids=[
        *("nested lists", "nested objects", "login", "reason", "requester", "entity", "detail type", "too early"),
        *("too late", "source"),
    ],
)
def test_what_no_service_accepts_is_a_refusal_at_once(
    batch: Batch, people: OrganizationBuilder, body: object, message: str
) -> None:
    people.create_user("dana")

    assert batch.deliver(body) == []
    ((_, reason, _),) = batch.receive_dead_letters()
    assert message in reason


@pytest.mark.parametrize(
    ("provider_name", "age", "doubts"),
    [
        ("Dana Leaver", timedelta(), []),
        ("Grace Hopper", timedelta(), ["NamesDiffer"]),
        ("Dana Leaver", timedelta(days=3), []),
        ("Dana Leaver", timedelta(days=3, seconds=1), ["EventIsOld"]),
        ("Grace Hopper", timedelta(days=10), ["NamesDiffer", "EventIsOld"]),
        (None, timedelta(), []),
    ],
)
def test_a_doubt_about_the_person_is_in_the_input(
    start: Start,
    organization: WorkMailBackend,
    people: OrganizationBuilder,
    provider_name: str | None,
    age: timedelta,
    doubts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(monkeypatch, STALE_EVENT_DAYS="3")
    user = people.create_user("dana.leaver", "Dana Leaver")
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse("2020-01-01T00:00:00Z"))
    event = make_okta_event()
    event["detail"]["published"] = render(parse(NOW) - age)
    event["detail"]["target"][0]["displayName"] = provider_name

    with time_machine.travel(parse(NOW), tick=False):
        _, request = start(event)

    assert request["Requester"].get("Doubts", []) == doubts
    assert "Hopper" not in json.dumps(request)


# Returns


def make_return_event(kind: str = "okta", at: str = "2099-01-02T00:00:00.000Z", **detail: Any) -> dict[str, Any]:
    if kind == "okta":
        event = make_okta_event()
        event["detail"] |= {"eventType": "user.lifecycle.reactivate", "published": at, "uuid": "back"}
        return event
    event = load_event("offboarding-requested")
    return {**event, "detail-type": "Offboarding Withdrawn", "time": at, "id": "back", "detail": detail}


def test_an_event_about_somebody_who_was_never_away_is_counted_as_such(
    batch: Batch, step_functions: FakeStepFunctions, read_metrics: ReadMetrics, log_lines: list[str]
) -> None:
    assert batch.deliver(make_return_event()) == []

    assert read_metrics() == {"PeopleActive": 1}
    assert (batch.receive_dead_letters(), step_functions.executions) == ([], [])
    (line,) = (json.loads(line) for line in log_lines)
    assert (line["message"], line["event_id"], line["is_return"]) == ("return processed", "back", False)


def test_a_return_of_somebody_who_was_reported_as_away_is_counted(
    batch: Batch, people: OrganizationBuilder, read_metrics: ReadMetrics
) -> None:
    user = people.create_user("dana.leaver")
    assert batch.deliver(make_okta_event()) == []
    left_at = "2099-01-01T00:00:00.000Z"
    assert Reports().find_presence(OKTA) == Presence(left_at, None, left_at, None, entity_key(ORGANIZATION_ID, user))

    assert batch.deliver(make_return_event()) == []

    assert read_metrics() == {"LeaversAccepted": 1, "LeaversReturned": 1}
    presence = Reports().find_presence(OKTA)
    assert presence.back_at == presence.handled_at == "2099-01-02T00:00:00.000Z"


def test_a_return_for_an_execution_between_two_states_returns_to_the_queue_and_is_told_with_the_first_delivery(
    batch: Batch, people: OrganizationBuilder, table: Table, read_metrics: ReadMetrics
) -> None:
    user = people.create_user("dana.leaver")
    assert batch.deliver(make_okta_event()) == []
    arn = table.create_record("a", user)
    assert batch.deliver(make_return_event()) == ["0"]
    assert read_metrics() == {"LeaversAccepted": 1, "EventsLeftInQueue": 1}
    table.record_attempt(arn, user)
    table.record_deregistration(arn, user)

    assert batch.deliver(make_return_event(), count=2) == []

    assert table.read_step(arn, "LeaverReturned")["At"] == FIRST_RECEIVED_AT


@pytest.mark.parametrize("at", ["yesterday", "2099-01-02T00:00:00", "0001-01-01T00:00:00+01:00"])
def test_a_return_without_a_time_is_refused(batch: Batch, table: Table, at: str) -> None:
    assert batch.deliver(make_return_event(at=at)) == []

    ((_, reason, _),) = batch.receive_dead_letters()
    assert reason == "The event has no RFC 3339 timestamp of when it happened."
    assert not [item for item in table.read_all() if item["Part"]["S"] == "Presence"]


def test_a_withdrawal_by_the_id_of_an_entity_is_processed_in_each_organization_that_it_can_be_of(
    batch: Batch,
    other_organization: OrganizationBuilder,
    table: Table,
    read_metrics: ReadMetrics,
    monkeypatch: pytest.MonkeyPatch,
    put_intake_settings: PutIntakeSettings,
) -> None:
    put_intake_settings(SHARED_STORE, {"offboardingRequested": {}})
    arn = table.create_deregistered_record("a", USER.id)

    assert batch.deliver(make_return_event("request", EntityId=USER.id)) == []

    assert read_metrics() == {"LeaversReturned": 1}
    assert table.read_step(arn, "LeaverReturned")["At"] == FIRST_RECEIVED_AT
    back_at = "2099-01-02T00:00:00.000Z"
    for organization_id, handled_at in ((ORGANIZATION_ID, back_at), (OTHER_ORGANIZATION_ID, None)):
        all_requests = Reporter.of_all_requests(entity_key(organization_id, USER.id))
        assert Reports().find_presence(all_requests) == Presence(None, back_at, handled_at=handled_at)


@pytest.mark.parametrize("detail", [{"EntityId": USER.id}, {"RequestId": "r-0"}], ids=["entity", "request"])
def test_a_withdrawal_that_reaches_nothing_is_refused_when_it_is_read_for_the_third_time(
    batch: Batch, people: OrganizationBuilder, read_metrics: ReadMetrics, detail: dict[str, str]
) -> None:
    event = make_return_event("request", **detail)
    for count in (1, 2):
        assert batch.deliver(event, count=count) == ["0"]
        assert read_metrics() == {"EventsDeferred": 1}
        assert batch.receive_dead_letters() == []

    assert batch.deliver(event, count=3) == []

    ((_, reason, _),) = batch.receive_dead_letters()
    assert reason == (
        "No request is known that this could withdraw. Check RequestId, EntityId and OrganizationId. An older request "
        "that comes later starts nothing."
    )
    assert read_metrics() == {"EventsRefused": 1}


def test_a_request_behind_its_withdrawal_starts_nothing_and_the_withdrawal_has_reached_it(
    batch: Batch, people: OrganizationBuilder, step_functions: FakeStepFunctions, read_metrics: ReadMetrics
) -> None:
    people.create_user("dana")
    withdrawal = make_return_event("request", RequestId="r-1")
    assert batch.deliver(withdrawal) == ["0"]

    assert batch.deliver(make_request_event("dana")) == []
    assert batch.deliver(withdrawal, count=2) == []

    assert (step_functions.executions, batch.receive_dead_letters()) == ([], [])
    assert read_metrics() == {"EventsDeferred": 1, "DeparturesWithdrawn": 1, "LeaversReturned": 1}


def test_a_later_date_is_refused_only_after_the_withdrawals_that_can_wait_behind_it(
    batch: Batch, people: OrganizationBuilder, read_metrics: ReadMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.create_user("dana.leaver")
    refusal = LaterDateError("It is due sooner.")
    monkeypatch.setattr(start_offboarding, "start_execution", lambda *_: False)
    monkeypatch.setattr(start_offboarding, "find_repeated_execution", make_raiser(refusal))

    assert batch.deliver(make_okta_event()) == ["0"]
    assert read_metrics() == {"EventsDeferred": 1}
    assert batch.receive_dead_letters() == []

    assert batch.deliver(make_okta_event(), count=2) == []
    assert [reason for _, reason, _ in batch.receive_dead_letters()] == ["It is due sooner."]
    assert read_metrics() == {"EventsRefused": 1}


def test_a_withdrawal_by_a_name_that_nobody_has_is_refused(batch: Batch, people: OrganizationBuilder) -> None:
    assert batch.deliver(make_return_event("request", EntityId="nobody")) == []

    ((_, reason, _),) = batch.receive_dead_letters()
    assert reason.startswith("0 entities of the configured organizations have or had this name or address")


@pytest.mark.parametrize("is_return", [True, False])
@pytest.mark.parametrize(
    ("waited", "count", "is_deferred"),
    [
        (timedelta(minutes=5), 1, False),
        (timedelta(minutes=5, milliseconds=1), 1, True),
        (timedelta(minutes=5, milliseconds=1), 2, False),
        (timedelta(days=3), 1, True),
        (timedelta(days=3), 3, False),
    ],
)
def test_a_departure_that_has_waited_long_is_read_after_the_returns_behind_it(
    batch: Batch,
    people: OrganizationBuilder,
    step_functions: FakeStepFunctions,
    read_metrics: ReadMetrics,
    waited: timedelta,
    count: int,
    is_deferred: bool,
    is_return: bool,
) -> None:
    people.create_user("dana.leaver")

    if is_return:
        assert batch.deliver(make_return_event(), waited=waited, count=count) == []
        assert read_metrics() == {"PeopleActive": 1}
        return
    assert batch.deliver(make_okta_event(), waited=waited, count=count) == (["0"] if is_deferred else [])
    assert read_metrics() == ({"EventsDeferred": 1} if is_deferred else {"LeaversAccepted": 1})
    assert len(step_functions.executions) == (0 if is_deferred else 1)


def test_a_departure_behind_the_return_from_it_starts_nothing_and_is_recorded(
    batch: Batch,
    people: OrganizationBuilder,
    table: Table,
    step_functions: FakeStepFunctions,
    read_metrics: ReadMetrics,
    log_lines: list[str],
) -> None:
    user = people.create_user("dana.leaver")
    Reports().record_return(OKTA, "2099-01-02T00:00:00Z")

    for _ in range(2):
        assert batch.deliver(make_okta_event()) == []

    assert (step_functions.executions, batch.receive_dead_letters()) == ([], [])
    assert read_metrics() == {"DeparturesWithdrawn": 2}
    [step] = table.read_steps("refused/0")
    event = make_okta_event()
    reason = "The person is back since 2099-01-02T00:00:00.000Z, by the same provider. Nothing was started."
    assert {name: value for name, value in step.items() if name not in {"Id", "Part", "Kind", "Presences"}} == {
        "At": FIRST_RECEIVED_AT,
        "Step": "Withdrawn",
        "Reason": reason,
        "Provider": "okta",
        "EventId": event["id"],
        "OccurredAt": event["time"],
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": user,
        "EntityKey": entity_key(ORGANIZATION_ID, user),
    }
    assert "dana" not in str(step)
    assert reason in log_lines[0]


def test_a_departure_and_a_return_at_the_same_moment_are_refused(batch: Batch, people: OrganizationBuilder) -> None:
    people.create_user("dana.leaver")
    Reports().record_return(OKTA, "2099-01-01T00:00:00Z")

    assert batch.deliver(make_okta_event()) == []

    ((_, reason, _),) = batch.receive_dead_letters()
    assert "Which came first is not known" in reason


@pytest.mark.parametrize(("event", "dry_run"), [(make_request_event("dana", DryRun=True), False), (None, True)])
def test_a_plan_does_not_report_that_somebody_left(
    start: Start, people: OrganizationBuilder, table: Table, event: dict[str, Any] | None, dry_run: bool
) -> None:
    people.create_user("dana")
    Reports().record_return(REQUEST, "2099-01-02T00:00:00Z")

    start(event or make_request_event("dana"), dry_run=str(dry_run).lower())

    assert Reports().find_presence(REQUEST) == Presence(None, "2099-01-02T00:00:00.000Z")


def test_a_leaver_who_was_offboarded_and_deleted_is_counted_as_repeated(
    batch: Batch, read_metrics: ReadMetrics, log_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_offboarding, "find_leaver", make_raiser(leavers.DepartureRepeated("d-l_1")))

    assert batch.deliver(make_okta_event()) == []

    assert batch.receive_dead_letters() == []
    assert read_metrics() == {"LeaversRepeated": 1}
    assert json.loads(log_lines[0])["execution"] == "d-l_1"


def test_a_text_that_too_many_names_begin_with_is_a_refusal_at_once(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_offboarding, "find_leaver", make_raiser(errors.EntityAmbiguous("More than 1000")))

    assert batch.deliver(make_okta_event()) == []

    assert [reason for _, reason, _ in batch.receive_dead_letters()] == ["More than 1000"]

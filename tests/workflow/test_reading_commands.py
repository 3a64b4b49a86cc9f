"""The commands that read, in one world in which offboardings stand and end in every way that is cheap to make."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cdk.assembly import assembly
from local.defaults import ORGANIZATION_ID
from local.environment import Environment
from offboarding.domain.notifications.alarms import ALARMS
from operate.account import Account
from operate.listing.rows import OFFBOARDING_COLUMNS
from operate.status import command as status_command
from operate.status.resources import DEAD_LETTER_QUEUES
from tests.workflow.conftest import ARCHIVE_SETTINGS, START, Flow
from tests.workflow.operator import Operator

NO_EXPORT = {"Mode": "No", "MayBeSkipped": True}
REQUIRED_EXPORT = {"Mode": "Required", "MayBeSkipped": True}
STARTED_BY = "arn:aws:sts::123456789012:assumed-role/Helpdesk/erin"


@dataclass
class World:
    """A stack with offboardings, each by the name of its leaver."""

    flow: Flow
    operator: Operator
    users: dict[str, str] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)

    def create(self, name: str) -> str:
        self.users[name] = self.flow.people.create_user(name)
        return self.users[name]

    def start(self, name: str, **more: Any) -> str:
        user = self.users.get(name) or self.create(name)
        self.arns[name] = self.flow.start(user, RequestedBy="helpdesk", **more)
        self.flow.clock.settle()
        return self.arns[name]

    def address(self, name: str) -> str:
        return self.flow.people.address(name)

    def show(self, text: str, *options: str) -> str:
        return self.operator.accept("show", text, *options)

    def list(self, *options: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.operator.accept("list", "--json", *options))
        return rows


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Environment(assembly(ARCHIVE_SETTINGS), now=START) as environment, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Account, "client", lambda _, service: environment.client(service))
        patch.setattr(Account, "workmail", environment.client("workmail"))
        flow = Flow(environment)
        flow.change_policy(ApprovalRequired=["vip*"], Protected=["it.*"], Export=NO_EXPORT)
        world = World(flow, Operator(flow))
        fill(world)
        yield world


def fill(world: World) -> None:
    flow = world.flow
    user = world.create("verified")
    flow.people.create_alias(user, "verified.old")
    flow.people.create_group("team", (user,))
    world.start("verified", Reason="Left on Friday")
    flow.pass_days(31)
    flow.change_policy(Export=REQUIRED_EXPORT)
    world.start("archived")
    flow.pass_days(1)
    flow.backend.set_mailbox_size(ORGANIZATION_ID, world.create("exporting"), 1024 * 1024)
    world.start("exporting")
    flow.change_policy(Export=NO_EXPORT)
    for name in ("window", "unwatched", "restored", "vip", "vip.rejected", "it.boss"):
        world.start(name)
    for name in ("scheduled", "withdrawn"):
        world.start(name, NotBefore=(flow.clock.now() + timedelta(days=60)).isoformat())
    world.start("planned", DryRun=True)
    world.arns["unknown"] = flow.start("nobody@example.com")
    world.arns["nameless"] = flow.environment.start({"OrganizationId": ORGANIZATION_ID})
    world.arns["failed"] = flow.start(world.address("late"))
    flow.process_status_events()
    flow.stop(world.arns["unwatched"])
    flow.restore(ExecutionArn=world.arns["restored"])
    flow.decide(world.arns["withdrawn"], "Withdrawn")
    flow.decide(world.arns["vip.rejected"], "Rejected")
    world.start("late")
    put_request(flow, "r-1", "no id, name or address")
    put_request(flow, "r-2", world.address("window"))
    flow.pass_days(1 / 12)
    put_event(flow, "Offboarding Withdrawn", RequestId="r-2")
    flow.pass_days(1 / 12)
    started = {"Id": {"S": world.arns["window"]}, "Part": {"S": "Start"}, "StartedBy": {"S": STARTED_BY}}
    flow.environment.client("dynamodb").put_item(TableName=flow.table_name, Item=started)


def put_request(flow: Flow, request_id: str, entity_id: str) -> None:
    put_event(flow, "Offboarding Requested", RequestId=request_id, EntityId=entity_id)


def put_event(flow: Flow, detail_type: str, **detail: str) -> None:
    entry = {"Source": "workmail.offboarding", "DetailType": detail_type, "Detail": json.dumps(detail)}
    flow.environment.client("events").put_events(Entries=[entry])


@pytest.fixture(scope="module")
def status(world: World) -> str:
    return world.operator.accept("status")


def find_need(status: str, text: str) -> list[str]:
    """Return the lines of the first need that has a text: its sentence, and the command to type."""
    lines = status.partition("\n\nOffboardings")[0].splitlines()
    number = next(number for number, line in enumerate(lines) if text in line)
    return [line.strip() for line in lines[number : number + 2]]


def test_status_begins_with_what_needs_a_person_and_the_command_to_type(world: World, status: str) -> None:
    assert status.splitlines()[2] == "What needs a person"
    for name, command in (("vip", "approve"), ("unwatched", "retry"), ("window", "restore")):
        sentence, typed = find_need(status, world.address(name))
        assert typed.startswith(f"offboarding {command} {world.users[name]}"), sentence
    assert find_need(status, "EntityNotFound")[1].startswith("offboarding retry nobody@example.com")
    assert find_need(status, "were refused, or failed: 1")[1] == "offboarding refused"
    assert "EntityProtected" in status


def test_status_does_not_ask_for_what_was_tried_again(world: World, status: str) -> None:
    assert world.flow.read_record(world.arns["failed"])["Outcome"] == "EntityNotFound"
    assert world.address("late") not in status


def test_status_counts_what_the_lists_have(world: World, status: str) -> None:
    week = (world.flow.clock.now() - timedelta(days=7)).isoformat()
    counts = dict(re.findall(r"^  (\S[^\n]*?)  +(\d+)", status, re.MULTILINE))
    waiting = [row["Status"] for row in world.list("--waiting")]

    assert counts["In the window"] == str(len(world.list("--window"))) == "4"
    assert counts["Wait for an approval"] == str(waiting.count("AwaitingApproval")) == "1"
    assert counts["Wait for a date"] == str(waiting.count("Scheduled")) == "1"
    assert counts["Wait for an export"] == str(waiting.count("Exporting")) == "1"
    assert counts["Failed in the last 7 days"] == str(len(world.list("--failed", "--since", week))) == "5"
    assert counts["Refused events in the last 7 days"] == str(len(world.list("--refused", "--since", week))) == "1"


def test_status_shows_a_pause_and_how_old_the_oldest_event_is(world: World) -> None:
    environment, now = world.flow.environment, world.flow.clock.now()
    mapping, url = environment.outputs["EventSourceMappingId"], environment.outputs["EventQueueUrl"]
    environment.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    environment.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    age = {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
        "Timestamp": now - timedelta(minutes=2),
        "Value": 3 * 3600,
    }
    environment.client("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[age])
    try:
        status = world.operator.accept("status")
    finally:
        environment.client("sqs").purge_queue(QueueUrl=url)
        environment.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)

    sentence, typed = find_need(status, "paused")
    assert sentence.endswith("The queue is paused: nothing is read. Events that wait: 1, the oldest for 3 hours.")
    assert typed == "offboarding queue resume"
    assert "The queue is not paused. Events that wait: 0." in world.operator.accept("status")


def test_status_counts_the_messages_of_each_queue_that_should_be_empty(world: World) -> None:
    outputs = {name for name in world.flow.environment.outputs if name.endswith("QueueUrl")}

    assert {name for name in outputs if "DeadLetter" in name or "Undelivered" in name} == DEAD_LETTER_QUEUES.keys()


def test_status_names_the_alarms_of_the_stack_that_ring(world: World) -> None:
    cloudwatch = world.flow.environment.client("cloudwatch")
    threshold = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1, "EvaluationPeriods": 1, "Period": 60}
    names = ["workmail-offboarding-throttled", "workmail-offboarding-test-SweepMissing", "another-alarm"]
    for name in names:
        cloudwatch.put_metric_alarm(AlarmName=name, Namespace="n", MetricName="m", Statistic="Sum", **threshold)
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")

    status = world.operator.accept("status")
    cloudwatch.delete_alarms(AlarmNames=names)

    assert "The alarm workmail-offboarding-throttled rings." in find_need(status, "The alarm")[0]
    assert "another-alarm" not in status
    assert "workmail-offboarding-test" not in status, "a further stack"
    assert not any("-" in name for name in ALARMS)


def test_status_goes_on_where_a_call_is_denied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeAlarms")

    monkeypatch.setattr(status_command, "read_alarms", deny)

    status = world.operator.accept("status")
    assert status.count("AWS refuses DescribeAlarms (AccessDenied): no.") == 2
    assert find_need(status, "Not everything could be read")


def test_without_a_choice_the_window_and_what_waits_are_listed(world: World) -> None:
    statuses = [row["Status"] for row in world.list()]

    assert sorted(statuses[:4]) == ["InWindow", "InWindow", "InWindow", "Unwatched"]
    assert statuses[4:] == ["AwaitingApproval", "Scheduled", "Exporting"]
    assert [row["Email"] for row in world.list("--waiting")] == [
        world.address(name) for name in ("vip", "scheduled", "exporting")
    ]


def test_ended_offboardings_have_their_outcome_and_what_happened_to_the_mailbox(world: World) -> None:
    rows = {row["ExecutionArn"]: (row["Outcome"], row["MailboxTouched"]) for row in world.list("--ended")}

    assert {name: rows[arn] for name, arn in world.arns.items() if arn in rows} == {
        "verified": ("CleanupVerified", "Yes"),
        "unwatched": ("Stopped", "Yes"),
        "withdrawn": ("Withdrawn", "No"),
        "vip.rejected": ("Rejected", "No"),
        "planned": ("Planned", "No"),
        "it.boss": ("EntityProtected", "No"),
        "unknown": ("EntityNotFound", "No"),
        "failed": ("EntityNotFound", "No"),
        "nameless": ("InvalidRequest", "No"),
    }


def test_csv_has_the_same_rows_as_json(world: World) -> None:
    rows = world.list("--ended")

    lines = [*csv.DictReader(io.StringIO(world.operator.run("list", "--ended", "--csv").stdout_bytes.decode()))]

    assert [line["ExecutionArn"] for line in lines] == [row["ExecutionArn"] for row in rows]
    assert tuple(lines[0]) == OFFBOARDING_COLUMNS


def test_an_old_address_leads_to_everything_about_the_person(world: World) -> None:
    page = world.show(world.address("verified.old"))

    assert page.splitlines()[0] == (f"{world.address('verified')} ({world.users['verified']}). All times are UTC.")
    for text in ("team", "Requested by helpdesk. Reason: Left on Friday.", "CleanupVerified", "GetMailboxDetails"):
        assert text in page
    step_names = [step["Step"] for step in world.flow.read_steps(world.arns["verified"])]
    timeline = page.partition("step by step\n")[2].partition("\n\n")[0].splitlines()
    assert len(timeline) == len(step_names)
    assert "The execution started." in timeline[0]
    assert "The execution ended as CleanupVerified." in timeline[-1]


def test_every_request_id_of_workmail_is_shown_once(world: World) -> None:
    page = world.show(world.address("archived"))
    answers = [
        answer["RequestId"]
        for step in world.flow.read_steps(world.arns["archived"])
        for holder in (step, *step.get("Evidence", {}).values())
        for answer in holder.get("Answers", ())
    ]

    assert {page.count(request_id) for request_id in answers} == {1}
    assert len(set(answers)) > 10


def test_an_archive_is_shown_with_its_place_and_checksum(world: World) -> None:
    archive = world.flow.read_record(world.arns["archived"])["Archive"]

    page = world.show(world.address("archived"))

    for text in (
        f"s3://{archive['Bucket']}/{archive['Key']}",
        f"{archive['Size']} bytes",
        archive["Checksum"]["Value"],
    ):
        assert text in page


def test_show_has_the_commands_to_type_next(world: World) -> None:
    commands = {
        name: re.findall(r"^    offboarding (\w+) (\S+)", world.show(world.address(name)), re.MULTILINE)
        for name in ("vip", "scheduled", "exporting", "window", "unwatched", "restored", "verified")
    }

    assert commands == {
        # By the id: an address can be that of two people.
        name: [(command, world.users[name]) for command in expected]
        for name, expected in {
            "vip": ["approve", "reject"],
            "scheduled": ["withdraw"],
            "exporting": ["withdraw"],
            "window": ["restore"],
            "unwatched": ["retry", "restore"],
            "restored": [],
            "verified": [],
        }.items()
    }


def test_of_a_failure_show_says_first_whether_the_mailbox_was_touched(world: World) -> None:
    standing = {
        name: world.show(world.arns[name]).partition("How it stands\n  ")[2].partition("\n")[0]
        for name in ("unwatched", "it.boss", "nameless")
    }

    assert standing == {
        "unwatched": "The mailbox is disabled, and nobody verifies the clean-up.",
        "it.boss": "The mailbox was not touched.",
        "nameless": "The mailbox was not touched.",
    }


def test_show_says_who_started_an_execution_if_a_trail_has_reported_it(world: World) -> None:
    page = world.show(world.arns["window"])

    assert STARTED_BY in page
    assert "Requested by helpdesk." in page


def test_a_request_that_only_found_another_one_hides_nothing(world: World) -> None:
    page = world.show(world.address("window"))

    assert "InWindow: in the window" in page
    assert "It ended as AlreadyInProgress" in world.show(world.address("window"), "--number", "1")


def test_a_failed_request_by_the_address_belongs_to_the_person(world: World) -> None:
    document = json.loads(world.show(world.users["late"], "--json"))

    assert [item["ExecutionArn"] for item in document["Offboardings"]] == [world.arns["late"], world.arns["failed"]]


def test_show_asks_workmail_what_it_says_now(world: World) -> None:
    assert "WorkMail shows the entity as DISABLED since 2026-12-24 12:00" in world.show(world.address("window"))
    world.flow.inject_error("DescribeUser", "AccessDeniedException", times=1)

    page = world.show(world.address("window"))

    assert "WorkMail could not be asked. AWS refuses DescribeUser (AccessDeniedException)" in page
    assert "offboarding restore" in page


def test_show_as_json_has_the_record_and_no_token(world: World) -> None:
    assert "TaskToken" in world.flow.read_record(world.arns["vip"])

    output = world.show(world.address("vip"), "--json")

    document = json.loads(output)
    assert document["Offboarding"]["Record"]["Entity"]["Id"] == world.users["vip"]
    assert document["WorkMail"]["State"] == "ENABLED"
    assert document["Next"][0]["Command"].startswith("offboarding approve")
    assert "TaskToken" not in output
    assert world.flow.read_record(world.arns["vip"])["TaskToken"] not in output


def test_nothing_is_shown_of_whom_nothing_is_recorded(world: World) -> None:
    assert world.operator.refuse("show", "stranger@example.com").startswith("Nothing is recorded of stranger@")
    assert world.operator.refuse("show", world.address("vip"), "--number", "9").startswith("There are 1 offboardings")

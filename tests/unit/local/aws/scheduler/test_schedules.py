"""Schedules fire on the clock, with a function and queues of the test's own."""

import json
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.environment import Environment
from local.faults import Fault
from tests.unit.local.conftest import NOON, zipped

HANDLER = """
    import json, time
    def handler(event, context):
        print("EVENT", json.dumps([int(time.time()), event]))
        if event == "crash":
            raise ValueError("crash")
"""
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:target"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
HOUR = timedelta(hours=1)
TRUST = {"Version": "2012-10-17", "Statement": []}


class Scheduler:
    def __init__(self, aws: Environment) -> None:
        self.aws = aws
        self.client, self.iam, self.sqs = (aws.client(name) for name in ("scheduler", "iam", "sqs"))
        self.queue = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        self.roles = [
            self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
            for name in ("scheduler", "function")
        ]
        self.allow({"lambda:InvokeFunction": FUNCTION, "sqs:SendMessage": DEAD})
        aws.client("lambda").create_function(
            FunctionName="target",
            Runtime="python3.13",
            Role=self.roles[1],
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": textwrap.dedent(HANDLER)})},
        )

    def allow(self, resources: dict[str, str]) -> None:
        statements = [{"Effect": "Allow", "Action": a, "Resource": r} for a, r in resources.items()]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iam.put_role_policy(RoleName="scheduler", PolicyName="p", PolicyDocument=document)

    def members(self, expression: str, payload: Any = None, **more: Any) -> dict[str, Any]:
        target = {
            "Arn": FUNCTION,
            "RoleArn": self.roles[0],
            "DeadLetterConfig": {"Arn": DEAD},
            **more.pop("Target", {}),
        }
        if payload is not None:
            target["Input"] = json.dumps(payload)
        window = {"FlexibleTimeWindow": {"Mode": "OFF"}}
        return {"ScheduleExpression": expression, "Target": target, **window, **more}

    def create(self, expression: str, payload: Any = None, **more: Any) -> str:
        return self.client.create_schedule(Name="s", **self.members(expression, payload, **more))["ScheduleArn"]

    def update(self, expression: str, payload: Any = None, **more: Any) -> None:
        self.client.update_schedule(Name="s", **self.members(expression, payload, **more))

    def advance(self, by: timedelta) -> None:
        self.aws.clock.advance(by)

    @property
    def events(self) -> list[tuple[timedelta, Any]]:
        lines = [line.removeprefix("EVENT ") for line in self.aws.logs("target") if line.startswith("EVENT ")]
        return [(datetime.fromtimestamp(when, NOON.tzinfo) - NOON, event) for when, event in map(json.loads, lines)]

    @property
    def times(self) -> list[timedelta]:
        return [when for when, _ in self.events]

    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        answer = self.sqs.receive_message(QueueUrl=self.queue, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        return [
            (message["Body"], {name: value["StringValue"] for name, value in message["MessageAttributes"].items()})
            for message in answer.get("Messages", [])
        ]


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    with Environment(organization=None, now=NOON, schedules=True) as aws:
        yield Scheduler(aws)


def test_a_daily_schedule_fires_every_day_with_its_input(scheduler: Scheduler) -> None:
    scheduler.create("cron(0 6 * * ? *)", {"a": 1})
    scheduler.advance(timedelta(days=3))

    assert scheduler.events == [(hours * HOUR, {"a": 1}) for hours in (18, 42, 66)]


def test_a_rate_fires_at_once_and_then_regularly(scheduler: Scheduler) -> None:
    scheduler.create("rate(6 hours)", {})
    scheduler.advance(12 * HOUR)

    assert scheduler.times == [0 * HOUR, 6 * HOUR, 12 * HOUR]


def test_without_an_input_the_event_is_that_of_scheduler(scheduler: Scheduler) -> None:
    arn = scheduler.create("cron(0 13 * * ? *)")
    scheduler.advance(HOUR)
    [(_, event)] = scheduler.events

    assert len(event.pop("id")) == 36
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "time": "2026-11-22T13:00:00Z",
        "region": "us-east-1",
        "resources": [arn],
        "detail": "{}",
    }


def test_an_input_can_name_the_scheduled_time(scheduler: Scheduler) -> None:
    arn = scheduler.create("cron(0 13 * * ? *)", "<aws.scheduler.scheduled-time> <aws.scheduler.schedule-arn>")
    scheduler.advance(HOUR)

    assert [event for _, event in scheduler.events] == [f"2026-11-22T13:00:00Z {arn}"]


def test_an_update_and_a_deletion_take_effect(scheduler: Scheduler) -> None:
    scheduler.create("cron(0 * * * ? *)", 1)
    scheduler.advance(HOUR)
    scheduler.update("cron(30 * * * ? *)", 2)
    scheduler.advance(HOUR)
    scheduler.update("cron(30 * * * ? *)", 3, State="DISABLED")
    scheduler.advance(5 * HOUR)
    scheduler.update("cron(30 * * * ? *)", 4)
    scheduler.advance(HOUR)
    scheduler.client.delete_schedule(Name="s")
    scheduler.advance(5 * HOUR)

    assert scheduler.events == [(HOUR, 1), (1.5 * HOUR, 2), (7.5 * HOUR, 4)]


def test_a_failing_function_is_invoked_twice_more(scheduler: Scheduler) -> None:
    scheduler.create("cron(0 13 * * ? *)", "crash")
    scheduler.advance(2 * HOUR)

    assert scheduler.times == [HOUR, HOUR + timedelta(minutes=1), HOUR + timedelta(minutes=3)]
    assert scheduler.dead_letters() == []


def test_a_role_that_does_not_allow_it_sends_the_event_to_the_dead_letter_queue(scheduler: Scheduler) -> None:
    arn = scheduler.create("cron(0 13 * * ? *)", {"a": 1})
    scheduler.allow({"lambda:InvokeFunction": f"{FUNCTION}:1", "sqs:SendMessage": DEAD})
    scheduler.advance(2 * HOUR)

    assert scheduler.events == []
    [(body, attributes)] = scheduler.dead_letters()
    assert json.loads(body) == {"a": 1}
    assert attributes == {
        "ERROR_CODE": "AccessDeniedException",
        "ERROR_MESSAGE": f"The role does not allow lambda:InvokeFunction on {FUNCTION}",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULE_ARN": arn,
        "TARGET_ARN": FUNCTION,
    }


@pytest.mark.parametrize("missing", ["permission", "queue"])
def test_nothing_is_sent_without_a_permission_or_a_queue(scheduler: Scheduler, missing: str) -> None:
    scheduler.create("cron(0 13 * * ? *)", Target={"DeadLetterConfig": {}} if missing == "queue" else {})
    scheduler.allow({"sqs:SendMessage": DEAD if missing == "queue" else f"{DEAD}-other"})
    scheduler.advance(2 * HOUR)

    assert scheduler.dead_letters() == []


@pytest.mark.parametrize(
    ("policy", "attempts", "exhausted"),
    [
        ({"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}, "2", "MaximumRetryAttempts"),
        ({"MaximumRetryAttempts": 100, "MaximumEventAgeInSeconds": 300}, "9", "MaximumEventAgeInSeconds"),
    ],
)
def test_what_cannot_be_delivered_is_tried_again(
    scheduler: Scheduler, policy: dict[str, int], attempts: str, exhausted: str
) -> None:
    scheduler.aws.faults.add(Fault("lambda", "Invoke", error="InvalidRequestContentException"))
    scheduler.create("cron(0 13 * * ? *)", Target={"RetryPolicy": policy})
    scheduler.advance(2 * HOUR)
    [(_, attributes)] = scheduler.dead_letters()

    assert attributes["RETRY_ATTEMPTS"] == attempts
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == exhausted
    assert attributes["ERROR_CODE"] == "InvalidRequestContentException"


def test_a_delivery_that_succeeds_when_it_is_tried_again_ends_there(scheduler: Scheduler) -> None:
    scheduler.aws.faults.add(Fault("lambda", "Invoke", error="InvalidRequestContentException", times=2))
    scheduler.create("cron(0 13 * * ? *)", 1)
    scheduler.advance(2 * HOUR)

    assert scheduler.events == [(HOUR + timedelta(seconds=3), 1)]
    assert scheduler.dead_letters() == []


def test_schedules_exist_and_never_fire_unless_the_environment_is_opened_so() -> None:
    with Environment(organization=None, now=NOON) as aws:
        scheduler = Scheduler(aws)
        scheduler.create("rate(1 minute)", 1)
        scheduler.advance(timedelta(days=30))

        assert scheduler.events == []
        assert scheduler.client.get_schedule(Name="s")["State"] == "ENABLED"


@pytest.mark.parametrize(
    ("expression", "members"),
    [
        ("at(2027-01-01T00:00:00)", {}),
        ("rate(1 day)", {"StartDate": NOON + HOUR}),
        ("rate(1 day)", {"Target": {"Arn": DEAD}}),
    ],
)
def test_what_is_not_supported_is_refused(scheduler: Scheduler, expression: str, members: dict[str, Any]) -> None:
    with pytest.raises((NotImplementedError, ClientError)):
        scheduler.create(expression, **members)
    assert scheduler.client.list_schedules()["Schedules"] == []


@pytest.fixture
def deploy(scheduler: Scheduler) -> Callable[..., dict[str, str]]:
    """Deploy a stack with a schedule, or update it, and return its outputs."""
    stacks = scheduler.aws.client("cloudformation")

    def deploy(expression: str, **more: Any) -> dict[str, str]:
        resources = {
            "Schedule": {"Type": "AWS::Scheduler::Schedule", "Properties": scheduler.members(expression, **more)}
        }
        outputs = {"Name": {"Value": {"Ref": "Schedule"}}, "Arn": {"Value": {"Fn::GetAtt": ["Schedule", "Arn"]}}}
        template = json.dumps({"Resources": resources, "Outputs": outputs})
        exists = stacks.list_stacks()["StackSummaries"]
        (stacks.update_stack if exists else stacks.create_stack)(StackName="stack", TemplateBody=template)
        [stack] = stacks.describe_stacks()["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    return deploy


def test_a_stack_creates_updates_and_deletes_a_schedule(
    scheduler: Scheduler, deploy: Callable[..., dict[str, str]]
) -> None:
    outputs = deploy("cron(0 * * * ? *)", payload=1)
    assert outputs["Arn"] == f"arn:aws:scheduler:us-east-1:123456789012:schedule/default/{outputs['Name']}"
    scheduler.advance(HOUR)
    assert deploy("cron(30 * * * ? *)", payload=2) == outputs
    scheduler.advance(HOUR)
    assert deploy("cron(30 * * * ? *)", payload=2, Name="renamed")["Name"] == "renamed"
    assert [schedule["Name"] for schedule in scheduler.client.list_schedules()["Schedules"]] == ["renamed"]
    scheduler.aws.client("cloudformation").delete_stack(StackName="stack")
    scheduler.advance(5 * HOUR)

    assert scheduler.events == [(HOUR, 1), (1.5 * HOUR, 2)]
    assert scheduler.client.list_schedules()["Schedules"] == []

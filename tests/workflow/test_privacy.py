"""The check after every test finds personal data of each kind in each place."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.environment import Environment
from tests.workflow import privacy
from tests.workflow.conftest import START, Flow

ANY_CALL_HANDLER = """
import boto3

def handler(event, context):
    if "print" in event:
        print(event["print"])
    else:
        getattr(boto3.client(event["service"]), event["method"])(**event["parameters"])
"""
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
FORBIDDEN_CELLS = {
    (place, kind)
    for place, kinds in privacy.read_allowed_places().items()
    for kind, is_allowed in kinds.items()
    if not is_allowed
}


class Planter:
    """Writes texts to places that must not hold them."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._outputs = environment.outputs
        self._number = 0
        self._create_function()
        self.places: dict[str, Callable[[str], None]] = {
            "logs of the functions": lambda text: self._invoke_function(print=text),
            "logs of the state machines": self._log_as_state_machine,
            "metrics": lambda text: self._invoke_function(print=json.dumps({"_aws": {}, "dimension": text})),
            "names of executions": lambda text: self._start_execution({}, name=text),
            "mails": self._publish_message,
            "events that the product puts": self._put_event,
            "attributes of messages in the queues": self._send_attribute,
            "queues of identity providers' events": lambda text: self._send_body("EventDeadLetterQueueUrl", text),
            "queues of status changes": lambda text: self._send_body("StatusChangeDeadLetterQueueUrl", text),
            "queues of notifications": lambda text: self._send_body("NotificationDeadLetterQueueUrl", text),
            "executions": lambda text: self._start_execution({"Reason": text}),
            "table of records": self._put_item,
            "keys and logs of archives": self._put_object,
        }

    def _create_function(self) -> None:
        iam, code = self._environment.client("iam"), io.BytesIO()
        role = iam.create_role(RoleName="does-anything", AssumeRolePolicyDocument=json.dumps(ALLOW_ALL))["Role"]
        iam.put_role_policy(RoleName="does-anything", PolicyName="p", PolicyDocument=json.dumps(ALLOW_ALL))
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("anything.py", ANY_CALL_HANDLER)
        self._environment.client("lambda").create_function(
            FunctionName="does-anything", Runtime="python3.13", Role=role["Arn"], Handler="anything.handler",
            Code={"ZipFile": code.getvalue()},
        )  # fmt: skip

    def _invoke_function(self, **event: Any) -> None:
        answer = self._environment.client("lambda").invoke(FunctionName="does-anything", Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()

    def _log_as_state_machine(self, text: str) -> None:
        logs, group = self._environment.client("logs"), f"/aws/vendedlogs/states/{self._next_name()}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        moment = int(START.timestamp() * 1000)
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": moment, "message": text}])

    def _start_execution(self, execution_input: Any, name: str | None = None) -> None:
        self._environment.start(execution_input, name)

    def _publish_message(self, text: str) -> None:
        parameters = {"TopicArn": self._outputs["NotificationTopicArn"], "Subject": "s", "Message": text}
        self._invoke_function(service="sns", method="publish", parameters=parameters)

    def _put_event(self, text: str) -> None:
        entry = {"Source": "s", "DetailType": "d", "Detail": json.dumps({"Text": text})}
        self._invoke_function(service="events", method="put_events", parameters={"Entries": [entry]})

    def _send_attribute(self, text: str) -> None:
        self._environment.client("sqs").send_message(
            QueueUrl=self._outputs["EventDeadLetterQueueUrl"], MessageBody="body",
            MessageAttributes={"Reason": {"DataType": "String", "StringValue": text}},
        )  # fmt: skip

    def _send_body(self, queue: str, text: str) -> None:
        self._environment.client("sqs").send_message(QueueUrl=self._outputs[queue], MessageBody=text)

    def _put_item(self, text: str) -> None:
        members = {"Id": self._next_name(), "Part": "Record", "Reason": text}
        self._environment.client("dynamodb").put_item(
            TableName=self._outputs["RecordsTableName"], Item={name: {"S": value} for name, value in members.items()}
        )

    def _put_object(self, text: str) -> None:
        s3 = self._environment.client("s3")
        s3.create_bucket(Bucket="archives")
        s3.put_object(Bucket="archives", Key=f"archives/{self._next_name()}/log.json", Body=json.dumps({"text": text}))

    def _next_name(self) -> str:
        self._number += 1
        return f"planted-{self._number}"


def create_task_token(flow: Flow) -> str:
    flow.change_policy(ApprovalRequired=["vip"])
    flow.people.create_user("vip")
    arn = flow.start("vip")
    flow.clock.settle()
    return str(flow.read_record(arn)["TaskToken"])


def find_leaks_after(plant: Callable[[Flow, Planter], None], stack: Any) -> set[tuple[str, str]]:
    """Plant texts, close the environment, and return the cells of the table that were violated."""
    with Environment(stack, now=START) as environment:
        plant(Flow(environment), Planter(environment))
    leaks = [(place, kind) for place, kind, *_ in (leak.split(": ") for leak in privacy.recorded_leaks)]
    privacy.recorded_leaks.clear()
    return set(leaks)


def test_the_table_lists_every_place_that_is_searched(stack: Any) -> None:
    with Environment(stack, now=START) as environment:
        assert Planter(environment).places.keys() == privacy.read_allowed_places().keys()
    assert len(FORBIDDEN_CELLS) > 40


def test_personal_data_is_found_in_every_place_that_must_not_hold_it(stack: Any) -> None:
    def plant(flow: Flow, planter: Planter) -> None:
        flow.people.create_user("dana.leaver", "Dana Shown", Password="Never-to-be-shown")
        texts = {
            "names": "dana.leaver",
            "e-mail addresses": "somebody@example.org",
            "telephone numbers, postal addresses": "+1-555-0142",
            "task tokens": create_task_token(flow),
            "passwords": "Never-to-be-shown",
        }
        for place, kind in sorted(FORBIDDEN_CELLS):
            planter.places[place](texts[kind])

    assert find_leaks_after(plant, stack) == FORBIDDEN_CELLS


def test_display_names_first_names_and_last_names_count_as_names(stack: Any) -> None:
    texts = {
        "logs of the functions": "Dana Shown",
        "events that the product puts": "Firstname of dana",
        "metrics": "Lastname of dana",
    }

    def plant(flow: Flow, planter: Planter) -> None:
        flow.people.create_user("dana", "Dana Shown")
        for place, text in texts.items():
            planter.places[place](f"The offboarding of {text} waits.")

    assert find_leaks_after(plant, stack) == {(place, "names") for place in texts}


@pytest.mark.parametrize(
    ("key", "metadata", "is_leak"),
    [("dana.leaver.zip", {}, True), ("1.zip", {"owner": "dana.leaver"}, True), ("1.zip", {}, False)],
)
def test_an_archive_has_no_name_in_its_key_or_metadata_and_may_have_one_in_it(
    stack: Any, key: str, metadata: dict[str, str], is_leak: bool
) -> None:
    def plant(flow: Flow, _: Planter) -> None:
        flow.people.create_user("dana.leaver")
        s3 = flow.environment.client("s3")
        s3.create_bucket(Bucket="archives")
        s3.put_object(Bucket="archives", Key=f"archives/{key}", Metadata=metadata, Body=b"To: dana.leaver@example.com")

    assert find_leaks_after(plant, stack) == ({("keys and logs of archives", "names")} if is_leak else set())


def test_personal_data_in_an_allowed_place_is_not_a_leak(stack: Any) -> None:
    def plant(flow: Flow, planter: Planter) -> None:
        flow.people.create_user("dana.leaver", "Dana Shown")
        flow.start("dana.leaver", Expected={"DisplayName": "Dana Shown"}, Reason="asked by hr@example.com")
        flow.workmail.reset_password(
            OrganizationId=ORGANIZATION_ID, UserId=flow.people.create_user("other"), Password="Never-to-be-shown"
        )
        for place in ("executions", "table of records", "queues of status changes", "mails"):
            planter.places[place]("dana.leaver@example.com, Dana Shown")
        planter.places["queues of identity providers' events"]("Dana Shown, dana.leaver@example.com, +1-555-0142")

    assert find_leaks_after(plant, stack) == set()

"""Change sets, as the CDK CLI uses them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.environment import Environment
from tests.unit.local.assemblies import NOON

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "jobs"}}
PARAMETER = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/version"}
STAGE = {"Type": "String", "Default": "test"}


def render_template(**resources: Any) -> str:
    return json.dumps({"Parameters": {"Version": PARAMETER, "Stage": STAGE}, "Resources": resources})


@pytest.fixture
def aws() -> Iterator[Environment]:
    with Environment(None, None, now=NOON) as environment:
        boto3.client("ssm", "us-east-1").put_parameter(Name="/version", Value="30", Type="String")
        yield environment


@pytest.fixture
def client(aws: Environment) -> Any:
    return aws.client("cloudformation")


@pytest.fixture
def propose(client: Any) -> Callable[..., dict[str, Any]]:
    """Create a change set, and return its description."""

    def create(template: str, kind: str = "CREATE", name: str = "changes", **request: Any) -> dict[str, Any]:
        request = {"StackName": "stack", "ChangeSetName": name, "TemplateBody": template, **request}
        created = client.create_change_set(ChangeSetType=kind, **request)
        return client.describe_change_set(StackName=created["StackId"], ChangeSetName=created["Id"])

    return create


def execute(client: Any, name: str = "changes") -> dict[str, Any]:
    """Execute a change set, and return the stack."""
    client.execute_change_set(StackName="stack", ChangeSetName=name)
    return client.describe_stacks(StackName="stack")["Stacks"][0]


def list_queues(aws: Environment) -> list[str]:
    return [url.rpartition("/")[2] for url in aws.client("sqs").list_queues().get("QueueUrls", [])]


def test_a_change_set_creates_and_another_updates(aws: Environment, client: Any, propose: Any) -> None:
    description = propose(render_template(Jobs=QUEUE), Tags=[{"Key": "team", "Value": "it"}])

    assert (description["Status"], description["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    change = {"Action": "Add", "LogicalResourceId": "Jobs", "ResourceType": "AWS::SQS::Queue"}
    assert [item["ResourceChange"] for item in description["Changes"]] == [change]
    assert list_queues(aws) == []
    assert client.describe_stacks(StackName="stack")["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS"
    stack = execute(client)
    assert (stack["StackStatus"], stack["Tags"]) == ("CREATE_COMPLETE", [{"Key": "team", "Value": "it"}])
    assert list_queues(aws) == ["jobs"]

    more = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "more"}}
    description = propose(render_template(More=more), "UPDATE", "later")
    assert [(item["ResourceChange"]["Action"], item["ResourceChange"]["LogicalResourceId"])
            for item in description["Changes"]] == [("Add", "More"), ("Remove", "Jobs")]  # fmt: skip
    assert execute(client, "later")["StackStatus"] == "UPDATE_COMPLETE"
    assert list_queues(aws) == ["more"]


def test_a_change_tells_whether_it_replaces_the_resource(client: Any, propose: Any) -> None:
    propose(render_template(Jobs=QUEUE))
    execute(client)

    renamed = {**QUEUE, "Properties": {"QueueName": "renamed", "DelaySeconds": 3}, "Metadata": {"a": 1}}
    [change] = propose(render_template(Jobs=renamed), "UPDATE", "later")["Changes"]

    assert change["ResourceChange"]["Replacement"] == "True"
    assert change["ResourceChange"]["PhysicalResourceId"].endswith("/jobs")
    assert change["ResourceChange"]["Scope"] == ["Metadata", "Properties"]
    targets = [detail["Target"] for detail in change["ResourceChange"]["Details"]]
    assert [(target.get("Name"), target["RequiresRecreation"]) for target in targets] == [
        ("DelaySeconds", "Never"),
        ("QueueName", "Always"),
        (None, "Never"),
    ]


def test_a_change_set_without_changes_fails_and_cannot_be_executed(client: Any, propose: Any) -> None:
    propose(render_template(Jobs=QUEUE))
    execute(client)
    previous = [{"ParameterKey": name, "UsePreviousValue": True} for name in ("Version", "Stage")]

    description = propose(render_template(Jobs=QUEUE), "UPDATE", "later", Parameters=previous)

    assert (description["Status"], description["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    # The CDK CLI knows it by this text.
    assert description["StatusReason"].startswith("The submitted information didn't contain changes.")
    with pytest.raises(client.exceptions.InvalidChangeSetStatusException):
        execute(client, "later")


def test_a_previous_value_is_the_one_that_was_given_or_the_default(client: Any, propose: Any) -> None:
    propose(render_template(Jobs=QUEUE), Parameters=[{"ParameterKey": "Stage", "ParameterValue": "live"}])
    execute(client)
    previous = [{"ParameterKey": name, "UsePreviousValue": True} for name in ("Version", "Stage")]
    template = render_template(Jobs=QUEUE, More={"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "more"}})

    assert propose(template, "UPDATE", "later", Parameters=previous)["Parameters"] == [
        {"ParameterKey": "Stage", "ParameterValue": "live"}
    ]
    client.update_stack(StackName="stack", TemplateBody=template, Parameters=previous)
    parameters = client.describe_stacks(StackName="stack")["Stacks"][0]["Parameters"]
    assert {item["ParameterKey"]: item["ParameterValue"] for item in parameters} == {"Version": "30", "Stage": "live"}


@pytest.mark.parametrize("value", ["", "a", "a,b"])
def test_a_list_is_answered_as_it_was_passed(client: Any, value: str) -> None:
    """Otherwise `cdk bootstrap`, which passes what it reads, would change the list each time."""
    template = json.dumps({"Parameters": {"Names": {"Type": "CommaDelimitedList"}}, "Resources": {"Jobs": QUEUE}})
    passed = [{"ParameterKey": "Names", "ParameterValue": value}]

    client.create_stack(StackName="stack", TemplateBody=template, Parameters=passed)

    assert client.describe_stacks(StackName="stack")["Stacks"][0]["Parameters"] == passed


def test_a_missing_change_set_is_not_found_and_can_be_deleted(client: Any, propose: Any) -> None:
    propose(render_template(Jobs=QUEUE))
    for _ in range(2):
        client.delete_change_set(StackName="stack", ChangeSetName="changes")

    with pytest.raises(client.exceptions.ChangeSetNotFoundException):
        client.describe_change_set(StackName="stack", ChangeSetName="changes")
    with pytest.raises(ClientError, match=r"Stack \[nobody\] does not exist"):
        client.delete_change_set(StackName="nobody", ChangeSetName="changes")


def test_change_sets_belong_to_their_stack(client: Any, propose: Any) -> None:
    changes = propose(render_template(Jobs=QUEUE))
    changes_of_other = propose(render_template(Jobs=QUEUE), StackName="other")

    assert changes["StackId"] != changes_of_other["StackId"]
    for stack, change_set in (("stack", changes), ("other", changes_of_other)):
        description = client.describe_change_set(StackName=stack, ChangeSetName="changes")
        assert description["ChangeSetId"] == change_set["ChangeSetId"]
        [summary] = client.list_change_sets(StackName=stack)["Summaries"]
        assert summary["ChangeSetId"] == change_set["ChangeSetId"]
    with pytest.raises(client.exceptions.AlreadyExistsException):
        propose(render_template(Jobs=QUEUE))


def test_the_change_sets_of_a_deleted_stack_are_gone(aws: Environment, client: Any, propose: Any) -> None:
    change_set_id = propose(render_template(Jobs=QUEUE))["ChangeSetId"]
    execute(client)
    client.delete_stack(StackName="stack")

    with pytest.raises(client.exceptions.ChangeSetNotFoundException):
        client.describe_change_set(ChangeSetName=change_set_id)
    propose(render_template(Jobs=QUEUE))
    assert execute(client)["StackStatus"] == "CREATE_COMPLETE"
    assert list_queues(aws) == ["jobs"]


def test_the_stack_of_a_review_is_reused_and_deleted(client: Any, propose: Any) -> None:
    stack_id = propose(render_template(Jobs=QUEUE))["StackId"]

    assert propose(render_template(Jobs=QUEUE), name="again")["StackId"] == stack_id
    client.delete_stack(StackName=stack_id)
    assert client.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.parametrize(("kind", "text"), [("CREATE", "already exists"), ("UPDATE", "does not exist")])
def test_a_change_set_of_the_wrong_kind_is_refused(client: Any, propose: Any, kind: str, text: str) -> None:
    propose(render_template(Jobs=QUEUE))
    if kind == "CREATE":
        execute(client)

    with pytest.raises(ClientError, match=text):
        propose(render_template(Jobs=QUEUE), kind, "wrong")


def test_a_template_without_resources_is_refused_before_a_stack_is_made(client: Any, propose: Any) -> None:
    with pytest.raises(ClientError, match="At least one Resources member"):
        propose("{}")
    assert client.describe_stacks()["Stacks"] == []


def test_an_executed_change_set_removes_those_that_were_made_beside_it(client: Any, propose: Any) -> None:
    propose(render_template(Jobs=QUEUE))
    propose(render_template(Jobs=QUEUE), name="beside")
    execute(client)

    assert [item["ExecutionStatus"] for item in client.list_change_sets(StackName="stack")["Summaries"]] == [
        "EXECUTE_COMPLETE"
    ]


BROKEN = {"Type": "AWS::SQS::Queue", "DependsOn": ["Jobs"], "Properties": {"QueueName": "not a name"}}


def test_a_creation_that_fails_is_rolled_back(aws: Environment, client: Any, propose: Any) -> None:
    propose(render_template(Jobs=QUEUE, Broken=BROKEN))

    assert execute(client)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert list_queues(aws) == []


def test_an_update_that_fails_is_rolled_back(aws: Environment, client: Any, propose: Any) -> None:
    propose(render_template(Jobs=QUEUE))
    execute(client)
    propose(render_template(Jobs=QUEUE, Broken=BROKEN), "UPDATE", "later")

    assert execute(client, "later")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert list_queues(aws) == ["jobs"]
    assert "Broken" not in client.get_template(StackName="stack")["TemplateBody"]["Resources"]


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "[::1]:5000", "localhost:5000", "s3.us-east-1.amazonaws.com"])
def test_a_template_can_have_the_address_of_the_local_server(aws: Environment, propose: Any, host: str) -> None:
    storage = aws.client("s3")
    storage.create_bucket(Bucket="assets")
    storage.put_object(Bucket="assets", Key="folder/template.json", Body=render_template(Jobs=QUEUE).encode())

    url = f"http://{host}/assets/folder/template.json"
    request = {"StackName": "stack", "ChangeSetName": "changes", "ChangeSetType": "CREATE", "TemplateURL": url}
    aws.client("cloudformation").create_change_set(**request)

    assert execute(aws.client("cloudformation"))["StackStatus"] == "CREATE_COMPLETE"


class TestTheEventsOfResources:
    @staticmethod
    def list_events(client: Any, stack_id: str = "stack") -> list[tuple[str, str, str | None]]:
        events = client.describe_stack_events(StackName=stack_id)["StackEvents"][::-1]
        times = [event["Timestamp"] for event in events]
        assert times == sorted(set(times))
        return [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")) for e in events]

    def test_are_those_of_each_creation_change_and_deletion(self, client: Any, propose: Any) -> None:
        propose(render_template(Jobs=QUEUE))
        stack_id = execute(client)["StackId"]
        changed = {**QUEUE, "Properties": {"QueueName": "jobs", "DelaySeconds": 3}}
        time = propose(render_template(Jobs=changed), "UPDATE", "later")["CreationTime"]
        count = len(self.list_events(client))
        execute(client, "later")
        client.delete_stack(StackName=stack_id)

        events = [event[:2] for event in self.list_events(client, stack_id)]
        assert events == [
            ("stack", "REVIEW_IN_PROGRESS"),
            *[("stack", "CREATE_IN_PROGRESS"), ("Jobs", "CREATE_IN_PROGRESS"), ("Jobs", "CREATE_COMPLETE")],
            *[("stack", "CREATE_COMPLETE"), ("stack", "UPDATE_IN_PROGRESS"), ("Jobs", "UPDATE_IN_PROGRESS")],
            *[("Jobs", "UPDATE_COMPLETE"), ("stack", "UPDATE_COMPLETE"), ("stack", "DELETE_IN_PROGRESS")],
            *[("Jobs", "DELETE_IN_PROGRESS"), ("Jobs", "DELETE_COMPLETE"), ("stack", "DELETE_COMPLETE")],
        ]
        # The CLI shows what is not older than the change set.
        answer = client.describe_stack_events(StackName=stack_id)["StackEvents"][::-1]
        assert [event["Timestamp"] >= time for event in answer] == [number >= count for number in range(len(answer))]

    def test_say_why_a_resource_could_not_be_made(self, client: Any, propose: Any) -> None:
        rule = {
            "Type": "AWS::Events::Rule",
            "Properties": {"EventBusName": "nobody", "EventPattern": {}, "Name": "rule"},
        }
        depending = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Rule"}}}
        propose(render_template(Depending=depending, Rule=rule))
        execute(client)

        reason = "Event bus nobody does not exist."
        assert self.list_events(client)[-3:] == [
            ("Rule", "CREATE_IN_PROGRESS", None),
            ("Rule", "CREATE_FAILED", reason),
            ("stack", "ROLLBACK_COMPLETE", reason),
        ]


def test_the_stack_of_an_assembly_is_updated_by_a_change_set(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    aws = open_environment(make_assembly("one"))
    client = aws.client("cloudformation")
    request = {"StackName": "stack", "ChangeSetName": "changes", "UsePreviousTemplate": True}

    created = client.create_change_set(**request)

    assert client.describe_change_set(StackName="stack", ChangeSetName=created["Id"])["Status"] == "FAILED"

"""A template with a table, a parameter, a topic, a rule and several state machines, deployed and updated."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.sns.models import sns_backends

from local.cdk.deployment import DeploymentError
from local.environment import Environment
from tests.unit.local.conftest import NOON, ROLE

PASS = json.dumps({"QueryLanguage": "JSONata", "StartAt": "D", "States": {"D": {"Type": "Succeed"}}})
TELL = json.dumps(
    {"QueryLanguage": "JSONata", "StartAt": "T", "States": {"T": {"Type": "Pass", "Output": "${Table}", "End": True}}}
)
KEY = {"Fn::Join": ["", ["arn:aws:kms:", {"Ref": "AWS::Region"}, ":", {"Ref": "AWS::AccountId"}, ":alias/aws/sns"]]}


def machine(name: str, definition: str = PASS, **more: Any) -> dict[str, Any]:
    properties = {"StateMachineName": name, "RoleArn": ROLE, "DefinitionString": definition, **more}
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}


def index(name: str, *keys: str) -> dict[str, Any]:
    schema = [{"AttributeName": k, "KeyType": t} for k, t in zip(keys, ("HASH", "RANGE"), strict=False)]
    return {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}


def make_template() -> dict[str, Any]:
    attributes = ("Id", "StatusKey", "DueAt")
    return {
        "Resources": {
            # What refers comes before what it refers to, as it can in a template.
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {
                "State": "ENABLED",
                "EventPattern": {
                    "source": ["aws.states"],
                    "detail-type": ["Step Functions Execution Status Change"],
                    "detail": {"stateMachineArn": [{"Ref": "First"}], "status": ["SUCCEEDED"]}},
                "Targets": [{"Id": "Target0", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]},
                             "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Dead", "Arn"]}}}]}},
            "Policy": {"Type": "AWS::SNS::TopicPolicy", "Properties": {
                "Topics": [{"Ref": "Topic"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                    {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish",
                     "Resource": {"Ref": "Topic"}}]}}},
            "Subscription": {"Type": "AWS::SNS::Subscription", "Properties": {
                "Protocol": "email", "Endpoint": "it@example.com", "TopicArn": {"Ref": "Topic"}}},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": KEY}},
            "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {
                "Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Statistic": "Maximum",
                "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Dead", "QueueName"]}}],
                "Period": 300, "EvaluationPeriods": 1, "Threshold": 0, "TreatMissingData": "notBreaching",
                "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [{"Ref": "PlainTopic"}]}},
            "PlainTopic": {"Type": "AWS::SNS::Topic", "Properties": {}},
            "First": machine("stack"),
            "Second": machine("stack-approval", TELL, DefinitionSubstitutions={"Table": {"Ref": "Table"}}),
            "Third": machine("stack-restore"),
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {}},
            "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {
                "Type": "String", "Tier": "Standard", "Value": '{"DailyCap":20}'}},
            "Table": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
                      "Properties": {
                "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in attributes],
                "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
                "GlobalSecondaryIndexes": [index("ByStatus", "StatusKey", "DueAt")],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": True},
                "DeletionProtectionEnabled": True}},
        },
        "Outputs": {
            **{name: {"Value": {"Ref": name}} for name in
               ("Table", "Parameter", "Topic", "Queue", "First", "Second", "Third", "Alarm", "PlainTopic")},
            "AlarmArn": {"Value": {"Fn::GetAtt": ["Alarm", "Arn"]}},
            "TableArn": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}},
            "SameTopic": {"Value": {"Fn::GetAtt": ["Topic", "TopicArn"]}},
        },
    }  # fmt: skip


@pytest.fixture
def template() -> dict[str, Any]:
    return make_template()


@pytest.fixture
def assemble(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Make a cloud assembly of a template."""
    manifest = {
        "artifacts": {"stack": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "template.json"}}}
    }
    count = iter(range(100))

    def assemble(template: dict[str, Any]) -> Path:
        directory = tmp_path / f"assembly-{next(count)}"
        directory.mkdir()
        (directory / "manifest.json").write_text(json.dumps(manifest))
        (directory / "template.json").write_text(json.dumps(template))
        return directory

    return assemble


@pytest.fixture
def aws(template: dict[str, Any], assemble: Callable[[dict[str, Any]], Path]) -> Iterator[Environment]:
    with Environment(assemble(template), organization=None, now=NOON) as aws:
        yield aws


@pytest.fixture
def update(
    aws: Environment, template: dict[str, Any], assemble: Callable[[dict[str, Any]], Path]
) -> Callable[..., None]:
    """Update the stack with other properties of its resources."""

    def update(**changed: dict[str, Any]) -> None:
        for name, properties in changed.items():
            template["Resources"][name]["Properties"].update(properties)
        aws.deploy(assemble(template))

    return update


def put(aws: Environment, **item: str) -> None:
    aws.client("dynamodb").put_item(TableName=aws.outputs["Table"], Item={n: {"S": v} for n, v in item.items()})


def live(aws: Environment, index: str = "ByStatus", key: str = "StatusKey") -> list[str]:
    answer = aws.client("dynamodb").query(
        TableName=aws.outputs["Table"],
        IndexName=index,
        KeyConditionExpression=f"{key} = :k",
        ExpressionAttributeValues={":k": {"S": "x"}},
    )
    return [item["Id"]["S"] for item in answer["Items"]]


def parameter(aws: Environment) -> dict[str, Any]:
    return aws.client("ssm").get_parameter(Name=aws.outputs["Parameter"])["Parameter"]


def subscriptions(aws: Environment) -> list[tuple[str, str]]:
    answer = aws.client("sns").list_subscriptions_by_topic(TopicArn=aws.outputs["Topic"])["Subscriptions"]
    return [(subscription["Protocol"], subscription["Endpoint"]) for subscription in answer]


def topic(aws: Environment) -> dict[str, str]:
    return aws.client("sns").get_topic_attributes(TopicArn=aws.outputs["Topic"])["Attributes"]


def test_every_resource_is_made(aws: Environment) -> None:
    assert aws.stack is not None
    assert aws.stack.unsupported == ()


class TestTable:
    def test_it_has_the_properties_of_the_template(self, aws: Environment) -> None:
        client, name = aws.client("dynamodb"), aws.outputs["Table"]
        table = client.describe_table(TableName=name)["Table"]
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]

        assert name.startswith("stack-Table-")
        assert aws.outputs["TableArn"] == table["TableArn"] == f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}"
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["DeletionProtectionEnabled"] is True
        assert table["SSEDescription"]["Status"] == "ENABLED"
        assert [i["IndexName"] for i in table["GlobalSecondaryIndexes"]] == ["ByStatus"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"

    def test_it_is_protected(self, aws: Environment) -> None:
        with pytest.raises(ClientError, match="DeletionProtectionEnabled"):
            aws.client("dynamodb").delete_table(TableName=aws.outputs["Table"])

    def test_a_state_machine_can_refer_to_it(self, aws: Environment) -> None:
        arn = aws.start({}, state_machine_arn=aws.outputs["Second"])
        aws.clock.settle()

        assert json.loads(aws.describe(arn)["output"]) == aws.outputs["Table"]

    def test_its_items_survive_an_update_of_the_stack_and_of_the_table(
        self, aws: Environment, update: Callable[..., None]
    ) -> None:
        put(aws, Id="one", StatusKey="x", DueAt="2026", OrganizationId="x", StartedAt="1")
        outputs_before = aws.outputs
        update(Parameter={"Value": "new"})
        assert live(aws) == ["one"]

        names = ("Id", "StatusKey", "DueAt", "OrganizationId", "StartedAt")
        update(
            Table={
                "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in names],
                "GlobalSecondaryIndexes": [
                    index("ByStatus", "StatusKey", "DueAt"), index("ByOrganization", "OrganizationId", "StartedAt")
                ],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False},
                "DeletionProtectionEnabled": False,
            }
        )  # fmt: skip
        assert aws.outputs == outputs_before
        assert live(aws) == live(aws, "ByOrganization", "OrganizationId") == ["one"]
        client, name = aws.client("dynamodb"), aws.outputs["Table"]
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        assert client.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"] is False
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"

    def test_its_stream_is_enabled_kept_replaced_and_disabled(
        self, aws: Environment, update: Callable[..., None]
    ) -> None:
        def label() -> str | None:
            table = aws.client("dynamodb").describe_table(TableName=aws.outputs["Table"])["Table"]
            return table["LatestStreamLabel"] if "StreamSpecification" in table else None

        assert label() is None
        update(Table={"StreamSpecification": {"StreamViewType": "NEW_IMAGE"}})
        enabled = label()
        aws.clock.advance(timedelta(seconds=1))
        update(Table={"DeletionProtectionEnabled": False})
        assert label() == enabled is not None
        update(Table={"StreamSpecification": {"StreamViewType": "KEYS_ONLY"}})
        assert label() not in {enabled, None}
        update(Table={"StreamSpecification": {"Ref": "AWS::NoValue"}})
        assert label() is None

    def test_its_time_to_live_is_enabled_and_disabled(self, aws: Environment, update: Callable[..., None]) -> None:
        def status() -> dict[str, str]:
            client = aws.client("dynamodb")
            return client.describe_time_to_live(TableName=aws.outputs["Table"])["TimeToLiveDescription"]

        assert status() == {"TimeToLiveStatus": "DISABLED"}
        update(Table={"TimeToLiveSpecification": {"AttributeName": "ExpiresAt", "Enabled": True}})
        assert status() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ExpiresAt"}
        update(Table={"TimeToLiveSpecification": {"Ref": "AWS::NoValue"}})
        assert status()["TimeToLiveStatus"] == "DISABLED"

    def test_a_changed_key_is_refused(self, aws: Environment, update: Callable[..., None]) -> None:
        put(aws, Id="one", StatusKey="x", DueAt="2026")
        with pytest.raises(DeploymentError, match="would replace the table"):
            update(Table={"KeySchema": [{"AttributeName": "DueAt", "KeyType": "HASH"}]})
        assert live(aws) == ["one"]

    def test_it_is_retained_when_the_template_no_longer_has_it(
        self, aws: Environment, template: dict[str, Any], assemble: Callable[[dict[str, Any]], Path]
    ) -> None:
        name = aws.outputs["Table"]
        for kind, entry in (("Resources", "Table"), ("Resources", "Second"), ("Outputs", "Table"),
                            ("Outputs", "Second"), ("Outputs", "TableArn")):  # fmt: skip
            del template[kind][entry]
        aws.deploy(assemble(template))

        assert aws.client("dynamodb").list_tables()["TableNames"] == [name]


class TestParameter:
    def test_it_gets_a_generated_name_and_an_update_is_the_next_version(
        self, aws: Environment, update: Callable[..., None]
    ) -> None:
        assert aws.outputs["Parameter"].startswith("stack-Parameter-")
        assert (parameter(aws)["Value"], parameter(aws)["Version"]) == ('{"DailyCap":20}', 1)
        name = aws.outputs["Parameter"]
        update(Parameter={"Value": "x" * 5000, "Tier": "Advanced"})

        assert aws.outputs["Parameter"] == name
        assert (parameter(aws)["Value"], parameter(aws)["Version"]) == ("x" * 5000, 2)
        (described,) = aws.client("ssm").describe_parameters()["Parameters"]
        assert described["Tier"] == "Advanced"

    def test_a_changed_name_makes_a_new_parameter(self, aws: Environment, update: Callable[..., None]) -> None:
        previous_name = aws.outputs["Parameter"]
        update(Parameter={"Name": "/policy", "Tags": {"a": "b"}})

        assert (aws.outputs["Parameter"], parameter(aws)["Version"]) == ("/policy", 1)
        with pytest.raises(ClientError, match="ParameterNotFound"):
            aws.client("ssm").get_parameter(Name=previous_name)


class TestTopic:
    def test_it_has_the_properties_of_the_template(self, aws: Environment) -> None:
        assert aws.outputs["Topic"] == aws.outputs["SameTopic"]
        assert topic(aws)["KmsMasterKeyId"] == "arn:aws:kms:us-east-1:123456789012:alias/aws/sns"
        (statement,) = json.loads(topic(aws)["Policy"])["Statement"]
        assert (statement["Sid"], statement["Resource"]) == ("Tls", aws.outputs["Topic"])
        assert subscriptions(aws) == [("email", "it@example.com")]

    def test_a_published_message_reaches_a_subscriber(self, aws: Environment) -> None:
        aws.client("sns").publish(TopicArn=aws.outputs["Topic"], Subject="Approve?", Message="dana")
        sent = sns_backends["123456789012"]["us-east-1"].topics[aws.outputs["Topic"]].sent_notifications

        assert [(subject, message) for _, message, subject, *_ in sent] == [("Approve?", "dana")]

    def test_its_subscriptions_survive_an_update(self, aws: Environment, update: Callable[..., None]) -> None:
        arn = aws.outputs["Topic"]
        update(Topic={"DisplayName": "Approvals"})

        assert (aws.outputs["Topic"], topic(aws)["DisplayName"]) == (arn, "Approvals")
        assert subscriptions(aws) == [("email", "it@example.com")]

    def test_subscriptions_and_policies_are_added_and_removed(
        self,
        aws: Environment,
        template: dict[str, Any],
        assemble: Callable[[dict[str, Any]], Path],
        update: Callable[..., None],
    ) -> None:
        update(Subscription={"Endpoint": "hr@example.com"})
        assert subscriptions(aws) == [("email", "hr@example.com")]
        for name in ("Subscription", "Policy"):
            del template["Resources"][name]
        aws.deploy(assemble(template))

        assert subscriptions(aws) == []
        (statement,) = json.loads(topic(aws)["Policy"])["Statement"]
        assert statement["Sid"] == "__default_statement_ID"

    def test_it_can_be_without_encryption(self, aws: Environment, update: Callable[..., None]) -> None:
        def key() -> str | None:
            answer = aws.client("sns").get_topic_attributes(TopicArn=aws.outputs["PlainTopic"])["Attributes"]
            return answer.get("KmsMasterKeyId")

        arn = aws.outputs["PlainTopic"]
        assert not key()
        update(PlainTopic={"KmsMasterKeyId": KEY})
        assert (key(), aws.outputs["PlainTopic"]) == ("arn:aws:kms:us-east-1:123456789012:alias/aws/sns", arn)
        update(PlainTopic={"KmsMasterKeyId": {"Ref": "AWS::NoValue"}})
        assert not key()


class TestAlarm:
    def alarm(self, aws: Environment) -> dict[str, Any]:
        (alarm,) = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return alarm

    def test_it_has_the_properties_of_the_template(self, aws: Environment) -> None:
        alarm = self.alarm(aws)

        assert (alarm["AlarmName"], alarm["AlarmArn"]) == (aws.outputs["Alarm"], aws.outputs["AlarmArn"])
        assert alarm["AlarmActions"] == [aws.outputs["PlainTopic"]]
        assert [dimension["Name"] for dimension in alarm["Dimensions"]] == ["QueueName"]
        assert alarm["TreatMissingData"] == "notBreaching"

    def test_an_update_changes_it_and_a_removal_deletes_it(
        self,
        aws: Environment,
        template: dict[str, Any],
        assemble: Callable[[dict[str, Any]], Path],
        update: Callable[..., None],
    ) -> None:
        name = aws.outputs["Alarm"]
        update(Alarm={"Threshold": 5, "AlarmActions": [{"Ref": "Topic"}]})
        alarm = self.alarm(aws)
        assert (alarm["AlarmName"], alarm["Threshold"]) == (name, 5)
        assert alarm["AlarmActions"] == [aws.outputs["Topic"]]

        del template["Resources"]["Alarm"], template["Outputs"]["Alarm"], template["Outputs"]["AlarmArn"]
        aws.deploy(assemble(template))
        assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


class TestRule:
    def test_a_reference_to_a_machine_in_its_pattern_is_the_arn(self, aws: Environment) -> None:
        for name in ("Second", "First", "Third"):
            aws.start({}, name=name, state_machine_arn=aws.outputs[name])
        aws.clock.settle()

        messages = aws.client("sqs").receive_message(QueueUrl=aws.outputs["Queue"], MaxNumberOfMessages=10)["Messages"]
        (detail,) = (json.loads(message["Body"])["detail"] for message in messages)
        assert (detail["stateMachineArn"], detail["name"]) == (aws.outputs["First"], "First")
        assert detail["stateMachineArn"].startswith("arn:aws:states:")

    def test_its_target_keeps_its_dead_letter_queue(self, aws: Environment) -> None:
        (rule,) = aws.client("events").list_rules()["Rules"]
        (target,) = aws.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]

        assert target["DeadLetterConfig"]["Arn"].startswith("arn:aws:sqs:us-east-1:123456789012:stack-Dead-")

    def test_it_works_after_an_update(self, aws: Environment, update: Callable[..., None]) -> None:
        update(Rule={"Description": "changed"}, First={"DefinitionString": TELL.replace("${Table}", "new")})
        aws.start({}, state_machine_arn=aws.outputs["First"])
        aws.clock.settle()

        (message,) = aws.client("sqs").receive_message(QueueUrl=aws.outputs["Queue"], MaxNumberOfMessages=10)[
            "Messages"
        ]
        assert json.loads(message["Body"])["detail"]["output"] == '"new"'

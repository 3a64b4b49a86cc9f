"""A stack is taken away, and a new one restores by the records of the old one."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cdk.assembly import assembly
from local.cdk.deployment import DeploymentError
from local.defaults import OFFBOARDING, ORGANIZATION_ID
from operate.destroy import command as destroy_command
from operate.errors import Refusal
from tests.workflow.conftest import Flow
from tests.workflow.operator import Operator

STACK = "workmail-offboarding"
MAPPING = "EventSourceMappingId"
MISSING_FOLDER = ("--unprotect", "stack", "--yes", STACK, "--export", "missing/records")
SLOW = pytest.mark.long


def destroy(operator: Operator, *arguments: str | Path, **more: Any) -> list[str]:
    """Destroy the stack; return the lines of the standard output."""
    return operator.accept("destroy", *arguments, **more).splitlines()


def refuse_to_destroy(operator: Operator, *arguments: str, **more: Any) -> str:
    """Return the sentence with which the deletion is refused."""
    return operator.refuse("destroy", *arguments, **more)


def create_leaver(flow: Flow) -> str:
    user = flow.people.create_user("dana")
    flow.people.create_alias(user, "dana.alias")
    flow.people.create_group("team", (user,))
    return user


def record_published(flow: Flow) -> list[str]:
    """Return a list to which each event and mail of the stack is added."""
    published: list[str] = []

    def listen(action: str, _: Mapping[str, Any]) -> None:
        if action in {"events:PutEvents", "sns:Publish"}:
            published.append(action)

    flow.environment.permissions.listeners.append(listen)
    return published


def list_machines(flow: Flow) -> list[str]:
    return [m["name"] for m in flow.environment.client("stepfunctions").list_state_machines()["stateMachines"]]


@pytest.mark.archives
def test_archives_and_their_key_are_kept_with_the_commands_that_remove_them(operator: Operator) -> None:
    flow = operator.flow
    key = flow.environment.outputs["ArchiveKeyArn"].rpartition("/")[2]
    archive = flow.run(create_leaver(flow)).output["Archive"]

    lines = destroy(operator, "--unprotect", "stack", "--yes", STACK, "--export", "records")

    bucket = archive["Bucket"]
    assert f"  aws s3api delete-bucket --bucket {bucket} --region us-east-1" in lines
    assert f"  aws kms schedule-key-deletion --key-id {key} --pending-window-in-days 30 --region us-east-1" in lines
    flow.environment.client("s3").head_object(Bucket=bucket, Key=archive["Key"], VersionId=archive["VersionId"])
    assert flow.environment.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.no_providers
def test_somebody_in_the_window_is_restored_by_a_new_stack(operator: Operator, stack_without_providers: Any) -> None:
    flow = operator.flow
    user = create_leaver(flow)
    state = flow.read_workmail_state(user)
    flow.start(user)
    flow.pass_days(3)

    assert refuse_to_destroy(operator) == (
        "Executions still wait (1): let them end, or stop them with STOP=yes (--stop)."
    )
    assert refuse_to_destroy(operator, "--stop") == (
        f"The stack {STACK} is protected: lift that with UNPROTECT=stack (--unprotect stack)."
    )
    assert operator.read_stack_status() == "CREATE_COMPLETE"
    old_table = flow.table_name
    lines = destroy(operator, "--stop", "--unprotect", "stack", "--export", "records", input=f"{STACK}\n")
    assert lines[:2] == [
        f"Executions of {STACK}: 1 (1 InWindow), the last one is due at 2026-12-22T12:00:00.000Z; none runs after "
        "2027-11-21.",
        "What is stopped is not verified any more. To restore somebody after that needs a new stack.",
    ]
    assert f"  aws dynamodb delete-table --table-name {old_table} --region us-east-1" in lines
    assert (operator.read_stack_status(), list_machines(flow)) == (None, [])

    flow.environment.deploy(stack_without_providers)
    assert flow.table_name != old_table
    published = record_published(flow)
    result = operator.run("records", "import", "records")
    flow.clock.settle()

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1:] == [
        "Offboardings in the window that no execution watches: 1. Start each again to have it verified."
    ]
    assert published == []
    assert flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=user).outcome == "Restored"
    assert flow.read_workmail_state(user) == state


@pytest.mark.no_providers
class TestTheDeletion:
    def test_of_a_stack_on_which_nothing_waits_needs_its_name_only(self, operator: Operator) -> None:
        assert refuse_to_destroy(operator, "--unprotect", "stack", input="") == (
            f"Type the name of the stack to delete it ({STACK}): "
            f"Nothing was changed: no name was given. Type {STACK}, or give YES={STACK} (--yes)."
        )
        assert refuse_to_destroy(operator, "--unprotect", "stack", "--yes", "other").endswith("and not other.")
        assert refuse_to_destroy(operator, "--stack", "other") == (
            "There is no stack other in us-east-1: choose another Region with --region, or name the stack with --stack "
            "(make: STACK=NAME)."
        )
        Path("records").write_text("those of another stack")
        refusal = refuse_to_destroy(operator, "--unprotect", "stack", "--yes", STACK, "--export", "records")
        assert refusal.startswith("The file records exists, and nothing was exported: name another file")
        assert (operator.read_stack_status(), Path("records").read_text()) == (
            "CREATE_COMPLETE",
            "those of another stack",
        )
        lines = destroy(operator, "--unprotect", "stack", "--unprotect", "table", "--yes", STACK)

        [path] = Path().glob(f"{STACK}-*Z.jsonl")
        assert lines[:2] == [f"Items exported into {path}: 0.", f"The stack {STACK} is deleted."]
        assert not [line for line in lines if "no-deletion-protection" in line]
        [command] = [line.split() for line in lines if "delete-table" in line]
        dynamodb = operator.flow.environment.client("dynamodb")
        dynamodb.delete_table(TableName=command[command.index("--table-name") + 1])
        groups = [line.split()[4] for line in lines if "delete-log-group" in line]
        for group in groups:
            operator.flow.environment.client("logs").delete_log_group(logGroupName=group)
        assert dynamodb.list_tables()["TableNames"] == []
        assert operator.flow.environment.client("logs").describe_log_groups()["logGroups"] == []

    def test_of_a_stack_that_nobody_has_approved_needs_no_waiting(self, operator: Operator) -> None:
        """The CDK CLI protects a stack before it asks whether the first deployment is approved."""
        cloudformation = operator.flow.environment.client("cloudformation")
        cloudformation.create_change_set(
            StackName="first",
            ChangeSetName="cdk-deploy-change-set",
            ChangeSetType="CREATE",
            TemplateBody='{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}',
        )
        cloudformation.update_termination_protection(StackName="first", EnableTerminationProtection=True)
        [stack] = cloudformation.describe_stacks(StackName="first")["Stacks"]
        assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"

        assert "is protected" in refuse_to_destroy(operator, "--stack", "first")
        lines = destroy(operator, "--stack", "first", "--unprotect", "stack", "--yes", "first")

        assert "The stack first is deleted." in lines
        with pytest.raises(ClientError, match="does not exist"):
            cloudformation.describe_stacks(StackName="first")

    @SLOW
    def test_goes_no_further_if_something_has_started_meanwhile(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flow = operator.flow
        user = flow.people.create_user("dana")

        def start_and_export(*arguments: Any) -> int:
            flow.start(user)
            flow.clock.settle()
            return export_to_file(*arguments)

        export_to_file = destroy_command.export_to_file
        monkeypatch.setattr(destroy_command, "export_to_file", start_and_export)

        assert refuse_to_destroy(operator, "--unprotect", "stack", "--yes", STACK) == (
            "Nothing was deleted, because executions have started meanwhile (1): start again."
        )
        assert operator.read_stack_status() == "CREATE_COMPLETE"

    @SLOW
    def test_that_fails_says_why(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        from local.aws.cloudformation import deletions

        def fail(resources: Any, resource: Any, template: dict[str, Any]) -> None:
            if template["Type"] == "AWS::IAM::Role":
                raise RuntimeError("It is in use.")
            delete_resource(resources, resource, template)

        delete_resource = deletions.parsing.ResourceMap._delete_resource
        monkeypatch.setattr(deletions.parsing.ResourceMap, "_delete_resource", fail)

        assert refuse_to_destroy(operator, "--unprotect", "stack", "--yes", STACK) == (
            f"The stack {STACK} could not be deleted: {STACK}: It is in use."
        )
        # The queues are gone, and the rest can be deleted when the cause is removed.
        monkeypatch.setattr(deletions.parsing.ResourceMap, "_delete_resource", delete_resource)
        assert f"The stack {STACK} is deleted." in destroy(operator, "--yes", STACK)

    @SLOW
    def test_stops_all_three_kinds_of_executions(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        flow = operator.flow
        flow.change_policy(ApprovalRequired=["erik"])
        arns = [
            flow.start(create_leaver(flow)),
            flow.start(flow.people.create_user("bob"), NotBefore="2026-12-24T00:00:00Z"),
            flow.start(flow.people.create_user("erik")),
        ]
        flow.pass_days(1)
        flow.environment.status_events.are_lost = True
        lines = destroy(operator, "--stop", "--unprotect", "stack", "--yes", STACK, "--export", "records")

        assert lines[0].startswith(f"Executions of {STACK}: 3 (1 AwaitingApproval, 1 InWindow, 1 Scheduled), the last")
        # Their ends were not recorded, so the lines of the file say that they wait.
        items = [json.loads(line).get("Item", {}) for line in Path("records").read_text().splitlines()]
        records = [item for item in items if item.get("Part") == {"S": "Record"}]
        assert {item["Id"]["S"] for item in records} == set(arns)
        assert [item for item in records if "Outcome" in item] == []

    @SLOW
    def test_stops_nothing_if_the_records_cannot_be_exported(self, operator: Operator) -> None:
        arn = operator.flow.start(create_leaver(operator.flow))
        operator.flow.pass_days(1)

        assert refuse_to_destroy(operator, "--stop", *MISSING_FOLDER) == (
            "The file missing/records cannot be written: No such file or directory."
        )
        assert operator.flow.read_result(arn).status == "RUNNING"

    @SLOW
    def test_stops_what_starts_meanwhile(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        flow = operator.flow
        flow.start(create_leaver(flow))
        late = flow.people.create_user("bob")
        flow.pass_days(1)
        client = flow.environment.client("stepfunctions")
        stop_execution, stopped = client.stop_execution, []

        def stop_and_start(**parameters: Any) -> Any:
            stopped.append(parameters["executionArn"])
            if len(stopped) == 1:
                stopped.append(flow.start(late, NotBefore="2026-12-24T00:00:00Z"))
                flow.clock.settle()
            return stop_execution(**parameters)

        monkeypatch.setattr(client, "stop_execution", stop_and_start)
        destroy(operator, "--stop", "--unprotect", "stack", "--yes", STACK)

        assert len(stopped) == 3
        assert stopped[1] == stopped[2]


@SLOW
class TestTheIntake:
    def test_is_resumed_if_the_records_cannot_be_exported(self, operator: Operator) -> None:
        client, mapping = operator.flow.environment.client("lambda"), operator.flow.environment.outputs[MAPPING]

        assert refuse_to_destroy(operator, *MISSING_FOLDER) == (
            "The file missing/records cannot be written: No such file or directory."
        )
        assert client.get_event_source_mapping(UUID=mapping)["State"] == "Enabled"
        # The stack is still protected.
        with pytest.raises(ClientError, match="TerminationProtection is enabled"):
            operator.flow.environment.client("cloudformation").delete_stack(StackName=STACK)

    def test_is_paused_meanwhile(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        client, mapping = operator.flow.environment.client("lambda"), operator.flow.environment.outputs[MAPPING]
        states = []

        def export(*_: Any) -> int:
            states.append(client.get_event_source_mapping(UUID=mapping)["State"])
            monkeypatch.setattr(client, "update_event_source_mapping", refuse)
            raise Refusal("made by the test")

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": "ResourceInUseException"}}, "UpdateEventSourceMapping")

        monkeypatch.setattr(destroy_command, "export_to_file", export)
        result = operator.run("destroy", *MISSING_FOLDER)

        assert states == ["Disabled"]
        assert result.stderr.splitlines()[-2:] == [
            f"The intake is paused, and cannot be resumed (ResourceInUseException): its mapping is {mapping}.",
            "made by the test",
        ]

    def test_may_be_gone_after_an_earlier_deletion(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "UpdateEventSourceMapping")

        monkeypatch.setattr(operator.flow.environment.client("lambda"), "update_event_source_mapping", refuse)

        assert f"The stack {STACK} is deleted." in destroy(operator, "--unprotect", "stack", "--yes", STACK)

    def test_has_messages_that_are_lost_with_the_stack(self, operator: Operator) -> None:
        url = operator.flow.environment.outputs["EventDeadLetterQueueUrl"]
        operator.flow.environment.client("sqs").send_message(QueueUrl=url, MessageBody="{}")

        result = operator.run("destroy")

        assert result.stdout == "Messages in EventDeadLetterQueueUrl, which are lost with the stack: about 1.\n"
        assert result.stderr.startswith(f"The stack {STACK} is protected")


@SLOW
def test_a_stack_that_was_deleted_by_hand_has_left_its_table(
    make_operator: Callable[..., Operator], stack: Any
) -> None:
    operator = make_operator(schedules=True)
    flow = operator.flow
    user, bob = create_leaver(flow), flow.people.create_user("bob")
    flow.start(user)
    waiting = flow.start(bob, NotBefore="2027-01-24T00:00:00Z")
    flow.clock.settle()
    flow.clock.advance(timedelta(hours=1))
    old_table = flow.table_name
    cloudformation, states = (flow.environment.client(name) for name in ("cloudformation", "stepfunctions"))
    machine = flow.environment.state_machine_arn
    cloudformation.update_termination_protection(StackName=STACK, EnableTerminationProtection=False)
    cloudformation.delete_stack(StackName=STACK)
    for execution in states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
        states.stop_execution(executionArn=execution["executionArn"])
    flow.clock.settle()

    assert operator.run("records", "export", "records", "--table", old_table).exit_code == 0
    flow.environment.deploy(stack)
    result = operator.run("records", "import", "records")

    assert result.stdout.splitlines()[1:] == [
        "Entities released, because the executions that held them are over: 2.",
        "Offboardings that waited for a date or an approval: 1. The next sweep ends them as Forgotten.",
        "Offboardings in the window that no execution watches: 1. Start each again to have it verified.",
    ]
    # Less than a day after the old one: the new offboardings are not in its way.
    again = flow.start(user)
    flow.clock.settle()
    flow.clock.advance(timedelta(hours=13))
    assert flow.read_record(waiting)["Outcome"] == "Forgotten"
    assert [item["Id"] for item in flow.list_by_status("InWindow")] == [again]
    restored = flow.run(bob)
    assert restored.outcome == "CleanupVerified"
    assert flow.read_result(again).outcome == "CleanupVerified"


@SLOW
def test_what_a_first_deployment_that_fails_leaves_is_described(
    make_operator: Callable[..., Operator], stack_without_providers: Any
) -> None:
    operator = make_operator()
    flow = operator.flow
    destroy(operator, "--unprotect", "stack", "--unprotect", "table", "--yes", STACK)
    client = flow.environment.client("stepfunctions")
    definition = '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 90, "End": true}}}'
    role = "arn:aws:iam::123456789012:role/any"
    machine = client.create_state_machine(name=STACK, definition=definition, roleArn=role)["stateMachineArn"]
    client.start_execution(stateMachineArn=machine)
    client.delete_state_machine(stateMachineArn=machine)
    with pytest.raises(DeploymentError, match=r"ROLLBACK_COMPLETE: .*is being deleted"):
        flow.environment.deploy(stack_without_providers)
    with pytest.raises(DeploymentError):
        flow.environment.deploy(assembly({**OFFBOARDING}))
    flow.clock.advance(timedelta(minutes=2))

    lines = destroy(operator, "--unprotect", "stack", "--yes", STACK)

    assert lines[0] == f"The stack {STACK} is deleted."
    assert [line for line in lines if "delete-log-group" in line] == []
    assert len([line for line in lines if "delete-table" in line]) == 1
    flow.environment.deploy(stack_without_providers)

"""docs/roles.md has every command and every policy for people, and these keep requesters and approvers apart."""

import json
import re

import pytest

from local.cdk.assembly import ROOT
from local.defaults import ACCOUNT, REGION
from local.policies import is_allowed
from operate.command import offboarding

PAGE = (ROOT / "docs" / "roles.md").read_text()
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:workmail-offboarding"
DEPLOYMENT = {"cloudformation-archives", "cloudformation-execution", "deployer", "destroyer"}


def test_each_command_has_one_row_with_its_role() -> None:
    rows = re.findall(r"^\| `offboarding (\w+)` \|", PAGE, re.M)

    assert sorted(rows) == sorted(offboarding.commands)


def test_each_policy_of_people_is_in_the_table_and_in_the_loop() -> None:
    policies = {path.stem for path in (ROOT / "docs" / "policies").glob("*.json")} - DEPLOYMENT
    [loop] = re.findall(r"^for POLICY in (.*); do$", PAGE, re.M)

    assert set(loop.split()) == policies
    assert set(re.findall(r"\(policies/([a-z-]+)\.json\)", PAGE)) == policies


@pytest.mark.parametrize(
    ("action", "resource", "function", "expected"),
    [
        ("sqs:ReceiveMessage", "sqs:{}:workmail-offboarding-IntakeDeadLettersA158", None, True),
        ("sqs:DeleteMessage", "sqs:{}:workmail-offboarding-StatusChangesUndeliveredEventsE462", None, True),
        ("sqs:SendMessage", "sqs:{}:workmail-offboarding-NotificationsRetries6B05", None, True),
        ("sqs:ReceiveMessage", "sqs:{}:workmail-offboarding-IntakeEventsC73C", None, False),
        ("sqs:DeleteMessage", "sqs:{}:workmail-offboarding-NotificationsRetries6B05", None, False),
        ("sqs:SendMessage", "sqs:{}:workmail-offboarding-IntakeDeadLettersA158", None, False),
        ("lambda:UpdateEventSourceMapping", "lambda:{}:event-source-mapping:1", "workmail-offboarding-Intake", True),
        ("lambda:UpdateEventSourceMapping", "lambda:{}:event-source-mapping:1", "payroll", False),
    ],
)
def test_an_operator_reads_dead_letters_and_pauses_functions_of_the_stack_alone(
    action: str, resource: str, function: str | None, expected: bool
) -> None:
    place = f"{REGION}:{ACCOUNT}"
    policy = (ROOT / "docs" / "policies" / "operator.json").read_text()
    context = {"lambda:FunctionArn": f"arn:aws:lambda:{place}:function:{function}"} if function else {}

    assert is_allowed([policy], action, f"arn:aws:{resource.format(place)}", context) == expected


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        ("operator", "states:StartExecution", f"{MACHINE}-approval"),
        ("operator", "states:SendTaskSuccess", MACHINE),
        ("operator", "states:SendTaskFailure", MACHINE),
        ("approver", "states:StartExecution", MACHINE),
        ("approver", "states:SendTaskSuccess", MACHINE),
        ("approver", "states:SendTaskFailure", MACHINE),
        ("approver", "events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"),
        ("approver", "sqs:SendMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:workmail-offboarding-IntakeEvents"),
    ],
)
def test_a_role_is_denied_the_other_role_whatever_else_it_may(role: str, action: str, resource: str) -> None:
    everything = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    policy = (ROOT / "docs" / "policies" / f"{role}.json").read_text()

    assert is_allowed([everything], action, resource)
    assert not is_allowed([everything, policy], action, resource)

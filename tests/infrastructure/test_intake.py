"""How identity providers start offboardings: which events come through, where they wait, who reads them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from stacks.intake import configured_providers
from stacks.settings import Settings
from tests.infrastructure.templates import (
    Template,
    listed,
    of_type,
    policies,
    template_of,
    text,
    the_one,
)

EVENTS = Path(__file__).parents[1] / "events"
ORGANIZATION_ID = "m-" + "a1" * 16
ANOTHER_ID = "m-" + "b2" * 16
STORE = "d-1234567890"
OKTA = "aws.partner/okta.com/exampleco/workmail-leavers"
AUTH0 = "aws.partner/auth0.com/exampleco-2308531e-0000-4824-a5de-000000000000/auth0.logs"
SAILPOINT = "aws.partner/sailpoint.com/11111111-2222-3333-4444-555555555555/idn/account-deleted"
HR_SOURCE = "2c918085784cc5a30178500f1c3a0b2f"
ORGANIZATIONS = [
    {"id": ORGANIZATION_ID, "mailDomains": ["example.com", "example.org"], "identityStores": [STORE]},
    {"id": ANOTHER_ID, "identityStores": ["d-abcdef0123"]},
]
PROVIDERS: dict[str, Any] = {
    "identityCenter": {},
    "identityCenterCloudTrail": {},
    "okta": {"eventSource": OKTA, "organizationId": ANOTHER_ID},
    "auth0": {"eventSource": AUTH0},
    "sailpoint": {"eventSource": SAILPOINT, "accountSources": [HR_SOURCE]},
    "offboardingRequested": {},
}
RULES = {
    "identityCenter": {"IntakeIdentityCenter"},
    "identityCenterCloudTrail": {"IntakeSsoDirectoryCalls", "IntakeIdentityStoreCalls"},
    "okta": {"IntakeOkta"},
    "auth0": {"IntakeAuth0"},
    "sailpoint": {"IntakeSailPoint"},
    "offboardingRequested": {"IntakeOffboardingRequested"},
}
OUTPUTS = {
    "EventSourceMappingId": ("AWS::Lambda::EventSourceMapping", "Intake"),
    "EventQueueUrl": ("AWS::SQS::Queue", "IntakeEvents"),
    "EventDeadLetterQueueUrl": ("AWS::SQS::Queue", "IntakeDeadLetters"),
    "UndeliveredEventQueueUrl": ("AWS::SQS::Queue", "IntakeUndeliveredEvents"),
}
QUEUES = ["IntakeEvents", "IntakeDeadLetters", "IntakeUndeliveredEvents"]
ABSENT = object()


def synthesized(providers: dict[str, Any], **settings: Any) -> Template:
    context = {"organizations": ORGANIZATIONS, "identityProviders": providers, **settings}
    return template_of(context)


@pytest.fixture(scope="module")
def everybody() -> Template:
    """The template with every provider configured."""
    return synthesized(PROVIDERS)


def fixture(name: str) -> dict[str, Any]:
    return json.loads((EVENTS / f"{name}.json").read_text())


def changed(name: str, path: str, value: object) -> dict[str, Any]:
    """A fixture with one member changed, or taken out."""
    event = copy.deepcopy(fixture(name))
    *parents, last = path.split("/")
    node = event
    for parent in parents:
        node = node[parent]
    assert last in node, path
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return event


def rules(template: Template) -> dict[str, dict[str, Any]]:
    """The intake's rules; the stack has one for the ends of executions, too."""
    found = of_type(template, "AWS::Events::Rule")
    return {name[:-8]: rule["Properties"] for name, rule in found.items() if name.startswith("Intake")}


def matched(template: Template, event: dict[str, Any]) -> set[str]:
    patterns = {name: rule["EventPattern"] for name, rule in rules(template).items()}
    return {name for name, pattern in patterns.items() if EventPattern(None, pattern).matches_event(event)}


def starter(template: Template) -> dict[str, Any]:
    return the_one(template, "AWS::Lambda::Function", "IntakeStartOffboarding")[1]["Properties"]


def test_nothing_is_made_when_no_provider_is_configured() -> None:
    template = synthesized({})
    assert not [name for name in template["Resources"] if name.startswith("Intake")]
    assert not template["Outputs"].keys() & OUTPUTS.keys()
    # What is there is for the ends of executions.
    for kind in ("AWS::Events::Rule", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::Lambda::EventSourceMapping"):
        assert all(name.startswith("StatusChanges") for name in of_type(template, kind))


def test_the_rest_of_the_stack_does_not_depend_on_the_providers(everybody: Template) -> None:
    without = synthesized({})["Resources"]
    assert {name: resource for name, resource in everybody["Resources"].items() if name in without} == without
    assert all(name.startswith("Intake") for name in everybody["Resources"].keys() - without.keys())


def test_a_provider_brings_its_own_rules_and_no_others() -> None:
    template = synthesized({"okta": PROVIDERS["okta"]})
    assert rules(template).keys() == {"IntakeOkta"}
    assert json.loads(starter(template)["Environment"]["Variables"]["PROVIDERS"]).keys() == {"okta"}
    for key, names in RULES.items():
        settings = Settings.from_context({"organizations": ORGANIZATIONS, "identityProviders": {key: PROVIDERS[key]}})
        [provider] = configured_providers(settings)
        assert provider.key == key
        assert {f"Intake{rule.name}" for rule in provider.rules} == names


def test_every_rule_is_on_the_bus_that_its_events_are_put_on(everybody: Template) -> None:
    buses = {name: rule["EventBusName"] for name, rule in rules(everybody).items()}
    assert buses == {
        "IntakeIdentityCenter": "default",
        "IntakeSsoDirectoryCalls": "default",
        "IntakeIdentityStoreCalls": "default",
        "IntakeOkta": OKTA,
        "IntakeAuth0": AUTH0,
        "IntakeSailPoint": SAILPOINT,
        "IntakeOffboardingRequested": "default",
    }
    elsewhere = synthesized({"offboardingRequested": {"eventBus": "leavers"}})
    assert rules(elsewhere)["IntakeOffboardingRequested"]["EventBusName"] == "leavers"


@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("IdentityCenter", fixture("identity-center-user-deleted")),
        ("IdentityCenter", changed("identity-center-user-deleted", "detail/identityStoreId", "d-abcdef0123")),
        ("SsoDirectoryCalls", fixture("identity-center-cloudtrail-disable-user")),
        ("SsoDirectoryCalls", changed("identity-center-cloudtrail-disable-user", "detail/errorCode", ABSENT)),
        ("SsoDirectoryCalls", changed("identity-center-cloudtrail-disable-user", "detail/eventName", "DeleteUser")),
        (
            "IdentityStoreCalls",
            changed("identity-center-cloudtrail-disable-user", "detail/eventName", "DeleteUser")
            | {"source": "aws.identitystore"},
        ),
        ("Okta", fixture("okta-user-lifecycle-deactivate")),
        ("Okta", fixture("okta-user-lifecycle-suspend")),
        ("Okta", changed("okta-user-lifecycle-deactivate", "detail/eventType", "user.lifecycle.delete.initiated")),
        ("Okta", changed("okta-user-lifecycle-deactivate", "detail/eventType", "user.lifecycle.delete.completed")),
        ("Auth0", fixture("auth0-successful-user-deletion")),
        ("SailPoint", fixture("sailpoint-account-deleted")),
        ("OffboardingRequested", fixture("offboarding-requested")),
    ],
)
def test_what_says_that_somebody_left_comes_through_once(everybody: Template, rule: str, event: dict[str, Any]) -> None:
    assert matched(everybody, event) == {f"Intake{rule}"}


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("identity-center-user-deleted", "detail-type", "User Updated"),
        ("identity-center-user-deleted", "detail/identityStoreId", "d-9999999999"),
        ("identity-center-user-deleted", "detail/identityStoreId", ABSENT),
        ("identity-center-user-deleted", "source", "aws.sso-directory"),
        ("identity-center-cloudtrail-disable-user", "detail/errorCode", "AccessDenied"),
        ("identity-center-cloudtrail-disable-user", "detail/errorCode", ""),
        ("identity-center-cloudtrail-disable-user", "detail/eventName", "EnableUser"),
        ("identity-center-cloudtrail-disable-user", "detail/eventName", "DeleteGroup"),
        ("identity-center-cloudtrail-disable-user", "detail/requestParameters/identityStoreId", "d-9999999999"),
        ("identity-center-cloudtrail-disable-user", "detail/requestParameters", None),
        ("identity-center-cloudtrail-disable-user", "detail-type", "AWS Console Sign In via CloudTrail"),
        ("identity-center-cloudtrail-disable-user", "source", "aws.sso"),
        ("identity-center-cloudtrail-disable-user", "source", "aws.identitystore"),
        ("okta-user-lifecycle-deactivate", "detail/outcome/result", "FAILURE"),
        ("okta-user-lifecycle-deactivate", "detail/outcome", ABSENT),
        ("okta-user-lifecycle-deactivate", "detail/eventType", "user.lifecycle.activate"),
        ("okta-user-lifecycle-deactivate", "detail/eventType", "user.lifecycle.unsuspend"),
        ("okta-user-lifecycle-deactivate", "detail-type", "Auth0 log"),
        ("okta-user-lifecycle-deactivate", "source", "aws.partner/okta.com/exampleco/another-stream"),
        ("auth0-successful-user-deletion", "detail/data/type", "fdu"),
        ("auth0-successful-user-deletion", "detail/data/type", "sapi"),
        ("auth0-successful-user-deletion", "detail-type", "SystemLog"),
        ("auth0-successful-user-deletion", "source", AUTH0.replace("exampleco", "another")),
        ("auth0-management-api-delete-by-admin", "detail-type", "Auth0 log"),
        ("sailpoint-account-deleted", "detail/source/id", "2c918085784cc5a30178500f1c3a0b30"),
        ("sailpoint-account-deleted", "detail-type", "idn:account-created"),
        ("sailpoint-account-deleted", "source", SAILPOINT.replace("1111", "9999")),
        ("offboarding-requested", "detail-type", "Offboarding Planned"),
        ("offboarding-requested", "source", "workmail.onboarding"),
    ],
)
def test_what_says_less_does_not_come_through(everybody: Template, name: str, path: str, value: object) -> None:
    assert matched(everybody, changed(name, path, value)) == set()


def test_no_pattern_needs_a_null_because_a_template_can_hold_none(everybody: Template) -> None:
    """The CDK drops a null without a word, and CloudFormation would refuse it."""
    for name in ("IntakeSsoDirectoryCalls", "IntakeIdentityStoreCalls"):
        error_code = rules(everybody)[name]["EventPattern"]["detail"]["errorCode"]
        assert error_code == [{"exists": False}, {"anything-but": {"wildcard": "*"}}]


def test_every_rule_passes_the_event_on_as_it_came_and_keeps_what_cannot_be_delivered(everybody: Template) -> None:
    for rule in rules(everybody).values():
        [target] = rule["Targets"]
        assert text(target.pop("Arn")).startswith("<IntakeEvents")
        assert text(target.pop("DeadLetterConfig")["Arn"]).startswith("<IntakeUndeliveredEvents")
        assert target.keys() == {"Id"}
        assert len(rule["Description"]) > 20
        assert "Name" not in rule


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted_and_keeps_what_it_has_for_as_long_as_sqs_can(everybody: Template, name: str) -> None:
    _, queue = the_one(everybody, "AWS::SQS::Queue", name)
    assert queue["Properties"]["SqsManagedSseEnabled"] is True
    assert queue["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert "QueueName" not in queue["Properties"]


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_spoken_to_over_tls_only_and_only_the_rules_may_put_anything_into_it(
    everybody: Template, name: str
) -> None:
    queue, _ = the_one(everybody, "AWS::SQS::Queue", name)
    _, policy = the_one(everybody, "AWS::SQS::QueuePolicy", name)
    assert policy["Properties"]["Queues"] == [{"Ref": queue}]
    tls, *allowed = policy["Properties"]["PolicyDocument"]["Statement"]
    assert tls["Effect"] == "Deny"
    assert tls["Action"] == "sqs:*"
    assert tls["Principal"] == {"AWS": "*"}
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    arn = {"Fn::GetAtt": [queue, "Arn"]}
    found = of_type(everybody, "AWS::Events::Rule")
    all_rules = [{"Fn::GetAtt": [rule, "Arn"]} for rule in found if rule.startswith("Intake")]
    sending = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": all_rules}},
    }
    # The function puts what it refused into the dead-letter queue by its own role.
    assert allowed == ([] if name == "IntakeDeadLetters" else [sending])


def test_an_event_is_given_up_after_five_attempts_each_with_time_to_end(everybody: Template) -> None:
    _, queue = the_one(everybody, "AWS::SQS::Queue", "IntakeEvents")
    dead_letters, _ = the_one(everybody, "AWS::SQS::Queue", "IntakeDeadLetters")
    assert queue["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]},
        "maxReceiveCount": 100,
    }
    assert queue["Properties"]["VisibilityTimeout"] >= 6 * starter(everybody)["Timeout"]


def test_the_starter_may_do_what_it_does_and_nothing_else(everybody: Template) -> None:
    role = starter(everybody)["Role"]["Fn::GetAtt"][0]
    queue, _ = the_one(everybody, "AWS::SQS::Queue", "IntakeEvents")
    dead_letters, _ = the_one(everybody, "AWS::SQS::Queue", "IntakeDeadLetters")
    state_machine, _ = the_one(everybody, "AWS::StepFunctions::StateMachine", "Offboarding")
    group = starter(everybody)["LoggingConfig"]["LogGroup"]["Ref"]
    organization = "arn:<AWS::Partition>:workmail:<AWS::Region>:<AWS::AccountId>:organization/"
    allowed = [
        (statement["Effect"], {*listed(statement["Action"])}, [text(arn) for arn in listed(statement["Resource"])])
        for _, statement in policies(everybody, role)
    ]
    assert allowed == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        ("Allow", {"workmail:ListUsers"}, [organization + ORGANIZATION_ID, organization + ANOTHER_ID]),
        ("Allow", {"states:StartExecution"}, [f"<{state_machine}>"]),
        (
            "Allow",
            {"states:DescribeExecution"},
            ["arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:workmail-offboarding:*"],
        ),
        ("Allow", {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, [f"<{queue}.Arn>"]),
        ("Allow", {"sqs:SendMessage"}, [f"<{dead_letters}.Arn>"]),
    ]
    [trust] = everybody["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_starter_runs_its_own_module_and_is_told_whom_to_act_for(everybody: Template) -> None:
    properties = starter(everybody)
    assert properties["Handler"] == "start_offboarding.handler"
    assert (properties["Timeout"], properties["MemorySize"]) == (30, 256)
    told = properties["Environment"]["Variables"]
    assert told["STATE_MACHINE_ARN"] == {
        "Ref": the_one(everybody, "AWS::StepFunctions::StateMachine", "Offboarding")[0]
    }
    assert told["DEAD_LETTER_QUEUE_URL"] == {"Ref": the_one(everybody, "AWS::SQS::Queue", "IntakeDeadLetters")[0]}
    assert told["ORGANIZATION_IDS"] == f"{ORGANIZATION_ID},{ANOTHER_ID}"
    assert json.loads(told["ORGANIZATIONS"]) == [
        {"Id": ORGANIZATION_ID, "MailDomains": ["example.com", "example.org"], "IdentityStores": [STORE]},
        {"Id": ANOTHER_ID, "MailDomains": [], "IdentityStores": ["d-abcdef0123"]},
    ]
    assert json.loads(told["PROVIDERS"]) == {
        "identityCenter": {},
        "identityCenterCloudTrail": {},
        "okta": {"OrganizationId": ANOTHER_ID},
        "auth0": {},
        "sailpoint": {"AccountSources": [HR_SOURCE]},
        "offboardingRequested": {},
    }


@pytest.mark.parametrize(("setting", "told"), [({}, "false"), ({"dryRunIdentityProviders": True}, "true")])
def test_only_the_setting_makes_the_starter_plan(setting: dict[str, bool], told: str) -> None:
    assert starter(synthesized(PROVIDERS, **setting))["Environment"]["Variables"]["DRY_RUN"] == told


def test_no_state_machine_calls_the_starter_nor_may(everybody: Template) -> None:
    for machine in of_type(everybody, "AWS::StepFunctions::StateMachine").values():
        assert "StartOffboarding" not in machine["Properties"]["DefinitionSubstitutions"]
        role = machine["Properties"]["RoleArn"]["Fn::GetAtt"][0]
        assert "StartOffboarding" not in json.dumps([*policies(everybody, role)])


def test_the_newest_code_reads_the_queue_and_fails_for_one_event_alone(everybody: Template) -> None:
    _, mapping = the_one(everybody, "AWS::Lambda::EventSourceMapping", "Intake")
    assert mapping["Properties"] == {
        "EventSourceArn": {"Fn::GetAtt": [the_one(everybody, "AWS::SQS::Queue", "IntakeEvents")[0], "Arn"]},
        "FunctionName": {"Ref": the_one(everybody, "AWS::Lambda::Function", "IntakeStartOffboarding")[0]},
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    assert not [name for name in of_type(everybody, "AWS::Lambda::Version") if name.startswith("Intake")]
    _, wider = the_one(synthesized(PROVIDERS, starterMaxConcurrency=10), "AWS::Lambda::EventSourceMapping", "Intake")
    assert wider["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 10}


def test_a_release_does_not_touch_the_mapping_and_so_does_not_end_a_pause(everybody: Template) -> None:
    another = synthesized({**PROVIDERS, "auth0": {"eventSource": AUTH0, "organizationId": ORGANIZATION_ID}})
    assert starter(another) != starter(everybody)
    kind = "AWS::Lambda::EventSourceMapping"
    assert of_type(another, kind) == of_type(everybody, kind)


def test_the_stack_says_how_to_pause_and_where_events_wait(everybody: Template) -> None:
    others = synthesized({})["Outputs"].keys()
    told = {key: output["Value"] for key, output in everybody["Outputs"].items() if key not in others}
    assert told == {key: {"Ref": the_one(everybody, *resource)[0]} for key, resource in OUTPUTS.items()}
    assert all(output["Description"] for output in everybody["Outputs"].values())

"""The event intake: which events the rules match, the queues, and the function that starts offboardings."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from stacks.intake import list_providers
from stacks.settings import Settings
from tests.infrastructure.providers import (
    ANOTHER_ID,
    AUTH0,
    HR_SOURCE,
    OKTA,
    ORGANIZATION_ID,
    ORGANIZATIONS,
    PROVIDERS,
    SAILPOINT,
    SCIM_TENANT,
    STORE,
)
from tests.infrastructure.templates import (
    Template,
    permissions,
    resources_of_type,
    role_statements,
    single_resource,
    template_of,
)

EVENTS = Path(__file__).parents[2] / "examples" / "events"
RULES = {
    "identityCenter": {"IntakeIdentityCenter"},
    "identityCenterCloudTrail": {"IntakeSsoDirectoryCalls", "IntakeIdentityStoreCalls"},
    "identityCenterScim": {"IntakeScimCalls"},
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
REMOVED = object()
ACCOUNT = "123456789012"
SCIM = "identity-center-scim-patch-user"

TABLE = "<RecordsTableC9B7A30B.Arn>"
REPORT_ACTIONS = ("GetItem", "UpdateItem", "PutItem", "ConditionCheckItem", "Query")


def synthesized(providers: dict[str, Any], **settings: Any) -> Template:
    context = {"organizations": ORGANIZATIONS, "identityProviders": providers, **settings}
    return template_of(context)


def fixture(name: str) -> dict[str, Any]:
    return json.loads((EVENTS / f"{name}.json").read_text())


def changed(name: str, path: str, value: object) -> dict[str, Any]:
    """Return a fixture with one member changed or removed."""
    event = copy.deepcopy(fixture(name))
    *parents, last = path.split("/")
    node = event
    for parent in parents:
        node = node[parent]
    assert last in node, path
    if value is REMOVED:
        del node[last]
    else:
        node[last] = value
    return event


def rules(template: Template) -> dict[str, dict[str, Any]]:
    """Return the rules of the intake, without the one for the ends of executions."""
    resources = resources_of_type(template, "AWS::Events::Rule")
    return {name[:-8]: rule["Properties"] for name, rule in resources.items() if name.startswith("Intake")}


def matching_rules(template: Template, event: dict[str, Any]) -> set[str]:
    # The only reference in a pattern is to the account.
    text = json.dumps({name: rule["EventPattern"] for name, rule in rules(template).items()})
    patterns = json.loads(text.replace(json.dumps({"Ref": "AWS::AccountId"}), json.dumps(ACCOUNT)))
    return {name for name, pattern in patterns.items() if EventPattern(None, pattern).matches_event(event)}


def intake_settings(template: Template) -> dict[str, Any]:
    """Return what the starter reads, by the ends of the parameters' names."""
    parameters = [resource["Properties"] for resource in resources_of_type(template, "AWS::SSM::Parameter").values()]
    path = "/workmail-offboarding/intake/"
    return {
        parameter["Name"].removeprefix(path): json.loads(parameter["Value"])
        for parameter in parameters
        if parameter["Name"].startswith(path)
    }


def starter(template: Template) -> dict[str, Any]:
    return single_resource(template, "AWS::Lambda::Function", "IntakeStartOffboarding")[1]["Properties"]


def test_without_a_configured_provider_the_template_has_no_intake() -> None:
    template = synthesized({})
    assert not [name for name in template["Resources"] if name.startswith("Intake")]
    assert not template["Outputs"].keys() & OUTPUTS.keys()
    # The remaining ones are for the ends of executions and for notifications.
    for kind in ("AWS::Events::Rule", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::Lambda::EventSourceMapping"):
        names = resources_of_type(template, kind)
        assert all(name.startswith(("StatusChanges", "Notifications", "AlarmsStateChanged")) for name in names)


def test_the_providers_do_not_change_the_rest_of_the_stack(all_providers: Template) -> None:
    without, resources = synthesized({})["Resources"], all_providers["Resources"]
    changed = {name for name in without if resources[name] != without[name]}
    # They show, or name, the further alarms, queues and log groups.
    assert {re.sub(r"[0-9A-F]{8}$", "", name) for name in changed} == {
        *("AlarmsStateChanged", "Dashboard", "QueriesErrors", "QueriesOneExecution"),
    }
    assert all(name.startswith(("Intake", "Alarms")) for name in resources.keys() - without.keys())


def test_a_provider_adds_only_its_own_rules() -> None:
    template = synthesized({"okta": PROVIDERS["okta"]})
    assert rules(template).keys() == {"IntakeOkta"}
    organizations = {f"organizations/{organization['id']}" for organization in ORGANIZATIONS}
    assert intake_settings(template).keys() == {*organizations, "providers/okta"}
    for key, names in RULES.items():
        settings = Settings.from_context({"organizations": ORGANIZATIONS, "identityProviders": {key: PROVIDERS[key]}})
        [provider] = list_providers(settings)
        assert provider.key == key
        assert {f"Intake{rule.name}" for rule in provider.rules} == names


def test_every_rule_is_on_the_bus_of_its_events(all_providers: Template) -> None:
    buses = {name: rule["EventBusName"] for name, rule in rules(all_providers).items()}
    assert buses == {
        "IntakeIdentityCenter": "default",
        "IntakeSsoDirectoryCalls": "default",
        "IntakeIdentityStoreCalls": "default",
        "IntakeScimCalls": "default",
        "IntakeOkta": OKTA,
        "IntakeAuth0": AUTH0,
        "IntakeSailPoint": SAILPOINT,
        "IntakeOffboardingRequested": "default",
    }
    template = synthesized({"offboardingRequested": {"eventBus": "leavers"}})
    assert rules(template)["IntakeOffboardingRequested"]["EventBusName"] == "leavers"


@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("IdentityCenter", fixture("identity-center-user-deleted")),
        ("IdentityCenter", changed("identity-center-user-deleted", "detail/identityStoreId", "d-abcdef0123")),
        ("IdentityCenter", fixture("identity-center-user-updated")),
        ("ScimCalls", fixture("identity-center-scim-patch-user")),
        ("ScimCalls", fixture("identity-center-scim-put-user")),
        ("ScimCalls", fixture("identity-center-scim-delete-user")),
        ("ScimCalls", changed(SCIM, "source", "aws.identitystore")),
        ("ScimCalls", changed(SCIM, "source", "aws.sso-directory")),
        ("SsoDirectoryCalls", fixture("identity-center-cloudtrail-disable-user")),
        ("SsoDirectoryCalls", changed("identity-center-cloudtrail-disable-user", "detail/errorCode", REMOVED)),
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
def test_exactly_one_rule_matches_an_event_that_means_that_somebody_left(
    all_providers: Template, rule: str, event: dict[str, Any]
) -> None:
    assert matching_rules(all_providers, event) == {f"Intake{rule}"}


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("identity-center-user-deleted", "detail-type", "User Created"),
        ("identity-center-user-updated", "detail/identityStoreId", "d-9999999999"),
        (SCIM, "account", "999999999999"),
        (SCIM, "source", "scim.example"),
        (SCIM, "detail-type", "AWS Service Event via CloudTrail"),
        (SCIM, "detail/eventSource", "identitystore.amazonaws.com"),
        (SCIM, "detail/eventName", "CreateUser"),
        (SCIM, "detail/eventName", "PatchGroup"),
        (SCIM, "detail/requestParameters/tenantId", "another"),
        (SCIM, "detail/requestParameters/tenantId", REMOVED),
        (SCIM, "detail/requestParameters", None),
        ("identity-center-user-deleted", "detail/identityStoreId", "d-9999999999"),
        ("identity-center-user-deleted", "detail/identityStoreId", REMOVED),
        ("identity-center-user-deleted", "source", "aws.sso-directory"),
        ("identity-center-cloudtrail-disable-user", "detail/errorCode", "AccessDenied"),
        ("identity-center-cloudtrail-disable-user", "detail/errorCode", ""),
        ("identity-center-cloudtrail-disable-user", "detail/eventName", "CreateUser"),
        ("identity-center-cloudtrail-disable-user", "detail/eventName", "DeleteGroup"),
        ("identity-center-cloudtrail-disable-user", "detail/requestParameters/identityStoreId", "d-9999999999"),
        ("identity-center-cloudtrail-disable-user", "detail/requestParameters", None),
        ("identity-center-cloudtrail-disable-user", "detail-type", "AWS Console Sign In via CloudTrail"),
        ("identity-center-cloudtrail-disable-user", "source", "aws.sso"),
        ("identity-center-cloudtrail-disable-user", "source", "aws.identitystore"),
        ("okta-user-lifecycle-deactivate", "detail/outcome/result", "FAILURE"),
        ("okta-user-lifecycle-deactivate", "detail/outcome", REMOVED),
        ("okta-user-lifecycle-deactivate", "detail/eventType", "user.lifecycle.create"),
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
        ("offboarding-requested", "account", "999999999999"),
    ],
)
def test_no_rule_matches_any_other_event(all_providers: Template, name: str, path: str, value: object) -> None:
    assert matching_rules(all_providers, changed(name, path, value)) == set()


def test_a_failed_scim_call_matches_no_rule(all_providers: Template) -> None:
    event = fixture(SCIM)
    event["detail"]["errorCode"] = "ResourceNotFoundException"
    assert matching_rules(all_providers, event) == set()

    event["detail"]["errorCode"] = None
    assert matching_rules(all_providers, event) == {"IntakeScimCalls"}


def test_a_changed_user_matches_no_rule_unless_the_settings_ask_for_it() -> None:
    template = synthesized({"identityCenter": {}})

    assert matching_rules(template, fixture("identity-center-user-updated")) == set()
    assert matching_rules(template, fixture("identity-center-user-deleted")) == {"IntakeIdentityCenter"}
    assert intake_settings(template)["providers/identityCenter"] == {"UserUpdated": False}


@pytest.mark.parametrize(
    ("providers", "stores"),
    [
        ({"identityCenter": {}, "identityCenterCloudTrail": {}}, []),
        ({"identityCenter": {"userUpdated": True}}, [STORE, "d-abcdef0123"]),
        ({"identityCenterScim": {"tenants": {SCIM_TENANT: STORE}}}, [STORE]),
    ],
)
def test_the_starter_may_read_users_only_if_a_setting_needs_it(providers: dict[str, Any], stores: list[str]) -> None:
    template = synthesized(providers)
    role = starter(template)["Role"]["Fn::GetAtt"][0]

    resources = [arns for _, actions, arns in permissions(template, role) if "identitystore:DescribeUser" in actions]

    prefix = "arn:<AWS::Partition>:identitystore::<AWS::AccountId>:identitystore/"
    users = "arn:<AWS::Partition>:identitystore:::user/*"
    assert resources == ([[*(prefix + store for store in stores), users]] if stores else [])


def test_the_patterns_match_a_null_without_containing_one(all_providers: Template) -> None:
    """The CDK drops a null silently, and CloudFormation would refuse it."""
    for name in ("IntakeSsoDirectoryCalls", "IntakeIdentityStoreCalls", "IntakeScimCalls"):
        error_code = rules(all_providers)[name]["EventPattern"]["detail"]["errorCode"]
        assert error_code == [{"exists": False}, {"anything-but": {"wildcard": "*"}}]


def test_the_starter_has_exactly_its_permissions(all_providers: Template) -> None:
    role = starter(all_providers)["Role"]["Fn::GetAtt"][0]
    queue, _ = single_resource(all_providers, "AWS::SQS::Queue", "IntakeEvents")
    dead_letters, _ = single_resource(all_providers, "AWS::SQS::Queue", "IntakeDeadLetters")
    state_machine, _ = single_resource(all_providers, "AWS::StepFunctions::StateMachine", "Offboarding")
    group = starter(all_providers)["LoggingConfig"]["LogGroup"]["Ref"]
    organization = "arn:<AWS::Partition>:workmail:<AWS::Region>:<AWS::AccountId>:organization/"
    assert permissions(all_providers, role) == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        (
            "Allow",
            {"workmail:DescribeEntity", "workmail:DescribeUser", "workmail:ListUsers"},
            [organization + ORGANIZATION_ID, organization + ANOTHER_ID],
        ),
        ("Allow", {"states:StartExecution"}, [f"<{state_machine}>"]),
        (
            "Allow",
            {"states:DescribeExecution"},
            ["arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:workmail-offboarding:*"],
        ),
        ("Allow", {"dynamodb:PutItem"}, [TABLE]),
        ("Allow", {"dynamodb:GetItem", "dynamodb:UpdateItem"}, [TABLE]),
        ("Allow", {f"dynamodb:{action}" for action in REPORT_ACTIONS}, [TABLE]),
        ("Allow", {"dynamodb:GetItem"}, [TABLE]),
        ("Allow", {"dynamodb:Query"}, [TABLE]),
        (
            "Allow",
            {"states:SendTaskSuccess"},
            ["arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:workmail-offboarding"],
        ),
        ("Allow", {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, [f"<{queue}.Arn>"]),
        (
            "Allow",
            {"ssm:GetParametersByPath"},
            ["arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/workmail-offboarding/intake"],
        ),
        (
            "Allow",
            {"identitystore:DescribeUser"},
            [
                f"arn:<AWS::Partition>:identitystore::<AWS::AccountId>:identitystore/{STORE}",
                "arn:<AWS::Partition>:identitystore::<AWS::AccountId>:identitystore/d-abcdef0123",
                "arn:<AWS::Partition>:identitystore:::user/*",
            ],
        ),
        ("Allow", {"sqs:SendMessage"}, [f"<{dead_letters}.Arn>"]),
    ]
    conditions = [
        statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for _, statement in role_statements(all_providers, role)
        if "Condition" in statement
    ]
    assert conditions == [["refused/*"], ["provider-user/*"], ["arn:*"], ["m-*"], ["identifier/*"]]
    [trust] = all_providers["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_starter_runs_its_own_module_with_the_path_of_its_settings(all_providers: Template) -> None:
    properties = starter(all_providers)
    assert properties["Handler"] == "start_offboarding.handler"
    assert (properties["Timeout"], properties["MemorySize"]) == (30, 256)
    environment = properties["Environment"]["Variables"]
    state_machine, _ = single_resource(all_providers, "AWS::StepFunctions::StateMachine", "Offboarding")
    dead_letters, _ = single_resource(all_providers, "AWS::SQS::Queue", "IntakeDeadLetters")
    assert environment["STATE_MACHINE_ARN"] == {"Ref": state_machine}
    assert environment["DEAD_LETTER_QUEUE_URL"] == {"Ref": dead_letters}
    assert environment["INTAKE_SETTINGS_PATH"] == "/workmail-offboarding/intake"


def test_the_organizations_and_providers_are_in_parameters_of_their_own(all_providers: Template) -> None:
    assert intake_settings(all_providers) == {
        f"organizations/{ORGANIZATION_ID}": {"MailDomains": ["example.com", "example.org"], "IdentityStores": [STORE]},
        f"organizations/{ANOTHER_ID}": {"MailDomains": [], "IdentityStores": ["d-abcdef0123"]},
        "providers/identityCenter": {"UserUpdated": True},
        "providers/identityCenterCloudTrail": {},
        "providers/identityCenterScim": {"Tenants": {SCIM_TENANT: STORE}},
        "providers/okta": {"EventSource": OKTA, "OrganizationId": ANOTHER_ID},
        "providers/auth0": {"EventSource": AUTH0},
        "providers/sailpoint": {"EventSource": SAILPOINT, "AccountSources": [HR_SOURCE]},
        "providers/offboardingRequested": {},
    }


def test_a_change_of_the_intake_settings_replaces_the_execution_environments_after_the_parameters() -> None:
    def read_hash(template: Template) -> str:
        return str(starter(template)["Environment"]["Variables"]["INTAKE_SETTINGS_HASH"])

    template = synthesized(PROVIDERS)
    changed = synthesized({**PROVIDERS, "sailpoint": {**PROVIDERS["sailpoint"], "accountSources": ["another"]}})

    assert read_hash(template) == read_hash(synthesized(PROVIDERS)) != read_hash(changed)
    _, function = single_resource(template, "AWS::Lambda::Function", "IntakeStartOffboarding")
    parameters = {name for name in resources_of_type(template, "AWS::SSM::Parameter") if name.startswith("Intake")}
    assert parameters <= set(function["DependsOn"])


@pytest.mark.parametrize("count", [52, 53, 160])
def test_a_list_that_is_too_long_for_one_pattern_is_in_several_rules(count: int) -> None:
    sources = [f"2c918085784cc5a30178500f{number:08}" for number in range(count)]
    template = synthesized({"sailpoint": {**PROVIDERS["sailpoint"], "accountSources": sources}})

    patterns = [rule["EventPattern"] for rule in rules(template).values()]
    assert max(len(json.dumps(pattern)) for pattern in patterns) <= 2048
    assert [source for pattern in patterns for source in pattern["detail"]["source"]["id"]] == sources
    assert sorted(rules(template)) == sorted(
        f"IntakeSailPoint{number if number > 1 else ''}" for number in range(1, len(patterns) + 1)
    )
    assert (len(patterns) > 1) is (count > 52)


@pytest.mark.parametrize(("setting", "variable"), [({}, "false"), ({"dryRunIdentityProviders": True}, "true")])
def test_the_starter_only_plans_if_the_setting_is_true(setting: dict[str, bool], variable: str) -> None:
    assert starter(synthesized(PROVIDERS, **setting))["Environment"]["Variables"]["DRY_RUN"] == variable


def test_no_state_machine_calls_the_starter_or_may_call_it(all_providers: Template) -> None:
    for machine in resources_of_type(all_providers, "AWS::StepFunctions::StateMachine").values():
        assert "StartOffboarding" not in machine["Properties"]["DefinitionSubstitutions"]
        role = machine["Properties"]["RoleArn"]["Fn::GetAtt"][0]
        assert "StartOffboarding" not in json.dumps([*role_statements(all_providers, role)])


def test_the_setting_limits_the_concurrency_of_the_starter() -> None:
    template = synthesized(PROVIDERS, starterMaxConcurrency=10)
    _, mapping = single_resource(template, "AWS::Lambda::EventSourceMapping", "Intake")
    assert mapping["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 10}


def test_a_release_does_not_change_the_mapping_and_so_does_not_end_a_pause(all_providers: Template) -> None:
    changed = synthesized({**PROVIDERS, "auth0": {"eventSource": AUTH0, "organizationId": ORGANIZATION_ID}})
    assert starter(changed) != starter(all_providers)
    kind = "AWS::Lambda::EventSourceMapping"
    assert resources_of_type(changed, kind) == resources_of_type(all_providers, kind)


def test_the_outputs_of_the_stack_name_the_mapping_and_the_queues(all_providers: Template) -> None:
    without_intake = synthesized({})["Outputs"].keys()
    outputs = {key: output["Value"] for key, output in all_providers["Outputs"].items() if key not in without_intake}
    assert outputs == {key: {"Ref": single_resource(all_providers, *resource)[0]} for key, resource in OUTPUTS.items()}
    assert all(output["Description"] for output in all_providers["Outputs"].values())

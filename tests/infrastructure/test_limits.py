"""The largest settings that are accepted fit into the limits of AWS."""

import json
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam

from stacks.role_sizes import require_role_size
from stacks.settings_fields import SettingsError
from tests.infrastructure.providers import PROVIDERS, SCIM_TENANT, STORE
from tests.infrastructure.templates import Template, render_arn, resources_of_type, template_of

LARGEST: dict[str, Any] = {
    "organizations": [
        {
            "id": f"m-{number:032x}",
            "mailDomains": [f"department-{number:03}-{domain}.example.com" for domain in range(5)],
            "identityStores": [STORE],
            "protected": [f"protected.person.{entry:03}@example.com" for entry in range(200)],
        }
        for number in range(60)
    ],
    "identityProviders": {
        **PROVIDERS,
        "identityCenterScim": {"tenants": {SCIM_TENANT: STORE}},
        "okta": {**PROVIDERS["okta"], "organizationId": f"m-{0:032x}"},
        "sailpoint": {
            **PROVIDERS["sailpoint"],
            "accountSources": [f"2c918085784cc5a30178500f{number:08}" for number in range(80)],
        },
    },
}
"""60 organizations with 300 mail domains and 200 protected entries each, all providers, 80 account sources."""

REAL_VALUES = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}


@pytest.fixture(scope="module")
def largest() -> Template:
    return template_of(LARGEST)


def fill(value: Any) -> Any:
    """Return what a template's value can be once CloudFormation has filled in its names."""
    if isinstance(value, dict) and set(value) & {"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Sub"}:
        text = render_arn(value)
        for name, real in REAL_VALUES.items():
            text = text.replace(f"<{name}>", real)
        return text.replace("<", "arn:aws:service:us-east-1:123456789012:workmail-offboarding-").replace(">", "-" * 13)
    if isinstance(value, dict):
        return {key: fill(member) for key, member in value.items()}
    return [fill(item) for item in value] if isinstance(value, list) else value


def measure(value: Any) -> int:
    return len(json.dumps(fill(value), separators=(",", ":")).encode())


def test_the_environment_of_each_function_stays_small(largest: Template) -> None:
    """Lambda allows 4 KB for all variables of a function."""
    sizes = {
        name: measure(function["Properties"]["Environment"]["Variables"])
        for name, function in resources_of_type(largest, "AWS::Lambda::Function").items()
        if "Environment" in function["Properties"]
    }
    assert {name: size for name, size in sizes.items() if size >= 3000} == {}


def test_parameters_patterns_and_roles_stay_below_their_limits(largest: Template) -> None:
    parameters = resources_of_type(largest, "AWS::SSM::Parameter").values()
    assert len(parameters) == 60 + 60 + len(PROVIDERS)
    assert max(len(parameter["Properties"]["Value"].encode()) for parameter in parameters) <= 8192
    rules = resources_of_type(largest, "AWS::Events::Rule").values()
    assert max(len(json.dumps(fill(rule["Properties"]["EventPattern"]))) for rule in rules) <= 2048
    roles = resources_of_type(largest, "AWS::IAM::Role").values()
    policies = [role["Properties"].get("Policies", []) for role in roles]
    assert max(sum(measure(policy["PolicyDocument"]) for policy in list_) for list_ in policies) <= 10_240


def test_the_template_stays_below_its_limits(largest: Template) -> None:
    """CloudFormation allows 500 resources and 1 MB."""
    assert len(largest["Resources"]) <= 500
    assert len(json.dumps(largest, separators=(",", ":")).encode()) <= 900_000


def test_a_role_that_iam_would_refuse_is_refused_by_the_synth() -> None:
    stack = Stack(App(), "Stack")

    def build(count: int) -> list[iam.PolicyStatement]:
        arns = [stack.format_arn(service="workmail", resource="organization", resource_name=f"m-{n:032x}")
                for n in range(count)]  # fmt: skip
        return [iam.PolicyStatement(actions=["workmail:DescribeUser"], resources=arns)]

    require_role_size(stack, "ResolveEntity", build(98))
    with pytest.raises(SettingsError, match=r"fewer organizations or identityStores: the role of ResolveEntity would"):
        require_role_size(stack, "ResolveEntity", build(115))

"""What tests read in a synthesized template."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from stacks.synthesis import STACK_NAME, offboarding_app
from tests.synthesis import CONTEXT

Template = dict[str, Any]


def template_of(settings: Mapping[str, Any]) -> Template:
    """Synthesize in this process: starting jsii anew for each template would take most of the suite's time."""
    return json.loads(_template(json.dumps(settings)))


@cache
def _template(settings: str) -> str:
    app = offboarding_app({**CONTEXT, "offboarding": json.loads(settings)})
    return Path(app.synth().get_stack_by_name(STACK_NAME).template_full_path).read_text()


def of_type(template: Template, kind: str) -> dict[str, Any]:
    return {name: found for name, found in template["Resources"].items() if found["Type"] == kind}


def the_one(template: Template, kind: str, prefix: str = "") -> tuple[str, dict[str, Any]]:
    [found] = [item for item in of_type(template, kind).items() if item[0].startswith(prefix)]
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """An ARN as people write it, with the references in angle brackets."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": ["", parts]}:
            return "".join(text(part) for part in parts)
    raise AssertionError(value)


def policies(template: Template, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement that a role has, inline or attached, with its policy's name."""
    properties = template["Resources"][role]["Properties"]
    assert "ManagedPolicyArns" not in properties
    documents = [*properties.get("Policies", [])]
    for attached in of_type(template, "AWS::IAM::Policy").values():
        if {"Ref": role} in attached["Properties"].get("Roles", []):
            documents.append(attached["Properties"])
    for document in documents:
        for statement in document["PolicyDocument"]["Statement"]:
            yield document["PolicyName"], statement


def function_of(template: Template, name: str) -> dict[str, Any]:
    return the_one(template, "AWS::Lambda::Function", name)[1]["Properties"]


def role_of(template: Template, name: str) -> str:
    return function_of(template, name)["Role"]["Fn::GetAtt"][0]

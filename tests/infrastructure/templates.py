"""Reads parts of a synthesized template."""

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.cdk import assembly
from tests.synthesis import CONTEXT

Template = dict[str, Any]
KEEP_SECONDS = 7 * 24 * 3600
"""How long a template is kept: those of the present sources are written again when one of them is missing."""


def template_of(settings: Mapping[str, Any]) -> Template:
    """Synthesize in this process, once for all processes of the tests until a source or the settings change.

    Starting jsii for each template, or in each process, would take most of the time of these tests.
    """
    return json.loads(_template(json.dumps(settings)))


@cache
def _template(settings: str) -> str:
    file = assembly.ROOT / ".cache" / "templates" / f"{assembly.compute_digest(json.loads(settings))}.json"
    try:
        return file.read_text()
    except FileNotFoundError:
        template = _synthesize(settings)
        _publish(template, file)
        return template


def _synthesize(settings: str) -> str:
    # These imports start jsii, which takes seconds, and are not needed if every template is cached.
    from stacks.cdk_app import STACK_ID, build_app

    app = build_app({**CONTEXT, "offboarding": json.loads(settings)})
    return Path(app.synth().get_stack_artifact(STACK_ID).template_full_path).read_text()


def _publish(template: str, file: Path) -> None:
    """Write a template in one step, because another process can read it; delete those of earlier sources."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as unfinished:
        unfinished.write(template)
    Path(unfinished.name).rename(file)
    for old in file.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if old.stat().st_mtime < time.time() - KEEP_SECONDS:
                old.unlink()


def resources_of_type(template: Template, kind: str) -> dict[str, Any]:
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def single_resource(template: Template, kind: str, prefix: str = "") -> tuple[str, dict[str, Any]]:
    [item] = [item for item in resources_of_type(template, kind).items() if item[0].startswith(prefix)]
    return item


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def render_arn(value: Any) -> str:
    """Render an ARN with its references in angle brackets."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": ["", parts]}:
            return "".join(render_arn(part) for part in parts)
    raise AssertionError(value)


def role_statements(template: Template, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement of a role, inline or attached, with the name of its policy."""
    properties = template["Resources"][role]["Properties"]
    assert "ManagedPolicyArns" not in properties
    documents = [*properties.get("Policies", [])]
    for policy in resources_of_type(template, "AWS::IAM::Policy").values():
        if {"Ref": role} in policy["Properties"].get("Roles", []):
            documents.append(policy["Properties"])
    for document in documents:
        for statement in document["PolicyDocument"]["Statement"]:
            yield document["PolicyName"], statement


def permissions(template: Template, role: str) -> list[tuple[str, set[str], list[str]]]:
    """List the effect, the actions and the resources of each statement of a role."""
    return [
        (
            statement["Effect"],
            {*as_list(statement["Action"])},
            [render_arn(arn) for arn in as_list(statement["Resource"])],
        )
        for _, statement in role_statements(template, role)
    ]


def function_of(template: Template, name: str) -> dict[str, Any]:
    return single_resource(template, "AWS::Lambda::Function", name)[1]["Properties"]


def role_of(template: Template, name: str) -> str:
    return function_of(template, name)["Role"]["Fn::GetAtt"][0]

"""Deploys a cloud assembly, the directory that a CDK synth leaves, into moto's CloudFormation.

`deploy` does what ``cdk deploy`` does: it uploads the file assets to the bootstrap bucket, then creates the stack, or
updates it when it exists.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.cloudformation.models import cloudformation_backends

from local.aws.cloudformation.deletions import find_stack
from local.aws.direct_calls import call_operation
from local.aws.eventbridge import create_named_buses
from local.cdk.assets import Asset, list_assets, replace_placeholders, upload

_BOOTSTRAP_VERSION = "30"
_BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
_BOOTSTRAP_STACK = "CDKToolkit"
_BOOTSTRAP_TEMPLATE = {
    "Resources": {
        "StagingBucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}},
            "DeletionPolicy": "Retain",
        },
        "CdkBootstrapVersion": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": _BOOTSTRAP_PARAMETER, "Value": _BOOTSTRAP_VERSION},
        },
    },
    "Outputs": {
        "BucketName": {"Value": {"Ref": "StagingBucket"}},
        "BootstrapVersion": {"Value": _BOOTSTRAP_VERSION},
    },
}
"""The part of the CDK's bootstrap stack that a deployment uses here, under the same logical ids."""
UNSUPPORTED_TYPE_WARNING = "Tried to parse"
"""How moto's warning of a resource type that its CloudFormation does not have begins."""


class DeploymentError(Exception):
    """The stack could not be created or updated; the text is CloudFormation's."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    unsupported: tuple[str, ...] = ()
    """The types of resources that moto's CloudFormation does not know and did not make."""


def deploy(assembly: Path, *, region: str = "us-east-1", account: str = "123456789012") -> Stack:
    """Deploy a cloud assembly: create its stack, or update it.

    Parameters
    ----------
    assembly
        The directory with ``manifest.json``. It must hold one stack.

    Raises
    ------
    DeploymentError
        If CloudFormation refuses the template, or a resource cannot be made.
    """
    name, artifact, assets = _read_manifest(assembly, region, account)
    _put_bootstrap_version(artifact, region, account)
    for asset in assets:
        upload(asset, region, account)
    template = (assembly / artifact["properties"]["templateFile"]).read_text(encoding="utf-8")
    create_named_buses(template, region=region, account=account)
    template_url = _find_template_url(
        artifact["properties"].get("stackTemplateAssetObjectUrl"), assets, region, account
    )
    source = {"TemplateURL": template_url} if template_url else {"TemplateBody": template}
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        _create_or_update(name, source, artifact["properties"], region, account)
        outputs, resource_ids = _read_stack(name, region, account)
    texts = [str(warning.message) for warning in caught_warnings]
    unsupported = {text.split()[3] for text in texts if text.startswith(UNSUPPORTED_TYPE_WARNING)}
    return Stack(name=name, outputs=outputs, resources=resource_ids, unsupported=tuple(sorted(unsupported)))


def bootstrap(*, region: str = "us-east-1") -> None:
    """Prepare the account and Region for the CDK CLI: the bucket for assets, and the version of the bootstrap.

    They are a stack, as on AWS, so that ``cdk bootstrap`` updates it.

    https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
    """
    template = json.dumps(_BOOTSTRAP_TEMPLATE)
    boto3.client("cloudformation", region).create_stack(StackName=_BOOTSTRAP_STACK, TemplateBody=template)


def read_outputs(*, region: str = "us-east-1", account: str = "123456789012") -> dict[str, str]:
    """Read the outputs of all deployed stacks, whoever deployed them; of two with the same name, the newer stack's.

    Those of the CDK's bootstrap are left out: they are the CDK's alone.
    """
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in list(cloudformation_backends[account][region].stacks.values())
        if stack.name != _BOOTSTRAP_STACK and _is_deployed(stack.status)
        for output in stack.outputs or ()
    }


def _is_deployed(status: str) -> bool:
    return status.endswith("_COMPLETE") and status != "ROLLBACK_COMPLETE"


def _read_manifest(assembly: Path, region: str, account: str) -> tuple[str, dict[str, Any], list[Asset]]:
    artifacts = json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = {name: a for name, a in artifacts.items() if a["type"] == "aws:cloudformation:stack"}
    if len(stacks) != 1:
        raise DeploymentError(f"{assembly} holds {len(stacks)} stacks; one was expected.")
    ((name, stack),) = stacks.items()
    assets: list[Asset] = []
    for artifact in artifacts.values():
        if artifact["type"] == "cdk:asset-manifest":
            manifest = json.loads((assembly / artifact["properties"]["file"]).read_text(encoding="utf-8"))
            assets += list_assets(assembly, manifest, region, account)
    return stack["properties"].get("stackName", name), stack, assets


def _find_template_url(url: str | None, assets: list[Asset], region: str, account: str) -> str | None:
    """Return the URL of the uploaded template: it is too long for a request."""
    for asset in assets:
        if url is not None and replace_placeholders(url, region, account) == f"s3://{asset.bucket}/{asset.key}":
            return f"https://s3.{region}.amazonaws.com/{asset.bucket}/{asset.key}"
    return None


def _put_bootstrap_version(artifact: dict[str, Any], region: str, account: str) -> None:
    parameter = artifact["properties"].get("bootstrapStackVersionSsmParameter")
    if parameter:
        values = {"Name": parameter, "Value": _BOOTSTRAP_VERSION, "Type": "String", "Overwrite": True}
        call_operation("ssm", "PutParameter", values, account=account, region=region)


def _create_or_update(name: str, source: dict[str, str], properties: dict[str, Any], region: str, account: str) -> None:
    cloudformation = boto3.client("cloudformation", region)
    is_protected = properties.get("terminationProtection", False)
    request = {
        **source,
        "StackName": name,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in properties.get("parameters", {}).items()],
    }
    try:
        if find_stack(cloudformation_backends[account][region], name) is not None:
            cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=is_protected)
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request, EnableTerminationProtection=is_protected)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeploymentError(str(error)) from error


def _read_stack(name: str, region: str, account: str) -> tuple[dict[str, str], dict[str, str]]:
    """Read a stack's outputs and the ids of its resources."""
    # Not with the API: listing all resources takes longer than making most of them.
    stack = cloudformation_backends[account][region].get_stack(name)
    if not stack.status.endswith("_COMPLETE") or "ROLLBACK" in stack.status:
        raise DeploymentError(f"{name} is {stack.status}: {stack.events[-1].resource_status_reason or ''}")
    outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in stack.outputs or ()}
    resource_ids = {
        resource.logical_resource_id: str(getattr(resource, "physical_resource_id", ""))
        for resource in stack.stack_resources
        if resource is not None
    }
    return outputs, resource_ids

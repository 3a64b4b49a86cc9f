"""Deploys a cloud assembly, the directory that a CDK synth leaves, into moto's CloudFormation.

`deploy` does what ``cdk deploy`` does: it uploads the file assets to the bootstrap bucket, then creates the stack, or
updates it when it exists.
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.cloudformation.models import cloudformation_backends

from local.aws.eventbridge import create_named_buses

# The same files make the same package: no times, no owners, one order.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
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


@dataclass(frozen=True)
class _Asset:
    source: Path
    packaging: str
    bucket: str
    key: str


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
    _put_bootstrap_version(artifact, region)
    for asset in assets:
        _upload(asset, region)
    template = (assembly / artifact["properties"]["templateFile"]).read_text(encoding="utf-8")
    create_named_buses(template, region=region, account=account)
    template_url = _find_template_url(
        artifact["properties"].get("stackTemplateAssetObjectUrl"), assets, region, account
    )
    source = {"TemplateURL": template_url} if template_url else {"TemplateBody": template}
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        _create_or_update(name, source, artifact["properties"], region)
        outputs, resource_ids = _describe_stack(name, region, account)
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


def _read_manifest(assembly: Path, region: str, account: str) -> tuple[str, dict[str, Any], list[_Asset]]:
    artifacts = json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = {name: a for name, a in artifacts.items() if a["type"] == "aws:cloudformation:stack"}
    if len(stacks) != 1:
        raise DeploymentError(f"{assembly} holds {len(stacks)} stacks; one was expected.")
    ((name, stack),) = stacks.items()
    assets: list[_Asset] = []
    for artifact in artifacts.values():
        if artifact["type"] == "cdk:asset-manifest":
            manifest = json.loads((assembly / artifact["properties"]["file"]).read_text(encoding="utf-8"))
            assets += _list_assets(assembly, manifest, region, account)
    return stack["properties"].get("stackName", name), stack, assets


def _list_assets(assembly: Path, manifest: dict[str, Any], region: str, account: str) -> list[_Asset]:
    return [
        _Asset(
            source=assembly / file["source"]["path"],
            packaging=file["source"]["packaging"],
            bucket=_replace_placeholders(destination["bucketName"], region, account),
            key=_replace_placeholders(destination["objectKey"], region, account),
        )
        for file in manifest["files"].values()
        for destination in file["destinations"].values()
    ]


def _replace_placeholders(text: str, region: str, account: str) -> str:
    text = text.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)
    return text.replace("${AWS::Partition}", "aws")


def _find_template_url(url: str | None, assets: list[_Asset], region: str, account: str) -> str | None:
    """Return the URL of the uploaded template: it is too long for a request."""
    for asset in assets:
        if url is not None and _replace_placeholders(url, region, account) == f"s3://{asset.bucket}/{asset.key}":
            return f"https://s3.{region}.amazonaws.com/{asset.bucket}/{asset.key}"
    return None


def _put_bootstrap_version(artifact: dict[str, Any], region: str) -> None:
    parameter = artifact["properties"].get("bootstrapStackVersionSsmParameter")
    if parameter:
        _put_version(parameter, region)


def _put_version(parameter: str, region: str) -> None:
    boto3.client("ssm", region).put_parameter(Name=parameter, Value=_BOOTSTRAP_VERSION, Type="String", Overwrite=True)


def _upload(asset: _Asset, region: str) -> None:
    s3 = boto3.client("s3", region)
    s3.create_bucket(Bucket=asset.bucket)
    body = package(asset.source) if asset.packaging == "zip" else asset.source.read_bytes()
    s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=body)


def package(directory: Path) -> bytes:
    """Zip a directory; the same files make the same bytes."""
    return _package(directory, tuple(sorted(_file_stamps(str(directory)))))


def _file_stamps(directory: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _file_stamps(entry.path)
            elif entry.is_file():
                yield entry.path, entry.stat().st_mtime_ns, entry.stat().st_size


@lru_cache(maxsize=16)
def _package(directory: Path, files: tuple[tuple[str, int, int], ...]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, _, _ in files:
            path = Path(name)
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), _FIXED_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


def _create_or_update(name: str, source: dict[str, str], properties: dict[str, Any], region: str) -> None:
    cloudformation = boto3.client("cloudformation", region)
    is_protected = properties.get("terminationProtection", False)
    request = {
        **source,
        "StackName": name,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in properties.get("parameters", {}).items()],
    }
    try:
        if _stack_exists(name, region):
            cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=is_protected)
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request, EnableTerminationProtection=is_protected)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeploymentError(str(error)) from error


def _stack_exists(name: str, region: str) -> bool:
    try:
        boto3.client("cloudformation", region).describe_stacks(StackName=name)
    except ClientError:
        return False
    return True


def _describe_stack(name: str, region: str, account: str) -> tuple[dict[str, str], dict[str, str]]:
    cloudformation = boto3.client("cloudformation", region)
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    if not stack["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in stack["StackStatus"]:
        last_event = cloudformation.describe_stack_events(StackName=name)["StackEvents"][0]
        raise DeploymentError(f"{name} is {stack['StackStatus']}: {last_event.get('ResourceStatusReason', '')}")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    # Not with the API: listing all resources takes longer than making most of them.
    _, resources = cloudformation_backends[account][region].list_stack_resources(name)
    resource_ids = {
        r.logical_resource_id: str(getattr(r, "physical_resource_id", "")) for r in resources if r is not None
    }
    return outputs, resource_ids

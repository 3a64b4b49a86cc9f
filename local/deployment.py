"""Deploys a cloud assembly, the directory that a CDK synth leaves, into moto's CloudFormation.

`deploy` does what ``cdk deploy`` does: it uploads the file assets to the bootstrap bucket, then creates
the stack, or updates it when it exists. `install` mends what moto does differently from CloudFormation:

- ``AWS::StepFunctions::StateMachine``: ``DefinitionSubstitutions`` are applied; logging, tracing and type
  are kept; ``Arn`` is an attribute. (The backend that executes is set by ``local.stepfunctions_api``.)
- ``AWS::Lambda::Version``: its ``Ref`` is the ARN with the version. To publish what the latest version has already
  is refused, and it is deleted when its template lets it go.
- ``AWS::Lambda::Function``: ``LoggingConfig``, ``Architectures``, ``TracingConfig`` and ``Tags`` are kept.
- Names that CloudFormation makes up are the same in every deployment, so the same template is the same
  state machine, whose definition need not be parsed again.
- An update changes what exists before it adds what refers to it (else a new Lambda version would be
  published with the old code), and leaves alone what has a retaining ``DeletionPolicy``.
- An update that fails half way is rolled back: what was changed is changed back, and what was added goes, unless
  its ``DeletionPolicy`` is ``Retain``.
- Tables, parameters and topics: see ``local.resource_types``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import threading
import warnings
import weakref
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.awslambda import models as awslambda_models
from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaBackend, LambdaFunction, LambdaVersion
from moto.awslambda_simple.models import lambda_simple_backends
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Stack as CloudFormationStack
from moto.cloudformation.models import cloudformation_backends
from moto.stepfunctions.models import StateMachine

from local import resource_types
from local.event_buses import make_named_buses
from local.hooks import Hooks

_RETAINED = {"Retain", "RetainExceptOnCreate"}
# A package is the same for the same files: no times, no owners, one order.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_BOOTSTRAP_VERSION = "30"
_UNSUPPORTED = "Tried to parse"
_WORD = re.compile(r"\w+")


class DeploymentError(Exception):
    """The stack could not be created or updated; the text is CloudFormation's."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    unsupported: tuple[str, ...] = ()
    """What moto's CloudFormation does not know, and therefore did not make."""


@dataclass(frozen=True)
class _Asset:
    source: Path
    packaging: str
    bucket: str
    key: str


def install(hooks: Hooks) -> None:
    """Mend moto's CloudFormation for as long as the hooks are in place."""
    _hook_names(hooks)
    _hook_state_machine(hooks)
    _hook_lambda(hooks)
    _hook_updates(hooks)
    _hook_parser(hooks)
    resource_types.install(hooks)


def deploy(assembly: Path, *, region: str = "us-east-1", account: str = "123456789012") -> Stack:
    """Deploy a cloud assembly; what exists already is updated.

    Parameters
    ----------
    assembly
        The directory with ``manifest.json``. It must hold one stack.

    Raises
    ------
    DeploymentError
        When CloudFormation refuses.
    """
    name, artifact, assets = _read(assembly, region, account)
    _bootstrap(artifact, region)
    for asset in assets:
        _upload(asset, region)
    template = (assembly / artifact["properties"]["templateFile"]).read_text(encoding="utf-8")
    make_named_buses(template, region=region, account=account)
    uploaded = _uploaded(artifact["properties"].get("stackTemplateAssetObjectUrl"), assets, region, account)
    source = {"TemplateURL": uploaded} if uploaded else {"TemplateBody": template}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _create_or_update(name, source, artifact["properties"].get("parameters", {}), region)
        outputs, made = _describe(name, region, account)
    texts = [str(warning.message) for warning in caught]
    unknown = {text.split()[3] for text in texts if text.startswith(_UNSUPPORTED)}
    return Stack(name=name, outputs=outputs, resources=made, unsupported=tuple(sorted(unknown)))


def _read(assembly: Path, region: str, account: str) -> tuple[str, dict[str, Any], list[_Asset]]:
    artifacts = json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = {name: a for name, a in artifacts.items() if a["type"] == "aws:cloudformation:stack"}
    if len(stacks) != 1:
        raise DeploymentError(f"{assembly} holds {len(stacks)} stacks; one was expected.")
    ((name, stack),) = stacks.items()
    assets: list[_Asset] = []
    for artifact in artifacts.values():
        if artifact["type"] == "cdk:asset-manifest":
            manifest = json.loads((assembly / artifact["properties"]["file"]).read_text(encoding="utf-8"))
            assets += _assets(assembly, manifest, region, account)
    return stack["properties"].get("stackName", name), stack, assets


def _assets(assembly: Path, manifest: dict[str, Any], region: str, account: str) -> list[_Asset]:
    return [
        _Asset(
            source=assembly / file["source"]["path"],
            packaging=file["source"]["packaging"],
            bucket=_resolved(destination["bucketName"], region, account),
            key=_resolved(destination["objectKey"], region, account),
        )
        for file in manifest["files"].values()
        for destination in file["destinations"].values()
    ]


def _resolved(text: str, region: str, account: str) -> str:
    text = text.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)
    return text.replace("${AWS::Partition}", "aws")


def _uploaded(url: str | None, assets: list[_Asset], region: str, account: str) -> str | None:
    """Return where the template is, for CloudFormation to read: it is too long for a request."""
    for asset in assets:
        if url is not None and _resolved(url, region, account) == f"s3://{asset.bucket}/{asset.key}":
            return f"https://s3.{region}.amazonaws.com/{asset.bucket}/{asset.key}"
    return None


def _bootstrap(artifact: dict[str, Any], region: str) -> None:
    parameter = artifact["properties"].get("bootstrapStackVersionSsmParameter")
    if parameter:
        boto3.client("ssm", region).put_parameter(
            Name=parameter, Value=_BOOTSTRAP_VERSION, Type="String", Overwrite=True
        )


def _upload(asset: _Asset, region: str) -> None:
    s3 = boto3.client("s3", region)
    s3.create_bucket(Bucket=asset.bucket)
    body = package(asset.source) if asset.packaging == "zip" else asset.source.read_bytes()
    s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=body)


def package(directory: Path) -> bytes:
    """Zip a directory; the same files make the same bytes, wherever and whenever."""
    return _package(directory, tuple(sorted(_stamps(str(directory)))))


def _stamps(directory: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _stamps(entry.path)
            elif entry.is_file():
                yield entry.path, entry.stat().st_mtime_ns, entry.stat().st_size


@lru_cache(maxsize=16)
def _package(directory: Path, files: tuple[tuple[str, int, int], ...]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, _, _ in files:
            path = Path(name)
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), _NO_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


def _create_or_update(name: str, source: dict[str, str], parameters: dict[str, str], region: str) -> None:
    cloudformation = boto3.client("cloudformation", region)
    request = {
        **source,
        "StackName": name,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    }
    try:
        if _exists(name, region):
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeploymentError(str(error)) from error


def _exists(name: str, region: str) -> bool:
    try:
        boto3.client("cloudformation", region).describe_stacks(StackName=name)
    except ClientError:
        return False
    return True


def _describe(name: str, region: str, account: str) -> tuple[dict[str, str], dict[str, str]]:
    cloudformation = boto3.client("cloudformation", region)
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    if not stack["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in stack["StackStatus"]:
        last = cloudformation.describe_stack_events(StackName=name)["StackEvents"][0]
        raise DeploymentError(f"{name} is {stack['StackStatus']}: {last.get('ResourceStatusReason', '')}")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    # Not by the API: its answer of all resources takes longer than to make most of them.
    _, resources = cloudformation_backends[account][region].list_stack_resources(name)
    made = {r.logical_resource_id: str(getattr(r, "physical_resource_id", "")) for r in resources if r is not None}
    return outputs, made


def _hook_names(hooks: Hooks) -> None:
    generate = parsing.generate_resource_name
    asked_for = threading.local()

    def generate_resource_name(resource_type: str, stack_name: str, logical_id: str) -> str:
        asked_for.name = f"{stack_name}/{logical_id}"
        return str(generate(resource_type, stack_name, logical_id))

    def suffix() -> str:
        return hashlib.sha256(asked_for.name.encode()).hexdigest()[:12].upper()

    hooks.replace(parsing, "generate_resource_name", generate_resource_name)
    hooks.replace(parsing, "random_suffix", suffix)


def _hook_parser(hooks: Hooks) -> None:
    """Read a template that is JSON as JSON: moto reads each as YAML, which takes half the time of a boot."""
    parse = CloudFormationStack.parse_template

    def parse_template(template: str) -> dict[str, Any]:
        try:
            parsed: dict[str, Any] = json.loads(template)
        except ValueError:
            return dict(parse(template))
        return parsed

    hooks.replace(CloudFormationStack, "parse_template", staticmethod(parse_template))


def _hook_state_machine(hooks: Hooks) -> None:
    create = StateMachine.create_from_cloudformation_json.__func__
    update = StateMachine.update_from_cloudformation_json.__func__
    attribute, has_attribute = StateMachine.get_cfn_attribute, StateMachine.has_cfn_attr.__func__

    def created(cls: type, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any) -> Any:
        properties = cloudformation_json["Properties"]
        _substitute(properties)
        return _configure(create(cls, resource_name, cloudformation_json, *args, **kwargs), properties)

    def updated(cls: type, original_resource: Any, new_resource_name: str, **kwargs: Any) -> Any:
        properties = kwargs["cloudformation_json"]["Properties"]
        _substitute(properties)
        machine = update(cls, original_resource, new_resource_name, **kwargs)
        return _configure(machine, properties)

    def get_attribute(self: StateMachine, attribute_name: str) -> Any:
        return self.arn if attribute_name == "Arn" else attribute(self, attribute_name)

    def has_cfn_attr(cls: type, attr: str) -> bool:
        return attr == "Arn" or bool(has_attribute(cls, attr))

    hooks.replace(StateMachine, "create_from_cloudformation_json", classmethod(created))
    hooks.replace(StateMachine, "update_from_cloudformation_json", classmethod(updated))
    hooks.replace(StateMachine, "get_cfn_attribute", get_attribute)
    hooks.replace(StateMachine, "has_cfn_attr", classmethod(has_cfn_attr))


def _substitute(properties: dict[str, Any]) -> None:
    if "Definition" in properties:
        properties["DefinitionString"] = json.dumps(properties["Definition"])
    text = properties.get("DefinitionString", "")
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        replacement = str(getattr(value, "physical_resource_id", value))
        text = text.replace(f"${{{name}}}", json.dumps(replacement)[1:-1])
    properties["DefinitionString"] = text


def _configure(machine: Any, properties: dict[str, Any]) -> Any:
    """Keep what the template says and moto does not read, in the spelling of the API."""
    machine.loggingConfiguration = _api_spelling(properties.get("LoggingConfiguration")) or {"level": "OFF"}
    machine.tracingConfiguration = _api_spelling(properties.get("TracingConfiguration")) or {"enabled": False}
    machine.type = properties.get("StateMachineType", "STANDARD")
    return machine


def _api_spelling(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _api_spelling(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_api_spelling(item) for item in value]
    return value


def _hook_lambda(hooks: Hooks) -> None:
    create = LambdaFunction.create_from_cloudformation_json.__func__
    update = LambdaFunction.update_from_cloudformation_json.__func__
    publish = LambdaVersion.create_from_cloudformation_json.__func__
    configuration = LambdaFunction.get_configuration

    def created(cls: type, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any) -> Any:
        function = create(cls, resource_name, cloudformation_json, *args, **kwargs)
        return _complete(function, cloudformation_json["Properties"])

    def updated(cls: type, original_resource: Any, new_resource_name: str, **kwargs: Any) -> Any:
        properties = kwargs["cloudformation_json"]["Properties"]
        function = update(cls, original_resource, new_resource_name, **kwargs)
        function.environment_vars = properties.get("Environment", {}).get("Variables", {})
        return _complete(function, properties)

    def published(
        cls: type, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Any:
        function_name = str(cloudformation_json["Properties"]["FunctionName"]).split(":")[-1]
        _refuse_same_version(lambda_simple_backends[account_id][region_name], function_name)
        version = publish(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs)
        function = f"arn:aws:lambda:{region_name}:{account_id}:function:{function_name}"
        version.physical_resource_id = f"{function}:{version.version}"
        return version

    def delete(self: LambdaVersion, account_id: str, region_name: str) -> None:
        # A function that went before has taken its versions along.
        with contextlib.suppress(UnknownFunctionException):
            lambda_simple_backends[account_id][region_name].delete_function(self.physical_resource_id)

    def get_configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
        # moto's own CloudFormation asks for the text of a function; nothing is left out here.
        result: dict[str, Any] = configuration(self, on_create)
        result["LoggingConfig"] = {"LogFormat": "Text", "LogGroup": self.logs_group_name}
        return result

    hooks.replace(awslambda_models, "_s3_content", _once_per_object(awslambda_models._s3_content))
    hooks.replace(LambdaFunction, "create_from_cloudformation_json", classmethod(created))
    hooks.replace(LambdaFunction, "update_from_cloudformation_json", classmethod(updated))
    hooks.replace(LambdaFunction, "get_configuration", get_configuration)
    hooks.replace(LambdaVersion, "create_from_cloudformation_json", classmethod(published))
    hooks.replace(LambdaVersion, "delete", delete)


def _refuse_same_version(backend: LambdaBackend, function_name: str) -> None:
    latest, *versions = backend.list_versions_by_function(function_name)
    if versions and _content(versions[-1]) == _content(latest):
        raise ValidationError(
            message=f"A version for this Lambda function exists ( {versions[-1].version} ). "
            "Modify the function to create a new version."
        )


def _content(function: LambdaFunction) -> tuple[Any, ...]:
    settings = (function.handler, function.role, function.timeout, function.memory_size, function.environment_vars)
    return (function.code_sha_256, *settings)


def _once_per_object(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Read and hash a package once: every function of a stack, and every version of it, has the same."""
    contents: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def content(key: Any) -> Any:
        if key not in contents:
            contents[key] = read(key)
        return contents[key]

    return content


def _complete(function: LambdaFunction, properties: dict[str, Any]) -> LambdaFunction:
    default = f"/aws/lambda/{function.function_name}"
    function.logs_group_name = properties.get("LoggingConfig", {}).get("LogGroup", default)
    function.architectures = properties.get("Architectures", ["x86_64"])
    function.tracing_config = properties.get("TracingConfig", {"Mode": "PassThrough"})
    function.tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    return function


def _hook_updates(hooks: Hooks) -> None:
    update_stack = CloudFormationStack.update

    def update(self: parsing.ResourceMap, template: dict[str, Any], parameters: Any = None) -> None:
        former, inputs, existing = self._template, self.input_parameters, set(self._parsed_resources)
        actions = self.build_resource_diff(template, parameters)
        try:
            _change(self, template, parameters or inputs, actions)
        except Exception:
            _change(self, former, inputs, {**actions, "Add": []})
            for name in [name for name in actions["Add"] if name not in existing]:
                _take_away(self, name, template["Resources"][name], kept_by={"Retain"})
            raise
        for name in actions["Remove"]:
            _take_away(self, name, former["Resources"][name], kept_by=_RETAINED)

    def update_or_roll_back(self: CloudFormationStack, template: str, *args: Any, **kwargs: Any) -> None:
        former = self.template
        try:
            update_stack(self, template, *args, **kwargs)
        except Exception as error:  # whatever a resource raises; UpdateStack has answered long before
            self.template = former
            self._parse_template()
            self.status = "UPDATE_ROLLBACK_COMPLETE"
            self._add_stack_event(self.status, resource_status_reason=str(error))

    hooks.replace(parsing.ResourceMap, "update", update)
    hooks.replace(CloudFormationStack, "update", update_or_roll_back)


def _change(
    resources: parsing.ResourceMap, template: dict[str, Any], parameters: Any, actions: dict[str, list[str]]
) -> None:
    """Make what is there as the template has it, and add what is not there."""
    resources._template, resources._resource_json_map = template, template["Resources"]
    resources.input_parameters = parameters
    resources.load_mapping()
    resources.load_parameters()
    resources.load_conditions()
    for name in _dependencies_first(template["Resources"]):
        if name in actions["Add"]:
            _ = resources[name]
        elif name in actions["Modify"]:
            _modify(resources, name)


def _take_away(resources: parsing.ResourceMap, name: str, resource: dict[str, Any], *, kept_by: set[str]) -> None:
    """Forget a resource, and delete it unless its policy is one of those that keep it."""
    parsed = resources._parsed_resources.pop(name, None)
    if parsed is not None and resource.get("DeletionPolicy") not in kept_by:
        resources._delete_resource(parsed, resource)


def _modify(resources: parsing.ResourceMap, name: str) -> None:
    changed = parsing.parse_and_update_resource(
        name,
        resources._resource_json_map[name],
        resources,
        account_id=resources._account_id,
        region_name=resources._region_name,
    )
    # Nothing comes back for a type that moto cannot update; it stays as it is.
    if changed is not None:
        resources._parsed_resources[name] = changed


def _dependencies_first(resources: dict[str, Any]) -> list[str]:
    order: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in order or name in path:
            return
        for other in _mentioned(resources[name], resources):
            visit(other, (*path, name))
        order[name] = None

    for name in resources:
        visit(name, ())
    return list(order)


def _mentioned(value: Any, resources: dict[str, Any]) -> list[str]:
    """Find the resources that a part of a template refers to, in whichever way."""
    if isinstance(value, str):
        return [name for name in _WORD.findall(value) if name in resources]
    if isinstance(value, dict):
        return [name for item in value.values() for name in _mentioned(item, resources)]
    if isinstance(value, list):
        return [name for item in value for name in _mentioned(item, resources)]
    return []

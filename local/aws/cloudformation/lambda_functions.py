"""Lambda functions and versions of a template.

- ``AWS::Lambda::Version``: its ``Ref`` is the ARN with the version. A version with the same
  content as the latest one is refused, and a version is deleted when the template no longer has it.
- ``AWS::Lambda::Function``: ``LoggingConfig``, ``Architectures``, ``TracingConfig`` and ``Tags`` are kept. A refusal of
  its code is CloudFormation's error.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from moto.awslambda import models as awslambda_models
from moto.awslambda.exceptions import InvalidParameterValueException, UnknownFunctionException
from moto.awslambda.models import LambdaBackend, LambdaFunction, LambdaVersion
from moto.awslambda_simple.models import lambda_simple_backends
from moto.cloudformation.exceptions import ValidationError

from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Have functions and versions made as AWS makes them, for as long as the hooks are in place."""
    create = LambdaFunction.create_from_cloudformation_json.__func__
    update = LambdaFunction.update_from_cloudformation_json.__func__
    publish = LambdaVersion.create_from_cloudformation_json.__func__
    configuration = LambdaFunction.get_configuration

    def create_function(cls: type, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any) -> Any:
        with _report_refusal(resource_name):
            function = create(cls, resource_name, cloudformation_json, *args, **kwargs)
        return _set_properties(function, cloudformation_json["Properties"])

    def update_function(cls: type, original_resource: Any, new_resource_name: str, **kwargs: Any) -> Any:
        properties = kwargs["cloudformation_json"]["Properties"]
        with _report_refusal(new_resource_name):
            function = update(cls, original_resource, new_resource_name, **kwargs)
        function.environment_vars = properties.get("Environment", {}).get("Variables", {})
        return _set_properties(function, properties)

    def publish_version(
        cls: type, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Any:
        function_name = str(cloudformation_json["Properties"]["FunctionName"]).split(":")[-1]
        _require_changed_version(lambda_simple_backends[account_id][region_name], function_name)
        version = publish(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs)
        function = f"arn:aws:lambda:{region_name}:{account_id}:function:{function_name}"
        version.physical_resource_id = f"{function}:{version.version}"
        return version

    def delete(self: LambdaVersion, account_id: str, region_name: str) -> None:
        # A function that was deleted first has deleted its versions.
        with contextlib.suppress(UnknownFunctionException):
            lambda_simple_backends[account_id][region_name].delete_function(self.physical_resource_id)

    def get_configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
        # moto's CloudFormation also calls this.
        result: dict[str, Any] = configuration(self, on_create)
        result["LoggingConfig"] = {"LogFormat": "Text", "LogGroup": self.logs_group_name}
        return result

    hooks.replace(awslambda_models, "_s3_content", _read_once_per_object(awslambda_models._s3_content))
    hooks.replace(LambdaFunction, "create_from_cloudformation_json", classmethod(create_function))
    hooks.replace(LambdaFunction, "update_from_cloudformation_json", classmethod(update_function))
    hooks.replace(LambdaFunction, "get_configuration", get_configuration)
    hooks.replace(LambdaVersion, "create_from_cloudformation_json", classmethod(publish_version))
    hooks.replace(LambdaVersion, "delete", delete)


@contextlib.contextmanager
def _report_refusal(resource_name: str) -> Iterator[None]:
    """Turn Lambda's error, which has another format, into CloudFormation's."""
    try:
        yield
    except InvalidParameterValueException as error:
        raise ValidationError(message=f"{resource_name}: {error.message}") from error


def _require_changed_version(backend: LambdaBackend, function_name: str) -> None:
    latest, *versions = backend.list_versions_by_function(function_name)
    if versions and _published_content(versions[-1]) == _published_content(latest):
        raise ValidationError(
            message=f"A version for this Lambda function exists ( {versions[-1].version} ). "
            "Modify the function to create a new version."
        )


def _published_content(function: LambdaFunction) -> tuple[Any, ...]:
    settings = (function.handler, function.role, function.timeout, function.memory_size, function.environment_vars)
    return (function.code_sha_256, *settings)


def _read_once_per_object(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Read and hash each package once: all functions of a stack, and all their versions, have the same package."""
    contents: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def content(key: Any) -> Any:
        if key not in contents:
            contents[key] = read(key)
        return contents[key]

    return content


def _set_properties(function: LambdaFunction, properties: dict[str, Any]) -> LambdaFunction:
    default = f"/aws/lambda/{function.function_name}"
    function.logs_group_name = properties.get("LoggingConfig", {}).get("LogGroup", default)
    function.architectures = properties.get("Architectures", ["x86_64"])
    function.tracing_config = properties.get("TracingConfig", {"Mode": "PassThrough"})
    function.tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    return function

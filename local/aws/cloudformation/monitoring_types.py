"""Resource types of CloudWatch and CloudWatch Logs: their properties are the parameters of an operation.

Botocore's model of the operation says which properties there are, and validates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.model import Shape

from local.aws.cloudformation.added_resource import AddedResource
from local.aws.direct_calls import call_operation


class Alarm(AddedResource):
    """``AWS::CloudWatch::Alarm``, on a metric or on metric math (``Metrics``). An update keeps its state."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Put the alarm."""
        self.physical_resource_id = self.properties.get("AlarmName", resource_name)
        self._arn = f"arn:aws:cloudwatch:{region_name}:{account_id}:alarm:{self.physical_resource_id}"
        parameters = {**self.properties, "AlarmName": self.physical_resource_id}
        _call("cloudwatch", "PutMetricAlarm", (account_id, region_name), parameters)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: AddedResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> AddedResource:
        """Change the alarm in place, unless its name changes."""
        assert isinstance(original_resource, Alarm)  # noqa: S101 (it made the resource)
        name = cloudformation_json["Properties"].get("AlarmName", new_resource_name)
        if name != original_resource.physical_resource_id:
            original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return the ARN."""
        return self._arn

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the alarm."""
        _call("cloudwatch", "DeleteAlarms", (account_id, region_name), {"AlarmNames": [self.physical_resource_id]})


class Dashboard(AddedResource):
    """``AWS::CloudWatch::Dashboard``."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Put the dashboard."""
        self.physical_resource_id = self.properties.get("DashboardName", resource_name)
        parameters = {**self.properties, "DashboardName": self.physical_resource_id}
        _call("cloudwatch", "PutDashboard", (account_id, region_name), parameters)

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the dashboard."""
        _call(
            "cloudwatch", "DeleteDashboards", (account_id, region_name), {"DashboardNames": [self.physical_resource_id]}
        )


class QueryDefinition(AddedResource):
    """``AWS::Logs::QueryDefinition``. An update changes it in place."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Put the definition."""
        self._put((account_id, region_name))

    def _put(self, place: tuple[str, str], **query_id: str) -> None:
        parameters = {**_rename_members(self.properties), **query_id}
        answer = _call("logs", "PutQueryDefinition", place, parameters)
        self.physical_resource_id = str(answer["queryDefinitionId"])

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: AddedResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> AddedResource:
        """Change the definition."""
        assert isinstance(original_resource, QueryDefinition)  # noqa: S101 (it made the resource)
        original_resource.properties = cloudformation_json["Properties"]
        original_resource._put((account_id, region_name), queryDefinitionId=original_resource.physical_resource_id)
        return original_resource

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Tell whether a template can use the attribute."""
        return attr == "QueryDefinitionId"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return the id."""
        return self.physical_resource_id

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the definition."""
        _call(
            "logs", "DeleteQueryDefinition", (account_id, region_name), {"queryDefinitionId": self.physical_resource_id}
        )


def _rename_members(value: Any) -> Any:
    """Begin the names of members with a small letter, as CloudWatch Logs has them."""
    if isinstance(value, Mapping):
        return {f"{name[0].lower()}{name[1:]}": _rename_members(part) for name, part in value.items()}
    return [_rename_members(part) for part in value] if isinstance(value, list) else value


def _call(service: str, operation: str, place: tuple[str, str], parameters: Mapping[str, Any]) -> Any:
    """Call an operation with a resource's properties; what the operation does not have is refused."""
    account, region = place
    model = boto3.client(service, region).meta.service_model.operation_model(operation)
    return call_operation(service, operation, _convert(model.input_shape, parameters), account=account, region=region)


def _convert(shape: Shape | None, value: Any) -> Any:
    """Convert numbers and Booleans, which a template can have as text, to the types of the operation."""
    type_name = getattr(shape, "type_name", None)
    if isinstance(value, Mapping) and type_name == "structure":
        return {name: _convert(shape.members.get(name), part) for name, part in value.items()}
    if isinstance(value, list) and type_name == "list":
        return [_convert(shape.member, part) for part in value]
    if type_name in {"integer", "long"}:
        return int(value)
    if type_name in {"double", "float"}:
        return float(value)
    if type_name == "boolean":
        return str(value).lower() == "true"
    return value

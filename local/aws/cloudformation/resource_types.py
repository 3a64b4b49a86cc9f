"""Resource types that moto's CloudFormation makes differently from AWS's, or not at all.

- ``AWS::DynamoDB::Table``: point in time recovery, encryption and time to live are kept. An update changes the table in
  place, so its items and its stream stay; another key is refused because it would replace the table.
- ``AWS::SSM::Parameter``: has a name even if the template has none; an update writes the next version.
- ``AWS::SNS::Topic``: ``TopicArn`` is an attribute; an update changes the topic in place, so its
  subscriptions stay.
- The types in `local.aws.cloudformation.added_types` exist.
"""

from __future__ import annotations

from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import GlobalSecondaryIndex, Table
from moto.sns.models import Topic
from moto.ssm.models import Parameter, ssm_backends

from local.aws.cloudformation.added_types import ADDED_TYPES
from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Have moto make these resources as AWS does, for as long as the hooks are in place."""
    _hook_table(hooks)
    _hook_parameter(hooks)
    _hook_topic(hooks)
    find_class = parsing.resource_class_from_type

    def resource_class_from_type(resource_type: str) -> Any:
        return ADDED_TYPES.get(resource_type) or find_class(resource_type)

    hooks.replace(parsing, "resource_class_from_type", resource_class_from_type)


def _hook_table(hooks: Hooks) -> None:
    create = Table.create_from_cloudformation_json.__func__

    def create_table(
        cls: type, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Table:
        properties = cloudformation_json["Properties"]
        if "SSESpecification" in properties:
            properties["SSESpecification"] = _render_encryption(properties["SSESpecification"], account_id, region_name)
        table: Table = create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs)
        _set_recovery(table, properties)
        _set_time_to_live(table, properties.get("TimeToLiveSpecification"))
        return table

    def update_table(
        cls: type,
        original_resource: Table,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Table:
        table, properties = original_resource, cloudformation_json["Properties"]
        if properties["KeySchema"] != table.schema or properties.get("TableName", table.name) != table.name:
            raise ValidationError(table.name, "CloudFormation would replace the table; this backend does not.")
        table.attr = properties["AttributeDefinitions"]
        table.global_indexes = [
            GlobalSecondaryIndex.create(index, table.table_key_attrs)
            for index in properties.get("GlobalSecondaryIndexes", [])
        ]
        table.billing_mode = properties.get("BillingMode", "PROVISIONED")
        table.deletion_protection_enabled = properties.get("DeletionProtectionEnabled", False)
        table.tags = properties.get("Tags", [])
        table.sse_specification = _render_encryption(properties.get("SSESpecification"), account_id, region_name)
        _set_recovery(table, properties)
        _set_stream(table, properties.get("StreamSpecification"))
        _set_time_to_live(table, properties.get("TimeToLiveSpecification"))
        return table

    hooks.replace(Table, "create_from_cloudformation_json", classmethod(create_table))
    hooks.replace(Table, "update_from_cloudformation_json", classmethod(update_table))


def _render_encryption(
    specification: dict[str, Any] | None, account_id: str, region_name: str
) -> dict[str, Any] | None:
    """Render an encryption as in the API."""
    if not specification:
        return None
    # Without a key moto generates an RSA key, which takes as long as half a start.
    key = f"arn:aws:kms:{region_name}:{account_id}:alias/aws/dynamodb"
    members = {("Enabled" if name == "SSEEnabled" else name): value for name, value in specification.items()}
    return {"KMSMasterKeyId": key, **members}


def _set_stream(table: Table, specification: dict[str, Any] | None) -> None:
    """Enable or disable the stream; a stream with another view is a new stream."""
    if specification is None:
        table.stream_specification = {"StreamEnabled": False}
    elif specification["StreamViewType"] != (table.stream_specification or {}).get("StreamViewType"):
        table.set_stream_specification(dict(specification))


def _set_time_to_live(table: Table, specification: dict[str, Any] | None) -> None:
    if specification is None and table.ttl["TimeToLiveStatus"] == "ENABLED":
        specification = {"AttributeName": table.ttl["AttributeName"], "Enabled": False}
    if specification is not None:
        dynamodb_backends[table.account_id][table.region_name].update_time_to_live(table.name, specification)


def _set_recovery(table: Table, properties: dict[str, Any]) -> None:
    specification = properties.get("PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False})
    dynamodb_backends[table.account_id][table.region_name].update_continuous_backups(table.name, specification)


def _hook_parameter(hooks: Hooks) -> None:
    create = Parameter.create_from_cloudformation_json.__func__

    def create_parameter(
        cls: type, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any
    ) -> Parameter:
        properties = cloudformation_json["Properties"]
        properties.setdefault("Name", resource_name)
        properties["Tags"] = [{"Key": key, "Value": value} for key, value in properties.get("Tags", {}).items()]
        parameter: Parameter = create(cls, resource_name, cloudformation_json, *args, **kwargs)
        return parameter

    def update_parameter(
        cls: type,
        original_resource: Parameter,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Parameter:
        properties = cloudformation_json["Properties"]
        properties["Tags"] = {}
        name = properties.setdefault("Name", new_resource_name)
        if name == original_resource.name:
            properties["Overwrite"] = True
        else:
            ssm_backends[account_id][region_name].delete_parameter(original_resource.name)
        return create_parameter(cls, name, cloudformation_json, account_id, region_name)

    hooks.replace(Parameter, "create_from_cloudformation_json", classmethod(create_parameter))
    hooks.replace(Parameter, "update_from_cloudformation_json", classmethod(update_parameter))


def _hook_topic(hooks: Hooks) -> None:
    update = Topic.update_from_cloudformation_json.__func__
    attribute, has_attribute = Topic.get_cfn_attribute, Topic.has_cfn_attr.__func__

    def get_attribute(self: Topic, attribute_name: str) -> str:
        return str(self.arn if attribute_name == "TopicArn" else attribute(self, attribute_name))

    def has_cfn_attr(cls: type, attr: str) -> bool:
        return attr == "TopicArn" or bool(has_attribute(cls, attr))

    def update_topic(cls: type, original_resource: Topic, new_resource_name: str, **kwargs: Any) -> Topic:
        properties = kwargs["cloudformation_json"]["Properties"]
        if new_resource_name != original_resource.name:
            replacement: Topic = update(cls, original_resource, new_resource_name, **kwargs)
            return replacement
        for name in ("DisplayName", "KmsMasterKeyId"):
            setattr(original_resource, camelcase_to_underscores(name), properties.get(name, ""))
        return original_resource

    hooks.replace(Topic, "get_cfn_attribute", get_attribute)
    hooks.replace(Topic, "has_cfn_attr", classmethod(has_cfn_attr))
    hooks.replace(Topic, "update_from_cloudformation_json", classmethod(update_topic))

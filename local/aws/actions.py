"""The actions of IAM that a call needs, with their resources.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.key_condition_expression import parse_expression
from moto.s3.models import FakeKey, s3_backends

from local.aws.stepfunctions.task_tokens import find_state_machine_of_token

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Action:
    """An action that a call needs.

    Attributes
    ----------
    name
        As IAM spells it, ``dynamodb:UpdateItem``.
    resources
        The ARNs, or ``*`` where the action has no resources to name.
    parameters
        The parameters of the call; for one of several operations in a call, the operation's own.
    contexts
        The values of IAM's condition keys: one mapping for each item or event of the call, empty if it has none.
    """

    name: str
    resources: tuple[str, ...]
    parameters: Parameters
    contexts: tuple[Mapping[str, str], ...] = ()


def required_actions(client: BaseClient, operation: str, parameters: Parameters, account_id: str) -> list[Action]:
    """Return the actions that a call needs.

    Parameters
    ----------
    client
        The boto3 client.
    operation
        The operation's name in the API.
    parameters
        The parameters of the call.
    account_id
        The account of the resources whose parameters are not ARNs.

    Raises
    ------
    NotImplementedError
        If the resources of the service's operations are not defined here.
    """
    # For all services that are called here, the signing name is the name in IAM; that of a boto3 client can differ.
    service = client.meta.service_model.signing_name
    place = f"{client.meta.region_name}:{account_id}"
    if service in _ACTIONS_OF_SERVICE:
        return list(_ACTIONS_OF_SERVICE[service](operation, parameters, place))
    action = f"{service}:{operation}"
    if service not in _RESOURCES_OF_SERVICE:
        raise NotImplementedError(f"local/aws/actions.py does not define the resources of {action}")
    return [Action(action, tuple(_RESOURCES_OF_SERVICE[service](operation, parameters, place)), parameters)]


def _iterate_workmail_actions(operation: str, parameters: Parameters, place: str) -> Iterator[Action]:
    """Yield the action on the organization; a service that takes a role needs the permission to pass it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    organization_id = parameters.get("OrganizationId")
    resource = f"arn:aws:workmail:{place}:organization/{organization_id}" if organization_id else "*"
    yield Action(f"workmail:{operation}", (resource,), parameters)
    if operation == "StartMailboxExportJob":
        context = {"iam:PassedToService": "export.workmail.amazonaws.com"}
        yield Action("iam:PassRole", (parameters["RoleArn"],), parameters, (context,))


def _identitystore_resources(operation: str, parameters: Parameters, place: str) -> Iterator[str]:
    account_id = place.rpartition(":")[2]
    yield _render_arn(parameters["IdentityStoreId"], f"arn:aws:identitystore::{account_id}:identitystore/")
    if "UserId" in parameters:
        yield _render_arn(parameters["UserId"], "arn:aws:identitystore:::user/")


def _render_arn(id_or_arn: str, prefix: str) -> str:
    return id_or_arn if id_or_arn.startswith("arn:") else f"{prefix}{id_or_arn}"


def _sqs_resources(operation: str, parameters: Parameters, place: str) -> Iterator[str]:
    yield f"arn:aws:sqs:{place}:{parameters['QueueUrl'].rpartition('/')[2]}"


def _sns_resources(operation: str, parameters: Parameters, place: str) -> Iterator[str]:
    yield parameters["TopicArn"]


def _ssm_resources(operation: str, parameters: Parameters, place: str) -> Iterator[str]:
    # For a path IAM evaluates the path itself.
    name = parameters["Path" if operation == "GetParametersByPath" else "Name"]
    yield f"arn:aws:ssm:{place}:parameter/{name.strip('/')}"


def _states_resources(operation: str, parameters: Parameters, place: str) -> Iterator[str]:
    """Yield the state machine or the execution; for a task token the state machine whose execution waits with it.

    The service authorization reference has no resource for a token's operations. AWS answered a denied one with the
    ARN of the state machine: https://github.com/NOAA-OWP/hydrovis/issues/837, https://github.com/aws/aws-cdk/pull/8486
    """
    if operation in _TASK_TOKEN_OPERATIONS:
        region, _, account_id = place.partition(":")
        yield find_state_machine_of_token(parameters["taskToken"], account_id, region) or "*"
    else:
        yield parameters.get("executionArn") or parameters["stateMachineArn"]


_TASK_TOKEN_OPERATIONS = frozenset({"SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"})

_RESOURCES_OF_SERVICE: Mapping[str, Callable[[str, Parameters, str], Iterator[str]]] = {
    "identitystore": _identitystore_resources,
    "sns": _sns_resources,
    "sqs": _sqs_resources,
    "ssm": _ssm_resources,
    "states": _states_resources,
}

_ACTION_IN_TRANSACTION = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}


def _iterate_events_actions(operation: str, parameters: Parameters, place: str) -> Iterator[Action]:
    """Yield the action of a call of EventBridge once for each event, with the values of its condition keys.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
    """
    for entry in parameters["Entries"]:
        bus = entry.get("EventBusName", "default")
        arn = bus if bus.startswith("arn:") else f"arn:aws:events:{place}:event-bus/{bus}"
        context = {
            key: entry[member]
            for key, member in (("events:source", "Source"), ("events:detail-type", "DetailType"))
            if member in entry
        }
        yield Action(f"events:{operation}", (arn,), {"Entries": [entry]}, (context,))


def _iterate_dynamodb_actions(operation: str, parameters: Parameters, place: str) -> Iterator[Action]:
    """Yield the actions of a call of DynamoDB: one, or one for each operation or table of a call with several."""
    if "TransactItems" in parameters:
        for item in parameters["TransactItems"]:
            for kind, members in item.items():
                yield _make_dynamodb_action(_ACTION_IN_TRANSACTION[kind], members["TableName"], members, place)
    elif "RequestItems" in parameters:
        for table, requests in parameters["RequestItems"].items():
            part = {"RequestItems": {table: requests}}
            yield _make_dynamodb_action(operation, table, part, place, _iterate_batch(requests))
    else:
        yield _make_dynamodb_action(operation, parameters["TableName"], parameters, place)


def _iterate_batch(requests: Any) -> Iterator[Parameters]:
    """Yield what has an ``Item`` or a ``Key``: of BatchWriteItem the requests, of BatchGetItem one for each key."""
    if isinstance(requests, Mapping):
        yield from ({"Key": key} for key in requests["Keys"])
    else:
        yield from (members for request in requests for members in request.values())


def _make_dynamodb_action(
    action: str, table_name: str, parameters: Parameters, place: str, parts: Iterable[Parameters] | None = None
) -> Action:
    arn = table_name if table_name.startswith("arn:") else f"arn:aws:dynamodb:{place}:table/{table_name}"
    table = _find_table(arn)
    keys = [_read_leading_key(table, part) for part in ((parameters,) if parts is None else parts)]
    resource = f"{arn}/index/{parameters['IndexName']}" if "IndexName" in parameters else arn
    contexts = tuple({"dynamodb:LeadingKeys": key} for key in keys if key is not None)
    return Action(f"dynamodb:{action}", (resource,), parameters, contexts)


def _find_table(arn: str) -> Table | None:
    _, _, _, region, account, resource = arn.split(":", 5)
    return dynamodb_backends[account][region].tables.get(resource.removeprefix("table/"))


def _read_leading_key(table: Table | None, parameters: Parameters) -> str | None:
    """Return the partition key of the item or, for a query of the table, of the items.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    attributes = parameters.get("Item") or parameters.get("Key") or {}
    if table is None:
        # The call fails, whatever its permissions.
        value = next(iter(parameters.get("Key", {}).values()), None)
    elif isinstance(parameters.get("KeyConditionExpression"), str) and "IndexName" not in parameters:
        value = _read_queried_key(table, parameters)
    else:
        value = attributes.get(table.hash_key_attr)
    if isinstance(value, Mapping):
        return next((str(text) for kind, text in value.items() if kind in {"S", "N"}), None)
    # A resource of boto3 passes plain values.
    return None if value is None else str(value)


def _read_queried_key(table: Table, parameters: Parameters) -> Any:
    try:
        [(_, value), *_], _, _ = parse_expression(
            key_condition_expression=parameters["KeyConditionExpression"],
            expression_attribute_names=parameters.get("ExpressionAttributeNames", {}),
            expression_attribute_values=parameters.get("ExpressionAttributeValues", {}),
            schema=table.schema,
        )
    except MockValidationException:
        # DynamoDB refuses the query.
        return None
    return value


_ACTIONS_ON_OBJECT = {
    "GetObject": ("GetObject",),
    "GetObjectAttributes": ("GetObject", "GetObjectAttributes"),
    "GetObjectRetention": ("GetObjectRetention",),
    "HeadObject": ("GetObject",),
    "PutObjectRetention": ("PutObjectRetention",),
}
_ACTIONS_WITH_VERSION = {
    "GetObject": "GetObjectVersion",
    "GetObjectAttributes": "GetObjectVersionAttributes",
}
_ACTIONS_ON_BUCKET = {"ListObjectVersions": "ListBucketVersions", "ListObjectsV2": "ListBucket"}


def _iterate_s3_actions(operation: str, parameters: Parameters, place: str) -> Iterator[Action]:
    """Yield the actions of a call of S3, and KMS's for what is encrypted with a key.

    A checksum needs the key by HeadObject's documentation. That of GetObjectAttributes names no such permission.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    bucket = f"arn:aws:s3:::{parameters['Bucket']}"
    if operation in _ACTIONS_ON_BUCKET:
        context = {"s3:prefix": parameters.get("Prefix", "")}
        yield Action(f"s3:{_ACTIONS_ON_BUCKET[operation]}", (bucket,), parameters, (context,))
        return
    if operation not in _ACTIONS_ON_OBJECT:
        raise NotImplementedError(f"local/aws/actions.py does not define the resources of s3:{operation}")
    resource = f"{bucket}/{parameters['Key']}"
    for name in _ACTIONS_ON_OBJECT[operation]:
        action = _ACTIONS_WITH_VERSION.get(name, name) if "VersionId" in parameters else name
        yield Action(f"s3:{action}", (resource,), parameters)
    if parameters.get("BypassGovernanceRetention"):
        yield Action("s3:BypassGovernanceRetention", (resource,), parameters)
    region, _, account_id = place.partition(":")
    stored = _find_object(account_id, parameters)
    if stored is None:
        # Without this action the answer is that access is denied, and not that the object does not exist.
        yield Action("s3:ListBucket", (bucket,), parameters, ({"s3:prefix": parameters["Key"]},))
    elif stored.encryption == "aws:kms" and _reads_content(operation, parameters):
        is_by_bucket = str(stored.bucket_key_enabled).lower() == "true"
        context = {
            "kms:EncryptionContext:aws:s3:arn": bucket if is_by_bucket else resource,
            "kms:ViaService": f"s3.{region}.amazonaws.com",
        }
        yield Action("kms:Decrypt", (str(stored.kms_key_id),), parameters, (context,))


def _reads_content(operation: str, parameters: Parameters) -> bool:
    """Tell whether a call reads the content of an object, or its checksum beside the headers."""
    return operation == "GetObject" or parameters.get("ChecksumMode") == "ENABLED"


def _find_object(account_id: str, parameters: Parameters) -> FakeKey | None:
    backend = s3_backends[account_id]["aws"]
    if parameters["Bucket"] not in backend.buckets:
        return None
    return backend.get_object(parameters["Bucket"], parameters["Key"], parameters.get("VersionId"))


_ACTIONS_OF_SERVICE: Mapping[str, Callable[[str, Parameters, str], Iterator[Action]]] = {
    "dynamodb": _iterate_dynamodb_actions,
    "events": _iterate_events_actions,
    "s3": _iterate_s3_actions,
    "workmail": _iterate_workmail_actions,
}

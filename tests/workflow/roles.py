"""A person with the policies of roles in docs/policies: each call is allowed or denied as IAM would."""

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from local.aws.actions import Action, required_actions
from local.cdk.assembly import ROOT
from local.defaults import ACCOUNT, REGION
from local.policies import is_allowed

FOLDER = ROOT / "docs" / "policies"
PLACE = f"{REGION}:{ACCOUNT}"
WITHOUT_PERMISSION = frozenset({"sts:GetCallerIdentity"})
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: "No permissions are required"."""
_RESOURCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "cloudformation:DescribeStacks": lambda call: _render_stack(call["StackName"]),
    "cloudformation:ListStackResources": lambda call: _render_stack(call["StackName"]),
    "cloudtrail:DescribeTrails": lambda _: "*",
    "cloudtrail:GetEventSelectors": lambda call: call["TrailName"],
    "cloudtrail:GetTrailStatus": lambda call: call["Name"],
    "cloudwatch:DescribeAlarms": lambda _: "*",
    "cloudwatch:GetMetricStatistics": lambda _: "*",
    "events:DescribeEventBus": lambda call: f"arn:aws:events:{PLACE}:event-bus/{call['Name']}",
    "events:DescribeEventSource": lambda call: f"arn:aws:events:{REGION}::event-source/{call['Name']}",
    "events:ListEventBuses": lambda _: "*",
    "events:ListRules": lambda _: "*",
    "kms:DescribeKey": lambda call: call["KeyId"],
    "lambda:GetAccountSettings": lambda _: "*",
    "lambda:GetEventSourceMapping": lambda call: f"arn:aws:lambda:{PLACE}:event-source-mapping:{call['UUID']}",
    "lambda:Invoke": lambda call: f"arn:aws:lambda:{PLACE}:function:{call['FunctionName']}",
    "lambda:UpdateEventSourceMapping": lambda call: f"arn:aws:lambda:{PLACE}:event-source-mapping:{call['UUID']}",
    "s3:GetBucketEncryption": lambda call: f"arn:aws:s3:::{call['Bucket']}",
    "s3:GetBucketVersioning": lambda call: f"arn:aws:s3:::{call['Bucket']}",
    "s3:GetObjectLockConfiguration": lambda call: f"arn:aws:s3:::{call['Bucket']}",
    "scheduler:GetSchedule": lambda call: f"arn:aws:scheduler:{PLACE}:schedule/default/{call['Name']}",
    "sso:ListInstances": lambda _: "*",
    "sts:GetCallerIdentity": lambda _: "*",
}
"""By operation: the resource of calls that no function of the stack makes, of the service authorization reference.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""
_ACTION_NAMES = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
}
"""Where IAM names the action otherwise than the API its operation."""
_DENIALS = {"s3": "AccessDenied", "sns": "AuthorizationError", "sqs": "AccessDenied", "cloudformation": "AccessDenied"}


class Person:
    """Makes calls with policies, and records them.

    Attributes
    ----------
    used
        By policy: the actions that were allowed by it.
    """

    def __init__(self) -> None:
        self.used: dict[str, set[str]] = {}
        self._policies: dict[str, str] = {}
        self._session = boto3.Session()
        self._clients: dict[str, BaseClient] = {}

    def assume(self, *roles: str) -> None:
        """Have exactly the policies of these roles."""
        self._policies = {role: (FOLDER / f"{role}.json").read_text() for role in roles}

    def client(self, service: str) -> BaseClient:
        if service not in self._clients:
            # A client of boto3 itself would be that of the functions too.
            client = self._clients[service] = self._session.client(service, REGION)
            client.meta.events.register("provide-client-params.*.*", self._make_gate(client))
        return self._clients[service]

    def _make_gate(self, client: BaseClient) -> Callable[..., None]:
        def check(params: Mapping[str, Any], model: Any, **_: Any) -> None:
            for action in _list_actions(client, model.name, params):
                if action.name not in WITHOUT_PERMISSION:
                    self._require_permission(client, model.name, action)

        return check

    def _require_permission(self, client: BaseClient, operation: str, action: Action) -> None:
        for resource in action.resources:
            for context in action.contexts or ({},):
                request = (action.name, resource, context)
                if not is_allowed(self._policies.values(), *request):
                    raise _deny(client, operation, action.name, resource)
                for role, policy in self._policies.items():
                    if is_allowed([policy], *request):
                        self.used.setdefault(role, set()).add(action.name)


def _render_stack(name_or_id: str) -> str:
    return name_or_id if name_or_id.startswith("arn:") else f"arn:aws:cloudformation:{PLACE}:stack/{name_or_id}/1"


def _list_actions(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> list[Action]:
    name = f"{client.meta.service_model.signing_name}:{operation}"
    if name.startswith("monitoring:"):
        name = f"cloudwatch:{operation}"
    if name not in _RESOURCES:
        return required_actions(client, operation, parameters, ACCOUNT)
    contexts: tuple[dict[str, str], ...] = ()
    if name == "lambda:UpdateEventSourceMapping":
        mapping = boto3.client("lambda", REGION).get_event_source_mapping(UUID=parameters["UUID"])
        contexts = ({"lambda:FunctionArn": mapping["FunctionArn"]},)
    return [Action(_ACTION_NAMES.get(name, name), (_RESOURCES[name](parameters),), parameters, contexts)]


def _deny(client: BaseClient, operation: str, action: str, resource: str) -> ClientError:
    message = (
        f"User: arn:aws:iam::{ACCOUNT}:user/erin is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    code = _DENIALS.get(client.meta.service_model.signing_name, "AccessDeniedException")
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)

"""What the functions' roles allow: each call of a deployed function's code is held against its role, as IAM does it.

A call that the role does not allow is answered as AWS answers it, so what runs here has the permissions that it needs
there. What was called, by whom and on what, is kept: it is compared with what the roles allow.

A function whose role IAM does not know is not held to anything, and neither is who calls from outside.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.iam.models import Role, iam_backends

from local.aws.functions.process_state import running_function
from local.hooks import Hooks

Parameters = Mapping[str, Any]

_answering = threading.local()


@dataclass(frozen=True, order=True)
class Call:
    """One kind of call that a function's code made.

    Attributes
    ----------
    function
        The name of the function.
    action
        As IAM spells it, ``dynamodb:UpdateItem``.
    resource
        The ARN, or ``*`` where the action has no resources to name.
    """

    function: str
    action: str
    resource: str


@dataclass(frozen=True)
class Grant:
    """One action on one resource that a policy allows or, if `denies`, forbids; both can have wildcards."""

    action: str
    resource: str
    denies: bool = False

    def covers(self, action: str, resource: str) -> bool:
        """Say whether it is about this action, which has no letter case, on this resource."""
        return _matches(self.action.lower(), action.lower()) and _matches(self.resource, resource)


class PolicyError(ValueError):
    """A policy says something that is not understood here, so nobody could say what it allows."""


class Permissions:
    """Holds the functions to their roles.

    Attributes
    ----------
    calls
        What the code of functions with a role has called, allowed or not.
    listeners
        Hear of each of these calls, before it is made: its action and its parameters.
    """

    def __init__(self) -> None:
        self.calls: set[Call] = set()
        self.listeners: list[Callable[[str, Parameters], None]] = []

    def install(self, hooks: Hooks) -> None:
        """Stand before every client for as long as the hooks are in place."""
        permissions, make_api_call = self, BaseClient._make_api_call

        def allowed(self: BaseClient, operation_name: str, api_params: Parameters) -> Any:
            function = running_function()
            if function is None or getattr(_answering, "now", False):
                return make_api_call(self, operation_name, api_params)
            permissions._check(function, self, operation_name, api_params)
            with _answered():
                return make_api_call(self, operation_name, api_params)

        hooks.replace(BaseClient, "_make_api_call", allowed)
        _hook_policies(hooks)

    def _check(self, function: Any, client: BaseClient, operation: str, parameters: Parameters) -> None:
        policies = _policies_of(function)
        if policies is None:
            return
        action, resources = asked_for(client, operation, parameters, function.account_id)
        self.calls.update(Call(function.function_name, action, resource) for resource in resources)
        for listener in self.listeners:
            listener(action, parameters)
        for resource in resources:
            if not allows(policies, action, resource):
                raise _denied(client, operation, action, resource)


def allows(policies: Iterable[str], action: str, resource: str) -> bool:
    """Say whether policies allow an action on a resource: one has to, and none may forbid it.

    Parameters
    ----------
    policies
        Policy documents, as JSON.
    action, resource
        See `Call`.

    Raises
    ------
    PolicyError
        If one of them has something other than actions and resources.
    """
    about = [grant for policy in policies for grant in grants(policy) if grant.covers(action, resource)]
    return bool(about) and not any(grant.denies for grant in about)


@lru_cache(maxsize=256)
def grants(policy: str) -> tuple[Grant, ...]:
    """Read a policy document, as JSON, that is attached to a role.

    Raises
    ------
    PolicyError
        If it has something other than actions and resources.
    """
    return tuple(_grants(json.loads(policy)))


def asked_for(
    client: BaseClient, operation: str, parameters: Parameters, account_id: str
) -> tuple[str, tuple[str, ...]]:
    """Say what a call needs a permission for: the action, and each resource.

    Parameters
    ----------
    client
        The boto3 client.
    operation
        The operation's name in the API.
    parameters
        Those of the call.
    account_id
        Whose resources they are where a parameter is not an ARN.

    Raises
    ------
    NotImplementedError
        If it is not known here what the operation is about.
    """
    # Of all services that are called here the name in a signature is that in IAM; a boto3 client can have another.
    service = client.meta.service_model.signing_name
    action = f"{service}:{operation}"
    if service not in _RESOURCES:
        raise NotImplementedError(f"local/aws/iam.py does not know on what {action} needs a permission")
    here = f"{client.meta.region_name}:{account_id}"
    return action, tuple(_RESOURCES[service](operation, parameters, here))


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """While a service answers, in the caller's thread, what calls on is the service and not the function."""
    _answering.now = True
    try:
        yield
    finally:
        _answering.now = False


def _workmail(operation: str, parameters: Parameters, here: str) -> Iterator[str]:
    organization_id = parameters.get("OrganizationId")
    yield f"arn:aws:workmail:{here}:organization/{organization_id}" if organization_id else "*"


def _dynamodb(operation: str, parameters: Parameters, here: str) -> Iterator[str]:
    table = f"arn:aws:dynamodb:{here}:table/{parameters['TableName']}"
    yield f"{table}/index/{parameters['IndexName']}" if "IndexName" in parameters else table


def _sqs(operation: str, parameters: Parameters, here: str) -> Iterator[str]:
    yield f"arn:aws:sqs:{here}:{parameters['QueueUrl'].rpartition('/')[2]}"


def _sns(operation: str, parameters: Parameters, here: str) -> Iterator[str]:
    yield parameters["TopicArn"]


def _events(operation: str, parameters: Parameters, here: str) -> Iterator[str]:
    for entry in parameters["Entries"]:
        bus = entry.get("EventBusName", "default")
        yield bus if bus.startswith("arn:") else f"arn:aws:events:{here}:event-bus/{bus}"


def _ssm(operation: str, parameters: Parameters, here: str) -> Iterator[str]:
    yield f"arn:aws:ssm:{here}:parameter/{parameters['Name'].removeprefix('/')}"


def _states(operation: str, parameters: Parameters, here: str) -> Iterator[str]:
    if operation in _BY_TASK_TOKEN:
        yield "*"
    else:
        yield parameters.get("executionArn") or parameters["stateMachineArn"]


_BY_TASK_TOKEN = frozenset({"SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"})

# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_RESOURCES: Mapping[str, Callable[[str, Parameters, str], Iterator[str]]] = {
    "dynamodb": _dynamodb,
    "events": _events,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
    "states": _states,
    "workmail": _workmail,
}

# How a service refuses, where it is not the way of most of them.
_REFUSALS = {"sns": ("AuthorizationError", 403), "sqs": ("AccessDenied", 403)}


def _denied(client: BaseClient, operation: str, action: str, resource: str) -> ClientError:
    code, status = _REFUSALS.get(action.partition(":")[0], ("AccessDeniedException", 400))
    message = (
        f"User is not authorized to perform: {action} on resource: {resource} because no identity-based policy "
        f"allows the {action} action"
    )
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: ClientError = client.exceptions.from_code(code)(response, operation)
    return error


def _policies_of(function: Any) -> list[str] | None:
    """Return the policies of a function's role; None if there is no such role."""
    roles = iam_backends[function.account_id]["aws"].roles.values()
    role = next((role for role in roles if role.arn == function.role), None)
    if role is None:
        return None
    if role.managed_policies:
        raise PolicyError(f"{role.name} has managed policies, which are not looked into here")
    return list(role.policies.values())


def _grants(document: Mapping[str, Any]) -> Iterator[Grant]:
    for statement in _listed(document["Statement"]):
        strange = statement.keys() - {"Sid", "Effect", "Action", "Resource"}
        if strange:
            raise PolicyError(f"A statement has {', '.join(sorted(strange))}, which is not understood here")
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Grant(action, resource, denies=statement["Effect"] == "Deny")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile IAM's wildcards: ``*`` for anything, ``?`` for one character."""
    spelled = {"*": ".*", "?": "."}
    return re.compile("".join(spelled.get(character) or re.escape(character) for character in pattern), re.DOTALL)


def _hook_policies(hooks: Hooks) -> None:
    """Keep policies as text, as the API has them, and have an update of a stack change those of its roles."""
    put_policy, update = Role.put_policy, Role.update_from_cloudformation_json.__func__

    def put(self: Role, policy_name: str, policy: Any) -> None:
        put_policy(self, policy_name, policy if isinstance(policy, str) else json.dumps(policy))

    def updated(
        cls: type,
        original_resource: Role,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Role:
        role: Role = update(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name)
        policies = iam_backends[account_id]["aws"].inline_policies.values()
        attached = {policy.policy_name for policy in policies if role.name in (policy.role_names or ())}
        for name in role.policies.keys() - attached:
            role.delete_policy(name)
        for policy in cloudformation_json["Properties"].get("Policies", []):
            role.put_policy(policy["PolicyName"], policy["PolicyDocument"])
        return role

    hooks.replace(Role, "put_policy", put)
    hooks.replace(Role, "update_from_cloudformation_json", classmethod(updated))

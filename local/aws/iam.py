"""AWS IAM for the functions' roles: each call of a deployed function's code is checked against its role.

A call that the role does not allow is answered as AWS answers it. So code that runs here has the permissions that it
needs on AWS. All calls are recorded, so that a test can compare them with the permissions of the roles.

A function whose role does not exist in IAM is not checked, and neither is a client outside of functions.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.iam.models import Role, iam_backends

from local.aws.actions import Parameters, required_actions
from local.aws.functions.process_state import running_function
from local.hooks import Hooks
from local.policies import PolicyError, is_allowed

_service_call = threading.local()


@dataclass(frozen=True, order=True)
class Call:
    """An action on a resource that a function's code called.

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


class Permissions:
    """Checks the functions' calls against their roles.

    Attributes
    ----------
    calls
        The calls of functions that have a role, allowed or not.
    listeners
        Called before each of these calls with its action and its parameters; before a call with several operations,
        such as ``TransactWriteItems``, once for each operation.
    """

    def __init__(self) -> None:
        self.calls: set[Call] = set()
        self.listeners: list[Callable[[str, Parameters], None]] = []

    def install(self, hooks: Hooks) -> None:
        """Check every client's calls for as long as the hooks are in place."""
        permissions, make_api_call = self, BaseClient._make_api_call

        def check_and_call(self: BaseClient, operation_name: str, api_params: Parameters) -> Any:
            function = running_function()
            if function is None or getattr(_service_call, "now", False):
                return make_api_call(self, operation_name, api_params)
            permissions._require_permission(function, self, operation_name, api_params)
            with _mark_service_call():
                return make_api_call(self, operation_name, api_params)

        hooks.replace(BaseClient, "_make_api_call", check_and_call)
        _hook_policies(hooks)

    def _require_permission(self, function: Any, client: BaseClient, operation: str, parameters: Parameters) -> None:
        policies = find_policies(function.account_id, function.role)
        if policies is None:
            return
        actions = required_actions(client, operation, parameters, function.account_id)
        for action in actions:
            self.calls.update(Call(function.function_name, action.name, resource) for resource in action.resources)
            for listener in self.listeners:
                listener(action.name, action.parameters)
        for action in actions:
            for resource in action.resources:
                if not all(
                    is_allowed(policies, action.name, resource, context) for context in action.contexts or ({},)
                ):
                    raise _access_denied_error(client, operation, action.name, resource)


@contextlib.contextmanager
def _mark_service_call() -> Iterator[None]:
    """Mark this thread's calls as the service's: a service answers in the caller's thread, and can call others."""
    _service_call.now = True
    try:
        yield
    finally:
        _service_call.now = False


# The error code and status of services that differ from the others.
_DENIALS = {"s3": ("AccessDenied", 403), "sns": ("AuthorizationError", 403), "sqs": ("AccessDenied", 403)}


def _access_denied_error(client: BaseClient, operation: str, action: str, resource: str) -> ClientError:
    code, status = _DENIALS.get(client.meta.service_model.signing_name, ("AccessDeniedException", 400))
    if operation == "HeadObject":
        # The answer has no body, and botocore takes the code from the status.
        code = str(status)
    message = (
        f"User is not authorized to perform: {action} on resource: {resource} because no identity-based policy "
        f"allows the {action} action"
    )
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: ClientError = client.exceptions.from_code(code)(response, operation)
    return error


def find_policies(account_id: str, role_arn: str) -> list[str] | None:
    """Return the policies of a role, as JSON; None if there is no such role."""
    roles = iam_backends[account_id]["aws"].roles.values()
    role = next((role for role in roles if role.arn == role_arn), None)
    if role is None:
        return None
    if role.managed_policies:
        raise PolicyError(f"{role.name} has managed policies, which are not supported here")
    return list(role.policies.values())


def _hook_policies(hooks: Hooks) -> None:
    """Keep policies as text, as in the API, and have an update of a stack change all policies of its roles."""
    put_policy, update = Role.put_policy, Role.update_from_cloudformation_json.__func__

    def put_policy_as_text(self: Role, policy_name: str, policy: Any) -> None:
        put_policy(self, policy_name, policy if isinstance(policy, str) else json.dumps(policy))

    def update_role(
        cls: type,
        original_resource: Role,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Role:
        role: Role = update(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name)
        trust = cloudformation_json["Properties"]["AssumeRolePolicyDocument"]
        role.assume_role_policy_document = trust if isinstance(trust, str) else json.dumps(trust)
        policies = iam_backends[account_id]["aws"].inline_policies.values()
        attached = {policy.policy_name for policy in policies if role.name in (policy.role_names or ())}
        for name in role.policies.keys() - attached:
            role.delete_policy(name)
        for policy in cloudformation_json["Properties"].get("Policies", []):
            role.put_policy(policy["PolicyName"], policy["PolicyDocument"])
        return role

    hooks.replace(Role, "put_policy", put_policy_as_text)
    hooks.replace(Role, "update_from_cloudformation_json", classmethod(update_role))

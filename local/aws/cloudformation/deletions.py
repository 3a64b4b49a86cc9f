"""The deletion of a stack, and the rollback of a creation that fails.

- Resources with a retaining ``DeletionPolicy`` are kept. The others are deleted in the reverse order of their
  dependencies.
- If a resource cannot be deleted, the stack is ``DELETE_FAILED``, with the reason, and can be deleted again.
- A stack with termination protection is not deleted, and ``UpdateTerminationProtection`` exists.
- A creation that fails deletes what it has made, unless the ``DeletionPolicy`` is ``Retain``: the stack is
  ``ROLLBACK_COMPLETE``, or ``ROLLBACK_FAILED`` if something could not be deleted. Its only way is its deletion.
"""

from __future__ import annotations

from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.models import Stack as CloudFormationStack
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult

from local.aws.cloudformation.updates import RETAINING_POLICIES, sort_by_dependencies
from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Have stacks deleted as on AWS for as long as the hooks are in place."""
    hooks.replace(parsing.ResourceMap, "delete", _delete_unless_kept)
    _hook_deletion(hooks)
    _hook_creation(hooks)
    _hook_protection(hooks)


def _delete_unless_kept(resources: parsing.ResourceMap) -> None:
    _delete_resources(resources, kept_by=RETAINING_POLICIES)


def _delete_resources(resources: parsing.ResourceMap, *, kept_by: frozenset[str]) -> None:
    """Delete what is not kept. The map keeps all: moto would make what it lacks as soon as somebody reads it."""
    deleted_names: set[str] = vars(resources).setdefault("local_deleted_names", set())
    for name in reversed(sort_by_dependencies(resources._resource_json_map)):
        template, resource = resources._resource_json_map[name], resources._parsed_resources.get(name)
        is_kept = template.get("DeletionPolicy") in kept_by
        if resource is not None and not is_kept and name not in deleted_names:
            resources._delete_resource(resource, template)
            deleted_names.add(name)


def _hook_deletion(hooks: Hooks) -> None:
    delete_stack = CloudFormationBackend.delete_stack

    def delete_or_fail(self: CloudFormationBackend, name_or_stack_id: str) -> None:
        stack = find_stack(self, name_or_stack_id)
        if stack is None:
            return
        if stack.enable_termination_protection:
            raise ValidationError(
                message=f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        try:
            delete_stack(self, stack.stack_id)
        except Exception as error:  # any error of a resource: DeleteStack has already been answered
            self.stacks[stack.stack_id] = stack
            _set_status(stack, "DELETE_FAILED", error)

    hooks.replace(CloudFormationBackend, "delete_stack", delete_or_fail)


def _hook_creation(hooks: Hooks) -> None:
    create_stack = CloudFormationBackend.create_stack

    def create_or_roll_back(self: CloudFormationBackend, *args: Any, **kwargs: Any) -> CloudFormationStack:
        existing_ids = set(self.stacks)
        try:
            return create_stack(self, *args, **kwargs)
        except Exception as error:  # any error of a resource: CreateStack has already been answered
            created = [stack for stack_id, stack in self.stacks.items() if stack_id not in existing_ids]
            if not created:
                raise
            roll_back(created[0], error)
            return created[0]

    hooks.replace(CloudFormationBackend, "create_stack", create_or_roll_back)


def roll_back(stack: CloudFormationStack, error: Exception) -> None:
    """Delete what a creation has made, because it has failed.

    Parameters
    ----------
    stack
        The stack. Its status tells how the rollback ended.
    error
        Why the creation has failed.
    """
    resources = stack.resource_map
    # What was not made must not be made when somebody reads the stack.
    resources._resource_json_map = {
        name: template
        for name, template in stack.template_dict["Resources"].items()
        if name in resources._parsed_resources
    }
    stack.output_map = parsing.OutputMap(resources, {}, stack.stack_id)
    try:
        _delete_resources(resources, kept_by=frozenset({"Retain"}))
    except Exception as failure:  # any error of a resource
        _set_status(stack, "ROLLBACK_FAILED", failure)
    else:
        _set_status(stack, "ROLLBACK_COMPLETE", error)


def _set_status(stack: CloudFormationStack, status: str, error: Exception) -> None:
    stack.status = status
    stack._add_stack_event(status, resource_status_reason=str(error))


def _hook_protection(hooks: Hooks) -> None:
    def respond_to_update(self: CloudFormationResponse) -> ActionResult:
        name = self._get_param("StackName")
        stack = find_stack(self.cloudformation_backend, name)
        if stack is None:
            raise ValidationError(message=f"Stack [{name}] does not exist")
        stack.enable_termination_protection = self._get_bool_param("EnableTerminationProtection")
        return ActionResult({"StackId": stack.stack_id})

    hooks.replace(CloudFormationResponse, "update_termination_protection", respond_to_update)


def find_stack(backend: CloudFormationBackend, name_or_id: str) -> CloudFormationStack | None:
    """Return a stack by its name or ARN; None if it does not exist, or was deleted."""
    stacks: list[CloudFormationStack] = list(backend.stacks.values())
    return next((stack for stack in stacks if name_or_id in {stack.name, stack.stack_id}), None)

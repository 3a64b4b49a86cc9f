"""Change sets, with which ``cdk deploy`` and ``cdk diff`` work.

- A change set belongs to its stack: two stacks can have change sets of one name. moto finds them by the name alone.
- The name of a new stack's change set makes the stack, in ``REVIEW_IN_PROGRESS``; a second one does not make another.
- What is executed is created or updated as by ``CreateStack`` and ``UpdateStack``, and rolled back in the same way.
- A missing one is ``ChangeSetNotFound``, and can be deleted. One without changes is ``FAILED``.
- The changes have the properties that differ, and whether these replace the resource, as AWS's schemas say.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from moto.cloudformation.exceptions import AlreadyExistsException, CloudFormationError, ValidationError
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.models import Stack as CloudFormationStack
from moto.cloudformation.responses import CloudFormationResponse
from moto.cloudformation.utils import generate_changeset_id, generate_stack_id
from moto.core.responses import ActionResult, EmptyResult

from local.aws.cloudformation.deletions import find_stack, roll_back
from local.aws.cloudformation.events import find_next_time
from local.aws.cloudformation.requests import choose_parameters
from local.aws.cloudformation.schemas import find_recreation
from local.hooks import Hooks

_IN_REVIEW = "REVIEW_IN_PROGRESS"
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


class ChangeSetNotFoundError(CloudFormationError):
    """There is no such change set."""

    code = "ChangeSetNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"ChangeSet [{name}] does not exist")


class InvalidChangeSetStatusError(CloudFormationError):
    """The change set cannot be executed."""

    code = "InvalidChangeSetStatus"


@dataclass
class _ChangeSet:
    """A change set, whose attributes moto's answers have under AWS's names."""

    change_set_id: str
    change_set_name: str
    change_set_type: str
    stack: CloudFormationStack
    template: str
    parameters: dict[str, str]
    creation_time: datetime
    description: str | None = None
    role_arn: str | None = None
    tags: list[dict[str, str]] = field(default_factory=list)
    notification_arns: list[str] = field(default_factory=list)
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    status_reason: str | None = None

    def __post_init__(self) -> None:
        self.stack_id, self.stack_name = self.stack.stack_id, self.stack.name
        self._resources: dict[str, Any] = self.stack.parse_template(self.template)["Resources"]
        self._previous = dict(self.stack.resource_map._resource_json_map)
        self._actions = self.stack.resource_map.build_resource_diff({"Resources": self._resources}, self.parameters)

    @cached_property
    def changes(self) -> list[dict[str, Any]]:
        """What happens to each resource, as in the API."""
        changes: list[dict[str, Any]] = []
        for name in self._actions["Add"]:
            changes.append({"Action": "Add", **self._describe(name, self._resources[name])})
        for name in dict.fromkeys(self._actions["Modify"]):
            changes.append({"Action": "Modify", **self._describe(name, self._resources[name]), **self._compare(name)})
        for name in self._actions["Remove"]:
            policy = self._previous[name].get("DeletionPolicy", "Delete")
            action = "Delete" if policy == "Delete" else "Retain"
            changes.append({"Action": "Remove", "PolicyAction": action, **self._describe(name, self._previous[name])})
        return changes

    def _describe(self, name: str, template: dict[str, Any]) -> dict[str, Any]:
        resource = self.stack.resource_map._parsed_resources.get(name)
        physical_id = getattr(resource, "physical_resource_id", None)
        return {
            "LogicalResourceId": name,
            "ResourceType": template["Type"],
            **({"PhysicalResourceId": str(physical_id)} if physical_id else {}),
        }

    def _compare(self, name: str) -> dict[str, Any]:
        """Return how a resource changes; a change without details is that of a parameter's value."""
        details = list(_list_details(self._previous[name], self._resources[name]))
        recreations = {detail["Target"].get("RequiresRecreation") for detail in details}
        replacement = {"Always": "True", "Conditionally": "Conditional"}
        return {
            "Scope": sorted({detail["Target"]["Attribute"] for detail in details}),
            "Replacement": next((text for mode, text in replacement.items() if mode in recreations), "False"),
            "Details": details,
        }


def install(hooks: Hooks) -> None:
    """Have change sets work as on AWS for as long as the hooks are in place."""
    for name, respond in (
        ("create_change_set", _respond_to_create),
        ("describe_change_set", _respond_to_describe),
        ("delete_change_set", _respond_to_delete),
        ("execute_change_set", _respond_to_execute),
        ("list_change_sets", _respond_to_list),
    ):
        hooks.replace(CloudFormationResponse, name, respond)


def _respond_to_create(self: CloudFormationResponse) -> ActionResult:
    backend, stack_name, name = self.cloudformation_backend, *_read_names(self)
    kind = self._get_param("ChangeSetType", "UPDATE")
    stack = find_stack(backend, stack_name)
    is_new = stack is None or stack.status == _IN_REVIEW
    if kind == "CREATE" and not is_new:
        text = f"Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}]."
        raise ValidationError(message=text)
    if kind == "UPDATE" and is_new:
        raise ValidationError(message=f"Stack [{stack_name}] does not exist")
    if stack is not None and _find(backend, stack.stack_id, name) is not None:
        raise AlreadyExistsException(f"ChangeSet {name} already exists")
    template = _read_template(self, stack)
    if "Resources" not in CloudFormationStack.parse_template(template):
        raise ValidationError(message="Template format error: At least one Resources member must be defined.")
    stack = stack or _make_stack_in_review(backend, stack_name)
    change_set = _ChangeSet(
        change_set_id=generate_changeset_id(name, backend.region_name, backend.account_id),
        change_set_name=name,
        change_set_type=kind,
        stack=stack,
        template=template,
        parameters=choose_parameters(self._get_param("Parameters", []), stack.parameters),
        creation_time=find_next_time(stack),
        description=self._get_param("Description"),
        role_arn=self._get_param("RoleARN"),
        tags=self._get_param("Tags", []),
        notification_arns=self._get_param("NotificationARNs", []),
    )
    if kind == "UPDATE" and not _has_changes(change_set):
        change_set.status, change_set.execution_status = "FAILED", "UNAVAILABLE"
        change_set.status_reason = _NO_CHANGES
    backend.change_sets[change_set.change_set_id] = change_set
    return ActionResult({"Id": change_set.change_set_id, "StackId": stack.stack_id})


def _respond_to_describe(self: CloudFormationResponse) -> ActionResult:
    return ActionResult(_require(self.cloudformation_backend, *_read_names(self)))


def _respond_to_delete(self: CloudFormationResponse) -> ActionResult:
    change_set = _find(self.cloudformation_backend, *_read_names(self))
    if change_set is not None:
        del self.cloudformation_backend.change_sets[change_set.change_set_id]
    return EmptyResult()


def _respond_to_execute(self: CloudFormationResponse) -> ActionResult:
    backend = self.cloudformation_backend
    change_set = _require(backend, *_read_names(self))
    if change_set.execution_status != "AVAILABLE":
        text = f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status of"
        raise InvalidChangeSetStatusError(f"{text} [{change_set.status}]")
    # The others were made for the stack as it was.
    for change_set_id, obsolete in list(backend.change_sets.items()):
        if obsolete.stack_id == change_set.stack_id and obsolete is not change_set:
            del backend.change_sets[change_set_id]
    change_set.execution_status = "EXECUTE_COMPLETE"
    if change_set.change_set_type == "CREATE":
        _create(backend, change_set)
    else:
        tags = _to_mapping(change_set.tags)
        change_set.stack.update(change_set.template, change_set.role_arn, change_set.parameters, tags)
    return EmptyResult()


def _respond_to_list(self: CloudFormationResponse) -> ActionResult:
    stack_name = self._get_param("StackName")
    stack = find_stack(self.cloudformation_backend, stack_name)
    change_sets: Iterable[Any] = self.cloudformation_backend.change_sets.values()
    return ActionResult({"Summaries": [change_set for change_set in change_sets if change_set.stack is stack]})


def _read_names(response: CloudFormationResponse) -> tuple[str, str]:
    return response._get_param("StackName") or "", response._get_param("ChangeSetName")


def _read_template(response: CloudFormationResponse, stack: CloudFormationStack | None) -> str:
    url, body = response._get_param("TemplateURL"), response._get_param("TemplateBody")
    if url:
        return str(response._get_stack_from_s3_url(url))
    if body:
        return str(body)
    if response._get_bool_param("UsePreviousTemplate", False) and stack is not None and stack.status != _IN_REVIEW:
        return str(stack.template)
    raise ValidationError(message="Either Template URL or Template Body must be specified.")


def _find(backend: CloudFormationBackend, stack_name_or_id: str, name_or_id: str) -> _ChangeSet | None:
    """Find a change set by its ARN, or by its stack and its name; those of a deleted stack are gone."""
    stack = find_stack(backend, stack_name_or_id)
    if stack_name_or_id and stack is None:
        raise ValidationError(message=f"Stack [{stack_name_or_id}] does not exist")
    change_sets: dict[str, _ChangeSet] = backend.change_sets
    for change_set in change_sets.values():
        is_meant = name_or_id == change_set.change_set_id or (
            change_set.stack is stack and name_or_id == change_set.change_set_name
        )
        if is_meant and change_set.stack_id in backend.stacks:
            return change_set
    return None


def _require(backend: CloudFormationBackend, stack_name_or_id: str, name_or_id: str) -> _ChangeSet:
    change_set = _find(backend, stack_name_or_id, name_or_id)
    if change_set is None:
        raise ChangeSetNotFoundError(name_or_id)
    return change_set


def _make_stack_in_review(backend: CloudFormationBackend, name: str) -> CloudFormationStack:
    stack = CloudFormationStack(
        stack_id=generate_stack_id(name, backend.region_name, backend.account_id),
        name=name,
        template={},
        parameters={},
        account_id=backend.account_id,
        region_name=backend.region_name,
    )
    backend.stacks[stack.stack_id] = stack
    stack.status = _IN_REVIEW
    stack._add_stack_event(_IN_REVIEW, resource_status_reason="User Initiated")
    return stack


def _has_changes(change_set: _ChangeSet) -> bool:
    stack = change_set.stack
    return not (
        stack.has_template(change_set.template)
        and stack.has_parameters(change_set.parameters)
        and stack.tags == _to_mapping(change_set.tags)
    )


def _create(backend: CloudFormationBackend, change_set: _ChangeSet) -> None:
    """Create what the change set's stack has, as ``CreateStack`` does for a stack that does not exist."""
    stack = change_set.stack
    stack.template, stack.parameters = change_set.template, change_set.parameters
    stack.tags, stack.role_arn = _to_mapping(change_set.tags), change_set.role_arn
    stack.notification_arns = change_set.notification_arns
    stack.cross_stack_resources = backend.exports
    stack._parse_template()
    stack._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
    try:
        stack.resource_map = stack._create_resource_map()
        stack.output_map = stack._create_output_map()
        backend._validate_export_uniqueness(stack)
        backend.exports.update({export.name: export for export in stack.exports})
        stack.create_resources()
    except Exception as error:  # any error of a resource: ExecuteChangeSet has already been answered
        roll_back(stack, error)


def _to_mapping(tags: Iterable[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _list_details(previous: dict[str, Any], resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List the properties and the other attributes that differ."""
    old, new = previous.get("Properties", {}), resource.get("Properties", {})
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            recreation = find_recreation(resource["Type"], name)
            target = {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}
            yield {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}
    for attribute in ("Metadata", "DeletionPolicy", "UpdatePolicy", "UpdateReplacePolicy"):
        if previous.get(attribute) != resource.get(attribute):
            target = {"Attribute": attribute, "RequiresRecreation": "Never"}
            yield {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}

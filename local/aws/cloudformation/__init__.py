"""AWS CloudFormation where moto's differs from AWS's, a module per subject."""

from local.aws.cloudformation import (
    change_sets,
    deletions,
    events,
    lambda_functions,
    requests,
    resource_types,
    state_machines,
    storage_types,
    templates,
    updates,
)
from local.hooks import Hooks

_MODULES = (
    templates,
    state_machines,
    lambda_functions,
    updates,
    deletions,
    events,
    requests,
    change_sets,
    resource_types,
    storage_types,
)


def install(hooks: Hooks) -> None:
    """Change moto's CloudFormation for as long as the hooks are in place."""
    for module in _MODULES:
        module.install(hooks)

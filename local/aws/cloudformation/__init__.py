"""AWS CloudFormation where moto's differs from AWS's, a module per subject."""

from local.aws.cloudformation import (
    deletions,
    lambda_functions,
    resource_types,
    state_machines,
    templates,
    updates,
)
from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Change moto's CloudFormation for as long as the hooks are in place."""
    for module in (templates, state_machines, lambda_functions, updates, deletions, resource_types):
        module.install(hooks)

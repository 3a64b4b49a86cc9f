"""What AWS's schemas of resource types say, which cfn-lint has."""

from __future__ import annotations

from functools import cache

from moto.cloudformation.exceptions import ValidationError

_REGION = "us-east-1"


def find_recreation(resource_type: str, property_name: str) -> str:
    """Return whether a change of a property replaces the resource, as a change set says it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceTargetDefinition.html

    Parameters
    ----------
    resource_type, property_name
        For example ``AWS::SQS::Queue`` and ``QueueName``.

    Returns
    -------
    str
        ``Always``, ``Conditionally`` or ``Never``; ``Conditionally`` for a type that has no schema.
    """
    try:
        always, conditionally = _load_create_only_properties(resource_type)
    except LookupError:
        return "Conditionally"
    if property_name in always:
        return "Always"
    return "Conditionally" if property_name in conditionally else "Never"


@cache
def _load_create_only_properties(resource_type: str) -> tuple[frozenset[str], frozenset[str]]:
    """Load the properties whose change replaces a resource, always and conditionally.

    Raises
    ------
    LookupError
        If the type is unknown.
    ValidationError
        If cfn-lint is not installed: the demo leaves it out.
    """
    # Imported here: it takes two seconds.
    try:
        from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError
    except ModuleNotFoundError:
        raise ValidationError(message="Change sets need cfn-lint here, which make setup installs.") from None
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, resource_type).schema
    except ResourceNotFoundError:
        raise LookupError(resource_type) from None
    always, conditionally = (
        frozenset(path.split("/")[2] for path in schema.get(member) or ())
        for member in ("createOnlyProperties", "conditionalCreateOnlyProperties")
    )
    return always, conditionally

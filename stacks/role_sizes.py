"""The size of a role's inline policies, which IAM limits."""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from stacks.settings_fields import SettingsError, render_compact_json

_MAX_CHARACTERS = 10_240
"""The limit of IAM; see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
_DOCUMENT_CHARACTERS = len('{"Version":"2012-10-17","Statement":[]}')
_LONGEST_VALUES = {"AWS::Partition": 10, "AWS::Region": 14, "AWS::AccountId": 12}
_LONGEST_ARN = 160
"""The most that the ARN of a resource of the stack has."""


def require_role_size(stack: Stack, name: str, statements: Iterable[iam.PolicyStatement]) -> None:
    """Require that IAM accepts the inline policies of a function's role, each with one statement.

    Parameters
    ----------
    stack
        The stack of the role.
    name
        The function.
    statements
        The statements.

    Raises
    ------
    SettingsError
        If they can be too large.
    """
    size = sum(
        _DOCUMENT_CHARACTERS + len(render_compact_json(_fill_tokens(stack.resolve(statement.to_statement_json()))))
        for statement in statements
    )
    if size > _MAX_CHARACTERS:
        raise SettingsError(
            f"offboarding must have fewer organizations or identityStores: the role of {name} would need {size} "
            f"characters, and IAM allows {_MAX_CHARACTERS}"
        )


def _fill_tokens(value: Any) -> Any:  # noqa: ANN401 (a template is any JSON)
    """Replace what only CloudFormation knows by texts of the greatest length that it can have."""
    if isinstance(value, Mapping):
        if "Ref" in value or "Fn::GetAtt" in value:
            return "x" * _LONGEST_VALUES.get(value.get("Ref", ""), _LONGEST_ARN)
        if "Fn::Join" in value:
            separator, parts = value["Fn::Join"]
            return separator.join(_fill_tokens(part) for part in parts)
        return {key: _fill_tokens(member) for key, member in value.items()}
    return [_fill_tokens(item) for item in value] if isinstance(value, list) else value

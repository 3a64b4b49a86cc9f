"""Identity-based policies: what the policies of a role allow.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from .conditions import Condition, Context, is_operator
from .wildcards import matches_pattern


@dataclass(frozen=True)
class Grant:
    """An action on a resource that a policy allows or, if `denies`, denies; both can have wildcards.

    Attributes
    ----------
    conditions
        What limits it further; all of them have to hold.
    """

    action: str
    resource: str
    denies: bool = False
    conditions: tuple[Condition, ...] = ()

    def covers(self, action: str, resource: str, context: Context | None = None) -> bool:
        """Tell whether it matches this action, regardless of letter case, on this resource.

        Parameters
        ----------
        action
            As IAM spells it, ``dynamodb:UpdateItem``.
        resource
            The ARN, or ``*`` where the action has no resources to name.
        context
            The values of the call's condition keys. Without it the conditions are left out of account.
        """
        return (
            matches_pattern(self.action.lower(), action.lower())
            and matches_pattern(self.resource, resource)
            and (context is None or all(condition.holds(context) for condition in self.conditions))
        )


class PolicyError(ValueError):
    """A policy has an element that is not supported here, so its effect is unknown."""


def is_allowed(policies: Iterable[str], action: str, resource: str, context: Context = MappingProxyType({})) -> bool:
    """Tell whether policies allow an action on a resource: one must allow it, and none may deny it.

    Parameters
    ----------
    policies
        Policy documents, as JSON.
    action, resource
        See `Grant.covers`.
    context
        The values of the call's condition keys.

    Raises
    ------
    PolicyError
        If one of them has elements other than actions, resources and the supported conditions.
    """
    grants = [grant for policy in policies for grant in parse_grants(policy)]
    matching = [grant for grant in grants if grant.covers(action, resource, context)]
    return bool(matching) and not any(grant.denies for grant in matching)


@lru_cache(maxsize=256)
def parse_grants(policy: str) -> tuple[Grant, ...]:
    """Parse a policy document, as JSON, that is attached to a role.

    Raises
    ------
    PolicyError
        If it has elements other than actions, resources and the supported conditions.
    """
    return tuple(_iterate_grants(json.loads(policy)))


def _iterate_grants(document: Mapping[str, Any]) -> Iterator[Grant]:
    for statement in as_list(document["Statement"]):
        unsupported = statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
        if unsupported:
            raise PolicyError(f"A statement has {', '.join(sorted(unsupported))}, which is not supported here")
        conditions = parse_conditions(statement.get("Condition"), _SUPPORTED_KEYS)
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield Grant(action, resource, statement["Effect"] == "Deny", conditions)


_STRING_KEYS = frozenset(
    {
        *("iam:PassedToService", "kms:EncryptionContext:aws:s3:arn", "kms:ViaService", "lambda:FunctionArn"),
        "s3:prefix",
    }
)
_SUPPORTED_KEYS: Mapping[str, frozenset[str]] = {
    "ForAllValues:StringLike": frozenset({"dynamodb:LeadingKeys"}),
    "StringEquals": _STRING_KEYS | {"events:source", "events:detail-type"},
    "StringLike": _STRING_KEYS,
}
"""The condition keys of this product's functions, by operator: `local.aws.actions` gives each call's values."""


def parse_conditions(
    condition: Mapping[str, Any] | None, supported: Mapping[str, frozenset[str]] | None = None
) -> tuple[Condition, ...]:
    """Parse the ``Condition`` of a statement.

    Parameters
    ----------
    condition
        By operator and key.
    supported
        The supported keys of each operator; all keys of each operator that can be evaluated by default.

    Raises
    ------
    PolicyError
        If it has an operator or a key that is not supported.
    """
    if condition is None:
        return ()
    for operator, values in condition.items():
        is_supported = is_operator(operator) and (supported is None or values.keys() <= supported.get(operator, set()))
        if not values or not is_supported:
            raise PolicyError(f"A statement has the Condition {json.dumps(condition)}, which is not supported here")
    if not condition:
        raise PolicyError("A statement has the Condition {}, which is not supported here")
    return tuple(
        Condition(key, tuple(map(_as_text, as_list(values))), operator)
        for operator, values_by_key in condition.items()
        for key, values in values_by_key.items()
    )


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_list(value: Any) -> list[Any]:
    """Return a list: IAM allows a single value where there can be several."""
    return value if isinstance(value, list) else [value]

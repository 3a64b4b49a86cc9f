"""One policy and one request: also trust policies of roles, bucket policies and key policies, with any condition.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Any

from .conditions import Context
from .documents import PolicyError, as_list, parse_conditions
from .wildcards import matches_pattern


class Decision(Enum):
    """What a policy says about a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NOT_MENTIONED = "not mentioned"


def evaluate_policy(
    policy: str | bytes, action: str, resource: str, context: Context, principals: Collection[str] = ()
) -> Decision:
    """Evaluate a policy for a request.

    Parameters
    ----------
    policy
        The document, as JSON.
    action
        As IAM spells it, ``sts:AssumeRole``.
    resource
        The ARN; a trust policy has no ``Resource``.
    context
        The values of all condition keys that the request has on AWS.
    principals
        The names of the caller: a service such as ``lambda.amazonaws.com``, the ARN of a role. ``*`` always matches.
        The statements of an identity-based policy have no ``Principal``, and are about its owner.

    Raises
    ------
    PolicyError
        If the document has elements that are not supported here.
    """
    effects = {
        statement["Effect"]
        for statement in as_list(json.loads(policy).get("Statement", []))
        if _covers(statement, principals, action, resource) and _meets_conditions(statement, context)
    }
    if "Deny" in effects:
        return Decision.DENIED
    return Decision.ALLOWED if "Allow" in effects else Decision.NOT_MENTIONED


_SUPPORTED_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


def _covers(statement: Mapping[str, Any], principals: Collection[str], action: str, resource: str) -> bool:
    unsupported = statement.keys() - _SUPPORTED_ELEMENTS
    if unsupported:
        raise PolicyError(f"A statement has {', '.join(sorted(unsupported))}, which is not supported here")
    return (
        not {"*", *principals}.isdisjoint(_iterate_principals(statement.get("Principal", "*")))
        and _matches_element(statement, "Action", action, ignores_case=True)
        and _matches_element(statement, "Resource", resource)
    )


def _iterate_principals(principal: str | Mapping[str, Any]) -> Iterator[str]:
    if isinstance(principal, str):
        yield principal
    else:
        for names in principal.values():
            yield from as_list(names)


def _matches_element(statement: Mapping[str, Any], element: str, text: str, *, ignores_case: bool = False) -> bool:
    is_negated = f"Not{element}" in statement
    patterns = as_list(statement.get(f"Not{element}" if is_negated else element, "*"))
    if ignores_case:
        patterns, text = [pattern.lower() for pattern in patterns], text.lower()
    return any(matches_pattern(pattern, text) for pattern in patterns) != is_negated


def _meets_conditions(statement: Mapping[str, Any], context: Context) -> bool:
    return all(condition.holds(context) for condition in parse_conditions(statement.get("Condition")))

"""Policy documents of IAM, evaluated: identity-based policies, trust policies, bucket policies and key policies."""

from .conditions import Condition
from .documents import Grant, PolicyError, as_list, is_allowed, parse_grants
from .evaluation import Decision, evaluate_policy
from .wildcards import matches_pattern

__all__ = [
    "Condition",
    "Decision",
    "Grant",
    "PolicyError",
    "as_list",
    "evaluate_policy",
    "is_allowed",
    "matches_pattern",
    "parse_grants",
]

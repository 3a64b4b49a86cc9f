"""The invocations by event source mappings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import EventSourceMapping
from moto.awslambda.utils import get_backend

from local.aws.quotas import TooManyRequestsException


@dataclass(frozen=True)
class Invocation:
    """How an invocation ended.

    Attributes
    ----------
    answer
        The function's answer, parsed; None if it failed.
    has_failed
        Whether the function raised an error, was lost, does not exist, or was not invoked.
    version
        The version that ran.
    is_throttled
        Whether Lambda refused it because of the concurrency: the function was not invoked.
    """

    answer: Any
    has_failed: bool
    version: str
    is_throttled: bool = False


def invoke_function(mapping: EventSourceMapping, records: list[dict[str, Any]]) -> Invocation:
    """Invoke the function of a mapping with records."""
    _, _, _, region, account, *_ = mapping.function_arn.split(":")
    headers: dict[str, Any] = {}
    try:
        answer = get_backend(account, region).invoke(
            function_name=mapping.function_arn,
            qualifier=None,
            body=json.dumps({"Records": records}),
            headers={},
            response_headers=headers,
        )
    except UnknownFunctionException:
        return Invocation(None, has_failed=True, version="")
    except TooManyRequestsException:
        return Invocation(None, has_failed=True, version="", is_throttled=True)
    version = headers.get("x-amz-executed-version", "$LATEST")
    if "x-amz-function-error" in headers:
        return Invocation(None, has_failed=True, version=version)
    return Invocation(json.loads(answer or "null"), has_failed=False, version=version)


def list_failure_identifiers(answer: Any) -> list[Any] | None:
    """Return the identifiers in a function's partial answer; None if it is no such answer."""
    if not isinstance(answer, dict):
        return None
    failures = answer.get("batchItemFailures") or ()
    return [item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures]

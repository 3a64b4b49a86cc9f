"""Quotas of AWS services that can be switched on: how much AWS does at once, or in a second.

- Lambda's concurrency: while so many invocations run, a further one is refused with ``TooManyRequestsException``. An
  invocation takes no time on the clock, unless it waits there or `QuotaSettings.invocation_seconds` says so. Two that
  take no time never run at once.
- The rates of GetParameter and DescribeExecution: further calls are refused with ``ThrottlingException``. A second
  without calls saves as many calls as a second allows, as the token buckets of AWS do.

Each is counted per account and Region, and for all callers.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import BaseResponse

from local.clock import Clock
from local.hooks import Hooks

_MAX_INVOCATION_SECONDS = 900
_SECOND = timedelta(seconds=1)
_RATES = {"GetParameter": "get_parameter_per_second", "DescribeExecution": "describe_execution_per_second"}
_RATE = "a whole number from 1 on, or null for no quota"
POSSIBLE_QUOTAS = {
    "lambda_concurrency": _RATE,
    "invocation_seconds": f"0 to {_MAX_INVOCATION_SECONDS}",
    "get_parameter_per_second": _RATE,
    "describe_execution_per_second": _RATE,
}
"""What each of `QuotaSettings` can be, in words."""


@dataclass(frozen=True)
class QuotaSettings:
    """The quotas; None is no quota.

    Attributes
    ----------
    lambda_concurrency
        How many invocations run at once.
    invocation_seconds
        How long each invocation takes, in seconds on the clock, before its code runs.
    get_parameter_per_second
        How many calls of Systems Manager's GetParameter succeed in a second.
    describe_execution_per_second
        How many calls of Step Functions' DescribeExecution succeed in a second.
    """

    lambda_concurrency: int | None = None
    invocation_seconds: float = 0
    get_parameter_per_second: int | None = None
    describe_execution_per_second: int | None = None

    def __post_init__(self) -> None:
        """Refuse an impossible value with a ``ValueError`` whose text says what is possible."""
        for name in ("lambda_concurrency", *_RATES.values()):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be {_RATE}, not {value!r}")
        seconds = self.invocation_seconds
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not 0 <= seconds <= _MAX_INVOCATION_SECONDS:
            raise ValueError(
                f"invocation_seconds must be a number from 0 to {_MAX_INVOCATION_SECONDS}, not {json.dumps(seconds)}"
            )


class TooManyRequestsException(JsonRESTError):  # noqa: N818 (it is named as in Lambda's API)
    """So many invocations run that a further one is refused.

    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    """

    code = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")
        self.description = json.dumps(
            {"Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "message": self.message}
        )


@dataclass
class _Bucket:
    """What is left of a rate: the time whose calls have not been made."""

    credit: timedelta
    filled_at: datetime


class Quotas:
    """The quotas of an embedded AWS.

    Parameters
    ----------
    clock
        The clock that invocations take time on, and by which rates are measured.
    settings
        The quotas at the beginning; none by default.

    Attributes
    ----------
    settings
        The quotas now. They can be replaced at any time; what runs then goes on.
    refusals
        How often each operation was refused.
    """

    def __init__(self, clock: Clock, settings: QuotaSettings | None = None) -> None:
        self.settings = settings or QuotaSettings()
        self.refusals: Counter[str] = Counter()
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], int] = defaultdict(int)
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def install(self, hooks: Hooks) -> None:
        """Limit the rates of calls for as long as the hooks are in place."""
        quotas, call = self, BaseResponse.call_action

        def call_action(self: BaseResponse) -> Any:
            operation = self._get_action()
            if quotas._count_call(operation, self.current_account, self.region):
                return call(self)
            body = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"})
            return HTTPStatus.BAD_REQUEST.value, {"x-amzn-errortype": "ThrottlingException"}, body

        hooks.replace(BaseResponse, "call_action", call_action)

    @contextlib.contextmanager
    def count_invocation(self, account_id: str, region: str) -> Iterator[None]:
        """Count what runs meanwhile as an invocation.

        Raises
        ------
        TooManyRequestsException
            If as many run as the quota allows.
        """
        place, quota = (account_id, region), self.settings.lambda_concurrency
        with self._lock:
            if quota is not None and self._running[place] >= quota:
                self.refusals["Invoke"] += 1
                raise TooManyRequestsException
            self._running[place] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[place] -= 1

    def take_invocation_time(self) -> None:
        """Let the time pass that an invocation takes."""
        if self.settings.invocation_seconds:
            self._clock.sleep(timedelta(seconds=self.settings.invocation_seconds))

    def _count_call(self, operation: str, account_id: str, region: str) -> bool:
        """Count a call, and return whether the operation's rate allows it."""
        rate: int | None = getattr(self.settings, _RATES.get(operation, ""), None)
        if rate is None:
            return True
        now, cost = self._clock.now(), timedelta(microseconds=1_000_000 // rate)
        with self._lock:
            bucket = self._buckets.setdefault((operation, account_id, region), _Bucket(_SECOND, now))
            bucket.credit, bucket.filled_at = min(_SECOND, bucket.credit + (now - bucket.filled_at)), now
            if bucket.credit < cost:
                self.refusals[operation] += 1
                return False
            bucket.credit -= cost
            return True

"""AWS Lambda's GetAccountSettings, which moto lacks: how many functions the account runs at once.

https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
"""

from __future__ import annotations

import json
from collections.abc import Callable

from moto.awslambda import urls
from moto.awslambda.responses import LambdaResponse

from local.hooks import Hooks

_USUAL_CONCURRENCY = 1000
"""The quota of an account that is not new.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_PATH = r"{0}/(?P<api_version>[^/]+)/account-settings/?$"


def install(hooks: Hooks, read_concurrency: Callable[[], int | None]) -> None:
    """Answer GetAccountSettings for as long as the hooks are in place; without a quota, with the usual one."""

    def get_account_settings(response: LambdaResponse) -> str:
        concurrency = read_concurrency() or _USUAL_CONCURRENCY
        limit = {"ConcurrentExecutions": concurrency, "UnreservedConcurrentExecutions": concurrency}
        return json.dumps({"AccountLimit": limit})

    hooks.replace(LambdaResponse, "get_account_settings", get_account_settings)
    urls.url_paths[_PATH] = LambdaResponse.dispatch
    hooks.add_cleanup(lambda: urls.url_paths.pop(_PATH, None))

"""Amazon CloudWatch Logs where moto's differs from AWS's: the saved queries of Logs Insights exist. They are not run.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeQueryDefinitions.html
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from typing import Any

from moto.core.responses import ActionResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse

from local.hooks import Hooks

_DEFAULT_LANGUAGE = "CWLI"
_DEFAULT_MAX_RESULTS = 1000


class QueryDefinitions:
    """The saved queries of an embedded AWS."""

    def __init__(self) -> None:
        self._definitions: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)

    def install(self, hooks: Hooks) -> None:
        """Have the operations answered for as long as the hooks are in place."""
        definitions = self

        def put_query_definition(response: LogsResponse) -> ActionResult:
            return ActionResult({"queryDefinitionId": definitions._put(response)})

        def describe_query_definitions(response: LogsResponse) -> ActionResult:
            return ActionResult(definitions._describe(response))

        def delete_query_definition(response: LogsResponse) -> ActionResult:
            query_id = response._get_param("queryDefinitionId")
            definitions._require(response, query_id)
            del definitions._of(response)[query_id]
            return ActionResult({"success": True})

        hooks.replace(LogsResponse, "put_query_definition", put_query_definition)
        hooks.replace(LogsResponse, "describe_query_definitions", describe_query_definitions)
        hooks.replace(LogsResponse, "delete_query_definition", delete_query_definition)

    def _of(self, response: LogsResponse) -> dict[str, dict[str, Any]]:
        return self._definitions[response.current_account, response.region]

    def _require(self, response: LogsResponse, query_id: str) -> None:
        if query_id not in self._of(response):
            raise ResourceNotFoundException("The specified query definition does not exist.")

    def _put(self, response: LogsResponse) -> str:
        query_id = response._get_param("queryDefinitionId")
        if query_id:
            self._require(response, query_id)
        query_id = str(query_id or uuid.uuid4())
        self._of(response)[query_id] = {
            "queryDefinitionId": query_id,
            "name": response._get_param("name"),
            "queryString": response._get_param("queryString"),
            "queryLanguage": response._get_param("queryLanguage") or _DEFAULT_LANGUAGE,
            "logGroupNames": response._get_param("logGroupNames") or [],
            "lastModified": int(time.time() * 1000),
        }
        return query_id

    def _describe(self, response: LogsResponse) -> dict[str, Any]:
        prefix = response._get_param("queryDefinitionNamePrefix") or ""
        matching = [d for d in self._of(response).values() if d["name"].startswith(prefix)]
        offset = int(response._get_param("nextToken") or 0)
        stop = offset + int(response._get_param("maxResults") or _DEFAULT_MAX_RESULTS)
        token = {"nextToken": str(stop)} if stop < len(matching) else {}
        return {"queryDefinitions": matching[offset:stop], **token}

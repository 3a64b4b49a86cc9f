"""The policy of whoever runs `make destroy` allows the calls of a destruction, and nothing else."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.client import BaseClient
from botocore.session import get_session

from local.aws.actions import Action, required_actions
from local.aws.cloudformation import deletions
from local.cdk.assembly import ROOT
from local.defaults import ACCOUNT, REGION
from local.policies import parse_grants
from operate.account import Account
from tests.workflow.operator import Operator
from tests.workflow.test_destroy import STACK, create_leaver, destroy, refuse_to_destroy

POLICY = (ROOT / "docs" / "policies" / "destroyer.json").read_text()
WITHOUT_PERMISSION = {"sts:GetCallerIdentity"}
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: "No permissions are required"."""
SOURCES = (
    ROOT / "operate" / "account.py",
    *(ROOT / "operate" / "destroy").glob("*.py"),
    *(ROOT / "operate" / "records" / name for name in ("reading.py", "exporting.py", "command.py")),
)
"""What a destruction runs. The import of records is a command of its own."""


class Calls:
    """Records the calls that a command makes with its own clients, and not those of the stack meanwhile."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self._session = boto3.Session()
        self._clients: dict[str, BaseClient] = {}

    def client(self, service: str) -> BaseClient:
        if service not in self._clients:
            # A client of boto3 itself would be that of the functions too.
            client = self._clients[service] = self._session.client(service, REGION)
            client.meta.events.register("provide-client-params.*.*", self._make_recorder(client))
        return self._clients[service]

    @property
    def services(self) -> set[str]:
        return set(self._clients)

    def _make_recorder(self, client: BaseClient) -> Callable[..., None]:
        def record(params: Mapping[str, Any], model: Any, **_: Any) -> None:
            self.actions += _list_actions(client, model.name, params)

        return record

    def list_methods(self) -> set[str]:
        """List the methods of boto3 that were called."""
        return {xform_name(action.name.partition(":")[2]) for action in self.actions}


def _list_actions(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> list[Action]:
    """Return the actions of a call; functions of the stack do not call the services that are defined only here."""
    service, place = client.meta.service_model.signing_name, f"{REGION}:{ACCOUNT}"
    if service == "cloudformation":
        name = parameters["StackName"]
        arn = name if name.startswith("arn:") else f"arn:aws:cloudformation:{place}:stack/{name}/1"
    elif service == "lambda":
        arn = f"arn:aws:lambda:{place}:event-source-mapping:{parameters['UUID']}"
    elif service == "sts":
        arn = "*"
    else:
        return required_actions(client, operation, parameters, ACCOUNT)
    return [Action(f"{service}:{operation}", (arn,), parameters)]


def iterate_methods_in_sources(services: set[str]) -> Iterator[str]:
    """Go through the methods of boto3 that the sources of a destruction call."""
    operations = {
        xform_name(name) for service in services for name in get_session().get_service_model(service).operation_names
    }
    for path in SOURCES:
        names = re.findall(r"\.get_paginator\(\"(\w+)\"\)|\.(\w+)\(", path.read_text())
        yield from ({name for pair in names for name in pair} & operations)


def fail_to_delete(resources: Any, resource: Any, template: dict[str, Any]) -> None:
    raise RuntimeError("It is in use.")


def test_the_policy_allows_exactly_the_calls_of_a_destruction(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.flow.start(create_leaver(operator.flow))
    operator.flow.pass_days(1)
    calls = Calls()
    monkeypatch.setattr(Account, "client", lambda _, service: calls.client(service))
    options = ("--stop", "--unprotect", "stack", "--unprotect", "table", "--yes", STACK)
    with monkeypatch.context() as patched:
        patched.setattr(deletions.parsing.ResourceMap, "_delete_resource", fail_to_delete)
        assert "could not be deleted" in refuse_to_destroy(operator, *options, "--export", "records")
    destroy(operator, *options)

    # No branch of the sources was left out.
    assert set(iterate_methods_in_sources(calls.services)) == calls.list_methods()
    grants = parse_grants(POLICY)
    needed = {(action.name, arn) for action in calls.actions for arn in action.resources}
    needed = {(name, arn) for name, arn in needed if name not in WITHOUT_PERMISSION}
    assert {pair for pair in needed if not any(grant.covers(*pair) for grant in grants)} == set()
    assert {grant.action for grant in grants} == {name for name, _ in needed}

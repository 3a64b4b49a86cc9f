"""The deployed stack, as the page reads it: its outputs, its table of records, and clients of AWS."""

from __future__ import annotations

import json
from typing import Any

import boto3

from local.cdk.deployment import read_outputs
from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from operate.account import Account
from operate.questions.table import RecordsTable

MACHINES = {
    "offboarding": "StateMachineArn",
    "approval": "ApprovalStateMachineArn",
    "restore": "RestoreStateMachineArn",
}
"""By the name that the page has for a state machine: the output of the stack with its ARN."""
_REQUESTED = "Offboarding Requested"


class PageError(Exception):
    """What the page asked for cannot be done; the message is a sentence for a person."""


class _EmbeddedAccount(Account):
    """The account of the embedded AWS, without an endpoint: moto answers in this process."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(region=REGION)
        self._environment = environment

    def client(self, service: str) -> Any:
        """Return a client."""
        return self._environment.client(service)


class StackView:
    """What is deployed now; whoever deployed it, and also if that was a moment ago.

    Parameters
    ----------
    environment
        An open environment.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._account = _EmbeddedAccount(environment)

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of the deployed stacks; empty without one."""
        return read_outputs(region=REGION, account=ACCOUNT)

    @property
    def machines(self) -> dict[str, str]:
        """The ARNs of the state machines, by the page's names; empty without a stack."""
        outputs = self.outputs
        return {name: outputs[output] for name, output in MACHINES.items() if output in outputs}

    @property
    def records(self) -> RecordsTable | None:
        """The table of records; None without a stack."""
        name = self.outputs.get("RecordsTableName")
        return RecordsTable(self._account, name) if name else None

    @property
    def settings_path(self) -> str:
        """The path of the parameters with the settings for events of identity providers."""
        name = self.machines.get("offboarding", "").rpartition(":")[2]
        return f"/{name}/intake/"

    def client(self, service: str) -> Any:
        """Return a boto3 client of the stack's Region."""
        return self.environment.client(service)

    def workmail(self) -> Any:
        """Return a boto3 client for WorkMail, in the Region of the organizations."""
        return boto3.client("workmail", region_name=self.environment.workmail.region_name)

    def require_machine(self, name: str) -> str:
        """Return the ARN of a state machine.

        Raises
        ------
        PageError
            If there is none.
        """
        machines = self.machines
        if name not in MACHINES:
            raise PageError(f"There is no state machine {name!r}. The names are {', '.join(MACHINES)}.")
        if name not in machines:
            raise PageError("No stack is deployed yet. Run `make deploy` with AWS_ENDPOINT_URL set to this server.")
        return machines[name]

    def read_intake_settings(self) -> dict[str, Any]:
        """Read the settings of organizations and providers, by the end of each parameter's name."""
        if "offboarding" not in self.machines:
            return {}
        path = self.settings_path
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
        parameters = [parameter for page in pages for parameter in page["Parameters"]]
        return {p["Name"].removeprefix(path): json.loads(p["Value"]) for p in parameters}

    def find_request_bus(self) -> str:
        """Return the event bus on which the stack hears `Offboarding Requested`; the default one if it does not."""
        events = self.client("events")
        for bus in events.list_event_buses()["EventBuses"]:
            for rule in events.list_rules(EventBusName=bus["Name"])["Rules"]:
                if _REQUESTED in json.loads(rule.get("EventPattern") or "{}").get("detail-type", ()):
                    return str(bus["Name"])
        return "default"

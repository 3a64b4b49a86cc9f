"""AWS on this machine, opened and closed: moto, the clock, WorkMail, and the deployed stack.

>>> with Environment(assembly()) as aws:                                   # doctest: +SKIP
...     arn = aws.start({"OrganizationId": ORGANIZATION_ID, "EntityId": "dana@example.com"})
...     aws.clock.advance(timedelta(days=30))
...     aws.describe(arn)["status"]
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from moto import mock_aws
from moto.awslambda_simple.models import lambda_simple_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local import answers, deployment, dynamodb, event_buses, stepfunctions, workmail
from local.clock import Clock
from local.deployment import Stack
from local.event_sources import Poller
from local.faults import Faults
from local.hooks import Hooks
from local.lambda_runtime import Runtime, undisturbed
from local.permissions import Permissions
from local.settings import ACCOUNT, COMPANY_DOMAIN, ORGANIZATION_ALIAS, ORGANIZATION_ID, REGION
from local.status_changes import StatusChanges
from local.workmail import WorkMailBackend, workmail_backends

_CONFIG = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": REGION,
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL")
_CLOSING_SECONDS = 10.0


class Environment:
    """AWS with the stack of a cloud assembly, from ``with`` until the end of its block.

    Parameters
    ----------
    assembly_dir
        The cloud assembly; without one nothing is deployed.
    organization
        The id of the WorkMail organization that is there from the start. None makes none.
    now
        Where the clock starts; the real time when not given.
    truncate_timestamps
        See `local.stepfunctions.install`.
    """

    clock: Clock
    workmail: WorkMailBackend

    def __init__(
        self,
        assembly_dir: Path | None = None,
        organization: str | None = ORGANIZATION_ID,
        now: datetime | None = None,
        *,
        truncate_timestamps: bool = False,
    ) -> None:
        self._assembly = assembly_dir
        self._organization = organization
        self._truncate_timestamps = truncate_timestamps
        self._open = contextlib.ExitStack()
        self._clients: dict[str, Any] = {}
        self.clock = Clock(now)
        self.faults = Faults(self.clock)
        self.runtime = Runtime(self.clock, self.faults)
        self.permissions = Permissions()
        self._status_changes = StatusChanges()
        self.stack: Stack | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            self._enter(opened)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _enter(self, opened: contextlib.ExitStack) -> None:
        opened.enter_context(_variables())
        workmail.register()
        opened.enter_context(self.clock)
        hooks = opened.enter_context(stepfunctions.install(self.clock, truncate_timestamps=self._truncate_timestamps))
        self.runtime.install(hooks)
        self.faults.install(hooks)
        self.permissions.install(hooks)
        answers.install(hooks)
        deployment.install(hooks)
        dynamodb.install(hooks)
        event_buses.install(hooks)
        Poller(self.clock).install(hooks)
        self._status_changes.install(hooks)
        opened.enter_context(mock_aws(config=_CONFIG))
        boto3.DEFAULT_SESSION = _session()
        share_clients(hooks)
        opened.callback(self._clients.clear)
        opened.callback(self._end_executions)
        self.workmail = workmail_backends[ACCOUNT][REGION]
        if self._organization is not None:
            self.workmail.create_organization_with_id(
                self._organization, ORGANIZATION_ALIAS, mail_domains=(COMPANY_DOMAIN,)
            )
        if self._assembly is not None:
            self.deploy(self._assembly)

    def deploy(self, assembly_dir: Path) -> Stack:
        """Create the stack of a cloud assembly, or update it."""
        self.stack = deployment.deploy(assembly_dir, region=REGION, account=ACCOUNT)
        return self.stack

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the deployed stack."""
        return self.stack.outputs if self.stack else {}

    @property
    def state_machine_arn(self) -> str:
        """The state machine of the deployed stack."""
        if "StateMachineArn" in self.outputs:
            return self.outputs["StateMachineArn"]
        (machine,) = stepfunctions_parser_backends[ACCOUNT][REGION].state_machines
        return str(machine.arn)

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=REGION)
        return self._clients[service]

    def start(self, execution_input: Any, name: str | None = None, *, state_machine_arn: str | None = None) -> str:
        """Start an execution and return its ARN at once.

        Parameters
        ----------
        execution_input
            What becomes its input, as JSON.
        name
            Its name; one is made up when not given.
        state_machine_arn
            The state machine; `state_machine_arn` of this object when not given.
        """
        machine = state_machine_arn or self.state_machine_arn
        request = {"stateMachineArn": machine, "input": json.dumps(execution_input)}
        if name is not None:
            request["name"] = name
        return str(self.client("stepfunctions").start_execution(**request)["executionArn"])

    def describe(self, execution_arn: str) -> dict[str, Any]:
        """Return what ``DescribeExecution`` answers."""
        answer: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=execution_arn)
        return answer

    def history(self, execution_arn: str) -> list[dict[str, Any]]:
        """Return the events of an execution, the oldest first."""
        paginator = self.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in paginator.paginate(executionArn=execution_arn) for event in page["events"]]

    def logs(self, function: str) -> list[str]:
        """Return the log lines of a function, named as in `function_code`."""
        return self.runtime.logs(self._function(function).function_name)

    def all_logs(self) -> list[str]:
        """Return the log lines of all functions."""
        return self.runtime.all_logs()

    def function_code(self, function: str) -> io.BytesIO:
        """Open the deployed package of a function.

        Parameters
        ----------
        function
            Its name, or the module of its handler, in snake or in camel case: ``ResolveEntity``.
        """
        return io.BytesIO(self._function(function).code_bytes)

    def function_environment(self, function: str) -> dict[str, str]:
        """Return the configured environment variables of a function, named as in `function_code`."""
        return dict(self._function(function).environment_vars)

    def _function(self, name: str) -> Any:
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        for function in lambda_simple_backends[ACCOUNT][REGION].list_functions():
            if name == function.function_name or function.handler.startswith(f"{module}."):
                return function
        raise LookupError(f"There is no function {name}.")

    def _end_executions(self) -> None:
        """Stop what still runs and let go of what still waits, so that no thread is left behind."""
        self._status_changes.close()
        for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
            for execution in machine.executions:
                if execution.status == "RUNNING":
                    execution.stop(stop_date=datetime.now(UTC), error=None, cause="The environment was closed")
        self.clock.release()
        self.clock.settle(_CLOSING_SECONDS)


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    """Make the session of all environments, which shares the service descriptions: reading them takes long."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _service_descriptions())
    # One of boto3's as well: each adds its methods to the clients that botocore's makes, and none may come twice.
    return boto3.Session(botocore_session=session)


_shared_clients: dict[tuple[str, str, str], Any] = {}


def share_clients(hooks: Hooks) -> None:
    """Make a boto3 client once per service, Region and configuration, for as long as the hooks are in place.

    Each function's code makes its own when it is loaded, which is most of a cold start here; on Lambda they are in
    processes of their own anyway. moto answers all of them, whenever they were made.
    """
    make = boto3.client

    def client(service_name: str, region_name: str | None = None, *, config: Config | None = None, **more: Any) -> Any:
        if more:
            with undisturbed():
                return make(service_name, region_name, config=config, **more)
        options = repr(sorted(config._user_provided_options.items())) if config else ""
        key = (service_name, region_name or os.environ["AWS_DEFAULT_REGION"], options)
        with undisturbed():
            if key not in _shared_clients:
                _shared_clients[key] = make(service_name, region_name, config=config)
            return _shared_clients[key]

    hooks.replace(boto3, "client", client)


@lru_cache(maxsize=1)
def _service_descriptions() -> botocore.loaders.Loader:
    return botocore.loaders.create_loader()


@contextlib.contextmanager
def _variables() -> Iterator[None]:
    """Set fake credentials; nothing of this machine's AWS configuration is read."""
    names = {*_VARIABLES, *_UNSET, *(n for n in os.environ if n.startswith("AWS_ENDPOINT_URL"))}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(_VARIABLES)
    for name in names - set(_VARIABLES):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

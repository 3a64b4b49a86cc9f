"""The embedded AWS, opened and closed: moto, the clock, WorkMail, and the deployed stack.

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
from pathlib import Path
from typing import Any, Self

import boto3
from moto import mock_aws
from moto.awslambda_simple.models import lambda_simple_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local import workmail
from local.aws import (
    account_settings,
    cheap_requests,
    cloudformation,
    dynamodb,
    eventbridge,
    kms,
    progress,
    response_cache,
    s3,
    stepfunctions,
    sts,
)
from local.aws.cloudwatch import CloudWatch
from local.aws.dynamodb.changes import Changes
from local.aws.dynamodb.time_to_live import TimeToLive
from local.aws.functions.event_source_mappings import EventSourceMappings
from local.aws.functions.runtime import Runtime
from local.aws.iam import Permissions
from local.aws.identity_store import IdentityStore
from local.aws.logs import QueryDefinitions
from local.aws.publications import Publications
from local.aws.quotas import Quotas, QuotaSettings
from local.aws.scheduler import Schedules
from local.aws.shared_clients import share_clients, shared_session
from local.aws.stepfunctions.status_events import StatusEvents
from local.cdk.deployment import Stack, deploy
from local.clock import Clock
from local.defaults import ACCOUNT, COMPANY_DOMAIN, ORGANIZATION_ALIAS, ORGANIZATION_ID, REGION
from local.faults import Faults, function_name
from local.workmail import WorkMailBackend, workmail_backends

_MOTO_CONFIG = {
    "batch": {"use_docker": False},
    "lambda": {"use_docker": False},
    "stepfunctions": {"execute_state_machine": True},
}
_FAKE_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": REGION,
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_UNSET_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL")
_CLOSING_TIMEOUT_SECONDS = 10.0


class Environment:
    """The embedded AWS with the stack of a cloud assembly, for the duration of a ``with`` block.

    Parameters
    ----------
    assembly_dir
        The cloud assembly to deploy, if any.
    organization
        The id of the WorkMail organization to create, if any.
    now
        The time at which the clock starts; the real time by default.
    truncate_timestamps
        See `local.aws.stepfunctions.install`.
    schedules
        Whether EventBridge Scheduler's schedules fire. Without it they exist and never fire, so that a clock that is
        moved over months does not stop at each of them.
    alarms
        Whether CloudWatch keeps metrics and evaluates alarms. Without it alarms exist, and only SetAlarmState changes
        their state.
    quotas
        The quotas of AWS services; none by default.
    """

    clock: Clock
    workmail: WorkMailBackend
    table_changes: Changes

    def __init__(
        self,
        assembly_dir: Path | None = None,
        organization: str | None = ORGANIZATION_ID,
        now: datetime | None = None,
        *,
        truncate_timestamps: bool = False,
        schedules: bool = False,
        alarms: bool = False,
        quotas: QuotaSettings | None = None,
    ) -> None:
        self._assembly = assembly_dir
        self._organization = organization
        self._truncate_timestamps = truncate_timestamps
        self._exit_stack = contextlib.ExitStack()
        self._clients: dict[str, Any] = {}
        self.clock = Clock(now)
        self.faults = Faults(self.clock, self._list_function_names)
        self.quotas = Quotas(self.clock, quotas)
        self.runtime = Runtime(self.clock, self.faults, self.quotas)
        self.permissions = Permissions()
        self.identity_store = IdentityStore(
            self.clock, lambda *prefix: self.workmail.list_identity_center_users(*prefix)
        )
        self._schedules = Schedules(self.clock, fires=schedules)
        self._cloudwatch = CloudWatch(self.clock, evaluates=alarms)
        self.status_events = StatusEvents()
        self.publications = Publications()
        self.stack: Stack | None = None
        self.deployed_assemblies: list[Path] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._enter(stack)
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()

    def _enter(self, exit_stack: contextlib.ExitStack) -> None:
        exit_stack.enter_context(_fake_credentials())
        workmail.register()
        exit_stack.enter_context(self.clock)
        hooks = exit_stack.enter_context(
            stepfunctions.install(self.clock, truncate_timestamps=self._truncate_timestamps)
        )
        self.runtime.install(hooks)
        self.faults.install(hooks)
        self.quotas.install(hooks)
        account_settings.install(hooks, lambda: self.quotas.settings.lambda_concurrency)
        self.permissions.install(hooks)
        progress.install(hooks, self.clock)
        cheap_requests.install(hooks)
        response_cache.install(hooks)
        cloudformation.install(hooks)
        kms.install(hooks)
        s3.install(hooks)
        sts.install(hooks)
        tables = dynamodb.install(hooks)
        eventbridge.install(hooks)
        self.publications.install(hooks)
        QueryDefinitions().install(hooks)
        self.table_changes = tables.changes
        TimeToLive(self.clock, tables.changes).install(hooks)
        EventSourceMappings(self.clock, tables.streams).install(hooks)
        self._schedules.install(hooks)
        self.status_events.install(hooks)
        self._cloudwatch.install(hooks, self.runtime, self.faults)
        self.identity_store.install(hooks)
        exit_stack.enter_context(mock_aws(config=_MOTO_CONFIG))
        boto3.DEFAULT_SESSION = shared_session()
        share_clients(hooks)
        exit_stack.callback(self._clients.clear)
        exit_stack.callback(self._end_executions)
        self.workmail = workmail_backends[ACCOUNT][REGION]
        self.workmail.call_at = self.clock.call_at
        if self._organization is not None:
            self.workmail.create_organization_with_id(
                self._organization, ORGANIZATION_ALIAS, mail_domains=(COMPANY_DOMAIN,)
            )
        if self._assembly is not None:
            self.deploy(self._assembly)

    def deploy(self, assembly_dir: Path) -> Stack:
        """Create the stack of a cloud assembly, or update it."""
        self.deployed_assemblies.append(assembly_dir)
        self.stack = deploy(assembly_dir, region=REGION, account=ACCOUNT)
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
            Its input, which is sent as JSON.
        name
            Its name; Step Functions makes one up by default.
        state_machine_arn
            The state machine; `state_machine_arn` of this object by default.
        """
        machine = state_machine_arn or self.state_machine_arn
        request = {"stateMachineArn": machine, "input": json.dumps(execution_input)}
        if name is not None:
            request["name"] = name
        return str(self.client("stepfunctions").start_execution(**request)["executionArn"])

    def describe(self, execution_arn: str) -> dict[str, Any]:
        """Return the answer of ``DescribeExecution``."""
        answer: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=execution_arn)
        return answer

    def history(self, execution_arn: str) -> list[dict[str, Any]]:
        """Return the events of an execution, the oldest first."""
        paginator = self.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in paginator.paginate(executionArn=execution_arn) for event in page["events"]]

    def logs(self, function: str) -> list[str]:
        """Return the log lines of a function, named as in `function_code`."""
        return self.runtime.logs(self._find_function(function).function_name)

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
        return io.BytesIO(self._find_function(function).code_bytes)

    def function_environment(self, function: str) -> dict[str, str]:
        """Return the configured environment variables of a function, named as in `function_code`."""
        return dict(self._find_function(function).environment_vars)

    def _find_function(self, name: str) -> Any:
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        for function in lambda_simple_backends[ACCOUNT][REGION].list_functions():
            if name == function.function_name or function.handler.startswith(f"{module}."):
                return function
        raise LookupError(f"There is no function {name}.")

    def _list_function_names(self) -> list[str]:
        """Return the names of the functions, as faults have them."""
        return [
            function_name(function.handler) for function in lambda_simple_backends[ACCOUNT][REGION].list_functions()
        ]

    def _end_executions(self) -> None:
        """Stop all executions and end all waits, so that no thread is left behind."""
        self.status_events.close()
        for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
            for execution in machine.executions:
                if execution.status == "RUNNING":
                    execution.stop(stop_date=datetime.now(UTC), error=None, cause="The environment was closed")
        self.clock.release()
        self.clock.settle(_CLOSING_TIMEOUT_SECONDS)


@contextlib.contextmanager
def _fake_credentials() -> Iterator[None]:
    """Set fake credentials meanwhile; the AWS configuration of this machine is not read."""
    names = {*_FAKE_VARIABLES, *_UNSET_VARIABLES, *(n for n in os.environ if n.startswith("AWS_ENDPOINT_URL"))}
    previous_values = {name: os.environ.get(name) for name in names}
    os.environ.update(_FAKE_VARIABLES)
    for name in names - set(_FAKE_VARIABLES):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in previous_values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

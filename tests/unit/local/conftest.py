"""Step Functions on a movable clock, without a stack."""

import io
import json
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.aws import cheap_requests, response_cache, stepfunctions
from local.aws.functions.runtime import Runtime
from local.aws.quotas import Quotas
from local.aws.shared_clients import share_clients, shared_session
from local.clock import Clock
from local.hooks import Hooks
from tests.unit.local.assemblies import NOON, make_assembly, open_environment  # noqa: F401 (two are fixtures)
from tests.workflow.privacy import (  # noqa: F401 (they are fixtures)
    no_environment_leaks_personal_data,
    no_environment_of_a_module_leaks_personal_data,
)

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ROLE = "arn:aws:iam::123456789012:role/anything"
CONFIG = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}


@dataclass
class Run:
    """An execution, as the API returns it."""

    client: Any
    arn: str

    @property
    def answer(self) -> dict[str, Any]:
        return self.client.describe_execution(executionArn=self.arn)

    @property
    def status(self) -> str:
        return self.answer["status"]

    @property
    def output(self) -> Any:
        answer = self.answer
        assert answer["status"] == "SUCCEEDED", answer
        return json.loads(answer["output"])

    @property
    def error(self) -> tuple[str | None, str | None]:
        return self.answer.get("error"), self.answer.get("cause")

    @property
    def history(self) -> list[dict[str, Any]]:
        return self.client.get_execution_history(executionArn=self.arn)["events"]

    @property
    def event_types(self) -> list[str]:
        return [event["type"] for event in self.history]

    def times(self, event_type: str) -> list[timedelta]:
        """Return when events of a type happened, counted from noon."""
        return [event["timestamp"] - NOON for event in self.history if event["type"] == event_type]


class StepFunctions:
    """What the tests do with state machines, in short methods."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.client = boto3.client("stepfunctions", "us-east-1")
        self._count = 0

    def create(self, states: dict[str, Any], **top: Any) -> str:
        """Create a machine from its states; the first one is the start, and the language is JSONata."""
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **top}
        self._count += 1
        name = f"machine-{self._count}"
        answer = self.client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
        return answer["stateMachineArn"]

    def begin(self, machine: str, execution_input: Any = None, **more: Any) -> Run:
        answer = self.client.start_execution(stateMachineArn=machine, input=json.dumps(execution_input or {}), **more)
        return Run(self.client, answer["executionArn"])

    def start(self, states: dict[str, Any], execution_input: Any = None, **top: Any) -> Run:
        """Create a machine, start it, and wait until its work has settled."""
        run = self.begin(self.create(states, **top), execution_input)
        self.clock.settle()
        return run


@pytest.fixture
def clock() -> Iterator[Clock]:
    with Clock(NOON) as clock:
        yield clock


@pytest.fixture
def aws(clock: Clock) -> Iterator[StepFunctions]:
    with stepfunctions.install(clock) as hooks:
        cheap_requests.install(hooks)
        response_cache.install(hooks)
        with mock_aws(config=CONFIG):
            boto3.DEFAULT_SESSION = shared_session()
            share_clients(hooks)
            yield StepFunctions(clock)
            clock.release()
            clock.settle()


def zipped(files: dict[str, str]) -> bytes:
    """Make a package from files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, textwrap.dedent(text))
    return buffer.getvalue()


class Functions:
    """What the tests do with Lambda functions, in short methods."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.client = boto3.client("lambda", "us-east-1")
        iam = boto3.client("iam", "us-east-1")
        self.role = iam.create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        iam.put_role_policy(RoleName="lambda", PolicyName="everything", PolicyDocument=json.dumps(EVERYTHING))

    def create(self, code: str | dict[str, str], name: str = "function", **more: Any) -> None:
        """Create a function; code that is only text is the module of its handler, ``app.handler``."""
        files = {"app.py": code} if isinstance(code, str) else code
        variables = more.pop("variables", {})
        self.client.create_function(
            FunctionName=name,
            Role=self.role,
            Runtime="python3.13",
            Handler=more.pop("handler", "app.handler"),
            Code={"ZipFile": zipped(files)},
            Environment={"Variables": variables},
            **more,
        )

    def update(self, code: str, name: str = "function") -> None:
        self.client.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": code}))

    def invoke(self, event: Any = None, name: str = "function", **more: Any) -> Any:
        """Invoke a function that answers."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), **more)
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def error(self, event: Any = None, name: str = "function") -> dict[str, Any]:
        """Invoke a function that fails."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event))
        assert answer["FunctionError"] == "Unhandled"
        return json.loads(answer["Payload"].read())


@pytest.fixture
def quotas(clock: Clock) -> Quotas:
    return Quotas(clock)


@pytest.fixture
def functions(clock: Clock, aws: StepFunctions, quotas: Quotas) -> Iterator[Functions]:
    with Hooks() as hooks:
        runtime = Runtime(clock, quotas=quotas)
        runtime.install(hooks)
        yield Functions(runtime)

"""What the tests of the WorkMail backend share: an organization, and a check of every answer.

Each answer that the backend gives during a test is compared with botocore's output shape, and each error
with the errors that the operation's model lists; so a wrong member fails the first test that gets it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from local.workmail import WorkMailBackend, register, workmail_backends
from tests.service_models import list_answer_problems, load_model

ACCOUNT = "123456789012"
REGION = "us-east-1"
ORGANIZATION = "m-0123456789abcdef0123456789abcdef"
PASSWORD = "Correct-horse-7"
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

MODEL = load_model("workmail")

# The errors of the front end of any AWS service, and the one for an operation that this backend lacks.
COMMON_ERRORS = {
    "InvalidParameterException",
    "SerializationException",
    "UnknownOperationException",
    "NotImplemented",
    "ThrottlingException",
}


@dataclass
class WorkMail:
    """An organization, with a client and the backend to access it."""

    client: Any
    backend: WorkMailBackend
    organization_id: str = ORGANIZATION

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation in the organization."""
        answer = getattr(self.client, method)(OrganizationId=self.organization_id, **parameters)
        answer.pop("ResponseMetadata")
        return answer

    def fails(self, method: str, **parameters: Any) -> str:
        """Return the code of the error that the call is answered with."""
        return error_code(lambda: self.call(method, **parameters))

    def create_user(self, name: str, *, enabled: bool = True, **parameters: Any) -> str:
        """Create a user, registered by default."""
        values = {"DisplayName": name.title(), "Password": PASSWORD, **parameters}
        user_id = self.call("create_user", Name=name, **values)["UserId"]
        return self.enable(user_id, name) if enabled else user_id

    def create_group(self, name: str, *, enabled: bool = True) -> str:
        """Create a group, registered by default."""
        group_id = self.call("create_group", Name=name)["GroupId"]
        return self.enable(group_id, name) if enabled else group_id

    def create_resource(self, name: str, *, enabled: bool = True) -> str:
        """Create a room, registered by default."""
        resource_id = self.call("create_resource", Name=name, Type="ROOM")["ResourceId"]
        return self.enable(resource_id, name) if enabled else resource_id

    def enable(self, entity_id: str, name: str) -> str:
        """Register an entity under its name's address."""
        self.call("register_to_work_mail", EntityId=entity_id, Email=address(name))
        return entity_id

    def deregister(self, entity_id: str) -> None:
        """Deregister an entity."""
        self.call("deregister_from_work_mail", EntityId=entity_id)

    def describe(self, user_id: str) -> dict[str, Any]:
        """Describe a user."""
        return self.call("describe_user", UserId=user_id)


def address(name: str) -> str:
    """Return a name's address in the organization's default mail domain."""
    return f"{name}@acme.awsapps.com"


@cache
def client(region: str = REGION) -> Any:
    """Return a client that neither retries nor checks parameters: the backend must do that.

    Making one takes longer than most tests, and it is the same for all of them.
    """
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    return boto3.client("workmail", region_name=region, config=config)


def error_code(call: Callable[[], object]) -> str:
    """Return the code of the error that a call is answered with."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


@contextmanager
def _checked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    problems: list[str] = []
    perform = WorkMailBackend.perform

    def checked_perform(backend: WorkMailBackend, operation: str, request: object) -> dict[str, Any]:
        answer = perform(backend, operation, request)
        problems.extend(list_answer_problems("workmail", operation, answer))
        return answer

    monkeypatch.setattr(WorkMailBackend, "perform", checked_perform)
    yield
    assert problems == []


@pytest.fixture
def workmail(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkMail]:
    """Yield an Active organization with a fixed id in a fresh moto, then check what was answered."""
    register()
    with mock_aws(), _checked(monkeypatch):
        backend = workmail_backends[ACCOUNT][REGION]
        backend.create_organization_with_id(ORGANIZATION, "acme", mail_domains=["example.com"])
        yield WorkMail(client(), backend)
        problems = [p for call in backend.calls if (p := error_problem(call.operation, call.error))]
        assert problems == []


def error_problem(operation: str, code: str | None) -> str | None:
    """Return what is wrong with this error as the answer of an operation, or None."""
    if code is None or code in COMMON_ERRORS:
        return None
    listed_errors = {shape.name for shape in MODEL.operation_model(operation).error_shapes}
    return None if code in listed_errors else f"{operation} cannot answer {code}"

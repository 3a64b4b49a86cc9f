"""The account of a command: waiting, and errors."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from operate.account import Account
from operate.errors import SIGN_IN, describe_error


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_on_aws_waiting_takes_its_time(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)

    Account().pause(10)

    assert pauses == [10]


def test_the_region_is_that_of_the_cdk_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Account().region == "eu-west-1"
    assert Account(region="us-west-2").region == "us-west-2"


def test_the_profile_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile audit]\nregion = us-west-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert Account("audit").region == "us-west-2"


class RawBody(io.BytesIO):
    """The body of an answer, as urllib3 has it."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


CREDENTIALS = {"provider": "x", "cred_var": "y", "error_msg": "z", "profile": "p"}


@pytest.mark.parametrize(
    "error",
    [
        *(ClientError({"Error": {"Code": code, "Message": "no."}}, "Scan") for code in ("ExpiredToken", "AuthFailure")),
        PartialCredentialsError(**CREDENTIALS),
        CredentialRetrievalError(**CREDENTIALS),
        TokenRetrievalError(**CREDENTIALS),
        UnauthorizedSSOTokenError(),
        ProfileNotFound(**CREDENTIALS),
        NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_credentials_that_cannot_be_used_are_told_with_how_to_sign_in(error: ClientError | BotoCoreError) -> None:
    assert describe_error(error).endswith(f". {SIGN_IN}")


def test_an_error_is_one_sentence() -> None:
    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "no."}}, "Scan")
    unreachable = EndpointConnectionError(endpoint_url="https://x")

    assert describe_error(refused) == "AWS refuses Scan (AccessDenied): no."
    assert describe_error(unreachable) == (
        'AWS cannot be called (EndpointConnectionError): Could not connect to the endpoint URL: "https://x". '
        "Check the Region (--region, AWS_REGION) and the network."
    )


def test_an_endpoint_that_is_down_is_tried_twice_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    client, attempts = Account(region="eu-west-2").client("cloudformation"), list[str]()
    client.meta.events.register("before-send", lambda request, **_: attempts.append(request.url))

    with pytest.raises(EndpointConnectionError) as caught:
        client.describe_stacks()

    assert len(attempts) == 2
    assert describe_error(caught.value).endswith(
        "AWS_ENDPOINT_URL is http://127.0.0.1:9: start what should answer there, or unset it to call AWS."
    )


def test_throttling_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    client, attempts = Account(region="eu-north-1").client("cloudformation"), list[str]()

    def throttle(request: object, **_: object) -> AWSResponse:
        attempts.append("")
        body = b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"
        return AWSResponse("https://x", 400, {}, RawBody(body))

    client.meta.events.register("before-send", throttle)

    with pytest.raises(ClientError, match="Throttling"):
        client.describe_stacks()

    assert len(attempts) == 13

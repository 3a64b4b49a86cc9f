"""The account of a command: waiting, and errors."""

import time
from pathlib import Path

import pytest
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
        'AWS cannot be called (EndpointConnectionError): Could not connect to the endpoint URL: "https://x".'
    )

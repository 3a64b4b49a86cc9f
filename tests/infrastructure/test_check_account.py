"""What a deployment needs of the account, and one sentence for each thing that is missing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from moto import mock_aws

from local.cdk.assembly import ROOT
from tests.infrastructure.templates import template_of
from tools.check_account import BOOTSTRAP_VERSION_PARAMETER, MIN_BOOTSTRAP_VERSION, AccountError, check_account, main

REGION = "eu-west-1"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sign in to an account that is bootstrapped in one Region."""
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with mock_aws():
        put_bootstrap_version("23")
        yield


def put_bootstrap_version(version: str) -> None:
    boto3.client("ssm", REGION).put_parameter(
        Name=BOOTSTRAP_VERSION_PARAMETER, Type="String", Value=version, Overwrite=True
    )


def fail_call(monkeypatch: pytest.MonkeyPatch, operation: str, error: ClientError | BotoCoreError) -> None:
    call = BaseClient._make_api_call

    def call_or_fail(client: BaseClient, name: str, parameters: dict[str, Any]) -> Any:
        if name == operation:
            raise error
        return call(client, name, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", call_or_fail)


def test_a_bootstrapped_account_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_account() == ("123456789012", REGION)
    assert main([]) == 0
    assert capsys.readouterr().out == f"Account 123456789012, Region {REGION}.\n"


def test_without_a_region_nothing_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")

    with pytest.raises(AccountError, match=r"^No Region is set: set AWS_REGION, to us-east-1"):
        check_account()


@pytest.mark.parametrize("arguments", [[], ["--without-bootstrap"]])
def test_without_credentials_nothing_is_deployed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    fail_call(monkeypatch, "GetCallerIdentity", NoCredentialsError())

    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("There are no AWS credentials. Sign in with `aws sso login`")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "x"}}, "GetCallerIdentity"), "ExpiredToken"),
        (ReadTimeoutError(endpoint_url="https://sts"), "ReadTimeoutError"),
    ],
)
def test_credentials_that_aws_does_not_accept_are_named(
    monkeypatch: pytest.MonkeyPatch, error: ClientError | BotoCoreError, name: str
) -> None:
    fail_call(monkeypatch, "GetCallerIdentity", error)

    with pytest.raises(AccountError, match=rf"^AWS does not accept the credentials \({name}\)\. Sign in with"):
        check_account()


def test_a_region_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_call(monkeypatch, "GetCallerIdentity", EndpointConnectionError(endpoint_url="https://sts"))

    with pytest.raises(AccountError, match=rf"^AWS cannot be reached in the Region {REGION}: check its name"):
        check_account()


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")

    with pytest.raises(AccountError, match=r"The config profile \(nope\) could not be found\. Sign in"):
        check_account()


def test_an_account_that_is_not_bootstrapped_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")

    with pytest.raises(AccountError) as problem:
        check_account()
    assert str(problem.value) == (
        "The account 123456789012 is not bootstrapped for CDK in us-west-2: run `make bootstrap` once."
    )
    assert main(["--without-bootstrap"]) == 0


@pytest.mark.parametrize("target", ["bootstrap", "deploy", "diff"])
def test_each_target_that_runs_the_cdk_cli_on_an_account_checks_it_before(target: str) -> None:
    """Only `make bootstrap` is for accounts that are not bootstrapped."""
    installed = ("-o", ".venv/.synced", "-o", "node_modules/.synced")
    make = [str(shutil.which("make")), "--dry-run", *installed, target, "CHECK_ACCOUNT=check", "CDK=cdk"]
    planned = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    checks = [line for line in planned if line.startswith("check")]
    assert checks == [f"check{' --without-bootstrap' if target == 'bootstrap' else ''}"]
    assert planned.index(checks[0]) < next(index for index, line in enumerate(planned) if f"cdk {target}" in line)


@pytest.mark.parametrize("version", ["5", "1", "unknown"])
def test_an_old_bootstrap_has_to_be_repeated(version: str) -> None:
    put_bootstrap_version(version)

    with pytest.raises(AccountError, match=rf"with version {version}, and the stack needs 6: run `make bootstrap`"):
        check_account()


def test_a_bootstrap_that_cannot_be_read_is_told_with_the_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    denial = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "x"}}, "GetParameter")
    fail_call(monkeypatch, "GetParameter", denial)

    with pytest.raises(AccountError, match=r"cannot be read \(AccessDeniedException\): allow ssm:GetParameter on /cdk"):
        check_account()


def test_the_template_needs_the_bootstrap_version_that_is_checked() -> None:
    template = template_of({"organizations": [{"id": "m-" + "1" * 32}]})
    assert template["Parameters"]["BootstrapVersion"]["Default"] == BOOTSTRAP_VERSION_PARAMETER
    [assertion] = template["Rules"]["CheckBootstrapVersion"]["Assertions"]
    [[refused, _]] = [condition["Fn::Contains"] for condition in assertion["Assert"]["Fn::Not"]]
    assert [int(version) for version in refused] == list(range(1, MIN_BOOTSTRAP_VERSION))

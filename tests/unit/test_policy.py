"""The settings that count at the moment of acting: without them nobody is deregistered."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import policy
from offboarding.adapters.policy import Policy, read_policy
from offboarding.domain import errors
from tests.unit.conftest import client

Put = Callable[[str], None]
GOOD: dict[str, Any] = {
    "DailyCap": 20,
    "Organizations": {ORGANIZATION_ID: {"Protected": ["ceo", "*@board.example.com"], "ApprovalRequired": ["*"]}},
}


def test_the_policy_is_what_the_parameter_says_of_the_organization(put_policy: Put) -> None:
    put_policy(json.dumps(GOOD))

    assert read_policy(ORGANIZATION_ID) == Policy(
        daily_cap=20, protected=("ceo", "*@board.example.com"), approval_required=("*",)
    )


def test_a_change_counts_for_executions_that_run(put_policy: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_CACHE_SECONDS", 0)
    put_policy(json.dumps(GOOD))
    assert read_policy(ORGANIZATION_ID).daily_cap == 20

    changed = json.dumps({**GOOD, "DailyCap": 5})
    client("ssm").put_parameter(Name="/offboarding/policy", Type="String", Value=changed, Overwrite=True)

    assert read_policy(ORGANIZATION_ID).daily_cap == 5
    assert policy._CACHE_SECONDS < 60


def test_without_the_parameter_nothing_goes_on(put_policy: Put) -> None:
    with pytest.raises(errors.SettingsUnavailable, match=r"ssm:GetParameter failed \(ParameterNotFound\)"):
        read_policy(ORGANIZATION_ID)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "null",
        "7",
        "[]",
        "{}",
        json.dumps({"DailyCap": 20}),
        json.dumps({**GOOD, "Organizations": {}}),
        json.dumps({**GOOD, "Organizations": {"m-" + "0" * 32: GOOD["Organizations"][ORGANIZATION_ID]}}),
        json.dumps({**GOOD, "Organizations": {ORGANIZATION_ID: {"Protected": []}}}),
        json.dumps({**GOOD, "Organizations": {ORGANIZATION_ID: {"Protected": None, "ApprovalRequired": []}}}),
        json.dumps({"Organizations": GOOD["Organizations"]}),
    ],
)
def test_what_is_garbled_protects_everybody(put_policy: Put, text: str) -> None:
    put_policy(text)

    with pytest.raises(errors.SettingsUnavailable) as failure:
        read_policy(ORGANIZATION_ID)

    assert failure.value.__cause__ is None
    assert "ceo" not in str(failure.value)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "ParameterNotFound"])
def test_an_error_of_systems_manager_may_pass(put_policy: Put, code: str) -> None:
    with Stubber(policy.provider.client) as stub:
        stub.add_client_error("get_parameter", code, "secret")
        with pytest.raises(errors.SettingsUnavailable) as failure:
            read_policy(ORGANIZATION_ID)

    assert "secret" not in str(failure.value)


def test_no_answer_of_systems_manager_may_pass(put_policy: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://ssm")

    monkeypatch.setattr(policy.provider.client, "get_parameter", fail)
    with pytest.raises(errors.SettingsUnavailable):
        read_policy(ORGANIZATION_ID)


def test_a_refusal_of_systems_manager_stays(put_policy: Put) -> None:
    with Stubber(policy.provider.client) as stub:
        stub.add_client_error("get_parameter", "AccessDeniedException")
        with pytest.raises(errors.AccessDenied, match="ssm:GetParameter"):
            read_policy(ORGANIZATION_ID)


def test_what_fails_in_another_way_may_pass_too(put_policy: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(policy.provider.client, "get_parameter", fail)
    with pytest.raises(errors.SettingsUnavailable, match=r"^The settings in Systems Manager cannot be read"):
        read_policy(ORGANIZATION_ID)

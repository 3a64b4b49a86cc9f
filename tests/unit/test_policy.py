"""The policy that counts at the moment of a deregistration; without it no entity is deregistered."""

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import parameters
from offboarding.adapters.policy import Policy, find_policy, read_policy
from offboarding.domain import errors
from offboarding.domain.caps import CapKind
from offboarding.domain.exports import ExportMode, ExportPolicy
from tests.unit.conftest import OTHER_ORGANIZATION_ID, POLICY_PARAMETER, PutPolicy, client, make_raiser

POLICY: dict[str, Any] = {
    "DailyCap": 20,
    "HandCap": 50,
    "Protected": ["ceo", "*@board.example.com"],
    "ApprovalRequired": ["*"],
    "Export": {"Mode": "IfPossible", "MayBeSkipped": True},
}
EXPORT = ExportPolicy(ExportMode.IF_POSSIBLE, may_be_skipped=True)


def test_the_policy_of_an_organization_is_read_from_the_parameter(put_policy: PutPolicy) -> None:
    put_policy(json.dumps(POLICY))

    assert read_policy(ORGANIZATION_ID) == Policy(
        daily_cap=20, hand_cap=50, protected=("ceo", "*@board.example.com"), approval_required=("*",), export=EXPORT
    )


def test_a_policy_that_was_changed_a_moment_ago_counts(put_policy: PutPolicy) -> None:
    put_policy(json.dumps(POLICY))
    assert find_policy(ORGANIZATION_ID)
    assert read_policy(ORGANIZATION_ID).daily_cap == 20

    changed_policy = json.dumps({**POLICY, "DailyCap": 5})
    client("ssm").put_parameter(Name=POLICY_PARAMETER, Type="String", Value=changed_policy, Overwrite=True)

    assert read_policy(ORGANIZATION_ID).daily_cap == 5


@pytest.mark.parametrize("organization_id", [ORGANIZATION_ID, OTHER_ORGANIZATION_ID])
def test_without_the_parameter_the_settings_are_unavailable(put_policy: PutPolicy, organization_id: str) -> None:
    if organization_id != ORGANIZATION_ID:
        put_policy(json.dumps(POLICY))

    with pytest.raises(errors.SettingsUnavailable, match=f"There is no parameter of {organization_id}."):
        read_policy(organization_id)


@pytest.mark.parametrize(
    ("organization_id", "is_member"),
    [
        (ORGANIZATION_ID, True),
        *((id_, False) for id_ in (OTHER_ORGANIZATION_ID, ORGANIZATION_ID[:-1], f"{ORGANIZATION_ID}/x", "", "../a")),
    ],
)
def test_an_organization_is_configured_if_it_has_a_parameter(
    put_policy: PutPolicy, organization_id: str, is_member: bool
) -> None:
    put_policy(json.dumps(POLICY))

    policy_ = find_policy(organization_id)

    assert policy_ == (read_policy(organization_id) if is_member else None)


def test_that_an_organization_is_configured_is_remembered_for_a_moment(put_policy: PutPolicy) -> None:
    put_policy(json.dumps(POLICY))
    assert find_policy(ORGANIZATION_ID)
    client("ssm").delete_parameter(Name=POLICY_PARAMETER)

    assert find_policy(ORGANIZATION_ID)
    with pytest.raises(errors.SettingsUnavailable):
        read_policy(ORGANIZATION_ID)


def make_parameter(**members: Any) -> str:
    """Return the parameter's text with other members."""
    return json.dumps({**POLICY, **members})


LIST = "must be a list of ids, names, addresses or patterns of them."
MODES = "one of No, OnRequest, IfPossible, Required."
CAP = "DailyCap must be a whole number, 0 or more."
HAND_CAP = "HandCap must be a whole number, 0 or more, or null."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no JSON", "The parameter is no JSON."),
        ("[" * 8192, "The parameter is no JSON."),
        *((text, "The parameter must be a JSON object.") for text in ("null", "7", "[]", '"ceo"')),
        ("{}", "The parameter lacks DailyCap, which must be a whole number, 0 or more."),
        *(
            (
                json.dumps({name: value for name, value in POLICY.items() if name != missing}),
                f"The parameter lacks {missing}",
            )
            for missing in POLICY
        ),
        *(
            (make_parameter(DailyCap=cap), CAP)
            for cap in (None, True, False, "20", "", -1, -0.5, 20.5, [], {}, float("nan"), float("inf"))
        ),
        *(
            (make_parameter(HandCap=cap), HAND_CAP)
            for cap in (True, False, "50", "", "null", -1, -0.5, 50.5, [], {}, float("nan"), float("inf"))
        ),
        *(
            (make_parameter(**{name: wrong}), f"{name} {LIST}")
            for name in ("Protected", "ApprovalRequired")
            for wrong in (None, "ceo", "", "*", {}, {"ceo": True}, 7, True)
        ),
        *(
            (make_parameter(**{name: ["ceo", wrong]}), f"{name} {LIST}")
            for name in ("Protected", "ApprovalRequired")
            for wrong in (None, "", " ", "\n", " ceo", "ceo ", "ceo\n", 7, True, ["ceo"], {"ceo": 1})
        ),
        *((make_parameter(Export=wrong), "Export must be a JSON object.") for wrong in (None, "Required", [], True)),
        (make_parameter(Export={"Mode": "No"}), "Export lacks MayBeSkipped, which must be true or false."),
        (make_parameter(Export={"MayBeSkipped": True}), f"Export lacks Mode, which must be {MODES}"),
        *(
            (make_parameter(Export={"Mode": wrong, "MayBeSkipped": False}), f"Export.Mode must be {MODES}")
            for wrong in (None, "", "no", "required", "Maybe", True, ["Required"])
        ),
        *(
            (make_parameter(Export={"Mode": "No", "MayBeSkipped": wrong}), "Export.MayBeSkipped must be true or false.")
            for wrong in (None, "", "no", 0, 1)
        ),
    ],
)
def test_a_damaged_parameter_makes_the_settings_unavailable(put_policy: PutPolicy, text: str, fault: str) -> None:
    put_policy(text)

    with pytest.raises(errors.SettingsUnavailable) as failure:
        read_policy(ORGANIZATION_ID)

    assert str(failure.value).startswith(f"The settings in Systems Manager are damaged. {fault}")
    assert str(failure.value).endswith(
        " Deploy the stack again. If its template has not changed, put the parameter's value back by hand, as "
        "docs/reference.md says."
    )
    assert failure.value.__cause__ is None
    assert "ceo" not in str(failure.value)


@pytest.mark.parametrize(
    "text",
    [
        make_parameter(Window={"From": "22:00"}),
        make_parameter(DailyCap=20.0, HandCap=50.0),
        make_parameter(Export={**POLICY["Export"], "Until": "2027-03-31"}),
    ],
)
def test_the_parameter_of_a_later_release_can_have_further_members(put_policy: PutPolicy, text: str) -> None:
    """A version of a function is called by executions that started before that release, and still wait."""
    put_policy(text)

    policy_ = read_policy(ORGANIZATION_ID)

    assert policy_ == Policy(
        daily_cap=20, hand_cap=50, protected=("ceo", "*@board.example.com"), approval_required=("*",), export=EXPORT
    )
    assert isinstance(policy_.daily_cap, int)
    assert isinstance(policy_.hand_cap, int)


@pytest.mark.parametrize("mode", list(ExportMode))
def test_each_mode_of_exports_is_read(put_policy: PutPolicy, mode: str) -> None:
    put_policy(make_parameter(Export={"Mode": mode, "MayBeSkipped": False}))

    assert read_policy(ORGANIZATION_ID).export == ExportPolicy(ExportMode(mode), may_be_skipped=False)


@pytest.mark.parametrize("hand_cap", [None, 0, 7])
def test_the_parameter_has_a_cap_for_identity_providers_and_one_for_people(
    put_policy: PutPolicy, hand_cap: int | None
) -> None:
    put_policy(make_parameter(DailyCap=3, HandCap=hand_cap))

    policy = read_policy(ORGANIZATION_ID)

    assert policy.find_cap_size(CapKind.PROVIDERS) == 3
    assert policy.find_cap_size(CapKind.HAND) == hand_cap


def test_empty_lists_and_a_cap_of_zero_are_no_damage(put_policy: PutPolicy) -> None:
    put_policy(make_parameter(DailyCap=0, HandCap=0, Protected=[], ApprovalRequired=[]))

    assert read_policy(ORGANIZATION_ID) == Policy(
        daily_cap=0, hand_cap=0, protected=(), approval_required=(), export=EXPORT
    )


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
def test_an_error_of_systems_manager_makes_the_settings_unavailable(put_policy: PutPolicy, code: str) -> None:
    with Stubber(parameters.provider.client) as stub:
        stub.add_client_error("get_parameter", code, "secret")
        with pytest.raises(errors.SettingsUnavailable) as failure:
            read_policy(ORGANIZATION_ID)

    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ReadTimeoutError(endpoint_url="https://ssm"), r"^ssm:GetParameter failed \(ReadTimeoutError\)"),
        (RuntimeError("secret"), r"^The settings in Systems Manager cannot be read"),
    ],
)
def test_a_call_to_systems_manager_without_an_answer_makes_the_settings_unavailable(
    put_policy: PutPolicy, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    monkeypatch.setattr(parameters.provider.client, "get_parameter", make_raiser(error))

    with pytest.raises(errors.SettingsUnavailable, match=message):
        read_policy(ORGANIZATION_ID)


def test_a_call_that_systems_manager_denies_raises_access_denied(put_policy: PutPolicy) -> None:
    with Stubber(parameters.provider.client) as stub:
        stub.add_client_error("get_parameter", "AccessDeniedException")
        with pytest.raises(errors.AccessDenied, match="ssm:GetParameter"):
            read_policy(ORGANIZATION_ID)

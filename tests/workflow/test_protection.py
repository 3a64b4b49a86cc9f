"""Protected entities: checked before any change, and again directly before the deregistration."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.workmail.exceptions import CommonError
from tests.workflow.conftest import CHANGED_SETTINGS, mark_long

pytestmark = pytest.mark.no_providers


@pytest.mark.parametrize(
    "entry",
    [
        "BOSS",
        "*oss@example-corp*",
        "chief@*",
        "{id}",
        *mark_long("boss", "bo?s", "boss@*", "boss@example-corp.awsapps.com"),
    ],
)
def test_an_entity_is_protected_by_id_name_address_alias_and_pattern(flow: Any, entry: str) -> None:
    user = flow.people.create_user("boss")
    flow.people.create_alias(user, "chief")
    flow.change_policy(Protected=["somebody-else", user if entry == "{id}" else entry])

    result = flow.run("boss", days=1)

    assert (result.status, result.outcome) == ("FAILED", "EntityProtected")
    assert result.states[-2:] == ["RecordOffboarding", "Failed"]
    assert f"{user} is protected by entry 2 of the organization's protected" in result.cause
    assert "boss" not in result.cause
    assert flow.list_calls("DeregisterFromWorkMail") == []
    assert flow.read_item(f"{ORGANIZATION_ID}/{user}", "Lock")["Live"] is False, "the lock is released"


def test_a_group_with_a_similar_name_is_not_offboarded_and_protected_by_the_entry(flow: Any) -> None:
    group = flow.people.create_group("team")
    flow.backend.arrange(ORGANIZATION_ID, group, name="stra\N{LATIN SMALL LETTER SHARP S}e-team")

    assert flow.run("strasse-team", days=1).outcome == "EntityNotFound"
    assert flow.read_workmail_state(group)["State"] == "ENABLED"
    flow.change_policy(Protected=["strasse-team"])
    assert flow.run(group, days=1).outcome == "EntityProtected"


def test_an_entity_that_matches_no_entry_is_offboarded(flow: Any) -> None:
    flow.change_policy(Protected=["boss", "b*@example-corp.awsapps.com", "?oss"])
    flow.people.create_user("the.boss")

    assert flow.run("the.boss").outcome == "CleanupVerified"


@pytest.mark.parametrize(
    "more", [{"Expected": {"Name": "boss"}}, *mark_long({"Reason": "really"}, {"NotBefore": "2026-11-22T00:00:00Z"})]
)
def test_no_input_removes_a_protection(flow: Any, more: dict[str, Any]) -> None:
    flow.change_policy(Protected=["boss"])
    flow.people.create_user("boss")

    assert flow.run("boss", days=0, **more).outcome == "EntityProtected"


@pytest.mark.parametrize("member", ["Force", *mark_long("IgnoreProtection", "Protected")])
def test_a_member_that_tries_to_remove_the_protection_is_refused(flow: Any, member: str) -> None:
    flow.change_policy(Protected=["boss"])
    flow.people.create_user("boss")

    assert flow.run("boss", days=0, **{member: True}).outcome == "InvalidRequest"


def test_a_change_of_settings_removes_a_protection(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(CHANGED_SETTINGS)
    flow.people.create_user("boss")
    assert flow.run("boss", days=0).outcome == "EntityProtected"

    flow.deploy()
    flow.pass_days(0.1)

    assert flow.run("boss").outcome == "CleanupVerified"


def test_a_protection_added_during_the_wait_for_the_date_applies(flow: Any) -> None:
    user = flow.people.create_user("boss")
    arn = flow.start("boss", NotBefore="2026-12-01T00:00:00Z")
    flow.pass_days(2)

    flow.change_policy(Protected=["boss"])
    flow.pass_days(40)

    assert flow.read_result(arn).outcome == "EntityProtected"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_a_protection_added_between_the_record_and_the_call_applies(flow: Any) -> None:
    user = flow.people.create_user("boss")
    flow.people.create_alias(user, "chief")

    def protect(operation: str, _: Any) -> None:
        # The last call before the record is written; the next state reads the settings again.
        if operation == "GetMailboxDetails":
            flow.change_policy(Protected=["chief@*"])

    flow.backend.after_hooks.append(protect)
    result = flow.run("boss", days=1)

    assert result.outcome == "EntityProtected"
    assert result.states[-2:] == ["DeregisterEntity", "Failed"]
    assert flow.list_calls("DeregisterFromWorkMail") == []
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


@pytest.mark.parametrize("took_effect", [True, False])
def test_a_protection_added_after_the_call_does_not_hide_the_deregistration(flow: Any, took_effect: bool) -> None:
    flow.backend.behaviour = replace(flow.backend.behaviour, describe_lag_seconds=120)
    user = flow.people.create_user("boss")

    def protect(operation: str, _: Any) -> None:
        if operation == "DeregisterFromWorkMail":
            flow.change_policy(Protected=["boss"])
            raise CommonError("InternalFailure", "made by the test", 500)

    (flow.backend.after_hooks if took_effect else flow.backend.before_hooks).append(protect)
    result = flow.run("boss")

    assert result.outcome == ("CleanupVerified" if took_effect else "DeregistrationNotConfirmed")
    assert (flow.read_workmail_state(user)["State"] == "DISABLED") is took_effect
    assert took_effect or result.cause.startswith("The mailbox may be disabled. ")


def test_with_damaged_settings_no_entity_is_deregistered(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.change_policy(Protected="dana")

    result = flow.run("dana", days=1)

    assert result.outcome == "SettingsUnavailable"
    assert "damaged. Protected must be a list" in result.cause
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


@pytest.mark.long
@pytest.mark.parametrize(
    ("code", "dry_run"),
    [
        ("EntityStateException", False),
        *mark_long(
            ("EntityStateException", True), ("EntityNotFoundException", False), ("EntityNotFoundException", True)
        ),
    ],
)
def test_unreadable_aliases_do_not_count_as_no_aliases(flow: Any, code: str, dry_run: bool) -> None:
    flow.change_policy(Protected=["chief@*"])
    user = flow.people.create_user("boss")
    flow.people.create_alias(user, "chief")
    hook_count = len(flow.backend.before_hooks)
    flow.inject_error("ListAliases", code, times=2)
    result = flow.run("boss", days=1, DryRun=dry_run)
    refused = result.output.get("Plan", {}).get("WouldBeRefused") or [{"Error": result.outcome}]
    assert refused[0]["Error"] == "EntityProtected"

    del flow.backend.before_hooks[hook_count:]
    flow.inject_error("ListAliases", code)
    assert flow.run("boss", days=1, DryRun=dry_run).outcome == "WorkMailUnavailable"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_a_requester_with_an_alias_of_the_leaver_is_refused(flow: Any) -> None:
    user = flow.people.create_user("admin")
    flow.people.create_alias(user, "it")

    result = flow.run("admin", days=1, RequestedBy=flow.people.address("IT"))

    assert result.outcome == "InvalidRequest"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"

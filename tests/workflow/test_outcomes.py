"""The outcomes of offboardings: the states that the execution entered, and its outcome."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import MAIL_DOMAIN, ORGANIZATION_ID
from local.workmail.exceptions import CommonError
from tests.workflow.conftest import CHANGED_SETTINGS, OTHER_ORGANIZATION, mark_long

pytestmark = pytest.mark.no_providers

BEGIN_STATES = ["Begin", "ResolveEntity"]
RESOLVE_STATES = [*BEGIN_STATES, "CheckOrganization", "WhatIsAskedFor?"]
RECORD_STATES = [*RESOLVE_STATES, "RecordOffboarding", "MayItGoOn?"]
WAIT_STATES = [*RECORD_STATES, "DeregisterEntity", "WaitForRetention", "VerifyCleanup", "WhatDidWorkMailShow?"]
CHECK_AGAIN_STATES = ["WaitBeforeLookingAgain", "VerifyCleanup", "WhatDidWorkMailShow?"]


@pytest.mark.parametrize(
    ("identifier", "entity_type"),
    [
        ("DANA@{domain}", "USER"),
        ("{user}", "USER"),
        ("team@{domain}", "GROUP"),
        *mark_long(
            ("room", "RESOURCE"),
            ("dana@{domain}", "USER"),
            ("dana", "USER"),
            ("Dana", "USER"),
            ("team", "GROUP"),
            ("{group}", "GROUP"),
            ("room@{domain}", "RESOURCE"),
            ("{resource}", "RESOURCE"),
        ),
    ],
)
def test_every_form_of_identifier_leads_to_a_verified_cleanup(flow: Any, identifier: str, entity_type: str) -> None:
    ids = {"user": flow.people.create_user("dana", "Dana"), "group": flow.people.create_group("team")}
    ids["resource"] = flow.people.create_resource("room")
    # Entities whose names begin with the same text.
    flow.people.create_user("dana2")
    flow.people.create_group("team-b")

    result = flow.run(identifier.format(domain=MAIL_DOMAIN, **ids))

    assert result.outcome == "CleanupVerified"
    assert result.states == [*WAIT_STATES, "CleanupVerified"]
    entity = result.output["Entity"]
    assert entity["Type"] == entity_type
    assert entity["Id"] == ids[entity_type.lower()]
    assert flow.workmail.describe_user(OrganizationId=ORGANIZATION_ID, UserId="dana2")["State"] == "ENABLED"


def test_a_directory_sid_is_accepted_as_an_id(flow: Any) -> None:
    user = flow.people.create_user("dana")
    sid = "S-1-1-12-1234567890-1234567890-1234567890-1234567890"
    flow.backend.arrange(ORGANIZATION_ID, user, id=sid)

    assert flow.run(sid).output["Entity"]["Id"] == sid


def test_the_output_is_complete(flow: Any) -> None:
    user = flow.people.create_user("dana", "Dana")
    output = flow.run(flow.people.address("dana")).output

    assert list(output) == [
        "Outcome",
        "Explanation",
        "Organization",
        "Entity",
        "DeregisteredAt",
        "RetentionEndsAt",
        "RetentionEndsBeforeWorkMail",
        "Archive",
        "Evidence",
    ]
    assert output["Archive"] is None
    assert output["Organization"] == {"Id": ORGANIZATION_ID, "Alias": "example-corp"}
    assert output["Entity"] == {"Id": user, "Name": "dana", "Email": flow.people.address("dana"), "Type": "USER"}
    assert output["DeregisteredAt"] == "2026-11-22T12:00:00.000Z"
    assert output["RetentionEndsAt"] == "2026-12-22T12:00:00.000Z"
    assert output["Explanation"].startswith(
        "The entity was disabled without interruption from 2026-11-22T12:00:00.000Z to 2026-12-22T18:00:00.000Z, and "
        "the retention is over."
    )
    evidence = output["Evidence"]
    assert list(evidence) == [
        "ResolveEntity",
        "CheckOrganization",
        "RecordOffboarding",
        "DeregisterEntity",
        "VerifyCleanup",
    ]
    assert evidence["VerifyCleanup"]["At"] == "2026-12-22T18:00:00.000Z"
    assert evidence["VerifyCleanup"]["Signals"]["Mailbox"] == "NotFound"
    assert evidence["VerifyCleanup"]["Signals"]["NotGiven"] == ["MailboxSize"]
    answers = [answer for step in evidence.values() for answer in step["Answers"]]
    assert all(answer["RequestId"] for answer in answers)
    assert "Dana" not in str(evidence)
    assert "@" not in str(evidence)


def test_the_happy_path_keeps_its_budget_of_calls_and_transitions(flow: Any) -> None:
    flow.people.create_user("dana")
    flow.clear_calls()

    with flow.environment.faults.record_calls() as calls:
        result = flow.run(flow.people.address("dana"))

    assert flow.list_calls() == [
        "DescribeEntity",
        "DescribeUser",
        "DescribeOrganization",
        "ListAliases",
        "ListGroupsForEntity",
        "GetMailboxDetails",
        "DescribeUser",
        "ListAliases",
        "DeregisterFromWorkMail",
        "DescribeUser",
        "DescribeUser",
        "GetMailboxDetails",
    ]
    assert result.transitions <= 8 + 4
    table_calls = [f"{call.function} {call.operation}" for call in calls if call.service == "dynamodb"]
    assert table_calls == [
        "RecordOffboarding UpdateItem",
        "RecordOffboarding TransactWriteItems",
        # The slot of the hand cap.
        "RecordOffboarding GetItem",
        "RecordOffboarding TransactWriteItems",
        "DeregisterEntity GetItem",
        "DeregisterEntity UpdateItem",
        "DeregisterEntity TransactWriteItems",
        "DeregisterEntity GetItem",
        "DeregisterEntity TransactWriteItems",
        "VerifyCleanup UpdateItem",
        "VerifyCleanup TransactWriteItems",
        "CloseRecord GetItem",
        "CloseRecord TransactWriteItems",
    ]


def test_the_mailbox_exists_for_thirty_days_and_is_removed_before_the_verification(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.pass_days(29.999)
    assert flow.backend.mailbox_exists(ORGANIZATION_ID, user)
    flow.pass_days(0.2)
    assert flow.read_result(arn).status == "RUNNING"
    assert not flow.backend.mailbox_exists(ORGANIZATION_ID, user)
    flow.pass_days(0.1)
    assert flow.read_result(arn).outcome == "CleanupVerified"


def test_a_wait_that_aws_truncates_to_a_whole_second_never_ends_too_early(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(CHANGED_SETTINGS, now=datetime(2026, 11, 22, 12, 0, 0, 700_000, UTC), truncate_timestamps=True)

    result = flow.run(flow.people.create_user("dana"), days=30.5)

    assert result.outcome == "CleanupVerified"
    assert result.output["RetentionEndsAt"] == "2026-12-22T12:00:00.700Z"
    assert result.output["Evidence"]["VerifyCleanup"]["At"] == "2026-12-22T12:00:01.000Z"


@pytest.mark.long
@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"deregister_disabled": "EntityStateException"},
        {"describe_entity_of_disabled": "EntityNotFoundException"},
        {"email_of_disabled": "absent"},
        {"mailbox_details_of_disabled": "EntityNotFoundException"},
        {"mailbox_deprovisioned_date": "never"},
        {"mailbox_deprovisioned_date": "deregistered-future"},
        {"mailbox_deprovisioned_date": "removed"},
        {"describe_lag_seconds": 120},
    ],
    ids=str,
)
def test_undocumented_behaviour_of_workmail_does_not_prevent_the_verification(
    flow: Any, behaviour: dict[str, Any]
) -> None:
    flow.backend.behaviour = replace(flow.backend.behaviour, **behaviour)
    user = flow.people.create_user("dana")

    result = flow.run(flow.people.address("dana"))

    assert result.outcome == "CleanupVerified"
    assert not flow.backend.mailbox_exists(ORGANIZATION_ID, user)


@pytest.mark.parametrize("identifier", ["dana@{domain}", *mark_long("{user}", "dana")])
def test_a_disabled_entity_only_waits_for_the_rest_of_its_window(flow: Any, identifier: str) -> None:
    user = flow.people.create_user("dana")
    flow.deregister(user)
    flow.pass_days(10)
    flow.clear_calls()

    arn = flow.start(identifier.format(user=user, domain=MAIL_DOMAIN))
    flow.pass_days(20.2)
    assert flow.read_result(arn).status == "RUNNING"
    flow.pass_days(0.1)

    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified"
    assert result.output["DeregisteredAt"] == "2026-11-22T12:00:00.000Z"
    assert result.output["Evidence"]["DeregisterEntity"]["WasEnabled"] is False
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_an_entity_disabled_long_ago_is_verified_immediately(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.deregister(user)
    flow.pass_days(40)

    assert flow.run(user, days=0).outcome == "CleanupVerified"


def test_an_entity_registered_again_during_the_window_is_left_alone(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.pass_days(12)
    flow.people.register(user, "dana")
    flow.pass_days(30)

    result = flow.read_result(arn)
    assert result.outcome == "Reenabled"
    assert result.states == [*WAIT_STATES, "Reenabled"]
    assert flow.backend.mailbox_exists(ORGANIZATION_ID, user)


def create_entity(flow: Any, kind: str) -> str:
    create = {
        "USER": flow.people.create_user,
        "GROUP": flow.people.create_group,
        "RESOURCE": flow.people.create_resource,
    }
    return str(create[kind]("dana"))


@pytest.mark.parametrize("kind", ["USER", *mark_long("GROUP", "RESOURCE")])
@pytest.mark.parametrize("is_disabled_again", [False, *mark_long(True)])
@pytest.mark.parametrize(
    ("hours", "outcome", "within"),
    [
        (-1, "Reenabled", "Yes"),
        (0, "ReenabledAfterRetention", "No"),
        *mark_long((3, "ReenabledAfterRetention", "No"), (None, "Reenabled", "NotGiven")),
    ],
)
def test_a_registration_after_the_retention_is_told_from_one_within_it(
    flow: Any, kind: str, is_disabled_again: bool, hours: float | None, outcome: str, within: str
) -> None:
    """Without hours WorkMail does not show when the entity was registered again."""
    entity = create_entity(flow, kind)
    arn = flow.start(entity)
    flow.pass_days(30 + (1 if hours is None else hours) / 24)
    flow.people.register(entity, "dana")
    flow.pass_days(0.05)
    if is_disabled_again and hours != -1:
        flow.deregister(entity)
    if hours is None:
        flow.backend.arrange(ORGANIZATION_ID, entity, enabled_date=None)
    restored = flow.restore(ExecutionArn=arn)
    flow.pass_days(2)

    result = flow.read_result(arn)
    assert result.outcome == outcome
    assert result.states == [*WAIT_STATES, outcome]
    assert result.output["WithinRetention"] == result.output["Evidence"]["VerifyCleanup"]["WithinRetention"] == within
    assert flow.read_record(arn)["WithinRetention"] == within
    assert flow.list_by_status("InWindow") == []
    if hours != -1:
        # The restore says the same of the same record.
        assert restored.outcome == ("RestoreRefused" if is_disabled_again else "RetentionEnded")
        assert is_disabled_again or result.output["Explanation"] in restored.cause


def test_an_entity_registered_again_while_its_cleanup_is_overdue_was_so_after_the_retention(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.backend.retention = timedelta(days=365)
    arn = flow.start(user)
    flow.pass_days(33)
    flow.people.register(user, "dana")
    flow.pass_days(5)

    assert flow.read_result(arn).outcome == "ReenabledAfterRetention"


def test_an_entity_registered_and_disabled_again_does_not_count_as_cleaned_up(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.pass_days(12)
    flow.people.register(user, "dana")
    flow.pass_days(1)
    flow.deregister(user)
    flow.pass_days(20)

    result = flow.read_result(arn)
    assert result.outcome == "Reenabled"
    assert "disabled again since 2026-12-05T12:00:00.000Z" in result.output["Explanation"]
    assert flow.backend.mailbox_exists(ORGANIZATION_ID, user)


def test_an_entity_that_is_not_found_after_the_deregistration_is_read_again(flow: Any) -> None:
    user = flow.people.create_user("dana")

    def fail_next_description(operation: str, _: Any) -> None:
        if operation == "DeregisterFromWorkMail":
            flow.inject_error("DescribeUser", "EntityNotFoundException", times=1)

    flow.backend.after_hooks.append(fail_next_description)

    result = flow.run(user)

    assert result.outcome == "CleanupVerified"
    assert flow.list_calls("DeregisterFromWorkMail") == ["DeregisterFromWorkMail"]


@pytest.mark.parametrize("last_operation", ["GetMailboxDetails", "DeregisterFromWorkMail"])
def test_an_execution_that_is_stopped_in_the_call_and_redriven_deregisters_once(flow: Any, last_operation: str) -> None:
    """It is stopped before the call, and when the answer to it is read back."""
    user = flow.people.create_user("dana")
    operations: list[str] = []

    def stop_at_next_description(operation: str, _: Any) -> None:
        if operation == "DescribeUser" and operations[-1:] == [last_operation]:
            lock = flow.read_item(f"{ORGANIZATION_ID}/{user}", "Lock")
            flow.environment.client("stepfunctions").stop_execution(executionArn=lock["ExecutionArn"])
            raise CommonError("ServiceUnavailable", "made by the test", 503)
        operations.append(operation)

    flow.backend.before_hooks.append(stop_at_next_description)
    arn = flow.start(user)
    flow.process_status_events()
    assert flow.read_record(arn)["Outcome"] == "Stopped"
    flow.backend.before_hooks.remove(stop_at_next_description)
    flow.pass_days(3)

    flow.environment.client("stepfunctions").redrive_execution(executionArn=arn)
    flow.pass_days(40)

    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified", result.cause
    assert flow.read_record(arn)["Outcome"] == "CleanupVerified"
    assert flow.list_calls("DeregisterFromWorkMail") == ["DeregisterFromWorkMail"]


@pytest.mark.parametrize("described", ["DELETED", *mark_long("EntityNotFoundException")])
def test_an_entity_deleted_during_the_window_ends_as_removed(flow: Any, described: str) -> None:
    flow.backend.behaviour = replace(flow.backend.behaviour, describe_deleted=described)
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.pass_days(5)
    flow.delete_user(user)
    flow.pass_days(40)

    result = flow.read_result(arn)
    assert result.outcome == "EntityRemoved"
    assert result.states == [*WAIT_STATES, "EntityRemoved"]
    assert "cannot be restored, and nothing was observed of its mailbox" in result.output["Explanation"]


def test_an_entity_that_is_still_listed_does_not_count_as_removed(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.pass_days(5)
    flow.inject_error("DescribeUser", "EntityNotFoundException", times=3)
    flow.pass_days(40)

    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified"
    assert result.states == [*WAIT_STATES, "CleanupVerified"]


def test_an_entity_that_was_never_registered_ends_as_nothing_to_do(flow: Any) -> None:
    flow.people.create_user("dana", registered=False)
    flow.clear_calls()

    result = flow.run("dana", days=0)

    assert result.outcome == "NothingToDo"
    assert result.states == [*RESOLVE_STATES, "NothingToDo"]
    assert result.output["Entity"]["Email"] is None
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_an_offboarding_ends_without_verification_if_workmail_ends_before_the_retention(
    make_flow: Callable[..., Any],
) -> None:
    flow = make_flow(now=datetime(2027, 3, 10, 9, tzinfo=UTC))
    user = flow.people.create_user("dana")

    result = flow.run(user, days=20)

    assert result.outcome == "ServiceEnded"
    assert result.states == [*WAIT_STATES, "ServiceEnded"]
    assert result.output["RetentionEndsAt"] == "2027-04-09T09:00:00.000Z"
    assert result.output["Evidence"]["VerifyCleanup"]["At"] == "2027-03-30T00:00:00.000Z"
    assert flow.backend.mailbox_exists(ORGANIZATION_ID, user)


def test_a_mailbox_that_still_exists_is_checked_daily_and_then_overdue(flow: Any) -> None:
    flow.people.create_user("dana")
    flow.backend.retention = timedelta(days=365)

    result = flow.run("dana", days=60)

    assert result.outcome == "CleanupOverdue"
    assert result.states == [*WAIT_STATES, *CHECK_AGAIN_STATES * 6, *CHECK_AGAIN_STATES[:2], "Failed"]
    assert "the mailbox still has a size" in result.cause
    assert "2026-12-29T18:00:00.000Z" in result.cause


def test_a_mailbox_that_is_removed_late_is_still_verified(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.backend.retention = timedelta(days=365)
    arn = flow.start(user)
    flow.pass_days(32)
    flow.backend.retention = timedelta(days=30)
    flow.pass_days(2)

    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified"
    assert result.states == [*WAIT_STATES, *CHECK_AGAIN_STATES * 2, "CleanupVerified"]
    assert result.output["Evidence"]["VerifyCleanup"]["Check"] == 3


@pytest.mark.parametrize(
    ("execution_input", "message"),
    [
        ({"EntityId": "dana"}, "lacks OrganizationId"),
        ({"OrganizationId": ORGANIZATION_ID, "EntityId": "dana", "DryRn": True}, "unknown member: DryRn"),
        *mark_long(
            (
                {"OrganizationId": OTHER_ORGANIZATION, "EntityId": "dana"},
                "is not configured in this stack. It has to be one of",
            ),
            (["dana"], "must be a JSON object"),
            ({"OrganizationId": ORGANIZATION_ID}, "lacks EntityId"),
            ({"OrganizationId": ORGANIZATION_ID, "EntityId": ""}, "EntityId must be"),
            ({"OrganizationId": ORGANIZATION_ID, "EntityId": "x" * 257}, "1 to 256 characters"),
            ({"OrganizationId": ORGANIZATION_ID, "EntityId": 'Dana "DJ" Leaver'}, "EntityId must be"),
            ({"OrganizationId": ORGANIZATION_ID, "EntityId": ["dana"]}, "EntityId must be"),
            ({"OrganizationId": ORGANIZATION_ID[:-1], "EntityId": "dana"}, "OrganizationId must be"),
            ({"OrganizationId": ORGANIZATION_ID, "EntityId": "dana@"}, "must be an e-mail address"),
            ({"OrganizationId": ORGANIZATION_ID, "EntityId": "d" * 250 + "@x.io"}, "at most 254 characters"),
        ),
    ],
    ids=str,
)
def test_an_invalid_input_ends_in_the_first_state_without_a_call_of_workmail(
    flow: Any, execution_input: Any, message: str
) -> None:
    flow.clear_calls()
    arn = flow.environment.start(execution_input)
    flow.clock.settle()

    result = flow.read_result(arn)
    assert result.outcome == "InvalidRequest"
    assert result.states == [*BEGIN_STATES, "Failed"]
    assert message in result.cause
    assert flow.list_calls() == []


def test_an_organization_outside_the_settings_is_refused(flow: Any) -> None:
    organization_id = flow.workmail.create_organization(Alias="other-corp")["OrganizationId"]
    arn = flow.environment.start({"OrganizationId": organization_id, "EntityId": "dana"})
    flow.clock.settle()

    assert flow.read_result(arn).outcome == "InvalidRequest"
    assert "not configured in this stack" in flow.read_result(arn).cause


@pytest.mark.parametrize(
    "identifier",
    [
        f"nobody@{MAIL_DOMAIN}",
        *mark_long(
            "12345678-1234-1234-1234-123456789012",
            "dan",
            "nobody",
            "r-" + "0" * 32,
            "S-1-1-12-1-2-3-4",
        ),
    ],
)
def test_an_unknown_identifier_is_not_found_and_no_entity_is_deregistered(flow: Any, identifier: str) -> None:
    flow.people.create_user("dana")

    result = flow.run(identifier, days=0)

    assert result.outcome == "EntityNotFound"
    assert result.states == [*BEGIN_STATES, "Failed"]
    assert result.cause
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_a_deleted_entity_is_not_found(flow: Any) -> None:
    user = flow.people.create_user("dana", registered=False)
    flow.delete_user(user)

    assert flow.run(user, days=0).outcome == "EntityNotFound"
    assert flow.run("dana", days=0).outcome == "EntityNotFound"


def test_a_name_that_two_entities_have_is_refused_with_their_ids(flow: Any) -> None:
    user = flow.people.create_user("support", registered=False)
    group = flow.people.create_group("support2")
    flow.backend.arrange(ORGANIZATION_ID, group, name="support")

    result = flow.run("support", days=0)

    assert result.outcome == "EntityAmbiguous"
    assert f"USER {user}, GROUP {group}" in result.cause


@pytest.mark.parametrize(
    "expected",
    [
        {"Type": "GROUP"},
        *mark_long(
            {"DisplayName": "Other"},
            {"Name": "other"},
            {"Email": "other@example.com"},
            {"Type": "USER", "Name": "other"},
        ),
    ],
    ids=str,
)
def test_an_entity_that_differs_from_the_expected_one_is_refused(flow: Any, expected: dict[str, str]) -> None:
    flow.people.create_user("dana", "Dana Leaver")

    result = flow.run("dana", days=0, Expected=expected)

    assert result.outcome == "EntityMismatch"
    assert list(expected)[-1] in result.cause
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_the_expected_entity_is_offboarded(flow: Any) -> None:
    flow.people.create_user("dana", 'Dana "DJ" Leaver')
    expected = {"Type": "USER", "Name": "DANA", "Email": f"Dana@{MAIL_DOMAIN}", "DisplayName": 'Dana "DJ" Leaver'}

    assert flow.run("dana", Expected=expected).outcome == "CleanupVerified"


def test_an_address_that_became_an_alias_of_a_colleague_does_not_offboard_the_colleague(flow: Any) -> None:
    colleague = flow.people.create_user("robin")
    flow.people.create_alias(colleague, "dana")

    result = flow.run(flow.people.address("dana"), days=0)

    assert result.outcome == "EntityMismatch"
    assert f"alias of the USER {colleague}" in result.cause
    assert flow.list_calls("DeregisterFromWorkMail") == []


@pytest.mark.parametrize("role", ["SYSTEM_USER", *mark_long("RESOURCE", "REMOTE_USER")])
def test_users_with_a_system_role_are_protected(flow: Any, role: str) -> None:
    user = flow.people.create_user("system")
    flow.backend.set_user_role(ORGANIZATION_ID, user, role)

    result = flow.run(user, days=0)

    assert result.outcome == "EntityProtected"
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_the_migration_administrator_is_protected(flow: Any) -> None:
    user = flow.people.create_user("migrator")
    flow.backend.set_migration_admin(ORGANIZATION_ID, user)

    result = flow.run(user, days=0)

    assert result.outcome == "EntityProtected"
    assert result.states == [*BEGIN_STATES, "CheckOrganization", "Failed"]


@pytest.mark.parametrize("state", ["Deleting", *mark_long("something new", "Requested", "Creating", "Deleted")])
def test_an_organization_that_is_not_active_stops_the_offboarding(flow: Any, state: str) -> None:
    user = flow.people.create_user("dana")
    flow.backend.set_organization_state(ORGANIZATION_ID, state)

    result = flow.run(user, days=0)

    assert result.outcome == "OrganizationNotActive"
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_the_state_of_the_organization_is_compared_without_case(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.backend.set_organization_state(ORGANIZATION_ID, "ACTIVE")

    assert flow.run(user).outcome == "CleanupVerified"


def test_an_organization_of_the_settings_that_does_not_exist_is_not_found(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(CHANGED_SETTINGS)
    arn = flow.environment.start({"OrganizationId": OTHER_ORGANIZATION, "EntityId": "dana"})
    flow.clock.settle()

    assert flow.read_result(arn).outcome == "OrganizationNotFound"


@pytest.mark.parametrize(
    ("operation", "code", "outcome", "last_task"),
    [
        ("DeregisterFromWorkMail", "UnsupportedOperationException", "DeregistrationRefused", "DeregisterEntity"),
        ("DescribeOrganization", "InternalFailure", "WorkMailUnavailable", "CheckOrganization"),
        *mark_long(
            ("GetMailboxDetails", "UnknownException", "UnexpectedFailure", "VerifyCleanup"),
            ("DeregisterFromWorkMail", "ServiceUnavailable", "WorkMailUnavailable", "DeregisterEntity"),
            ("DescribeUser", "UnknownException", "UnexpectedFailure", "ResolveEntity"),
            ("GetMailboxDetails", "UnknownException", "UnexpectedFailure", "RecordOffboarding"),
        ),
    ],
)
def test_a_permanent_error_ends_the_offboarding_with_its_outcome(
    flow: Any, operation: str, code: str, outcome: str, last_task: str
) -> None:
    """The fault matrix plays the errors that WorkMail documents."""
    status = {"InternalFailure": 500, "ServiceUnavailable": 503}.get(code, 400)
    flow.people.create_user("dana")
    if last_task == "VerifyCleanup":
        arn = flow.start(flow.people.address("dana"))
        flow.clock.settle()
        flow.inject_error(operation, code, status=status)
        flow.pass_days(60)
        result = flow.read_result(arn)
    else:
        flow.inject_error(operation, code, status=status)
        result = flow.run(flow.people.address("dana"), days=60)

    assert result.status == "FAILED"
    assert result.outcome == outcome
    assert result.states[-2:] == [last_task, "Failed"]
    assert f"{operation} with {code}" in result.cause or outcome == "DeregistrationRefused"


@pytest.mark.parametrize(
    "code", ["ThrottlingException", *mark_long("DirectoryUnavailableException", "InternalFailure")]
)
@pytest.mark.parametrize(
    "operation",
    [
        "DeregisterFromWorkMail",
        *mark_long("DescribeEntity", "DescribeUser", "DescribeOrganization", "GetMailboxDetails"),
    ],
)
def test_a_transient_error_does_not_change_the_outcome(flow: Any, operation: str, code: str) -> None:
    flow.people.create_user("dana")
    flow.inject_error(operation, code, times=5)

    result = flow.run(flow.people.address("dana"))

    assert result.outcome == "CleanupVerified"
    assert result.states == [*WAIT_STATES, "CleanupVerified"]


def test_a_refused_deregistration_is_tried_again(flow: Any) -> None:
    flow.people.create_user("dana")
    flow.inject_error("DeregisterFromWorkMail", "EntityStateException", times=4)

    assert flow.run("dana").outcome == "CleanupVerified"
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 5


def test_a_deregistration_that_workmail_never_shows_ends_as_not_confirmed(flow: Any) -> None:
    user = flow.people.create_user("dana")

    def undo(operation: str, parameters: Any) -> None:
        if operation == "DeregisterFromWorkMail":
            entity = flow.backend.organizations[ORGANIZATION_ID].entities[user]
            entity.state, entity.disabled_date = "ENABLED", None

    flow.backend.after_hooks.append(undo)
    began = flow.clock.now()
    result = flow.run(user, days=0)

    assert result.outcome == "DeregistrationNotConfirmed"
    assert result.states[-2:] == ["DeregisterEntity", "Failed"]
    assert flow.clock.now() - began > timedelta(minutes=2)


def test_an_entity_registered_between_two_states_is_left_alone(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.deregister(user)
    flow.clear_calls()

    def register(operation: str, parameters: Any) -> None:
        if operation == "DescribeOrganization":
            flow.people.register(user, "dana")

    flow.backend.after_hooks.append(register)
    result = flow.run(user, days=0)

    assert result.outcome == "EntityMismatch"
    assert result.states[-2:] == ["DeregisterEntity", "Failed"]
    assert f"Somebody has registered {user} since it was recorded" in result.cause
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_a_mailbox_that_still_exists_near_the_end_of_workmail_is_overdue_before_that_end(
    make_flow: Callable[..., Any],
) -> None:
    flow = make_flow(now=datetime(2027, 2, 25, 9, tzinfo=UTC))
    flow.people.create_user("dana")
    flow.backend.retention = timedelta(days=365)

    result = flow.run("dana", days=60)

    assert result.outcome == "CleanupOverdue"
    assert "checked until 2027-03-30T23:00:00.000Z" in result.cause


def test_stopping_an_execution_does_not_change_the_entity(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.clock.settle()
    flow.environment.client("stepfunctions").stop_execution(executionArn=arn, cause="mistake")
    flow.clock.settle()

    assert flow.read_result(arn).status == "ABORTED"
    assert flow.read_workmail_state(user)["State"] == "DISABLED"

"""Disabled users of IAM Identity Center on the embedded AWS: their status is read, or SCIM calls say it."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import IDENTITY_STORE_ID, OFFBOARDING, SCIM_TENANT_ID
from local.faults import Fault
from local.organization import OrganizationBuilder
from tests.workflow.conftest import OTHER_ORGANIZATION, Flow, mark_long
from tests.workflow.test_identity_events import STORE_USER, Intake, load_event

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SHARED_STORE = {
    "organizations": [
        OFFBOARDING["organizations"][0],
        {"id": OTHER_ORGANIZATION, "identityStores": [IDENTITY_STORE_ID], "mailDomains": ["example.org"]},
    ],
}
FOUND_DISABLED = "The identity provider's user was found disabled after some change"


@pytest.fixture
def intake(make_flow: Callable[..., Flow]) -> Intake:
    return Intake(make_flow(now=NOON))


def create_user(intake: Intake, age: timedelta = timedelta(hours=1)) -> str:
    """Create a user of WorkMail and of the identity store, both of which are so old."""
    user = intake.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)
    intake.flow.clock.advance(age)
    return user


def set_status(intake: Intake, status: str, identity_store_id: str = IDENTITY_STORE_ID) -> None:
    intake.flow.environment.identity_store.set_status(STORE_USER, status, identity_store_id)
    intake.flow.clock.settle()


def set_status_late(intake: Intake, status: str) -> None:
    """Set a status that does not show yet when the event about the change is read first."""
    intake.flow.environment.identity_store.send_user_updated(STORE_USER)
    intake.flow.clock.settle()
    intake.set_paused(paused=True)
    set_status(intake, status)
    intake.delete_visible_message()
    intake.set_paused(paused=False)
    intake.flow.clock.advance(timedelta(minutes=4))


def make_scim_call(intake: Intake, name: str = "patch-user", **request: Any) -> dict[str, Any]:
    """Return a SCIM call that happens now; without `request` it is that of the sample."""
    event = copy.deepcopy(load_event(f"identity-center-scim-{name}"))
    event["detail"]["eventTime"] = intake.flow.clock.now().isoformat()
    if request:
        event["detail"] |= {"requestParameters": {"tenantId": SCIM_TENANT_ID, "userId": STORE_USER, **request}}
        event["detail"]["responseElements"] = None
    return event


def read_state(intake: Intake, user: str) -> str:
    return str(intake.flow.read_workmail_state(user)["State"])


def read_requester(intake: Intake) -> dict[str, Any]:
    [execution_input] = intake.list_inputs()
    return dict(execution_input["Requester"])


def test_the_mailbox_of_a_user_who_is_disabled_in_the_identity_store_is_disabled(intake: Intake) -> None:
    user = create_user(intake)

    set_status(intake, "DISABLED")

    assert read_state(intake, user) == "DISABLED"
    requester = read_requester(intake)
    assert (requester["Provider"], requester["ProviderUserId"]) == ("identityCenter", STORE_USER)
    assert requester["OccurredAt"] == "2026-11-20T13:00:00Z"
    assert requester["StatusReadAt"].startswith("2026-11-20T13:00:")
    assert "Doubts" not in requester
    [execution] = intake.list_executions()
    assert intake.flow.read_record(execution["executionArn"])["Requester"] == requester
    assert intake.read_dead_letters() == []


def test_any_other_change_of_an_enabled_user_starts_nothing(intake: Intake) -> None:
    user = create_user(intake)

    set_status(intake, "ENABLED")
    assert intake.count_messages() == 1, "what shows right after a change may be what was so before it"
    intake.flow.clock.advance(timedelta(minutes=4))

    assert (read_state(intake, user), intake.list_executions(), intake.count_messages()) == ("ENABLED", [], 0)
    assert intake.read_dead_letters() == []


def test_a_status_that_does_not_show_at_once_is_not_missed(intake: Intake) -> None:
    user = create_user(intake)
    set_status_late(intake, "DISABLED")

    assert read_state(intake, user) == "DISABLED"


def test_who_was_seen_enabled_within_14_days_is_no_doubt(intake: Intake) -> None:
    user = create_user(intake, timedelta(days=100))
    set_status(intake, "ENABLED")
    intake.flow.pass_days(13)

    set_status(intake, "DISABLED")

    assert read_state(intake, user) == "DISABLED"


def test_a_doubt_about_who_was_only_found_disabled_stays_if_the_event_is_read_again_or_after_a_rejection(
    intake: Intake,
) -> None:
    user = create_user(intake, timedelta(days=100))
    intake.flow.environment.faults.add(Fault("stepfunctions", "StartExecution", error="ThrottlingException", times=1))
    set_status(intake, "DISABLED")
    intake.flow.clock.advance(timedelta(minutes=4))
    [record] = intake.flow.list_by_status("AwaitingApproval")
    assert intake.flow.decide(record["Id"], "Rejected").outcome == "Decided"
    intake.flow.pass_days(1)

    intake.flow.environment.identity_store.send_user_updated(STORE_USER)
    intake.flow.clock.settle()
    intake.flow.clock.advance(timedelta(minutes=4))

    assert len(intake.flow.list_by_status("AwaitingApproval")) == 1
    assert read_state(intake, user) == "ENABLED"


def test_a_return_that_does_not_show_at_once_is_not_missed(intake: Intake) -> None:
    create_user(intake)
    set_status(intake, "DISABLED")
    intake.flow.clock.advance(timedelta(hours=2))
    set_status_late(intake, "ENABLED")

    [execution] = intake.list_executions()
    assert "LeaverReturned" in [step["Step"] for step in intake.flow.read_steps(execution["executionArn"])]


@pytest.mark.parametrize("how", ["status", "scim", *mark_long("cloudtrail")])
@pytest.mark.parametrize("waits", [True, *mark_long(False)])
def test_a_return_is_heard_in_each_way_to_hear_the_departure(intake: Intake, how: str, waits: bool) -> None:
    user = create_user(intake)
    if waits:
        intake.flow.change_policy(ApprovalRequired=["*"])
        intake.flow.clock.advance(timedelta(seconds=10))
    set_status(intake, "DISABLED")
    intake.flow.clock.advance(timedelta(minutes=5))

    match how:
        case "status":
            set_status(intake, "ENABLED")
        case "scim":
            intake.put_events(make_scim_call(intake, httpBody={"active": True}))
        case "cloudtrail":
            event = load_event("identity-center-cloudtrail-disable-user")
            event["detail"] |= {"eventName": "EnableUser", "eventTime": intake.flow.clock.now().isoformat()}
            intake.put_events(event)
    intake.flow.clock.advance(timedelta(minutes=5))

    [execution] = intake.list_executions()
    if waits:
        assert json.loads(execution["output"])["Outcome"] == "Withdrawn"
    else:
        assert "LeaverReturned" in [step["Step"] for step in intake.flow.read_steps(execution["executionArn"])]
    assert read_state(intake, user) == ("ENABLED" if waits else "DISABLED")


def test_a_user_who_may_have_been_disabled_for_long_waits_for_an_approval(intake: Intake) -> None:
    user = create_user(intake, timedelta(days=4))

    set_status(intake, "DISABLED")

    assert read_state(intake, user) == "ENABLED"
    [record] = intake.flow.list_by_status("AwaitingApproval")
    assert [reason.startswith(FOUND_DISABLED) for reason in record["ApprovalReasons"]] == [True]
    assert intake.flow.decide(record["Id"]).outcome == "Decided"
    assert read_state(intake, user) == "DISABLED"


def test_the_events_of_several_regions_about_one_user_start_one_execution(intake: Intake) -> None:
    user = create_user(intake)

    set_status(intake, "DISABLED")
    intake.flow.clock.advance(timedelta(seconds=30))
    intake.flow.environment.identity_store.send_user_updated(STORE_USER)
    intake.flow.clock.settle()

    assert read_state(intake, user) == "DISABLED"
    assert len(intake.list_executions()) == 1
    assert intake.read_dead_letters() == []


def test_a_later_change_of_a_disabled_user_starts_nothing(intake: Intake) -> None:
    user = create_user(intake)
    set_status(intake, "DISABLED")
    intake.flow.pass_days(40)

    set_status(intake, "DISABLED")

    assert read_state(intake, user) == "DISABLED"
    assert len(intake.list_executions()) == 1
    assert intake.read_dead_letters() == []


def test_the_status_that_is_read_counts_and_not_that_of_the_moment_of_the_event(intake: Intake) -> None:
    user = create_user(intake)
    intake.set_paused(paused=True)
    set_status(intake, "DISABLED")
    set_status(intake, "ENABLED")

    intake.set_paused(paused=False)

    assert (read_state(intake, user), intake.list_executions()) == ("ENABLED", [])
    assert intake.read_dead_letters() == []


def test_a_deleted_user_is_offboarded_by_the_event_about_the_deletion(intake: Intake) -> None:
    user = create_user(intake)
    store = intake.flow.environment.client("identitystore")
    store.delete_user(IdentityStoreId=IDENTITY_STORE_ID, UserId=STORE_USER)

    intake.flow.environment.identity_store.send_user_updated(STORE_USER)
    intake.flow.clock.settle()
    assert (intake.list_executions(), intake.read_dead_letters()) == ([], [])
    intake.put_events(load_event("identity-center-user-deleted"))

    assert read_state(intake, user) == "DISABLED"
    assert "StatusReadAt" not in read_requester(intake)


@pytest.mark.parametrize(
    "fault",
    [
        {"error": "ThrottlingException"},
        *mark_long(({"error": "InternalServerException"},), ({"error": "Timeout"},), ({"error": "EmptyAnswer"},)),
    ],
    ids=lambda fault: fault["error"],
)
def test_the_status_is_read_again_if_the_identity_store_does_not_answer(intake: Intake, fault: dict[str, str]) -> None:
    user = create_user(intake)
    intake.flow.environment.faults.add(Fault("identitystore", "DescribeUser", **fault, times=2))

    set_status(intake, "DISABLED")
    assert (read_state(intake, user), intake.count_messages()) == ("ENABLED", 1)
    intake.flow.clock.advance(timedelta(minutes=10))

    assert (read_state(intake, user), intake.count_messages()) == ("DISABLED", 0)
    assert read_requester(intake)["OccurredAt"] == "2026-11-20T13:00:00Z"


def test_a_patch_by_scim_that_deactivates_a_user_disables_the_mailbox_without_a_doubt(intake: Intake) -> None:
    user = create_user(intake, timedelta(days=4))

    intake.put_events(make_scim_call(intake))

    assert read_state(intake, user) == "DISABLED"
    requester = read_requester(intake)
    assert requester["Provider"] == "identityCenterScim"
    assert not {"Doubts", "StatusReadAt"} & requester.keys()


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("put-user", {"httpBody": {"active": False}}),
        *mark_long(("patch-user", {"httpBody": {"Operations": [{"op": "replace", "path": "title", "value": "x"}]}})),
    ],
)
@pytest.mark.parametrize(("status", "is_disabled"), [("DISABLED", True), ("ENABLED", False)])
def test_the_status_is_read_where_a_scim_call_does_not_say_that_it_changed(
    intake: Intake, name: str, request_: dict[str, Any], status: str, is_disabled: bool
) -> None:
    user = create_user(intake)
    intake.set_paused(paused=True)
    intake.flow.environment.identity_store.set_status(STORE_USER, status)
    url = intake.flow.environment.outputs["EventQueueUrl"]
    intake.flow.environment.client("sqs").purge_queue(QueueUrl=url)
    intake.set_paused(paused=False)

    intake.put_events(make_scim_call(intake, name, **request_))

    assert (read_state(intake, user) == "DISABLED") is is_disabled
    assert [("StatusReadAt" in request["Requester"]) for request in intake.list_inputs()] == [True] * is_disabled
    assert intake.read_dead_letters() == []


def test_a_user_who_is_deleted_by_scim_is_offboarded(intake: Intake) -> None:
    user = create_user(intake)

    intake.put_events(make_scim_call(intake, "delete-user"))

    assert read_state(intake, user) == "DISABLED"


def test_a_scim_call_of_another_tenant_does_not_match_the_rule_and_is_refused_behind_it(intake: Intake) -> None:
    user = create_user(intake)
    event = make_scim_call(intake, tenantId="another", httpBody={"active": False})

    intake.put_events(event)
    assert (intake.list_executions(), intake.count_messages(), intake.read_dead_letters()) == ([], 0, [])
    intake.send_message(json.dumps(event))

    assert "tenantId is not among the tenants" in intake.read_dead_letter_reasons()[0]
    assert read_state(intake, user) == "ENABLED"


@pytest.fixture
def shared_store(make_flow: Callable[..., Flow]) -> Intake:
    """An intake of two organizations with the same identity store."""
    intake = Intake(make_flow(SHARED_STORE, now=NOON))
    intake.flow.backend.create_organization_with_id(OTHER_ORGANIZATION, "second-corp", mail_domains=("example.org",))
    return intake


def create_user_of_second_organization(intake: Intake) -> str:
    people = OrganizationBuilder(intake.flow.environment.client("workmail"), OTHER_ORGANIZATION)
    return people.create_user("dana", domain="example.org", IdentityProviderUserId=STORE_USER)


def test_a_user_is_offboarded_in_the_one_organization_of_the_identity_store_that_has_the_mailbox(
    shared_store: Intake,
) -> None:
    shared_store.create_user("dana.leaver")
    user = create_user_of_second_organization(shared_store)

    set_status(shared_store, "DISABLED")

    [execution_input] = shared_store.list_inputs()
    assert (execution_input["OrganizationId"], execution_input["EntityId"]) == (OTHER_ORGANIZATION, user)
    assert shared_store.flow.backend.organizations[OTHER_ORGANIZATION].entities[user].state == "DISABLED"


def test_a_user_with_a_mailbox_in_both_organizations_of_the_identity_store_is_refused(shared_store: Intake) -> None:
    user = shared_store.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)
    create_user_of_second_organization(shared_store)

    set_status(shared_store, "DISABLED")

    assert "2 users of 2 organizations have this Identity Center user id" in shared_store.read_dead_letter_reasons()[0]
    assert (read_state(shared_store, user), shared_store.list_executions()) == ("ENABLED", [])

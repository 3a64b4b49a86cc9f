"""Identity providers' events on the embedded AWS: one offboarding of the right person, or a dead letter."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from local.defaults import (
    AUTH0_BUS,
    COMPANY_DOMAIN,
    IDENTITY_STORE_ID,
    OKTA_BUS,
    ORGANIZATION_ID,
    SAILPOINT_BUS,
)
from tests.workflow.conftest import CHANGED_SETTINGS, mark_long

EVENTS = Path(__file__).parents[2] / "examples" / "events"
STORE_USER = "94482488-3041-7097-2d41-0242ac120002"
OKTA = "okta-user-lifecycle-deactivate"
BUSES = {"okta.com": OKTA_BUS, "auth0.com": AUTH0_BUS, "sailpoint.com": SAILPOINT_BUS}


def load_event(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return body


def build_okta_event(
    login: str,
    event_type: str = "user.lifecycle.deactivate",
    uuid: str = "u-1",
    published: str = "2026-11-20T09:15:11.862Z",
) -> dict[str, Any]:
    event_body = load_event(OKTA)
    event_body["detail"] |= {"eventType": event_type, "uuid": uuid, "published": published}
    # Okta's own id of the user is another one for each login; that of the sample is its user's.
    user = event_body["detail"]["target"][0]
    if user["alternateId"] != login:
        user |= {"id": f"00u{sha256(login.encode()).hexdigest()[:17]}", "alternateId": login, "displayName": None}
    return event_body


def build_request_event(entity_id: str, request_id: str = "r-1", **more: str) -> dict[str, Any]:
    event_body = load_event("offboarding-requested")
    event_body["detail"] = {"RequestId": request_id, "EntityId": entity_id, **more}
    return event_body


def build_withdrawal_event(**detail: str) -> dict[str, Any]:
    return {**load_event("offboarding-requested"), "detail-type": "Offboarding Withdrawn", "detail": detail}


class Intake:
    """Operations of an identity provider, and the state that they lead to."""

    def __init__(self, flow: Any) -> None:
        self.flow = flow
        self._environment = flow.environment
        self._sqs = flow.environment.client("sqs")
        self._outputs = flow.environment.outputs

    def create_user(self, name: str, **more: Any) -> str:
        return self.flow.people.create_user(name, domain=COMPANY_DOMAIN, **more)

    def put_events(self, *events: dict[str, Any]) -> None:
        entries = [
            {
                "Source": event_body["source"],
                "DetailType": event_body["detail-type"],
                "Detail": json.dumps(event_body["detail"]),
                "EventBusName": next((name for key, name in BUSES.items() if key in event_body["source"]), "default"),
            }
            for event_body in events
        ]
        for start in range(0, len(entries), 10):
            answer = self._environment.client("events").put_events(Entries=entries[start : start + 10])
            assert answer["FailedEntryCount"] == 0
        self.flow.clock.settle()

    def send_message(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._outputs["EventQueueUrl"], MessageBody=body)
        self.flow.clock.settle()

    def set_paused(self, *, paused: bool) -> None:
        self._environment.client("lambda").update_event_source_mapping(
            UUID=self._outputs["EventSourceMappingId"], Enabled=not paused
        )
        self.flow.clock.settle()

    def delete_visible_message(self) -> None:
        """Delete the message that waits in the queue and is not about to be read again."""
        url = self._outputs["EventQueueUrl"]
        [message] = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def resume(self) -> None:
        """End a pause, and let the departures be read the second time, after all returns."""
        self.set_paused(paused=False)
        self.flow.clock.advance(timedelta(minutes=4))

    def list_executions(self) -> list[dict[str, Any]]:
        """Describe the executions, the newest first."""
        states = self._environment.client("stepfunctions")
        pages = states.get_paginator("list_executions").paginate(stateMachineArn=self._outputs["StateMachineArn"])
        return [self._environment.describe(item["executionArn"]) for page in pages for item in page["executions"]]

    def list_inputs(self) -> list[dict[str, Any]]:
        return [json.loads(execution["input"]) for execution in self.list_executions()]

    def read_dead_letters(self) -> list[dict[str, Any]]:
        """Receive all dead letters."""
        url, dead_letters = self._outputs["EventDeadLetterQueueUrl"], []
        while messages := self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
        ).get("Messages"):
            dead_letters += messages
        return dead_letters

    def read_dead_letter_reasons(self) -> list[str]:
        return [
            m.get("MessageAttributes", {}).get("Reason", {}).get("StringValue", "none")
            for m in self.read_dead_letters()
        ]

    def count_messages(self) -> int:
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._outputs["EventQueueUrl"], AttributeNames=["All"])
        counts = attributes["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture
def intake(make_flow: Callable[..., Any]) -> Intake:
    """An intake whose clock starts before the first of the recorded events."""
    return Intake(make_flow(now=datetime(2026, 11, 20, 5, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("name", "requester"),
    [
        (
            OKTA,
            {"Provider": "okta", "EventId": "6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a",
             "OccurredAt": "2026-11-20T09:15:11.862Z", "ProviderUserId": "00uleaver00000000001",
             "RequestedBy": "it.admin@example.com"},
        ),
        (
            "auth0-successful-user-deletion",
            {"Provider": "auth0", "EventId": "80020261120121230000000000000000000000001",
             "OccurredAt": "2026-11-20T12:12:30.147Z", "ProviderUserId": "auth0|5f0000000000000000000001"},
        ),
        (
            "sailpoint-account-deleted",
            {"Provider": "sailpoint", "EventId": "d7a8f0b2-0000-4c4c-9d9d-000000000001",
             "OccurredAt": "2026-11-20T05:00:00Z", "ProviderUserId": "2c9180857807b2f40178242a1cb50f8b"},
        ),
        (
            "identity-center-cloudtrail-disable-user",
            {"Provider": "identityCenterCloudTrail", "EventId": "5f5d2d9a-0000-4000-8000-000000000003",
             "OccurredAt": "2026-11-20T08:00:02Z", "ProviderUserId": STORE_USER,
             "RequestedBy": "it.admin@example.com"},
        ),
        (
            "offboarding-requested",
            {"Provider": "offboardingRequested", "EventId": "hr-2026-00417", "OccurredAt": "2026-11-20T05:00:00Z",
             "RequestedBy": "hr-system"},
        ),
    ],
)  # fmt: skip
def test_a_leaver_is_offboarded_by_the_event_of_a_provider(
    intake: Intake, name: str, requester: dict[str, str]
) -> None:
    user = intake.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)
    intake.put_events(load_event(name))

    [execution_input] = intake.list_inputs()
    reason = {"Reason": "Left the company on 2026-11-19"} if name == "offboarding-requested" else {}
    assert execution_input == {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": user,
        "Expected": {"Type": "USER", "Email": "dana.leaver@example.com"},
        **reason,
        "Requester": requester,
    }
    intake.flow.pass_days(31)
    [execution] = intake.list_executions()
    assert json.loads(execution["output"])["Outcome"] == "CleanupVerified"
    assert json.loads(execution["output"])["Entity"]["Id"] == user
    assert intake.read_dead_letters() == []
    record = intake.flow.read_record(execution["executionArn"])
    assert record["Requester"] == requester


def test_an_identity_center_event_finds_the_user_by_the_id_of_the_identity_store(
    intake: Intake, violations_of_service_models: list[str]
) -> None:
    user = intake.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)
    neighbour = intake.create_user("neighbour")
    intake.flow.backend.arrange(ORGANIZATION_ID, neighbour, identity_provider_user_id=STORE_USER + "0")
    intake.put_events(load_event("identity-center-user-deleted"))

    [execution_input] = intake.list_inputs()
    assert execution_input["EntityId"] == user
    assert execution_input["Requester"]["Provider"] == "identityCenter"
    # Two ids of the form that WorkMail documents never have the same beginning.
    [violation] = violations_of_service_models
    assert f"IdentityProviderUserId: '{STORE_USER}0' does not match" in violation
    violations_of_service_models.clear()


def test_an_identity_center_user_unknown_to_workmail_becomes_a_dead_letter(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    intake.put_events(load_event("identity-center-user-deleted"))

    assert intake.list_executions() == []
    assert "0 users of the organization have this Identity Center user id" in intake.read_dead_letter_reasons()[0]


def test_an_event_of_another_identity_store_does_not_match_the_rule(intake: Intake) -> None:
    event_body = load_event("identity-center-user-deleted")
    event_body["detail"]["identityStoreId"] = "d-0000000000"
    intake.put_events(event_body)

    assert intake.list_executions() == []
    assert intake.count_messages() == 0
    assert IDENTITY_STORE_ID != "d-0000000000"


def test_all_events_of_okta_for_one_leaver_and_their_redeliveries_start_one_execution(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    kinds = ["user.lifecycle.deactivate", "user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"]
    events = [build_okta_event("Dana.Leaver@example.com", event_type, f"u-{n}") for n, event_type in enumerate(kinds)]

    intake.put_events(*events, *events, events[0])

    assert len(intake.list_executions()) == 1
    assert intake.read_dead_letters() == []


def test_two_providers_that_report_the_same_person_start_one_execution(intake: Intake) -> None:
    intake.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)

    intake.put_events(
        *(load_event(name) for name in (OKTA, "auth0-successful-user-deletion", "sailpoint-account-deleted"))
    )
    intake.put_events(load_event("identity-center-user-deleted"), load_event("offboarding-requested"))

    assert len(intake.list_executions()) == 1


def test_a_rehired_user_who_leaves_during_the_first_execution_is_offboarded_again(intake: Intake) -> None:
    user = intake.create_user("dana.leaver")
    intake.put_events(build_okta_event("dana.leaver@example.com"))
    intake.flow.pass_days(12)
    intake.flow.people.register(user, "dana.leaver", domain=COMPANY_DOMAIN)
    intake.flow.pass_days(3)

    intake.put_events(build_okta_event("dana.leaver@example.com", uuid="u-2", published="2026-12-05T06:00:00Z"))

    assert len(intake.list_executions()) == 2
    state = intake.flow.read_workmail_state(user)["State"]
    assert state == "DISABLED"
    intake.flow.pass_days(31)
    outcomes = [json.loads(execution["output"])["Outcome"] for execution in intake.list_executions()]
    assert sorted(outcomes) == ["CleanupVerified", "Reenabled"]


@pytest.mark.long
def test_a_rehired_user_who_leaves_after_the_first_execution_is_offboarded_again(intake: Intake) -> None:
    user = intake.create_user("dana.leaver")
    intake.put_events(build_okta_event("dana.leaver@example.com"))
    intake.flow.pass_days(35)
    intake.flow.people.register(user, "dana.leaver", domain=COMPANY_DOMAIN)

    intake.put_events(build_okta_event("dana.leaver@example.com", uuid="u-2", published="2026-12-25T05:00:01Z"))

    assert len(intake.list_executions()) == 2


@pytest.mark.parametrize("paused", [*mark_long(False), True], ids=["sent again", "held back by a pause"])
def test_an_event_from_before_a_rehire_does_not_offboard_the_new_mailbox(intake: Intake, paused: bool) -> None:
    user = intake.create_user("dana.leaver")
    if paused:
        intake.set_paused(paused=True)
        intake.flow.deregister(user)
    intake.put_events(load_event(OKTA))
    intake.flow.pass_days(12)
    intake.flow.people.register(user, "dana.leaver", domain=COMPANY_DOMAIN)
    started = len(intake.list_executions())

    if paused:
        intake.resume()
    else:
        intake.put_events(load_event(OKTA))

    assert len(intake.list_executions()) == started
    assert "It is about an earlier departure" in intake.read_dead_letter_reasons()[0]
    state = intake.flow.read_workmail_state(user)["State"]
    assert state == "ENABLED"


@pytest.mark.parametrize(
    "login", ["project-apollo@example-corp.awsapps.com", *mark_long("room-4@example-corp.awsapps.com")]
)
def test_an_event_about_a_person_never_offboards_a_group_or_a_resource(intake: Intake, login: str) -> None:
    intake.flow.people.create_group("project-apollo")
    intake.flow.people.create_resource("room-4")
    intake.put_events(build_okta_event(login))

    assert intake.list_executions() == []
    assert "0 users of the organization have this primary address" in intake.read_dead_letter_reasons()[0]


def test_an_event_about_a_person_with_the_name_of_a_group_does_not_offboard_the_group(
    make_flow: Callable[..., Any],
) -> None:
    intake = Intake(make_flow(CHANGED_SETTINGS, now=datetime(2026, 11, 20, 5, tzinfo=UTC)))
    intake.flow.people.create_group("project-apollo")
    user = intake.create_user("dana.leaver")

    intake.put_events(build_okta_event("project-apollo"), build_okta_event("dana.leaver", uuid="u-2"))

    assert "0 users of the organization have this name" in intake.read_dead_letter_reasons()[0]
    intake.flow.pass_days(31)
    [execution] = intake.list_executions()
    assert json.loads(execution["output"])["Entity"]["Id"] == user


@pytest.mark.parametrize(
    "behaviour",
    [
        {"email_of_disabled": "absent"},
        *mark_long(
            {"describe_entity_of_disabled": "EntityNotFoundException"},
            {"deregister_disabled": "EntityStateException"},
            {"describe_lag_seconds": 120},
        ),
    ],
    ids=str,
)
def test_one_departure_starts_one_execution_whatever_workmail_shows_of_disabled_users(
    intake: Intake, behaviour: dict[str, Any]
) -> None:
    intake.flow.backend.behaviour = replace(intake.flow.backend.behaviour, **behaviour)
    intake.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)
    names = [OKTA, "identity-center-user-deleted", "auth0-successful-user-deletion", OKTA]

    for name in names:
        intake.put_events(load_event(name))
    intake.flow.pass_days(31)

    [execution] = intake.list_executions()
    assert json.loads(execution["output"])["Outcome"] == "CleanupVerified"
    # While WorkMail still shows the user as enabled, the call is repeated, which changes nothing.
    assert len(intake.flow.list_calls("DeregisterFromWorkMail")) == 1 or "describe_lag_seconds" in behaviour
    # An event whose user cannot be found any more becomes a dead letter.
    assert all("or be disabled already" in reason for reason in intake.read_dead_letter_reasons())


def test_an_execution_that_failed_can_be_started_again_by_hand_with_the_same_input(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    intake.flow.inject_error("DescribeOrganization", "AccessDeniedException", times=1)
    intake.put_events(build_okta_event("dana.leaver@example.com"))
    [failed] = intake.list_executions()
    assert failed["error"] == "AccessDenied"

    again = intake.flow.environment.start(json.loads(failed["input"]))
    intake.flow.pass_days(31)

    assert intake.flow.read_result(again).outcome == "CleanupVerified"


def test_an_event_from_before_the_end_of_a_failed_execution_becomes_a_dead_letter(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    intake.flow.inject_error("DescribeOrganization", "AccessDeniedException", times=1)
    intake.put_events(build_okta_event("dana.leaver@example.com", published="2026-11-20T04:59:58Z"))
    [failed] = intake.list_executions()

    intake.put_events(
        build_okta_event(
            "dana.leaver@example.com", "user.lifecycle.delete.initiated", "u-2", published="2026-11-20T04:59:59Z"
        )
    )

    [reason] = intake.read_dead_letter_reasons()
    assert f"{failed['executionArn']} for this departure ended as AccessDenied" in reason


def test_an_event_with_a_later_date_becomes_a_dead_letter_while_the_first_execution_waits(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    intake.put_events(build_request_event("dana.leaver@example.com", "r-1", NotBefore="2026-12-31T17:00:00Z"))
    intake.put_events(build_request_event("dana.leaver@example.com", "r-1", NotBefore="2026-12-31T17:00:00Z"))
    intake.put_events(build_request_event("dana.leaver@example.com", "r-1", NotBefore="2026-12-31T18:00:00+01:00"))
    assert intake.read_dead_letter_reasons() == []

    intake.put_events(build_request_event("dana.leaver@example.com", "r-2", NotBefore="2027-01-31T17:00:00Z"))
    intake.flow.clock.advance(timedelta(minutes=4))

    assert len(intake.list_executions()) == 1
    [reason] = intake.read_dead_letter_reasons()
    assert "offboards this leaver sooner, at 2026-12-31T17:00:00.000Z. A later date does not delay it" in reason


STRICT_SETTINGS = {"dryRunIdentityProviders": True, "requireRequestedBy": True}


def test_the_settings_can_require_the_name_of_a_person_who_starts_an_execution(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(STRICT_SETTINGS)
    user = flow.people.create_user("dana")

    anonymous = flow.run(user, days=0)

    assert (anonymous.outcome, flow.read_workmail_state(user)["State"]) == ("InvalidRequest", "ENABLED")
    assert "lacks RequestedBy, which this stack requires" in anonymous.cause
    assert flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=user).outcome == "InvalidRequest"
    offboarding = flow.start(user, RequestedBy="boss")
    flow.pass_days(1)
    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    assert flow.restore(ExecutionArn=offboarding, RequestedBy="boss").outcome == "Restored"


def test_the_settings_can_limit_identity_providers_to_dry_runs(make_flow: Callable[..., Any]) -> None:
    intake = Intake(make_flow(STRICT_SETTINGS, now=datetime(2026, 11, 20, 5, tzinfo=UTC)))
    user = intake.create_user("dana.leaver")
    intake.put_events(load_event(OKTA))

    [plan_execution] = intake.list_executions()
    assert json.loads(plan_execution["output"])["Outcome"] == "Planned"
    assert intake.flow.backend.mailbox_exists(ORGANIZATION_ID, user)
    assert intake.flow.list_calls("DeregisterFromWorkMail") == []

    intake.flow.deploy()
    intake.put_events(load_event(OKTA))
    assert len(intake.list_executions()) == 2, "the plan does not block it"
    assert intake.flow.read_workmail_state(user)["State"] == "DISABLED"


def test_the_event_of_a_suspended_user_is_ignored_and_counted(intake: Intake) -> None:
    user = intake.create_user("sam.suspended")
    intake.put_events(load_event("okta-user-lifecycle-suspend"))

    assert intake.list_executions() == []
    assert intake.read_dead_letters() == []
    assert intake.count_messages() == 0
    assert intake.flow.backend.mailbox_exists(ORGANIZATION_ID, user)
    logged = "\n".join(intake.flow.environment.logs("StartOffboarding"))
    assert "user.lifecycle.suspend does not mean that somebody left" in logged
    assert '"EventsNotForUs":[1.0]' in logged


def test_the_event_of_a_failed_deactivation_does_not_match_the_rule(intake: Intake) -> None:
    event_body = build_okta_event("dana.leaver@example.com")
    event_body["detail"]["outcome"] = {"result": "FAILURE", "reason": "no"}
    intake.put_events(event_body)

    assert intake.list_executions() == []
    assert intake.flow.environment.logs("StartOffboarding") == []


@pytest.mark.parametrize(
    ("login", "message_part"),
    [
        ("nobody@example.com", "0 users of the organization have this primary address"),
        ("dana@elsewhere.org", "0 organizations of the settings fit the leaver's mail domain"),
        ("dana", "0 organizations of the settings fit a leaver without a mail domain"),
        *mark_long(
            ('"dana leaver"@example.com', "0 users of the organization have this primary address"),
            ("d" * 243 + "@example.com", "0 users of the organization have this primary address"),
            ("d" * 240 + "@example.com\n", "0 organizations"),
            ("d" * 257, "alternateId is missing, or is not a text of 1 to 256 characters"),
        ),
    ],
)
def test_an_address_without_a_unique_match_starts_no_execution(intake: Intake, login: str, message_part: str) -> None:
    intake.create_user("dana")
    intake.put_events(build_okta_event(login))
    intake.flow.pass_days(1)

    assert intake.list_executions() == []
    assert message_part in intake.read_dead_letter_reasons()[0]
    assert intake.flow.list_calls("DeregisterFromWorkMail") == []


@pytest.mark.parametrize("login", ["DANA+Temp@Example.COM", *mark_long("dana+temp@example.com")])
def test_an_address_may_have_plus_signs_and_upper_case(intake: Intake, login: str) -> None:
    user = intake.create_user("dana")
    intake.flow.workmail.update_primary_email_address(
        OrganizationId=ORGANIZATION_ID, EntityId=user, Email="dana+temp@example.com"
    )
    intake.create_user("temp")
    intake.put_events(build_okta_event(login))
    intake.flow.pass_days(31)

    assert json.loads(intake.list_executions()[0]["output"])["Entity"]["Id"] == user


def test_an_event_that_the_leaver_requested_is_refused(intake: Intake) -> None:
    user = intake.create_user("it.admin", IdentityProviderUserId=STORE_USER)
    intake.put_events(load_event("identity-center-cloudtrail-disable-user"))
    intake.put_events(build_request_event("It.Admin@example.com", RequestedBy="it.admin@example.com"))

    assert intake.list_executions() == []
    assert all(
        "Requester and leaver must be different people" in reason for reason in intake.read_dead_letter_reasons()
    )
    assert intake.flow.backend.mailbox_exists(ORGANIZATION_ID, user)


def test_a_script_can_request_the_offboarding_of_a_group_or_a_resource(intake: Intake) -> None:
    group = intake.flow.people.create_group("project-apollo")
    room = intake.flow.people.create_resource("room-4")
    request = build_request_event("project-apollo", "r-1", OrganizationId=ORGANIZATION_ID)
    intake.put_events(request, request, build_request_event(room, "r-2", OrganizationId=ORGANIZATION_ID))
    intake.flow.pass_days(31)

    ids = {json.loads(execution["output"])["Entity"]["Id"] for execution in intake.list_executions()}
    assert ids == {group, room}
    assert len(intake.list_executions()) == 2


def test_a_user_whom_okta_and_a_script_name_differently_is_offboarded_once(intake: Intake) -> None:
    user = intake.create_user("dana.leaver")
    intake.put_events(load_event(OKTA), build_request_event(user, "r-1", OrganizationId=ORGANIZATION_ID))
    intake.put_events(build_request_event(user, "r-2", OrganizationId=ORGANIZATION_ID))
    intake.put_events(build_request_event("dana.leaver", "r-3", OrganizationId=ORGANIZATION_ID))

    assert len(intake.list_executions()) == 1
    intake.put_events(
        build_request_event(user, "r-4", OrganizationId=ORGANIZATION_ID, RequestedBy="dana.leaver@example.com")
    )
    assert "Requester and leaver must be different people" in intake.read_dead_letter_reasons()[0]


def test_a_malformed_user_id_is_refused_with_the_reason(intake: Intake) -> None:
    event_body = load_event("identity-center-user-deleted")
    event_body["detail"]["userId"] = "dana leaver"
    intake.put_events(event_body)

    assert "detail.userId is not the id of a user in an identity store" in intake.read_dead_letter_reasons()[0]


def test_a_request_for_an_organization_outside_the_settings_is_refused(intake: Intake) -> None:
    intake.put_events(build_request_event("dana", OrganizationId="m-" + "1" * 32), build_request_event("dana"))

    assert intake.list_executions() == []
    assert all(reason.startswith("0 organizations of the settings fit") for reason in intake.read_dead_letter_reasons())


@pytest.mark.parametrize("body", ['{"source": "aws.partner/okta', *mark_long("{}", "", "[]", "null", '"dana"')])
def test_a_message_that_is_not_an_event_becomes_a_dead_letter_with_the_reason(intake: Intake, body: str) -> None:
    intake.send_message(body or " ")

    [message] = intake.read_dead_letters()
    assert message["Body"] == (body or " ")
    assert message["MessageAttributes"]["Reason"]["StringValue"]
    assert intake.count_messages() == 0


@pytest.mark.long
def test_a_body_without_room_for_the_reason_is_redriven_whole_by_the_queue(intake: Intake) -> None:
    event_body = build_okta_event("dana.leaver@example.com")
    event_body["detail"]["target"] = []
    event_body["padding"] = "x" * (1023 * 1024)
    body = json.dumps(event_body)
    intake.send_message(body)
    assert intake.read_dead_letters() == []
    intake.flow.pass_days(1)

    assert [message["Body"] for message in intake.read_dead_letters()] == [body]


def test_of_ten_messages_nine_start_executions_and_only_the_invalid_one_becomes_a_dead_letter(intake: Intake) -> None:
    people = [f"leaver{n}" for n in range(9)]
    ids = {intake.create_user(name) for name in people}
    valid = [build_okta_event(f"{name}@example.com", uuid=name) for name in people]
    invalid = build_okta_event("dana@example.com")
    invalid["detail"]["target"].append({**invalid["detail"]["target"][0], "id": "00uother"})
    intake.set_paused(paused=True)
    intake.put_events(*valid[:4], invalid, *valid[4:])
    assert intake.list_executions() == []
    assert intake.count_messages() == 10

    intake.set_paused(paused=False)

    assert {execution_input["EntityId"] for execution_input in intake.list_inputs()} == ids
    assert ["2 users, and must" in reason for reason in intake.read_dead_letter_reasons()] == [True]
    assert intake.count_messages() == 0


def test_events_that_arrive_during_a_pause_are_processed_after_it(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    intake.set_paused(paused=True)
    intake.put_events(load_event(OKTA))
    intake.flow.pass_days(13)
    assert intake.list_executions() == []

    intake.resume()

    assert len(intake.list_executions()) == 1


def test_a_transient_error_delays_only_its_own_message(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    intake.create_user("other")
    intake.flow.inject_error("ListUsers", "ThrottlingException", times=1)
    intake.set_paused(paused=True)
    intake.put_events(load_event(OKTA), build_okta_event("other@example.com", uuid="u-2"))
    intake.set_paused(paused=False)
    assert len(intake.list_executions()) == 1

    intake.flow.pass_days(0.01)

    assert len(intake.list_executions()) == 2
    assert intake.read_dead_letters() == []


@pytest.mark.long
def test_a_message_with_a_permanent_error_becomes_a_dead_letter_after_100_attempts(intake: Intake) -> None:
    intake.create_user("dana.leaver")
    intake.flow.inject_error("ListUsers", "AccessDeniedException")
    intake.put_events(load_event(OKTA))
    intake.flow.pass_days(1)

    assert intake.list_executions() == []
    assert len(intake.read_dead_letters()) == 1
    assert len(intake.flow.list_calls("ListUsers")) == 100
    assert '"error":"AccessDenied"' in "\n".join(intake.flow.environment.logs("StartOffboarding"))


def test_the_execution_name_has_the_user_id_and_not_the_address(intake: Intake) -> None:
    user = intake.create_user("dana.leaver")
    intake.put_events(load_event(OKTA))

    [execution] = intake.list_executions()
    assert re.fullmatch(rf"d-l_{user}_[0-9a-f]{{16}}", execution["name"])


@pytest.mark.long
@pytest.mark.parametrize(("leavers", "times"), [(4, 60), *mark_long((50, 1000))])
def test_however_often_an_event_is_delivered_each_leaver_starts_one_execution(
    intake: Intake, leavers: int, times: int
) -> None:
    intake.flow.change_policy(DailyCap=leavers)
    rng = random.Random(20261122)  # noqa: S311 (a test needs reproducible numbers)
    people = [f"leaver{n}" for n in range(leavers)]
    ids = {name: intake.create_user(name) for name in people}
    events = []
    for name in people:
        address = f"{name}@example.com"
        auth0 = load_event("auth0-successful-user-deletion")
        auth0["detail"]["data"] |= {"user_name": rng.choice([address, address.upper()]), "user_id": f"auth0|{name}"}
        events += [
            build_okta_event(address, uuid=f"{name}-1"),
            build_okta_event(address, "user.lifecycle.delete.initiated", f"{name}-2"),
            auth0,
        ]
    deliveries = [*events, *rng.choices(events, k=times - len(events))]
    rng.shuffle(deliveries)

    for start in range(0, times, 50):
        intake.set_paused(paused=True)
        intake.put_events(*deliveries[start : start + 50])
        intake.set_paused(paused=False)

    executions = intake.list_executions()
    assert len(executions) == leavers
    assert intake.read_dead_letters() == []
    assert intake.count_messages() == 0
    assert len(intake.flow.list_calls("DeregisterFromWorkMail")) == leavers
    assert all(any(user in execution["name"] for execution in executions) for user in ids.values())

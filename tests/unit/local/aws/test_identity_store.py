"""The Identity Store answers with the status and the dates of a user, whoever made the user known."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.defaults import COMPANY_DOMAIN, IDENTITY_STORE_ID
from local.environment import Environment
from local.organization import OrganizationBuilder

USER = "94482488-3041-7097-2d41-0242ac120002"
OTHER_STORE = "d-abcdef0123"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def aws() -> Iterator[Environment]:
    with Environment(now=NOON) as environment:
        yield environment


def describe(aws: Environment, user_id: str = USER, identity_store_id: str = IDENTITY_STORE_ID) -> dict[str, Any]:
    answer = aws.client("identitystore").describe_user(IdentityStoreId=identity_store_id, UserId=user_id)
    del answer["ResponseMetadata"]
    return dict(answer)


def create_workmail_user(aws: Environment, user_id: str = USER) -> None:
    people = OrganizationBuilder(aws.client("workmail"))
    people.create_user("dana", domain=COMPANY_DOMAIN, IdentityProviderUserId=user_id)


def seconds_after_noon(moment: datetime) -> int:
    return round((moment - NOON).total_seconds())


def test_a_user_of_workmail_is_enabled_since_it_was_created_and_has_no_name(aws: Environment) -> None:
    create_workmail_user(aws)
    aws.clock.advance(timedelta(hours=1))

    answer = describe(aws)

    assert (seconds_after_noon(answer.pop("CreatedAt")), seconds_after_noon(answer.pop("UpdatedAt"))) == (0, 0)
    assert answer == {
        "IdentityStoreId": IDENTITY_STORE_ID,
        "UserId": USER,
        "UserArn": f"arn:aws:identitystore:::user/{USER}",
        "Revision": "1",
        "UserStatus": "ENABLED",
    }


def test_a_user_of_the_identity_store_keeps_what_moto_answers(aws: Environment) -> None:
    client = aws.client("identitystore")
    aws.clock.advance(timedelta(minutes=1))
    created = client.create_user(
        IdentityStoreId=IDENTITY_STORE_ID,
        UserName="dana",
        DisplayName="Dana",
        Name={"GivenName": "Dana", "FamilyName": "L"},
    )

    answer = describe(aws, created["UserId"])

    assert (answer["UserName"], answer["DisplayName"], answer["UserStatus"]) == ("dana", "Dana", "ENABLED")
    assert seconds_after_noon(answer["CreatedAt"]) == 60
    assert "NickName" not in answer
    client.delete_user(IdentityStoreId=IDENTITY_STORE_ID, UserId=created["UserId"])
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        describe(aws, created["UserId"])


def test_a_set_status_is_answered_with_the_time_of_the_change(aws: Environment) -> None:
    create_workmail_user(aws)
    aws.clock.advance(timedelta(minutes=5))

    aws.identity_store.set_status(USER, "DISABLED")

    answer = describe(aws)
    assert (answer["UserStatus"], answer["Revision"]) == ("DISABLED", "2")
    assert (seconds_after_noon(answer["CreatedAt"]), seconds_after_noon(answer["UpdatedAt"])) == (0, 300)
    assert describe(aws, USER, OTHER_STORE)["UserStatus"] == "ENABLED"


def test_setting_a_status_makes_a_user_known_in_its_store_only(aws: Environment) -> None:
    aws.identity_store.set_status(USER, "ENABLED", OTHER_STORE)

    assert describe(aws, USER, OTHER_STORE)["IdentityStoreId"] == OTHER_STORE
    with pytest.raises(ClientError, match="ResourceNotFoundException") as refusal:
        describe(aws)
    assert refusal.value.response["ResourceType"] == "USER"


def test_ids_can_be_given_as_arns(aws: Environment) -> None:
    create_workmail_user(aws)
    store_arn = f"arn:aws:identitystore::123456789012:identitystore/{IDENTITY_STORE_ID}"

    assert describe(aws, f"arn:aws:identitystore:::user/{USER}", store_arn)["UserId"] == USER


def test_a_user_that_was_deleted_is_not_known_by_workmail_s_id_either(aws: Environment) -> None:
    create_workmail_user(aws)
    aws.client("identitystore").delete_user(IdentityStoreId=IDENTITY_STORE_ID, UserId=USER)

    assert aws.identity_store.find_user(USER) is None
    assert aws.identity_store.list_users() == []


def test_all_known_users_are_listed_once(aws: Environment) -> None:
    create_workmail_user(aws)
    second_user = USER.replace("9", "8")
    aws.identity_store.set_status(second_user, "DISABLED", OTHER_STORE)

    users = [(user.identity_store_id, user.user_id, user.status) for user in aws.identity_store.list_users()]

    assert users == [(IDENTITY_STORE_ID, USER, "ENABLED"), (OTHER_STORE, second_user, "DISABLED")]


def test_setting_a_status_sends_the_event_that_does_not_say_what_has_changed(aws: Environment) -> None:
    sqs, events = aws.client("sqs"), aws.client("events")
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    events.put_rule(Name="rule", EventPattern='{"source": ["aws.identitystore"]}')
    events.put_targets(Rule="rule", Targets=[{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:123456789012:seen"}])

    aws.identity_store.set_status(USER, "DISABLED")

    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"], event["account"]) == (
        "aws.identitystore",
        "User Updated",
        "123456789012",
    )
    assert event["time"] == "2026-11-22T12:00:00Z"
    assert event["resources"] == [
        f"arn:aws:identitystore::123456789012:identitystore/{IDENTITY_STORE_ID}",
        f"arn:aws:identitystore:::user/{USER}",
    ]
    assert event["detail"] == {"event-version": "1.0", "identityStoreId": IDENTITY_STORE_ID, "userId": USER}


def test_another_status_is_refused(aws: Environment) -> None:
    with pytest.raises(ValueError, match="UserStatus must be one of ENABLED, DISABLED, not 'GONE'"):
        aws.identity_store.set_status(USER, "GONE")

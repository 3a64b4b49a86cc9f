"""DescribeUser of the Identity Store is answered with a user, with none, or with an error of this project."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber

from offboarding.adapters import identity_store
from offboarding.adapters.identity_store import IdentityStoreUnavailableError, StoreUser, find_store_user
from offboarding.domain import errors
from tests.unit.conftest import make_raiser

STORE = "d-1234567890"
USER = "94482488-3041-7097-2d41-0242ac120002"
CREATED_AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
REQUEST = {"IdentityStoreId": STORE, "UserId": USER}
ANSWER = {**REQUEST, "UserArn": f"arn:aws:identitystore:::user/{USER}", "Revision": "1"}


@pytest.fixture
def stub() -> Iterator[Stubber]:
    with Stubber(identity_store.users) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("members", "user"),
    [
        ({"UserStatus": "ENABLED", "CreatedAt": CREATED_AT}, StoreUser(is_enabled=True, created_at=CREATED_AT)),
        ({"UserStatus": "DISABLED"}, StoreUser(is_enabled=False, created_at=None)),
        ({"UserStatus": "SUSPENDED"}, StoreUser(is_enabled=None, created_at=None)),
        ({}, StoreUser(is_enabled=None, created_at=None)),
    ],
)
def test_a_user_is_read_with_the_status_and_the_date(stub: Stubber, members: dict[str, Any], user: StoreUser) -> None:
    stub.add_response("describe_user", {**ANSWER, **members}, REQUEST)

    assert find_store_user(STORE, USER) == user


def test_a_user_who_is_gone_is_none(stub: Stubber) -> None:
    stub.add_client_error("describe_user", "ResourceNotFoundException", modeled_fields={"ResourceType": "USER"})

    assert find_store_user(STORE, USER) is None


def test_an_unknown_identity_store_is_not_a_user_who_is_gone(stub: Stubber) -> None:
    unknown = {"ResourceType": "IDENTITY_STORE"}
    stub.add_client_error("describe_user", "ResourceNotFoundException", modeled_fields=unknown)

    with pytest.raises(errors.InvalidRequest, match=f"There is no identity store {STORE}"):
        find_store_user(STORE, USER)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", IdentityStoreUnavailableError),
        ("InternalServerException", IdentityStoreUnavailableError),
        ("AccessDeniedException", errors.AccessDenied),
        ("ValidationException", errors.UnexpectedAnswer),
    ],
)
def test_an_error_is_one_of_this_project_s(stub: Stubber, code: str, error: type[Exception]) -> None:
    stub.add_client_error("describe_user", code)

    with pytest.raises(error, match=f"identitystore:DescribeUser .*{code}"):
        find_store_user(STORE, USER)


def test_no_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_store.users, "describe_user", make_raiser(ConnectTimeoutError(endpoint_url="x")))

    with pytest.raises(IdentityStoreUnavailableError, match="ConnectTimeoutError"):
        find_store_user(STORE, USER)


def test_an_answer_without_the_user_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_store.users, "describe_user", lambda **_: {})

    with pytest.raises(IdentityStoreUnavailableError, match="without the user"):
        find_store_user(STORE, USER)


def test_a_call_is_tried_once_and_waits_five_seconds_at_most() -> None:
    config = identity_store.users.meta.config

    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout == 5

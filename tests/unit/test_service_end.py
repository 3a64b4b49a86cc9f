"""From the day on which WorkMail ends, no answer is no failure."""

from typing import Any

import pytest

from offboarding import errors
from offboarding.retention import parse
from offboarding.service_end import until_service_ends
from tests.unit.conftest import Context, execution

ENDS = "2027-03-31T00:00:00.000Z"
BEFORE = "2027-03-30T23:59:59.999Z"
SAYS = "WorkMail did not answer."
NO_ANSWER = [
    errors.WorkMailUnavailable,
    errors.OrganizationNotFound,
    errors.OrganizationNotActive,
    errors.DirectoryAuthenticationFailed,
]
IF_WORKMAIL_SAYS_SO = [errors.AccessDenied, errors.UnexpectedAnswer]
MEANS_THE_END = [*NO_ANSWER, *IF_WORKMAIL_SAYS_SO]
STAYS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and kind not in {*MEANS_THE_END, errors.OffboardingError}
]


def call(error: type[Exception], now: str, *, of_workmail: bool = True, **event: Any) -> Any:
    @until_service_ends
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failure = error(SAYS, execution("a")) if error is errors.AlreadyInProgress else error(SAYS)
        failure.of_workmail = of_workmail
        raise failure

    return handler({"Now": now, **event}, Context())


@pytest.mark.parametrize("error", MEANS_THE_END)
@pytest.mark.parametrize("now", [ENDS, "2027-04-02T10:00:00.000Z"])
def test_from_that_day_on_no_answer_is_the_end_of_the_service(error: type[Exception], now: str) -> None:
    with pytest.raises(errors.ServiceEnded) as ended:
        call(error, now, ServiceEndsAt=ENDS)

    assert str(ended.value).startswith(f"At {now}, on or after the day on which Amazon WorkMail ends: ")
    assert str(ended.value).endswith(SAYS)
    assert ended.value.__cause__ is None


@pytest.mark.parametrize("error", MEANS_THE_END)
def test_until_then_it_is_what_it_is(error: type[Exception]) -> None:
    with pytest.raises(errors.OffboardingError) as failure:
        call(error, BEFORE, ServiceEndsAt=ENDS)

    assert type(failure.value) is error


@pytest.mark.parametrize("error", [*STAYS, ValueError])
def test_what_says_something_of_the_entity_or_of_the_records_stays(error: type[Exception]) -> None:
    with pytest.raises(error) as failure:
        call(error, "2027-04-02T10:00:00.000Z", ServiceEndsAt=ENDS)

    assert type(failure.value) is error


@pytest.mark.parametrize("error", IF_WORKMAIL_SAYS_SO)
def test_a_refusal_of_what_stands_beside_workmail_is_no_end(error: type[Exception]) -> None:
    with pytest.raises(error):
        call(error, ENDS, of_workmail=False, ServiceEndsAt=ENDS)


@pytest.mark.parametrize("error", NO_ANSWER)
def test_no_answer_at_all_needs_nobody_to_have_said_it(error: type[Exception]) -> None:
    with pytest.raises(errors.ServiceEnded):
        call(error, ENDS, of_workmail=False, ServiceEndsAt=ENDS)


def test_the_first_state_reads_the_day_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_ENDS_ON", "2027-03-31")

    with pytest.raises(errors.ServiceEnded):
        call(errors.AccessDenied, ENDS)
    with pytest.raises(errors.AccessDenied):
        call(errors.AccessDenied, BEFORE)


def test_the_day_is_the_one_that_was_fixed_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_ENDS_ON", "2026-12-31")

    with pytest.raises(errors.AccessDenied):
        call(errors.AccessDenied, "2027-01-15T10:00:00.000Z", ServiceEndsAt=ENDS)


def test_an_answer_is_an_answer_whatever_the_day_is() -> None:
    @until_service_ends
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return {"Seen": event["Now"]}

    late = "2027-04-02T10:00:00.000Z"
    assert handler({"Now": late, "ServiceEndsAt": ENDS}, Context()) == {"Seen": late}
    assert parse(ENDS) < parse(late)


def test_a_handler_is_called_with_its_context_and_keeps_its_name() -> None:
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return {"Context": context}

    lasting = until_service_ends(handler)

    assert lasting.__name__ == "handler"
    assert lasting({"Now": ENDS}, Context()) == {"Context": Context()}

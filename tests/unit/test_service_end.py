"""From the day on which WorkMail ends, a call without an answer means that the service has ended."""

from typing import Any

import pytest

from offboarding.domain import errors
from offboarding.domain.timestamps import parse
from offboarding.edge.service_end import until_service_ends
from tests.unit.conftest import SERVICE_ENDS_AT, Context, configure

LAST_MOMENT = "2027-03-30T23:59:59.999Z"
MESSAGE = "WorkMail did not answer."
NO_ANSWER = [
    errors.WorkMailUnavailable,
    errors.OrganizationNotFound,
    errors.OrganizationNotActive,
    errors.DirectoryAuthenticationFailed,
]
NO_ANSWER_IF_WORKMAIL_RAISED_IT = [errors.AccessDenied, errors.UnexpectedAnswer]
ENDING_ERRORS = [*NO_ANSWER, *NO_ANSWER_IF_WORKMAIL_RAISED_IT]
UNCHANGED_ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and kind not in {*ENDING_ERRORS, errors.OffboardingError}
]


def call_failing_handler(error: type[Exception], now: str, *, raised_by_workmail: bool = True, **event: Any) -> Any:
    @until_service_ends
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failure = error(MESSAGE, "arn:…") if error is errors.AlreadyInProgress else error(MESSAGE)
        failure.raised_by_workmail = raised_by_workmail
        raise failure

    return handler({"Now": now, **event}, Context())


@pytest.mark.parametrize("error", ENDING_ERRORS)
@pytest.mark.parametrize("now", [SERVICE_ENDS_AT, "2027-04-02T10:00:00.000Z"])
def test_from_the_end_date_on_no_answer_means_that_the_service_has_ended(error: type[Exception], now: str) -> None:
    with pytest.raises(errors.ServiceEnded) as failure:
        call_failing_handler(error, now, ServiceEndsAt=SERVICE_ENDS_AT)

    sequel = f"That was at {now}, on or after the day on which Amazon WorkMail ends."
    assert str(failure.value) == f"{MESSAGE} {sequel}"
    assert failure.value.__cause__ is None


@pytest.mark.parametrize("error", ENDING_ERRORS)
def test_before_the_end_date_an_error_is_unchanged(error: type[Exception]) -> None:
    with pytest.raises(errors.OffboardingError) as failure:
        call_failing_handler(error, LAST_MOMENT, ServiceEndsAt=SERVICE_ENDS_AT)

    assert type(failure.value) is error


@pytest.mark.parametrize("error", [*UNCHANGED_ERRORS, ValueError])
def test_an_error_about_an_entity_or_a_record_is_unchanged(error: type[Exception]) -> None:
    with pytest.raises(error) as failure:
        call_failing_handler(error, "2027-04-02T10:00:00.000Z", ServiceEndsAt=SERVICE_ENDS_AT)

    assert type(failure.value) is error


@pytest.mark.parametrize("error", NO_ANSWER_IF_WORKMAIL_RAISED_IT)
def test_a_refusal_of_another_service_is_unchanged(error: type[Exception]) -> None:
    with pytest.raises(error):
        call_failing_handler(error, SERVICE_ENDS_AT, raised_by_workmail=False, ServiceEndsAt=SERVICE_ENDS_AT)


@pytest.mark.parametrize("error", NO_ANSWER)
def test_no_answer_means_that_the_service_has_ended_whichever_service_raised_it(error: type[Exception]) -> None:
    with pytest.raises(errors.ServiceEnded):
        call_failing_handler(error, SERVICE_ENDS_AT, raised_by_workmail=False, ServiceEndsAt=SERVICE_ENDS_AT)


def test_the_first_state_reads_the_end_date_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, SERVICE_ENDS_ON="2027-03-31")

    with pytest.raises(errors.ServiceEnded):
        call_failing_handler(errors.AccessDenied, SERVICE_ENDS_AT)
    with pytest.raises(errors.AccessDenied):
        call_failing_handler(errors.AccessDenied, LAST_MOMENT)


def test_other_states_use_the_end_date_that_was_fixed_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, SERVICE_ENDS_ON="2026-12-31")

    with pytest.raises(errors.AccessDenied):
        call_failing_handler(errors.AccessDenied, "2027-01-15T10:00:00.000Z", ServiceEndsAt=SERVICE_ENDS_AT)


def test_a_result_is_returned_after_the_end_date_too() -> None:
    @until_service_ends
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return {"Seen": event["Now"]}

    now = "2027-04-02T10:00:00.000Z"
    assert handler({"Now": now, "ServiceEndsAt": SERVICE_ENDS_AT}, Context()) == {"Seen": now}
    assert parse(SERVICE_ENDS_AT) < parse(now)


def test_a_handler_gets_its_context_and_keeps_its_name() -> None:
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return {"Context": context}

    wrapper = until_service_ends(handler)

    assert wrapper.__name__ == "handler"
    assert wrapper({"Now": SERVICE_ENDS_AT}, Context()) == {"Context": Context()}

"""The errors of the project keep their class and their data while their message grows."""

import json

import pytest

from offboarding.domain import errors
from offboarding.domain.errors import AlreadyInProgress, OffboardingError, Withdrawn
from tests.unit.conftest import ARN_A

ERRORS = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OffboardingError)),
    key=lambda kind: kind.__name__,
)


DECISION = {"Decision": "Withdrawn", "DecidedBy": "okta", "Reason": 'Dana "is" back.', "DecidedIn": ARN_A}


def make_error(kind: type[OffboardingError], message: str) -> OffboardingError:
    if kind is Withdrawn:
        error = Withdrawn(DECISION)
        error.message = message
        return error
    return AlreadyInProgress(message, ARN_A) if kind is AlreadyInProgress else kind(message)


@pytest.mark.parametrize("raised_by_workmail", [False, True])
@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_with_another_sentence_is_otherwise_unchanged(
    kind: type[OffboardingError], raised_by_workmail: bool
) -> None:
    error = make_error(kind, "WorkMail did not answer.")
    error.raised_by_workmail = raised_by_workmail
    members = {name: value for name, value in vars(error).items() if name != "message"}

    error.prepend_sentence("It may have acted.")
    error.prepend_sentence("Look at the entity.")

    assert type(error) is kind
    assert error.message == "Look at the entity. It may have acted. WorkMail did not answer."
    assert {name: value for name, value in vars(error).items() if name != "message"} == members
    assert error.raised_by_workmail is raised_by_workmail


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind not in {AlreadyInProgress, Withdrawn}])
def test_the_text_of_an_error_is_its_message(kind: type[OffboardingError]) -> None:
    error = make_error(kind, "WorkMail did not answer.")
    assert str(error) == "WorkMail did not answer."

    error.prepend_sentence("It may have acted.")
    assert str(error) == "It may have acted. WorkMail did not answer."


def test_the_text_of_already_in_progress_is_json_with_the_whole_message_and_the_arn() -> None:
    error = AlreadyInProgress("Another execution offboards it.", ARN_A)

    error.prepend_sentence('Look at "it".')

    assert json.loads(str(error)) == {
        "Message": 'Look at "it". Another execution offboards it.',
        "ExecutionArn": ARN_A,
    }
    assert error.execution_arn == ARN_A


def test_the_text_of_a_withdrawal_is_the_decision_as_json() -> None:
    error = Withdrawn(DECISION)

    assert error.message == "The offboarding was withdrawn. Nothing was changed."
    assert json.loads(str(error)) == error.decision == DECISION


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_not_raised_by_workmail_unless_it_is_marked(kind: type[OffboardingError]) -> None:
    make_error(kind, "first").raised_by_workmail = True

    assert make_error(kind, "second").raised_by_workmail is False

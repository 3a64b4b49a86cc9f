"""`offboarding queue` and `offboarding refused`: no event is lost, and none is hidden."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.workflow.operator import Operator
from tests.workflow.test_identity_events import Intake, build_okta_event


@pytest.fixture
def operator(make_operator: Callable[..., Operator]) -> Operator:
    """An operator whose clock starts before the recorded event of Okta."""
    return make_operator(now=datetime(2026, 11, 20, 5, tzinfo=UTC))


@pytest.fixture
def intake(operator: Operator) -> Intake:
    return Intake(operator.flow)


def refuse_event(intake: Intake, login: str) -> str:
    """Send an event that is refused; return the id of its dead letter."""
    intake.put_events(build_okta_event(login, uuid=f"u-{len(login)}"))
    return str(next(m["MessageId"] for m in read_letters(intake) if login in m["Body"]))


def read_letters(intake: Intake, output: str = "EventDeadLetterQueueUrl") -> list[dict[str, Any]]:
    """Receive all letters that anybody can see now, and let them be seen again."""
    sqs, url = intake.flow.environment.client("sqs"), intake.flow.environment.outputs[output]
    letters: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for letter in letters:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0)
    intake.flow.clock.advance(timedelta(seconds=1))
    return letters


def test_refused_events_are_listed_sent_again_and_dropped(operator: Operator, intake: Intake) -> None:
    late, unknown = (refuse_event(intake, login) for login in ("latecomer@example.com", "stranger@example.com"))
    sqs, outputs = operator.flow.environment.client("sqs"), operator.flow.environment.outputs
    url = outputs["EventDeadLetterQueueUrl"]
    damaged = sqs.send_message(QueueUrl=url, MessageBody='{"source": ["okta.com"], "det')["MessageId"]
    sqs.send_message(QueueUrl=outputs["UndeliveredStatusChangeQueueUrl"], MessageBody="{}")

    output = operator.accept("refused")

    lines = output.splitlines()
    rows = {line.split()[0]: line for line in lines if line.split() and line.split()[0] in {late, unknown, damaged}}
    assert "Okta" in rows[late]
    assert "user.lifecycle.deactivate   latecomer@example.com, " in rows[late]
    assert "stranger@example.com" in rows[unknown]
    assert "   0 users of the organization have this" in rows[late]
    assert "   The event names nobody in a form that is known here.   It is no event." in rows[damaged]
    assert "It is no event. Drop it." in rows[damaged]
    assert lines[-1] == (
        "Dead letters of undelivered-status-changes: about 1. See: offboarding refused --queue "
        "undelivered-status-changes"
    )
    assert {m["MessageId"] for m in read_letters(intake)} == {late, unknown, damaged}
    assert operator.refuse("refused", "drop", damaged, "none", "--yes").endswith("no such letter: none.")
    assert operator.refuse("refused", "drop", damaged, input="n\n").endswith("Nothing was changed.")
    assert {m["MessageId"] for m in read_letters(intake)} == {late, unknown, damaged}
    assert operator.run("refused", "resend").exit_code == 2
    assert operator.run("refused", "list", damaged).exit_code == 2
    assert operator.accept("refused", "drop", damaged, "--yes").endswith("Dropped: 1.\n")
    intake.create_user("latecomer")
    assert operator.accept("refused", "resend", late).startswith("Sent again: 1.")
    operator.flow.clock.settle()
    assert [m["MessageId"] for m in read_letters(intake)] == [unknown]
    assert len(intake.list_executions()) == 1


def test_an_event_that_cannot_be_sent_again_stays_a_dead_letter_that_everybody_sees(
    operator: Operator, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = refuse_event(intake, "latecomer@example.com")
    client = operator.flow.environment.client("sqs")

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, "SendMessage")

    monkeypatch.setattr(client, "send_message", refuse)

    result = operator.run("refused", "resend", "--all")
    assert (result.exit_code, result.stderr.splitlines()) == (
        1,
        ["Sent again: 0 of 1. The others stay in this list.", "AWS refuses SendMessage (AccessDenied): No."],
    )
    assert [m["MessageId"] for m in read_letters(intake)] == [letter]


def test_ctrl_c_while_events_are_sent_again_says_how_many_stay(
    operator: Operator, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = refuse_event(intake, "latecomer@example.com")

    def press_ctrl_c(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(operator.flow.environment.client("sqs"), "send_message", press_ctrl_c)

    assert operator.refuse("refused", "resend", "--all") == (
        "Interrupted. Sent again: 0 of 1. The others stay in this list."
    )
    assert [m["MessageId"] for m in read_letters(intake)] == [letter]


def test_on_a_terminal_an_id_has_a_line_of_its_own(
    operator: Operator, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = refuse_event(intake, "latecomer@example.com")
    for module in ("operate.terminal", "operate.queues.command"):
        monkeypatch.setattr(f"{module}.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")

    output = operator.accept("refused")

    assert letter in output.splitlines()
    assert "latecomer@example.com" in " ".join(output.split())


def test_a_queue_that_is_paused_says_how_long_events_wait(operator: Operator, intake: Intake) -> None:
    assert operator.accept("queue") == "Events are read as they come.\nEvents that wait: about 0.\n"

    assert "for up to 14 days; after that SQS drops them." in operator.accept("queue", "pause")

    intake.create_user("dana")
    intake.put_events(build_okta_event("dana@example.com"))
    assert operator.accept("queue") == (
        "The queue is paused: events wait in it for up to 14 days, and then SQS drops them.\n"
        "Events that wait: about 1.\n"
    )
    assert intake.list_executions() == []
    assert "Events are read again." in operator.accept("queue", "resume")
    operator.flow.clock.advance(timedelta(minutes=4))
    assert len(intake.list_executions()) == 1


def test_a_queue_that_is_not_paused_in_time_is_not_said_to_be_paused(
    operator: Operator, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = operator.flow.environment.client("lambda")
    monkeypatch.setattr(client, "get_event_source_mapping", lambda **_: {"State": "Disabling"})

    result = operator.run("queue", "pause")

    assert result.exit_code == 1
    assert result.output == (
        "AWS Lambda is asked, and the reading of events is still Disabling. Look again with: offboarding queue\n"
    )


def test_status_changes_are_sent_again_into_their_queue(operator: Operator, intake: Intake) -> None:
    flow = operator.flow
    arn = flow.start(intake.create_user("dana"), DryRun=True)
    flow.clock.settle()
    detail = {"executionArn": arn, "status": "SUCCEEDED"}
    body = json.dumps({"detail-type": "Any", "time": "2026-11-22T12:00:00Z", "source": "aws.states", "detail": detail})
    for output in ("StatusChangeDeadLetterQueueUrl", "UndeliveredStatusChangeQueueUrl"):
        flow.environment.client("sqs").send_message(QueueUrl=flow.environment.outputs[output], MessageBody=body)

    output = operator.accept("refused", "--queue", "status-changes")
    assert "Step Functions" in output
    assert "offboarding refused resend ID --queue status-changes, or: offboarding refused drop ID --queue" in output
    for name in ("status-changes", "undelivered-status-changes"):
        assert operator.accept("refused", "resend", "--all", "--queue", name).startswith("Sent again: 1.")

    flow.process_status_events()
    assert flow.read_record(arn)["Outcome"] == "Planned"
    assert read_letters(intake, "StatusChangeDeadLetterQueueUrl") == []
    assert operator.accept("refused", "--queue", "status-changes") == "There are no dead letters.\n"


def test_letters_are_not_said_to_be_dropped_after_others_can_see_them_again(
    operator: Operator, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = refuse_event(intake, "latecomer@example.com")
    monkeypatch.setattr(
        "operate.queues.command.require_consent", lambda *_, **__: operator.flow.clock.advance(timedelta(minutes=6))
    )

    assert operator.refuse("refused", "drop", letter).startswith("Nothing was changed: the answer came too late")
    assert [m["MessageId"] for m in read_letters(intake)] == [letter]


@pytest.mark.no_providers
def test_a_batch_of_the_stream_is_not_said_to_be_sent_again(operator: Operator) -> None:
    sqs, url = (
        operator.flow.environment.client("sqs"),
        operator.flow.environment.outputs["NotificationDeadLetterQueueUrl"],
    )
    sqs.send_message(QueueUrl=url, MessageBody='{"DDBStreamBatchInfo": {"batchSize": 2}}')

    refusal = operator.refuse("refused", "resend", "--all", "--queue", "notifications")

    assert refusal.startswith(
        "Letters that cannot be sent again, and stay in this list: 1. What to do: docs/reference.md"
    )
    assert "It cannot be sent again" in operator.accept("refused", "--queue", "notifications")


@pytest.mark.no_providers
def test_without_identity_providers_there_are_no_events(operator: Operator) -> None:
    sentence = "The stack has no identity providers, so no events start offboardings."

    assert operator.accept("queue") == f"{sentence}\n"
    assert operator.refuse("queue", "pause") == sentence
    assert operator.accept("refused") == f"{sentence}\n"
    assert operator.refuse("refused", "resend", "--all") == sentence


def test_letters_that_somebody_else_has_open_are_no_all_clear(operator: Operator, intake: Intake) -> None:
    sqs, url = operator.flow.environment.client("sqs"), operator.flow.environment.outputs["EventDeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    assert len(sqs.receive_message(QueueUrl=url, VisibilityTimeout=300)["Messages"]) == 1

    result = operator.run("refused")

    assert result.exit_code == 1
    assert "There are no dead letters." not in result.output
    assert result.stderr.splitlines()[-1] == (
        "Letters that cannot be read now, because somebody else has them open: about 1. Try again in five minutes."
    )

"""Dead letters: they are read without being lost or hidden, sent again, or dropped."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from operate.account import Account
from operate.errors import Refusal
from operate.options import report

_VISIBILITY_SECONDS = 300
"""How long letters stay hidden if this process is killed before it gives them back."""
_BATCH_SIZE = 10
_MAX_EMPTY_ANSWERS = 5
_PAUSE_SECONDS = 0.5
_SHOWING_SECONDS = 0.1
_PROVIDERS = (
    ("okta.com", "Okta"),
    ("auth0.com", "Auth0"),
    ("sailpoint.com", "SailPoint"),
    ("aws.identitystore", "Identity Center"),
    ("aws.sso-directory", "Identity Center"),
    ("aws.states", "Step Functions"),
)
"""By a part of an event's source: the name that people have for it."""
_EVENT_QUEUE, _STATUS_DEAD_LETTERS = "EventQueueUrl", "StatusChangeDeadLetterQueueUrl"
DEAD_LETTER_OUTPUTS = {
    "events": "EventDeadLetterQueueUrl",
    "undelivered-events": "UndeliveredEventQueueUrl",
    "status-changes": _STATUS_DEAD_LETTERS,
    "undelivered-status-changes": "UndeliveredStatusChangeQueueUrl",
    "notifications": "NotificationDeadLetterQueueUrl",
}
"""By the name that a command takes: the output with the URL of a queue of dead letters."""
_TARGET_OUTPUTS = {
    "events": _EVENT_QUEUE,
    "undelivered-events": _EVENT_QUEUE,
    "notifications": "NotificationQueueUrl",
}


@dataclass(frozen=True)
class Letter:
    """A message of a queue of dead letters.

    Attributes
    ----------
    id
        SQS's id of the message.
    receipt
        The receipt by which it is deleted, or given back.
    body
        The event, as it was sent.
    reason
        Why it was refused; None if it failed in all attempts, or could not be delivered.
    sent_at
        Since when it is in the queue (RFC 3339).
    """

    id: str
    receipt: str
    body: str
    reason: str | None
    sent_at: str

    @property
    def event(self) -> dict[str, Any]:
        """The event; empty if the body is none."""
        try:
            event = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return event if isinstance(event, dict) else {}

    @property
    def provider(self) -> str:
        """Whose event it is, as far as its source says."""
        source = self.event.get("source")
        if not isinstance(source, str):
            return "unknown"
        return next((name for part, name in _PROVIDERS if part in source), source)

    @property
    def is_sendable(self) -> bool:
        """Whether it can be sent again: of a batch of the stream that Lambda gave up it has only the time."""
        return "DDBStreamBatchInfo" not in self.event

    @property
    def kind(self) -> str | None:
        """What happened, in the words of the provider."""
        detail = self.event.get("detail")
        kinds = (detail.get("eventType") if isinstance(detail, dict) else None, self.event.get("detail-type"))
        return next((kind for kind in kinds if isinstance(kind, str)), None)


@dataclass
class LetterBox:
    """All letters of a queue, which are hidden from everybody else meanwhile.

    Attributes
    ----------
    account, url
        The queue.
    letters
        The letters, the oldest first.
    hidden_count
        About how many more there are, which somebody else has open.
    hidden_until
        Until when the letters are hidden from everybody else, and their receipts hold.
    """

    account: Account
    url: str
    letters: list[Letter]
    hidden_until: datetime
    hidden_count: int = 0
    _deleted: set[str] = field(default_factory=set)

    def select(self, ids: Sequence[str], *, is_all: bool) -> list[Letter]:
        """Return the letters with some ids, or all.

        Raises
        ------
        Refusal
            If there is no letter with one of the ids.
        """
        letters = {letter.id: letter for letter in self.letters}
        missing = [id_ for id_ in ids if id_ not in letters]
        if missing:
            raise Refusal(f"Nothing was changed: there is no such letter: {', '.join(missing)}.")
        return self.letters if is_all else [letters[id_] for id_ in dict.fromkeys(ids)]

    def resend(self, letter: Letter, target_url: str) -> None:
        """Send the body of a letter to a queue, then delete the letter: it can come twice, and is never lost.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        """
        self.account.client("sqs").send_message(QueueUrl=target_url, MessageBody=letter.body)
        self.drop(letter)

    def require_receipts(self) -> None:
        """Require that the letters can still be deleted: SQS takes an old receipt, and deletes nothing by it.

        Raises
        ------
        Refusal
            If they can be seen by everybody again.
        """
        if self.account.read_time() >= self.hidden_until:
            raise Refusal("Nothing was changed: the answer came too late, and others can see the letters. Start again.")

    def drop(self, letter: Letter) -> None:
        """Delete a letter.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
        """
        self.account.client("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=letter.receipt)
        self._deleted.add(letter.id)

    def give_back(self) -> None:
        """Show the letters that are left to everybody again.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
        """
        hidden_count = 0
        for letter in self.letters:
            if letter.id not in self._deleted:
                hidden_count += not self._show(letter)
        if len(self.letters) > len(self._deleted):
            # SQS shows them a moment later.
            self.account.pause(_SHOWING_SECONDS)
        if hidden_count:
            report(f"Letters that nobody sees for up to {_VISIBILITY_SECONDS} seconds: {hidden_count}.")

    def _show(self, letter: Letter) -> bool:
        try:
            self.account.client("sqs").change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )
        except ClientError:
            return False
        return True


@contextlib.contextmanager
def open_letters(account: Account, url: str) -> Iterator[LetterBox]:
    """Receive all letters of a queue, and give back what is left of them at the end, whatever happens."""
    box = LetterBox(account, url, [], account.read_time() + timedelta(seconds=_VISIBILITY_SECONDS))
    try:
        for letter in _receive_all(account, url):
            box.letters.append(letter)
        box.hidden_count = max(0, count_all_messages(account, url) - len(box.letters))
        box.letters.sort(key=lambda letter: letter.sent_at)
        yield box
    finally:
        box.give_back()


def count_messages(account: Account, url: str) -> int:
    """Count the messages of a queue that can be received now, about.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    name = "ApproximateNumberOfMessages"
    answer = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def count_all_messages(account: Account, url: str) -> int:
    """Count the messages of a queue, about: also those that somebody has received and not given back.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def find_target(account: Account, name: str) -> str:
    """Return the URL of the queue from which the letters of a queue came.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html

    Raises
    ------
    Refusal
        If the stack has none.
    """
    if name in _TARGET_OUTPUTS:
        return account.read_output(_TARGET_OUTPUTS[name], f"The stack has no queue for {name}.")
    dead_letters = account.read_output(_STATUS_DEAD_LETTERS, f"The stack has no queue for {name}.")
    urls = account.client("sqs").list_dead_letter_source_queues(QueueUrl=dead_letters)["queueUrls"]
    if len(urls) != 1:
        raise Refusal(f"The stack has {len(urls)} queues for {name}, and not one.")
    return str(urls[0])


def _receive_all(account: Account, url: str) -> Iterator[Letter]:
    """Receive the letters of a queue. An answer can be empty although there are some, so their count decides.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
    """
    expected_count = count_messages(account, url)
    ids: set[str] = set()
    empty_count = 0
    while empty_count < _MAX_EMPTY_ANSWERS:
        messages = account.client("sqs").receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=_BATCH_SIZE,
            VisibilityTimeout=_VISIBILITY_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        letters = [_parse_message(message) for message in messages.get("Messages", ())]
        yield from (letter for letter in letters if letter.id not in ids)
        ids |= {letter.id for letter in letters}
        if letters:
            empty_count = 0
        elif len(ids) >= expected_count:
            return
        else:
            empty_count += 1
            account.pause(_PAUSE_SECONDS)


def _parse_message(message: dict[str, Any]) -> Letter:
    sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return Letter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        reason=message.get("MessageAttributes", {}).get("Reason", {}).get("StringValue"),
        sent_at=sent_at.isoformat(),
    )

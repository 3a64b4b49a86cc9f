"""The queues of a stack: the intake of identity providers' events is paused, and what waits in queues is counted."""

import contextlib
from collections.abc import Iterator

from botocore.exceptions import ClientError

from operate.account import Account, Stack
from operate.errors import error_code
from operate.options import report

_MAPPING_OUTPUT = "EventSourceMappingId"
_QUEUE_SUFFIX = "QueueUrl"
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible")

_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


@contextlib.contextmanager
def paused_intake(account: Account, stack: Stack) -> Iterator[None]:
    """Have no event start an offboarding; an error resumes the intake.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
    """
    mapping = stack.outputs.get(_MAPPING_OUTPUT)
    if mapping is None or not _pause(account, mapping):
        yield
        return
    try:
        yield
    except BaseException:
        _resume(account, mapping)
        raise


def _pause(account: Account, mapping: str) -> bool:
    """Pause the intake; False if an earlier deletion has taken it away."""
    try:
        account.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return False
        raise
    return True


def _resume(account: Account, mapping: str) -> None:
    """Resume the intake, or say that it is paused: a deletion that failed halfway can have taken it away."""
    try:
        account.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
    except ClientError as error:
        report(f"The intake is paused, and cannot be resumed ({error_code(error)}): its mapping is {mapping}.")


def describe_messages(account: Account, stack: Stack) -> Iterator[str]:
    """Describe which queues have messages: they are lost with the stack.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    for name, url in sorted(stack.outputs.items()):
        if name.endswith(_QUEUE_SUFFIX):
            count = _count_messages(account, url)
            if count:
                yield f"Messages in {name}, which are lost with the stack: about {count}."


def _count_messages(account: Account, url: str) -> int:
    """Count the messages of a queue; none if an earlier deletion has taken it away."""
    try:
        answer = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[*_COUNTS])
    except ClientError as error:
        if error_code(error) in _NO_QUEUE:
            return 0
        raise
    return sum(int(value) for value in answer["Attributes"].values())

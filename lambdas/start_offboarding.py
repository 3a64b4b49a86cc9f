"""StartOffboarding: make of identity providers' events executions, each leaver's once, or visible refusals.

Takes a batch of SQS messages, each an EventBridge event as it was delivered. An event on which nobody may
act goes to the dead-letter queue, with the reason as a message attribute. What fails for a reason that may
pass is reported as a batch item failure, so that SQS delivers it again, and it alone.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from botocore.exceptions import ClientError

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.executions import FORGOTTEN, execution_status
from offboarding.domain.entities import LeavingUser
from offboarding.domain.errors import InvalidRequest, OffboardingError, UnexpectedAnswer
from offboarding.domain.execution_names import Departure, execution_name
from offboarding.domain.retention import parse, render
from offboarding.edge.identity_providers import LeaverEvent, NotForUs, RefusedEvent, SubjectKind, read_event
from offboarding.edge.observability import logger, metrics
from offboarding.edge.schemas import INPUT, prepare, validated

_QUICKLY = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 1})

workmail = workmail_client()
states = boto3.client("stepfunctions", config=_QUICKLY)
queues = boto3.client("sqs", config=_QUICKLY)
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
prepare(INPUT)

_LONGEST_REASON = 1024
_LARGEST_MESSAGE = 256 * 1024
_ATTRIBUTES = 128
"""What the names, types and the message id of a refused message's attributes take, at most."""
_SLOWEST_MILLISECONDS = 20_000
"""What one message takes if WorkMail, Step Functions and SQS are all as slow as they may be."""
_DONE = frozenset(
    {"CleanupVerified", "Reenabled", "EntityRemoved", "ServiceEnded", "NothingToDo", "Planned", "Rejected"}
)
"""Outcomes after which a further event of the same departure needs nobody."""
_CLOCK_SKEW = timedelta(minutes=1)
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|S-1-1-12(-\d+)+")


class NoTimeLeftError(OffboardingError):
    """The function would end in the middle of this message; SQS delivers it again, and it is not to blame."""


class OversizedMessageError(OffboardingError):
    """A refused message leaves no room for the reason; SQS itself moves it to the dead-letter queue, whole."""


@dataclass(frozen=True)
class Organization:
    """One organization of the settings, with what leads to it."""

    id: str
    mail_domains: frozenset[str]
    identity_stores: frozenset[str]


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Start what a batch of events asks for."""
    return process_partial_response(event=event, record_handler=handle, processor=processor, context=context)


def handle(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Act on one message, or put it aside with the reason why not."""
    logger.append_keys(message_id=record.message_id, event_id=None)
    try:
        _insist_on_time(lambda_context)
        _act_on(record)
    except Exception as error:
        logger.warning("left in the queue", extra={"error": type(error).__name__})
        metrics.add_metric(name="EventsLeftInQueue", unit="Count", value=1)
        raise


def start(leaver: LeaverEvent, organizations: list[Organization]) -> str:
    """Start the execution for a leaver, unless there is one already.

    Parameters
    ----------
    leaver
        Who left, as the provider says it.
    organizations
        The organizations of the settings.

    Returns
    -------
    str
        The name of the execution.

    Raises
    ------
    RefusedEvent
        If it is not beyond doubt which organization and whose mailbox is meant.
    """
    logger.append_keys(event_id=leaver.deduplication_id)
    organization = organization_of(leaver, organizations)
    user = _user_of(leaver, Directory(workmail, organization.id))
    _insist_on_another_actor(leaver, user)
    _insist_on_this_departure(leaver, user)
    dry_run = leaver.dry_run or os.environ["DRY_RUN"] == "true"
    name = execution_name(_departure(leaver, organization, user, dry_run=dry_run))
    found_by_id = leaver.subject_kind is SubjectKind.IDENTITY_STORE_USER and user
    request = {
        "OrganizationId": organization.id,
        "EntityId": user.id if user and found_by_id else leaver.subject,
        **({} if leaver.may_be_no_user else {"Expected": {"Type": "USER"}}),
        **({"DryRun": True} if dry_run else {}),
        **({"NotBefore": leaver.not_before} if leaver.not_before else {}),
        **({"Reason": leaver.reason} if leaver.reason else {}),
        "Requester": {
            "Provider": leaver.provider,
            "EventId": leaver.deduplication_id,
            **({"RequestedBy": leaver.requested_by} if leaver.requested_by else {}),
        },
    }
    try:
        validated(request, INPUT, "The execution's input")
    except InvalidRequest as error:
        raise RefusedEvent(str(error)) from None
    runs = _runs(name, request)
    if not runs:
        _insist_on_same_offboarding(name, request)
    logger.info("runs" if runs else "was started before", extra={"provider": leaver.provider, "execution": name})
    metrics.add_metric(name="LeaversAccepted" if runs else "LeaversRepeated", unit="Count", value=1)
    return name


def organization_of(leaver: LeaverEvent, organizations: list[Organization]) -> Organization:
    """Find the organization that a leaver belongs to: exactly one, by the settings.

    Raises
    ------
    RefusedEvent
        If none or several fit.
    """
    if leaver.organization_id:
        what, fitting = "this OrganizationId", [o for o in organizations if o.id == leaver.organization_id]
    elif leaver.identity_store_id:
        what = f"identity store {leaver.identity_store_id}"
        fitting = [o for o in organizations if leaver.identity_store_id in o.identity_stores]
    elif leaver.subject_kind is SubjectKind.EMAIL:
        domain = leaver.subject.rpartition("@")[2].casefold()
        what, fitting = "the mail domain of the leaver", [o for o in organizations if domain in o.mail_domains]
    else:
        fallback = json.loads(os.environ["PROVIDERS"])[leaver.provider].get("OrganizationId")
        what, fitting = "a leaver without a mail domain", [o for o in organizations if o.id == fallback]
    if len(fitting) != 1:
        raise RefusedEvent(
            f"{len(fitting)} organizations of the settings fit {what}, and it must be exactly one: "
            "see organizations and identityProviders under offboarding in cdk.json."
        )
    return fitting[0]


def _act_on(record: SQSRecord) -> None:
    try:
        read = read_event(_parsed(record.body), json.loads(os.environ["PROVIDERS"]))
        if isinstance(read, NotForUs):
            logger.info("not for us", extra={"provider": read.provider, "because": read.because})
            metrics.add_metric(name="EventsNotForUs", unit="Count", value=1)
        else:
            start(read, _organizations())
    except RefusedEvent as refusal:
        _put_aside(record, str(refusal))


def _user_of(leaver: LeaverEvent, directory: Directory) -> LeavingUser | None:
    """Look the leaver up, exactly; only a request of the open contract may be about something else than a user."""
    if leaver.subject_kind is SubjectKind.IDENTITY_STORE_USER:
        what, users = "this Identity Center user id", directory.users_by_identity_provider_id(leaver.subject)
    elif leaver.subject_kind is SubjectKind.EMAIL:
        what, users = "this primary address", directory.users_by_address(leaver.subject)
    elif leaver.may_be_no_user and _ID.fullmatch(leaver.subject):
        what, users = "this id", directory.users_by_id(leaver.subject)
    else:
        what, users = "this name", directory.users_by_name(leaver.subject)
    if len(users) == 1:
        return users[0]
    if leaver.may_be_no_user:
        return None
    raise RefusedEvent(
        f"{len(users)} users of the organization have {what}, and it must be exactly one. The leaver may have no "
        "mailbox, or be disabled already. (WorkMail knows an Identity Center user id only after the user's first "
        "sign-in there.) Offboard by hand if there is a mailbox."
    )


def _departure(
    leaver: LeaverEvent, organization: Organization, user: LeavingUser | None, *, dry_run: bool
) -> Departure:
    # A plan must not take the name of the offboarding that is to follow it.
    planned = "planned " if dry_run else ""
    if user:
        return Departure(organization.id, user.id, user.name, planned + user.departure)
    # A group or a resource has no date here that could tell two departures apart; the request has its id.
    return Departure(organization.id, None, leaver.subject, planned + leaver.deduplication_id)


def _insist_on_this_departure(leaver: LeaverEvent, user: LeavingUser | None) -> None:
    """Refuse an event from before the user was registered: it is about an earlier departure."""
    try:
        occurred_at = parse(leaver.occurred_at)
    except ValueError:
        raise RefusedEvent("The event does not say when it happened, as an RFC 3339 timestamp.") from None
    if user and user.enabled_since and occurred_at < user.enabled_since - _CLOCK_SKEW:
        raise RefusedEvent(
            f"The event is of {leaver.occurred_at}, and the user was registered later, at "
            f"{render(user.enabled_since)}: it is about an earlier departure. Offboard by hand if it is not."
        )


def _insist_on_another_actor(leaver: LeaverEvent, user: LeavingUser | None) -> None:
    actor = (leaver.requested_by or "").casefold()
    leavers = {leaver.subject.casefold(), *((user.email.casefold(),) if user and user.email else ())}
    if actor and actor in leavers:
        raise RefusedEvent("Who asked and who leaves are the same: nobody offboards themselves.")


def _runs(name: str, request: Mapping[str, Any]) -> bool:
    """Start the execution; False if another event has started one of this name in the last 90 days.

    The very same event, delivered again, is answered with the execution that runs already.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    try:
        answer = states.start_execution(
            stateMachineArn=os.environ["STATE_MACHINE_ARN"], name=name, input=json.dumps(request)
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionAlreadyExists":
            return False
        raise
    _insist_on(answer, "executionArn", "StartExecution")
    return True


def _insist_on(answer: Mapping[str, Any], member: str, operation: str) -> None:
    """Believe an answer only with what it must hold; without it the message stays in the queue."""
    if not answer.get(member):
        raise UnexpectedAnswer(f"{operation} was answered without {member}: nothing shows that it was done.")


def _insist_on_same_offboarding(name: str, request: Mapping[str, Any]) -> None:
    """Refuse an event on which the execution that has its name does not act as it asks, so that a person sees it."""
    machine = os.environ["STATE_MACHINE_ARN"]
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    status = execution_status(arn)
    if status.running:
        asked = json.loads(status.input or "{}")
        if _moment(asked) != _moment(request) or _is_plan(asked) != _is_plan(request):
            raise RefusedEvent(
                f"The execution {arn} offboards this leaver with another NotBefore or DryRun. Stop it, and start "
                "another one by hand if this event is right."
            )
    elif status.outcome == FORGOTTEN:
        raise UnexpectedAnswer(f"Step Functions says that {arn} exists, and that it does not.")
    elif status.outcome not in _DONE or (status.outcome == "Planned" and not _is_plan(request)):
        raise RefusedEvent(
            f"The execution {arn} for this departure ended as {status.outcome}. Start another one by hand, with the "
            "same input but without DryRun, if the leaver is to be offboarded all the same."
        )


def _is_plan(request: Mapping[str, Any]) -> bool:
    return request.get("DryRun") is True


def _moment(request: Mapping[str, Any]) -> object:
    """Return the date of a request, however it is written; what is none is refused by the execution itself."""
    not_before = request.get("NotBefore")
    try:
        return parse(not_before) if not_before else None
    except ValueError:
        return not_before


def _put_aside(record: SQSRecord, reason: str) -> None:
    logger.warning("refused", extra={"reason": reason})
    said = reason[:_LONGEST_REASON]
    if len(record.body.encode()) + len(said.encode()) + _ATTRIBUTES > _LARGEST_MESSAGE:
        raise OversizedMessageError("The message is too large to be put aside with a reason.")
    answer = queues.send_message(
        QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"],
        MessageBody=record.body,
        MessageAttributes={
            "Reason": {"DataType": "String", "StringValue": said},
            "MessageId": {"DataType": "String", "StringValue": record.message_id},
        },
    )
    _insist_on(answer, "MessageId", "SendMessage")
    metrics.add_metric(name="EventsRefused", unit="Count", value=1)


def _insist_on_time(context: LambdaContext) -> None:
    if context.get_remaining_time_in_millis() < _SLOWEST_MILLISECONDS:
        raise NoTimeLeftError("There is too little time left for this message.")


def _parsed(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        raise RefusedEvent("The message is not JSON.") from None


def _organizations() -> list[Organization]:
    return [
        Organization(o["Id"], frozenset(o["MailDomains"]), frozenset(o["IdentityStores"]))
        for o in json.loads(os.environ["ORGANIZATIONS"])
    ]

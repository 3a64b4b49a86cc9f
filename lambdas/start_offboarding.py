"""StartOffboarding: turn identity providers' events into executions, one per departure, or into visible refusals.

Takes a batch of SQS messages, each an EventBridge event as it was delivered. A refused event goes to the dead-letter
queue, with the reason as a message attribute. A failure that may pass is reported as a batch item failure, so that SQS
delivers that message again, and it alone.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.aws import client
from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.executions import start_execution
from offboarding.adapters.identity_store import find_store_user
from offboarding.adapters.records import Records
from offboarding.configuration import ConfiguredOrganization, IntakeConfiguration
from offboarding.domain.doubts import Doubt, can_be_disabled_for_long, has_different_name
from offboarding.domain.entities import LeavingUser, casefolded, is_directory_id
from offboarding.domain.errors import (
    InvalidRequest,
    OffboardingError,
    OrganizationNotActive,
    OrganizationNotFound,
    UnexpectedAnswer,
)
from offboarding.domain.execution_names import Departure, execution_name
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import PROVIDER_CLOCK_SKEW
from offboarding.edge.departures import is_repetition
from offboarding.edge.identity_providers import (
    IgnoredEvent,
    LeaverEvent,
    RefusedEvent,
    SubjectKind,
    UnreadStatus,
    judge_status,
    parse_event,
    provider_of,
)
from offboarding.edge.identity_providers.events import member
from offboarding.edge.observability import logger, metrics
from offboarding.edge.remaining_time import require_time
from offboarding.edge.schemas import INPUT, compile_schemas, validated
from offboarding.edge.steps import Expected, OffboardingInput

workmail = workmail_client()
queues = client("sqs", attempts=1)
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
compile_schemas(INPUT)

_FINAL_ANSWERS = (InvalidRequest, OrganizationNotActive, OrganizationNotFound)
"""Answers of WorkMail that do not change within the hours for which a message is tried again."""
_MAX_REASON_LENGTH = 1024
_MAX_MESSAGE_BYTES = 1024 * 1024
_ATTRIBUTE_OVERHEAD_BYTES = 128
"""The most that the names, types and the message id of a refused message's attributes take."""
_MIN_REMAINING_MS = 25_000
"""The most that a message takes whose execution starts.

5 s for the Identity Store, 10 s for WorkMail, 5 s for Step Functions, 5 s for SQS.
"""
_FURTHER_ORGANIZATION_MS = 20_000
"""The most that a message takes from the look-up of its user on, in the last of several organizations."""
_REPETITION_MS = 25_000
"""The most that a former execution and the next one take: three times 5 s for Step Functions, 10 s for DynamoDB."""
_REFUSAL_MS = 15_000
"""The most that a refusal takes: twice 5 s for DynamoDB, and 5 s for SQS."""
_UNKNOWN_USER_ADVICE = (
    "The leaver may have no mailbox, or be disabled already. (WorkMail knows an Identity Center user id only after the "
    "user's first sign-in there.) Offboard by hand if there is a mailbox."
)
_MAX_EXECUTIONS_OF_DEPARTURE = 10
"""How many executions one departure may have before a person has to look."""


class OversizedMessageError(OffboardingError):
    """A refused message leaves no room for the reason; SQS itself moves it to the dead-letter queue, whole."""


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Start the executions that a batch of events asks for."""
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)


def record_handler(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Process one message, or send it to the dead-letter queue with the reason."""
    logger.append_keys(message_id=record.message_id, event_id=None)
    try:
        require_time(lambda_context, _MIN_REMAINING_MS)
        _process_message(record, lambda_context)
    except Exception as error:
        logger.warning("message returned to queue", extra={"error": type(error).__name__})
        metrics.add_metric(name="EventsLeftInQueue", unit="Count", value=1)
        raise


def start_offboarding(leaver: LeaverEvent, context: LambdaContext) -> str:
    """Start the execution for a leaver, unless there is one already.

    Parameters
    ----------
    leaver
        Who left, as the provider reports it.
    context
        The context of the function, which says how much time is left.

    Returns
    -------
    str
        The name of the execution.

    Raises
    ------
    RefusedEvent
        If it is in doubt which organization and whose mailbox is meant.
    NoTimeLeftError
        If there is too little time to look at a former execution.
    """
    intake = configuration.intake()
    logger.append_keys(event_id=leaver.deduplication_id)
    organization, user = _find_leaver(leaver, match_organizations(leaver, intake), context)
    _require_another_requester(leaver, user)
    _require_current_departure(leaver, user)
    request = _build_input(leaver, organization, user, dry_run=leaver.dry_run or intake.is_dry_run)
    departure = _identify_departure(leaver, organization, user, dry_run=request.get("DryRun") is True)
    name, is_started = _start_departure(departure, request, user, context)
    logger.info(
        "execution started" if is_started else "execution already started",
        extra={"provider": leaver.provider, "execution": name},
    )
    metrics.add_metric(name="LeaversAccepted" if is_started else "LeaversRepeated", unit="Count", value=1)
    return name


def _start_departure(
    departure: Departure, request: OffboardingInput, user: LeavingUser | None, context: LambdaContext
) -> tuple[str, bool]:
    """Start the execution of a departure, or find the one that it repeats; return its name, and whether it started."""
    intake = configuration.intake()
    for _ in range(_MAX_EXECUTIONS_OF_DEPARTURE):
        name = execution_name(departure)
        if start_execution(intake.state_machine_arn, name, request):
            return name, True
        require_time(context, _REPETITION_MS)
        if is_repetition(_execution_arn(intake, name), request, user):
            return name, False
        departure = replace(departure, former_name=name)
    raise RefusedEvent(
        f"{_MAX_EXECUTIONS_OF_DEPARTURE} executions have been started for this departure. Look at them, and offboard "
        "this leaver by hand."
    )


def match_organizations(leaver: LeaverEvent, intake: IntakeConfiguration) -> Sequence[ConfiguredOrganization]:
    """Find the organizations to which a leaver can belong, by the settings.

    It is exactly one, except for a leaver from an identity store: several organizations can have the same one.

    Raises
    ------
    RefusedEvent
        If none fits, or several do that may not.
    """
    if leaver.identity_store_id and not leaver.organization_id:
        return _list_organizations_of_store(leaver.identity_store_id, intake)
    return [_match_organization(leaver, intake)]


def _list_organizations_of_store(identity_store_id: str, intake: IntakeConfiguration) -> list[ConfiguredOrganization]:
    fitting = [o for o in intake.organizations if identity_store_id in o.identity_stores]
    if not fitting:
        raise RefusedEvent(
            f"0 organizations of the settings fit identity store {identity_store_id}, and at least one must fit. See "
            "organizations under offboarding in cdk.json."
        )
    return fitting


def _match_organization(leaver: LeaverEvent, intake: IntakeConfiguration) -> ConfiguredOrganization:
    configured = intake.organizations
    if leaver.organization_id:
        criterion, fitting = "this OrganizationId", [o for o in configured if o.id == leaver.organization_id]
    elif leaver.subject_kind is SubjectKind.EMAIL:
        domain = leaver.subject.rpartition("@")[2].casefold()
        criterion, fitting = "the leaver's mail domain", [o for o in configured if domain in o.mail_domains]
    else:
        fallback = intake.providers[leaver.provider].organization_id
        criterion, fitting = "a leaver without a mail domain", [o for o in configured if o.id == fallback]
    if len(fitting) != 1:
        raise RefusedEvent(
            f"{len(fitting)} organizations of the settings fit {criterion}, and exactly one must fit. See "
            "organizations and identityProviders under offboarding in cdk.json."
        )
    return fitting[0]


def _process_message(record: SQSRecord, context: LambdaContext) -> None:
    try:
        event = parse_event(_parse_json(record.body), configuration.intake().providers)
        if isinstance(event, UnreadStatus):
            event = _read_status(event)
        if isinstance(event, IgnoredEvent):
            logger.info("event ignored", extra={"provider": event.provider, "reason": event.reason})
            metrics.add_metric(name="EventsNotForUs", unit="Count", value=1)
        else:
            start_offboarding(event, context)
    except (RefusedEvent, *_FINAL_ANSWERS) as refusal:
        require_time(context, _REFUSAL_MS)
        logger.warning("refused", extra={"reason": str(refusal)})
        reason = str(refusal)[:_MAX_REASON_LENGTH]
        _require_room(record, reason)
        Records().record_refused_event(
            record.message_id, _identify_event(record.body), reason, _first_received_at(record)
        )
        _send_to_dead_letter_queue(record, reason)
        metrics.add_metric(name="EventsRefused", unit="Count", value=1)


def _read_status(change: UnreadStatus) -> LeaverEvent | IgnoredEvent:
    """Read whether a user of an identity store of the settings is enabled, and return what that means."""
    logger.append_keys(event_id=change.deduplication_id)
    _list_organizations_of_store(change.identity_store_id, configuration.intake())
    user = find_store_user(change.identity_store_id, change.user_id)
    return judge_status(change, user, datetime.now(UTC))


def _find_leaver(
    leaver: LeaverEvent, organizations: Sequence[ConfiguredOrganization], context: LambdaContext
) -> tuple[ConfiguredOrganization, LeavingUser | None]:
    """Find the leaver in the organization, or in one of those that have the same identity store."""
    if len(organizations) == 1:
        return organizations[0], _find_user(leaver, _open_directory(organizations[0]))
    matches: list[tuple[ConfiguredOrganization, LeavingUser]] = []
    for organization in organizations:
        require_time(context, _FURTHER_ORGANIZATION_MS)
        users = _open_directory(organization).list_users_by_identity_provider_id(leaver.subject)
        matches += [(organization, user) for user in users]
    if len(matches) != 1:
        raise RefusedEvent(
            f"{len(matches)} users of {len(organizations)} organizations have this Identity Center user id, and "
            f"exactly one must have it. {_UNKNOWN_USER_ADVICE}"
        )
    return matches[0]


def _open_directory(organization: ConfiguredOrganization) -> Directory:
    return Directory(workmail, organization.id, invalid_parameter=InvalidRequest)


def _find_user(leaver: LeaverEvent, directory: Directory) -> LeavingUser | None:
    """Find the leaver, exactly; None for a request that may be about a group or a resource."""
    if leaver.subject_kind is SubjectKind.IDENTITY_STORE_USER:
        users = directory.list_users_by_identity_provider_id(leaver.subject)
        criterion = "this Identity Center user id"
    elif leaver.subject_kind is SubjectKind.EMAIL:
        criterion, users = "this primary address", directory.list_users_by_address(leaver.subject)
    elif leaver.allows_any_entity_type and is_directory_id(leaver.subject):
        return directory.find_user(leaver.subject)
    else:
        criterion, users = "this name", directory.list_users_by_name(leaver.subject)
    if len(users) == 1:
        return users[0]
    if leaver.allows_any_entity_type:
        return None
    raise RefusedEvent(
        f"{len(users)} users of the organization have {criterion}, and exactly one must have it. {_UNKNOWN_USER_ADVICE}"
    )


def _build_input(
    leaver: LeaverEvent, organization: ConfiguredOrganization, user: LeavingUser | None, *, dry_run: bool
) -> OffboardingInput:
    doubts = _find_doubts(leaver, user)
    # The id and not the text: until the execution resolves it, the address can belong to somebody else.
    request = {
        "OrganizationId": organization.id,
        "EntityId": user.id if user else leaver.subject,
        **({"Expected": _expect(user)} if user else {}),
        **({"DryRun": True} if dry_run else {}),
        **({"NotBefore": leaver.not_before} if leaver.not_before else {}),
        **({"Reason": leaver.reason} if leaver.reason else {}),
        "Requester": {
            "Provider": leaver.provider,
            "EventId": leaver.deduplication_id,
            "OccurredAt": leaver.occurred_at,
            **({"ProviderUserId": leaver.provider_user_id} if leaver.provider_user_id else {}),
            **({"StatusReadAt": leaver.reading.read_at} if leaver.reading else {}),
            **({"Doubts": doubts} if doubts else {}),
            **({"RequestedBy": leaver.requested_by} if leaver.requested_by else {}),
        },
    }
    try:
        return validated(request, INPUT, OffboardingInput)
    except InvalidRequest as error:
        raise RefusedEvent(str(error)) from None


def _find_doubts(leaver: LeaverEvent, user: LeavingUser | None) -> list[str]:
    """Return why the event may be about somebody else, as far as it and the user show that."""
    occurred_at, stale_after = parse(leaver.occurred_at), configuration.stale_after()
    is_in_doubt = {
        Doubt.NAMES_DIFFER: user is not None and has_different_name(leaver.display_name, user.display_name),
        Doubt.FOUND_DISABLED: leaver.reading is not None
        and can_be_disabled_for_long(leaver.reading.user_created_at, occurred_at, stale_after),
        Doubt.EVENT_IS_OLD: datetime.now(UTC) - occurred_at > stale_after,
    }
    return [doubt for doubt in is_in_doubt if is_in_doubt[doubt]]


def _expect(user: LeavingUser) -> Expected:
    """Return what the execution must find: the user as it was seen when the event was read."""
    seen: Expected = {"Type": "USER"}
    if user.email:
        seen["Email"] = user.email
    elif user.name:
        seen["Name"] = user.name
    return seen


def _identify_departure(
    leaver: LeaverEvent, organization: ConfiguredOrganization, user: LeavingUser | None, *, dry_run: bool
) -> Departure:
    # A plan must not take the name of the offboarding that follows it.
    prefix = "planned " if dry_run else ""
    if user:
        return Departure(organization.id, user.id, user.name, prefix + user.registration_key)
    # A group or a resource has no date here that could tell two departures apart; the request has its id.
    return Departure(organization.id, None, leaver.subject, prefix + leaver.deduplication_id)


def _require_current_departure(leaver: LeaverEvent, user: LeavingUser | None) -> None:
    """Refuse an event from before the user was registered, because it is about an earlier departure."""
    try:
        occurred_at = parse(leaver.occurred_at)
    except (ValueError, OverflowError):
        raise RefusedEvent("The event has no RFC 3339 timestamp of when it happened.") from None
    if user and user.enabled_since and occurred_at < user.enabled_since - PROVIDER_CLOCK_SKEW:
        raise RefusedEvent(
            f"The event happened at {leaver.occurred_at}, and the user was registered later, at "
            f"{render(user.enabled_since)}. It is about an earlier departure. Offboard by hand if it is not."
        )


def _require_another_requester(leaver: LeaverEvent, user: LeavingUser | None) -> None:
    if casefolded(leaver.requested_by) & casefolded(leaver.subject, user.email if user else None):
        raise RefusedEvent("The requester is the leaver. Requester and leaver must be different people.")


def _execution_arn(intake: IntakeConfiguration, name: str) -> str:
    return f"{intake.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def _require_room(record: SQSRecord, reason: str) -> None:
    if len(record.body.encode()) + len(reason.encode()) + _ATTRIBUTE_OVERHEAD_BYTES > _MAX_MESSAGE_BYTES:
        raise OversizedMessageError("The message is too large for the dead-letter queue together with a reason.")


def _identify_event(body: str) -> dict[str, str]:
    """Return the provider, the id and the time of a refused event, as far as it has them; none of these is a name."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    facts = {
        "Provider": provider_of(event),
        "EventId": member(event, "id"),
        "OccurredAt": member(event, "time"),
    }
    patterns = {"Provider": r"\w+", "EventId": r"[\w-]{1,64}", "OccurredAt": r"[\dTZ:.+-]{1,40}"}
    return {name: str(fact) for name, fact in facts.items() if fact and re.fullmatch(patterns[name], str(fact))}


def _first_received_at(record: SQSRecord) -> str:
    """Return when a message was delivered first, which stays the same however often it is delivered."""
    milliseconds = int(record.attributes.approximate_first_receive_timestamp)
    return render(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _send_to_dead_letter_queue(record: SQSRecord, reason: str) -> None:
    answer = queues.send_message(
        QueueUrl=configuration.intake().dead_letter_queue_url,
        MessageBody=record.body,
        MessageAttributes={
            "Reason": {"DataType": "String", "StringValue": reason},
            "MessageId": {"DataType": "String", "StringValue": record.message_id},
        },
    )
    if not answer.get("MessageId"):
        raise UnexpectedAnswer("SendMessage was answered without MessageId. Nothing shows that it was sent.")


def _parse_json(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        raise RefusedEvent("The message is not JSON.") from None
    except RecursionError:
        raise RefusedEvent("The message is nested too deeply.") from None

"""The functions' configuration: every environment variable, read once per process.

Each function below belongs to one concern, and reads only the variables of that concern: a Lambda function has the
variables of what it does, and no others.
"""

import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

from offboarding.domain.retention import RetentionRules, service_end


@dataclass(frozen=True)
class IntakeConfiguration:
    """The configuration of StartOffboarding.

    Attributes
    ----------
    state_machine_arn
        The state machine of which it starts executions.
    dead_letter_queue_url
        The queue for refused events.
    is_dry_run
        Whether identity providers start plans only.
    settings_path
        The path of the parameters with the organizations and the identity providers.
    """

    state_machine_arn: str
    dead_letter_queue_url: str
    is_dry_run: bool
    settings_path: str


@dataclass(frozen=True)
class TwoPeopleRule:
    """Which approvals need a person other than the requester.

    Attributes
    ----------
    for_approval_required
        Those that the settings' list or a doubt requires.
    for_daily_cap
        Those that only the cap of identity providers requires.
    for_hand_cap
        Those that only the cap of offboardings by hand requires.
    """

    for_approval_required: bool
    for_daily_cap: bool
    for_hand_cap: bool


@dataclass(frozen=True)
class NotificationConfiguration:
    """The configuration of NotifySubscribers.

    Attributes
    ----------
    topic_arn
        The topic of the mails.
    queue_url
        The queue of the steps that could not be published.
    names_in_mails
        Whether mails contain names and addresses.
    stack_name
        The stack, whose name begins those of its alarms, and on which the commands of the mails work.
    """

    topic_arn: str
    queue_url: str
    names_in_mails: bool
    stack_name: str


@cache
def workmail_region() -> str:
    """Return the Region of the WorkMail organizations."""
    return os.environ["WORKMAIL_REGION"]


@cache
def requires_requested_by() -> bool:
    """Return whether a person who starts an execution must give a name as `RequestedBy`."""
    return os.environ["REQUIRE_REQUESTED_BY"] == "true"


@cache
def two_people_rule() -> TwoPeopleRule:
    """Return which approvals need a person other than the requester."""
    return TwoPeopleRule(
        for_approval_required=os.environ["TWO_PEOPLE_FOR_APPROVAL_REQUIRED"] == "true",
        for_daily_cap=os.environ["TWO_PEOPLE_FOR_DAILY_CAP"] == "true",
        for_hand_cap=os.environ["TWO_PEOPLE_FOR_HAND_CAP"] == "true",
    )


@cache
def records_table() -> str:
    """Return the name of the table of records."""
    return os.environ["RECORDS_TABLE"]


@cache
def record_retention() -> timedelta | None:
    """Return how long records are kept; None if for ever."""
    days = int(os.environ["RECORD_RETENTION_DAYS"])
    return timedelta(days=days) if days else None


@cache
def state_machine_arn() -> str:
    """Return the ARN of the state machine that offboards."""
    return os.environ["STATE_MACHINE_ARN"]


@cache
def policies_path() -> str:
    """Return the path of the parameters with the policies, one per organization."""
    return os.environ["POLICIES_PATH"]


@cache
def archives_path() -> str:
    """Return the path of the parameters with the places of archives, one per organization."""
    return os.environ["ARCHIVES_PATH"]


@cache
def service_ends_at() -> datetime:
    """Return the moment after which WorkMail may no longer answer."""
    return service_end(_service_ends_on())


@cache
def retention() -> timedelta:
    """Return how long WorkMail keeps the mailbox of a disabled entity."""
    return timedelta(days=int(os.environ["RETENTION_DAYS"]))


@cache
def retention_rules() -> RetentionRules:
    """Return by which rules the dates of an offboarding are worked out."""
    return RetentionRules(
        retention=retention(),
        slack=timedelta(hours=int(os.environ["VERIFICATION_SLACK_HOURS"])),
        overdue=timedelta(days=int(os.environ["OVERDUE_DAYS"])),
        service_ends_on=_service_ends_on(),
    )


@cache
def notifications() -> NotificationConfiguration:
    """Return the configuration of NotifySubscribers."""
    return NotificationConfiguration(
        topic_arn=os.environ["NOTIFICATION_TOPIC_ARN"],
        queue_url=os.environ["NOTIFICATION_QUEUE_URL"],
        names_in_mails=os.environ["NAMES_IN_NOTIFICATIONS"] == "true",
        stack_name=os.environ["STACK_NAME"],
    )


@cache
def stale_after() -> timedelta:
    """Return how long after an event happened it is in doubt."""
    return timedelta(days=int(os.environ["STALE_EVENT_DAYS"]))


@cache
def intake() -> IntakeConfiguration:
    """Return the configuration of StartOffboarding."""
    return IntakeConfiguration(
        state_machine_arn=state_machine_arn(),
        dead_letter_queue_url=os.environ["DEAD_LETTER_QUEUE_URL"],
        is_dry_run=os.environ["DRY_RUN"] == "true",
        settings_path=os.environ["INTAKE_SETTINGS_PATH"],
    )


def _service_ends_on() -> date:
    return date.fromisoformat(os.environ["SERVICE_ENDS_ON"])

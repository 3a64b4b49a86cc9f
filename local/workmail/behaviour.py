"""Switches for the behaviour that Amazon WorkMail does not document: code that uses it must be right either way."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args, get_type_hints

MAX_LAG_SECONDS = 120
_MAX_MINUTES = 10_080
POSSIBLE_NUMBERS = MappingProxyType(
    {
        "describe_lag_seconds": f"0 to {MAX_LAG_SECONDS}",
        "export_minimum_minutes": f"0 to {_MAX_MINUTES}",
        "export_minutes_per_gb": f"0 to {_MAX_MINUTES}",
    }
)
"""What each switch that is a number can be, in words."""


@dataclass(frozen=True)
class Behaviour:
    """One answer to each question that the documentation leaves open.

    Attributes
    ----------
    deregister_disabled
        The effect of deregistering an entity that is disabled already.
    describe_deleted
        The answer of ``DescribeUser``, ``DescribeGroup`` and ``DescribeResource`` about a deleted entity.
    mailbox_deprovisioned_date
        When ``MailboxDeprovisionedDate`` appears, and whether it then lies in the past or the future.
    mailbox_details_of_disabled
        The answer of ``GetMailboxDetails`` while the mailbox of a disabled entity is still kept.
    describe_entity_of_disabled
        Whether ``DescribeEntity`` finds the address of a disabled entity.
    email_of_disabled
        Whether descriptions and lists still show the e-mail of a disabled entity.
    aliases_of_deregistered
        Whether an entity keeps its aliases when it is deregistered; removed ones are free for others at once.
    groups_of_deregistered
        Whether a user or group stays a member of its groups when it is deregistered.
    describe_lag_seconds
        How long descriptions and lists keep showing an entity as enabled after it was deregistered.
    export_of_disabled
        What happens to an export of a disabled entity's mailbox that is still kept. The model of
        ``StartMailboxExportJob`` does not list ``EntityStateException``; ``FAILED`` is a job that starts and fails.
    export_of_deregistered
        What happens to a job whose entity is deregistered while it runs.
    export_result
        How a job ends that could be made. With ``CANCELLED`` somebody else cancels it; one that vanishes is not
        found any more, and has no archive.
    export_log
        Where the output log is: an object beside the archive, a file in the archive, or nowhere.
    export_s3_path
        Whether ``S3Path`` begins with the bucket.
    ended_exports
        Whether a job that failed or was cancelled counts for "once in 24 hours".
    late_cancellation
        What happens to a job with a progress of 90 % or more that is cancelled: "it might not be possible".
    export_minutes_per_gb
        How long a job takes, in minutes for each GB of the mailbox's size.
    export_minimum_minutes
        How long a job takes at least, in minutes.
    """

    deregister_disabled: Literal["nothing", "EntityStateException"] = "nothing"
    describe_deleted: Literal["DELETED", "EntityNotFoundException"] = "DELETED"
    mailbox_deprovisioned_date: Literal["deregistered-past", "deregistered-future", "removed", "never"] = (
        "deregistered-past"
    )
    mailbox_details_of_disabled: Literal["answers", "EntityNotFoundException"] = "answers"
    describe_entity_of_disabled: Literal["finds", "EntityNotFoundException"] = "finds"
    email_of_disabled: Literal["present", "absent"] = "present"
    aliases_of_deregistered: Literal["kept", "removed"] = "kept"
    groups_of_deregistered: Literal["kept", "removed"] = "kept"
    describe_lag_seconds: int = 0
    export_of_disabled: Literal["works", "EntityNotFoundException", "InvalidParameterException", "FAILED"] = "works"
    export_of_deregistered: Literal["completes", "FAILED"] = "completes"
    export_result: Literal["archive", "no-object", "empty-object", "FAILED", "CANCELLED", "vanishes"] = "archive"
    export_log: Literal["beside", "inside", "missing"] = "beside"
    export_s3_path: Literal["key", "bucket-and-key"] = "key"
    ended_exports: Literal["count", "are-ignored"] = "count"
    late_cancellation: Literal["cancels", "nothing"] = "cancels"
    export_minutes_per_gb: float = 20
    export_minimum_minutes: float = 5

    def __post_init__(self) -> None:
        for name, values in self.possible_values().items():
            value = getattr(self, name)
            if value not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}, not {value!r}")
        lag = self.describe_lag_seconds
        if isinstance(lag, bool) or not isinstance(lag, int) or not 0 <= lag <= MAX_LAG_SECONDS:
            raise ValueError(f"describe_lag_seconds must be an integer from 0 to 120, not {lag!r}")
        for name in ("export_minutes_per_gb", "export_minimum_minutes"):
            minutes = getattr(self, name)
            is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
            if not is_number or not 0 <= minutes <= _MAX_MINUTES:
                raise ValueError(f"{name} must be a number from 0 to {_MAX_MINUTES}, not {minutes!r}")

    @classmethod
    def possible_values(cls) -> dict[str, tuple[str, ...]]:
        """Return the possible values of each switch that is not a number."""
        hints = get_type_hints(cls)
        return {name: get_args(hint) for name, hint in hints.items() if get_args(hint)}

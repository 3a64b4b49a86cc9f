"""Switches for the behaviour that Amazon WorkMail does not document: code that uses it must be right either way."""

from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

MAX_LAG_SECONDS = 120


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

    def __post_init__(self) -> None:
        for name, values in self.possible_values().items():
            value = getattr(self, name)
            if value not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}, not {value!r}")
        lag = self.describe_lag_seconds
        if isinstance(lag, bool) or not isinstance(lag, int) or not 0 <= lag <= MAX_LAG_SECONDS:
            raise ValueError(f"describe_lag_seconds must be an integer from 0 to 120, not {lag!r}")

    @classmethod
    def possible_values(cls) -> dict[str, tuple[str, ...]]:
        """Return the possible values of each switch but the lag, which is a number."""
        hints = get_type_hints(cls)
        return {name: get_args(hint) for name, hint in hints.items() if get_args(hint)}

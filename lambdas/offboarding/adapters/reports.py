"""Who reports that the leaver of an execution is away: it ends if all of them take that back in time.

These items stand in the table of `records.py`:

| item | Id | Part |
|---|---|---|
| the **presence** of a provider's user: when last reported as away, and as back | `provider-user/…` | `Presence` |
| a **report** for which an execution stands beside its own | the execution's ARN | `Report`, and what tells it apart |
| the **withdrawal** of an execution, for which nothing can be reported any more | the execution's ARN | `Withdrawal` |

A return is written before anything is decided by it, and a deregistration requires in its own transaction that somebody
still reports the leaver as away. So either the return is seen before the deregistration, or whoever handles the return
sees that WorkMail may have been asked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from offboarding.adapters.records import LONGEST_EXECUTION, entity_key, expiration, provider_user_key
from offboarding.adapters.table import (
    Action,
    ConditionFailedError,
    Item,
    Key,
    Table,
    build_check,
    build_put,
    build_update,
)
from offboarding.domain import errors
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import Decision
from offboarding.domain.reporters import REQUESTS, Reporter
from offboarding.domain.timestamps import parse, render

PRESENCE = "Presence"
_REPORT_PREFIX = "Report "
_RETURN_REMEMBERED_FOR = timedelta(days=14)
"""Events keep no order: a departure can come this much later than the return from it."""
_IS_AWAY = "attribute_not_exists(#BackAt) OR #BackAt < :occurred"
_IS_AWAY_AGAIN = f"{_IS_AWAY} OR #BackAt < #AwayAt"


@dataclass(frozen=True)
class Presence:
    """What a reporter has said last of one person.

    Attributes
    ----------
    away_at, back_at
        When the person left and came back (RFC 3339), as far as that was reported.
    stated_at
        The last departure that an event stated itself, and was not only found by reading a status (RFC 3339).
    handled_at
        The last return on which somebody has acted (RFC 3339).
    entity_key
        The entity that the departure was about.
    """

    away_at: str | None = None
    back_at: str | None = None
    stated_at: str | None = None
    handled_at: str | None = None
    entity_key: str | None = None

    @property
    def is_back(self) -> bool:
        """Whether the person was last reported as back."""
        return self.back_at is not None and self.back_at >= (self.away_at or "")


@dataclass(frozen=True)
class Report:
    """One reason for an execution: a reporter said that the leaver is away, or a person asked for it.

    Attributes
    ----------
    provider
        The provider; None for a person.
    presences
        The ids of the presences that can take it back; none for a person.
    occurred_at
        When the leaver left (RFC 3339).
    not_before
        The date for which it was asked (RFC 3339).
    """

    provider: str | None = None
    presences: tuple[str, ...] = ()
    occurred_at: str = ""
    not_before: str | None = None

    @classmethod
    def of(cls, requester: Mapping[str, Any] | None, entity: str | None, not_before: str | None = None) -> "Report":
        """Return the report behind the `Requester` of an execution's input; a person's if there is none."""
        if requester is None or "OccurredAt" not in requester:
            return cls(not_before=not_before)
        reporter = Reporter.of_requester(requester)
        reporters = [reporter]
        if entity and reporter.provider == REQUESTS:
            reporters.append(Reporter.of_all_requests(entity))
        occurred_at = _normalize(requester["OccurredAt"])
        return cls(reporter.provider, tuple(map(provider_user_key, reporters)), occurred_at, not_before)

    @classmethod
    def from_item(cls, item: Item) -> "Report":
        """Return a report as an item has it."""
        return cls(item.get("Provider"), tuple(item["Presences"]), item["OccurredAt"], item.get("NotBefore"))

    def to_item(self) -> dict[str, Any]:
        """Return it as an item has it."""
        members = {"Provider": self.provider, "NotBefore": self.not_before}
        optional_members = {name: value for name, value in members.items() if value}
        return {**optional_members, "Presences": list(self.presences), "OccurredAt": self.occurred_at}

    def is_upheld_by(self, presence: Presence) -> bool:
        """Return whether it has not been taken back.

        A provider that reports a person as away again upholds what it reported before. A request that is repeated may
        be for another date, so it is another one.
        """
        again_at = "" if self.provider == REQUESTS else presence.away_at or ""
        return presence.back_at is None or presence.back_at < max(again_at, self.occurred_at)

    def build_checks(self) -> list[Action]:
        """Return what a transaction has to check, so that it is only made while this is not taken back."""
        condition = _IS_AWAY if self.provider == REQUESTS else _IS_AWAY_AGAIN
        return [
            {"ConditionCheck": build_check(Key(id_, PRESENCE), condition, occurred=self.occurred_at)}
            for id_ in self.presences
        ]


def list_presences(item: Item) -> Sequence[str]:
    """Return the ids of the presences that belong to an item of an execution, or of an event."""
    if "Requester" in item:
        return Report.of(item["Requester"], None).presences
    return [str(id_) for id_ in item.get("Presences", ())]


class Reports:
    """The reports. Every method can raise `RecordUnavailable`, `AccessDenied` and `UnexpectedAnswer`."""

    def __init__(self) -> None:
        self._table = Table()

    def record_departure(
        self, reporter: Reporter, occurred_at: str, entity: str | None, *, is_stated: bool
    ) -> Presence:
        """Record that a person left at a moment (RFC 3339), unless a later departure is recorded.

        Parameters
        ----------
        entity
            The key of the entity that it is about, if that is known.
        is_stated
            Whether the event itself says so; otherwise a status was read that may be old.

        Returns
        -------
        Presence
            What was recorded before.
        """
        at = _normalize(occurred_at)
        expires = expiration(at, LONGEST_EXECUTION)
        update = build_update(
            _presence_key(reporter),
            {
                "AwayAt": at,
                **({"EntityKey": entity} if entity else {}),
                **({"StatedAt": at} if is_stated else {}),
                **expires,
            },
            [] if expires else ["ExpiresAt"],
            condition="attribute_not_exists(#AwayAt) OR #AwayAt <= :AwayAt",
        )
        return self._update_presence(update)

    def record_return(self, reporter: Reporter, occurred_at: str) -> Presence:
        """Record that a person came back at a moment (RFC 3339), unless a later return is recorded.

        Returns
        -------
        Presence
            What was recorded before.
        """
        at = _normalize(occurred_at)
        key, is_later = _presence_key(reporter), _is_later("BackAt")
        expires_at = int((parse(at) + _RETURN_REMEMBERED_FOR).timestamp())
        # A departure is remembered for as long as its record, and then so is the return from it.
        is_unknown = f"({is_later}) AND attribute_not_exists(#AwayAt)"
        presence = self._update_presence(
            build_update(key, {"BackAt": at, "ExpiresAt": expires_at}, condition=is_unknown)
        )
        if presence.away_at is None:
            return presence
        return self._update_presence(build_update(key, {"BackAt": at}, condition=is_later))

    def record_withdrawal_of_all_requests(self, entity: str, occurred_at: str) -> Presence:
        """Record that all requests for an entity were taken back at a moment (RFC 3339).

        Returns
        -------
        Presence
            What was recorded before.
        """
        at = _normalize(occurred_at)
        update = build_update(
            _presence_key(Reporter.of_all_requests(entity)),
            {"BackAt": at, **expiration(at, LONGEST_EXECUTION)},
            condition=_is_later("BackAt"),
        )
        return self._update_presence(update)

    def record_handled_return(self, reporter: Reporter, occurred_at: str) -> None:
        """Record that somebody has acted on a return, so that further events about it change nothing."""
        update = build_update(
            _presence_key(reporter),
            {"HandledAt": _normalize(occurred_at)},
            condition=_is_later("HandledAt"),
        )
        self._update_presence(update)

    def record_entity(self, reporter: Reporter, entity: str, at: str) -> None:
        """Record the key of the entity that a departure is about, which its event did not show."""
        assignments = {"EntityKey": entity, **expiration(at, LONGEST_EXECUTION)}
        self._table.update(build_update(_presence_key(reporter), assignments))

    def find_presence(self, reporter: Reporter) -> Presence:
        """Read what a reporter has said last, consistently."""
        return self._read_presence(provider_user_key(reporter))

    def join(self, execution_arn: str, report: Report, name: str, at: str) -> bool:
        """Have an execution stand for a further report; False if it has been withdrawn.

        Parameters
        ----------
        name
            What tells a person's report from others: the execution that the person has started.
        at
            RFC 3339.
        """
        distinction = report.presences[0] if report.presences else name
        part = _REPORT_PREFIX + hashlib.sha256(distinction.encode()).hexdigest()
        item = {"Id": execution_arn, "Part": part, **report.to_item(), **expiration(at, LONGEST_EXECUTION)}
        is_open = build_check(_withdrawal_key(execution_arn), "attribute_not_exists(#Id) OR #IsOpen = :yes", yes=True)
        return self._table.try_transact([{"Put": build_put(item)}, {"ConditionCheck": is_open}])

    def find(self, offboarding: Offboarding, requester: Mapping[str, Any] | None, at: str) -> Report | None:
        """Find a report by which an execution goes on. None if all were taken back: then none can be added any more.

        Parameters
        ----------
        requester
            The `Requester` of the execution; None if a person has started it.
        at
            RFC 3339.
        """
        execution_arn = offboarding.execution_arn
        own_report = Report.of(requester, _entity_key_of(offboarding))
        if self._is_upheld(own_report):
            return own_report
        # First none can be added any more, then those that were are looked for.
        self._set_open(execution_arn, is_open=False, at=at)
        for report in self._list(execution_arn):
            if self._is_upheld(report):
                self._set_open(execution_arn, is_open=True, at=at)
                return report
        return None

    def require(self, offboarding: Offboarding, requester: Mapping[str, Any] | None, at: str) -> Sequence[Action]:
        """Return what a transaction has to check, so that it is only made while the leaver is reported as away.

        Raises
        ------
        Withdrawn
            If all reports were taken back.
        """
        report = self.find(offboarding, requester, at)
        if report is None:
            raise errors.Withdrawn(self._describe_withdrawal(requester, at, offboarding))
        return report.build_checks()

    def _describe_withdrawal(self, requester: Mapping[str, Any] | None, at: str, offboarding: Offboarding) -> Decision:
        report = Report.of(requester, _entity_key_of(offboarding))
        back_at = max(self._read_presence(id_).back_at or "" for id_ in report.presences)
        return Decision(
            Decision="Withdrawn",
            DecidedBy=str(report.provider),
            Reason=f"{report.provider} took the departure back at {back_at}, and nobody else reports it.",
            DecidedAt=at,
            DecidedIn=offboarding.execution_arn,
        )

    def _list(self, execution_arn: str) -> list[Report]:
        condition = "#Id = :id AND begins_with(#Part, :prefix)"
        return [
            Report.from_item(item) for item in self._table.query(condition, id=execution_arn, prefix=_REPORT_PREFIX)
        ]

    def _is_upheld(self, report: Report) -> bool:
        return all(report.is_upheld_by(self._read_presence(id_)) for id_ in report.presences)

    def _set_open(self, execution_arn: str, *, is_open: bool, at: str) -> None:
        assignments = {"IsOpen": is_open, **expiration(at, LONGEST_EXECUTION)}
        self._table.update(build_update(_withdrawal_key(execution_arn), assignments))

    def _read_presence(self, id_: str) -> Presence:
        return _parse_presence(self._table.read(Key(id_, PRESENCE)) or {})

    def _update_presence(self, update: Mapping[str, Any]) -> Presence:
        """Change a presence, unless its condition fails; return what it was before."""
        try:
            return _parse_presence(self._table.update(update, returns_old=True))
        except ConditionFailedError as failure:
            return _parse_presence(failure.item or {})


def _is_later(moment: str) -> str:
    """Return the condition that a moment of a presence is not recorded yet, or an earlier one is."""
    return f"attribute_not_exists(#{moment}) OR #{moment} < :{moment}"


def _presence_key(reporter: Reporter) -> Key:
    return Key(provider_user_key(reporter), PRESENCE)


def _withdrawal_key(execution_arn: str) -> Key:
    return Key(execution_arn, "Withdrawal")


def _entity_key_of(offboarding: Offboarding) -> str:
    return entity_key(offboarding.organization_id, offboarding.entity_id)


def _parse_presence(item: Item) -> Presence:
    return Presence(
        away_at=item.get("AwayAt"),
        back_at=item.get("BackAt"),
        stated_at=item.get("StatedAt"),
        handled_at=item.get("HandledAt"),
        entity_key=item.get("EntityKey"),
    )


def _normalize(timestamp: str) -> str:
    """Return a timestamp in the one form in which two of them can be compared as texts."""
    return render(parse(timestamp))

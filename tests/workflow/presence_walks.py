"""Random walks of presence: people leave and come back at two providers, and the events about it come late.

A walk lasts some days. Ten people leave and come back at Okta and at IAM Identity Center, whose events are delivered
up to ten days later, in any order. Some are also requested and withdrawn by the open contract. Meanwhile approvals are
required or not, the cap is reached, the queue is paused, and people decide. After everything is delivered,
`Presence.find_violations` states for whom the property does not hold:

- Whoever is away for a provider is disabled, or an execution waits for a person or a date. Or the departure was
  refused visibly. Or a person has decided otherwise after it.
- Whoever is back for all providers is enabled. Or a person was told while the mailbox could still be restored. Or a
  person has asked for the offboarding.

No walk lasts until the end of a retention.
"""

import copy
import heapq
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.sqs.models import sqs_backends

from local.defaults import ACCOUNT, COMPANY_DOMAIN, IDENTITY_STORE_ID, ORGANIZATION_ID, REGION, SCIM_TENANT_ID
from tests.workflow.conftest import Flow, deserialize_item
from tests.workflow.test_identity_events import Intake, build_okta_event, load_event

OKTA, IDENTITY_CENTER, REQUESTS = "okta", "identityCenter", "offboardingRequested"
CHANNELS = {
    OKTA: ["short", "long"],
    IDENTITY_CENTER: ["native", "native", "cloudtrail", "scim"],
    REQUESTS: ["now", "now", "in 3 days", "in 8 days"],
}
"""The ways to hear each provider; of requests, the date that they ask for."""

_OKTA_TYPES = {
    (True, "short"): "user.lifecycle.deactivate",
    (True, "long"): "user.lifecycle.delete.initiated",
    (False, "short"): "user.lifecycle.reactivate",
    (False, "long"): "user.lifecycle.activate",
}
_WAITING = ("Scheduled", "AwaitingApproval")
_TOLD_FAILURES = frozenset({"ApprovalTimedOut"})
"""Outcomes of which a mail tells a person."""


@dataclass(order=True)
class Report:
    """An event about a person, which is delivered at a moment."""

    due_at: datetime
    number: int
    body: dict[str, Any] = field(compare=False)


@dataclass(frozen=True)
class Change:
    """The last departure or return of a person at a provider."""

    at: datetime
    is_departure: bool


@dataclass
class Person:
    """A person with a mailbox, the ids at both providers, and what happened last at each of them."""

    name: str
    entity_id: str
    store_id: str
    changes: dict[str, Change] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.name}@{COMPANY_DOMAIN}"

    @property
    def request_id(self) -> str:
        return f"request-for-{self.name}"

    @property
    def departures(self) -> dict[str, Change]:
        """The last departure at each provider for which the person is away."""
        return {provider: change for provider, change in self.changes.items() if change.is_departure}


class Presence:
    """The people of an organization, and the events about them that are still to be delivered."""

    def __init__(self, flow: Flow, count: int = 10) -> None:
        self.flow = flow
        self.intake = Intake(flow)
        self.people = [self._create_person(number) for number in range(count)]
        self.kept: dict[str, list[datetime]] = defaultdict(list)
        self.started_by_hand: set[str] = set()
        self._pending: list[Report] = []
        self._numbers = iter(range(1_000_000))

    def change(self, person: Person, provider: str, channel: str, *, is_departure: bool, delay: timedelta) -> None:
        """Have a person leave or come back at a provider now, whose event is delivered after a delay."""
        self.advance(timedelta(seconds=2))
        now = self.flow.clock.now().replace(microsecond=0)
        person.changes[provider] = Change(now, is_departure)
        if provider == IDENTITY_CENTER:
            store_user = self.flow.environment.identity_store.find_user(person.store_id)
            assert store_user is not None
            store_user.status = "DISABLED" if is_departure else "ENABLED"
        self.report(person, provider, channel, Change(now, is_departure), delay)

    def report(self, person: Person, provider: str, channel: str, change: Change, delay: timedelta) -> None:
        """Report a change, or what is so at a moment, after a delay."""
        number = next(self._numbers)
        body = _build_body(person, provider, channel, change, f"e-{number}")
        heapq.heappush(self._pending, Report(self.flow.clock.now() + delay, number, body))
        self.advance(timedelta())

    def advance(self, duration: timedelta) -> None:
        """Advance the clock, and deliver on the way what is due."""
        target = self.flow.clock.now() + duration
        while self._pending and self._pending[0].due_at <= target:
            report = heapq.heappop(self._pending)
            self.flow.clock.move_to(max(report.due_at, self.flow.clock.now()))
            self.intake.send_message(json.dumps(report.body))
        # What is processed can take a while on the clock.
        self.flow.clock.move_to(max(target, self.flow.clock.now()))

    def settle(self) -> None:
        """Deliver everything, and let it be processed."""
        self.intake.set_paused(paused=False)
        while self._pending:
            self.advance(max(self._pending[0].due_at - self.flow.clock.now(), timedelta()))
        self.advance(timedelta(hours=2))

    def keep(self, entity_id: str) -> None:
        """Note that a person has decided that somebody keeps the mailbox for now."""
        self.kept[entity_id].append(self.flow.clock.now())

    def find_violations(self) -> list[str]:
        """Return for whom the property does not hold."""
        return [
            *([f"{self.intake.count_messages()} events are not processed"] if self.intake.count_messages() else []),
            *(f"{person.name}: {reason}" for person in self.people for reason in self._check(person)),
        ]

    def _check(self, person: Person) -> Iterator[str]:
        state = self.flow.read_workmail_state(person.entity_id)["State"]
        if state == "ENABLED":
            yield from self._check_enabled(person)
        elif not person.departures and person.entity_id not in self.started_by_hand:
            yield from self._check_disabled(person)

    def _check_enabled(self, person: Person) -> Iterator[str]:
        records = self._list_records(person)
        if any(record["Status"] in _WAITING and "Outcome" not in record for record in records):
            return
        for provider, departure in person.departures.items():
            is_told = any(
                record.get("Outcome") in _TOLD_FAILURES and datetime.fromisoformat(record["EndedAt"]) >= departure.at
                for record in records
            )
            is_kept = any(moment >= departure.at for moment in self.kept[person.entity_id])
            if not is_told and not is_kept and not self._is_refused(person, provider, departure):
                outcomes = [record.get("Outcome", record["Status"]) for record in records]
                yield f"is away for {provider} since {departure.at}, and enabled; the executions: {outcomes}"

    def _check_disabled(self, person: Person) -> Iterator[str]:
        lock = self.flow.read_item(f"{ORGANIZATION_ID}/{person.entity_id}", "Lock") or {}
        window = lock.get("WindowOf")
        steps = self.flow.read_steps(window) if window else []
        retention_ends_at = self.flow.read_record(window).get("RetentionEndsAt") if window else None
        notices = [step["At"] for step in steps if step["Step"] == "LeaverReturned"]
        if not any(retention_ends_at is None or at <= retention_ends_at for at in notices):
            yield f"is back for all providers, disabled, and nobody was told: {person.changes}"

    def _list_records(self, person: Person) -> list[dict[str, Any]]:
        """Return the records of a person's executions."""
        answer = self.flow.environment.client("dynamodb").query(
            TableName=self.flow.table_name,
            IndexName="ByEntity",
            KeyConditionExpression="EntityKey = :key",
            ExpressionAttributeValues={":key": {"S": f"{ORGANIZATION_ID}/{person.entity_id}"}},
        )
        arns = {deserialize_item(item)["Id"] for item in answer["Items"]}
        items = [self.flow.read_item(arn, "Record") for arn in sorted(arns)]
        return [item for item in items if item is not None]

    def _is_refused(self, person: Person, provider: str, departure: Change) -> bool:
        """Return whether the event about a departure is a dead letter with a reason."""
        url = self.flow.environment.outputs["EventDeadLetterQueueUrl"]
        queue = sqs_backends[ACCOUNT][REGION].queues[url.rpartition("/")[2]]
        moment = departure.at.isoformat()
        user_id = {OKTA: person.address, IDENTITY_CENTER: person.store_id, REQUESTS: person.request_id}[provider]
        return any(
            user_id in message.body and moment in message.body and "Reason" in message.message_attributes
            for message in queue._messages
        )

    def _create_person(self, number: int) -> Person:
        name, store_id = f"person{number}", f"{number:08x}-3041-7097-2d41-0242ac120002"
        entity_id = self.intake.create_user(name, IdentityProviderUserId=store_id)
        return Person(name, entity_id, store_id)


def _build_body(person: Person, provider: str, channel: str, change: Change, event_id: str) -> dict[str, Any]:
    """Return an event as EventBridge delivers it."""
    build = {OKTA: _build_okta_event, IDENTITY_CENTER: _build_identity_center_event, REQUESTS: _build_request}[provider]
    event = build(person, channel, change, event_id)
    return {**copy.deepcopy(event), "id": event_id, "time": change.at.isoformat()}


def _build_okta_event(person: Person, channel: str, change: Change, event_id: str) -> dict[str, Any]:
    kind = _OKTA_TYPES[change.is_departure, channel]
    return build_okta_event(person.address, kind, event_id, change.at.isoformat())


def _build_identity_center_event(person: Person, channel: str, change: Change, event_id: str) -> dict[str, Any]:
    if channel == "native":
        event = load_event("identity-center-user-deleted")
        event["detail"] |= {"identityStoreId": IDENTITY_STORE_ID, "userId": person.store_id}
        return {**event, "detail-type": "User Updated"}
    facts = {"eventTime": change.at.isoformat(), "eventID": event_id}
    if channel == "cloudtrail":
        event = load_event("identity-center-cloudtrail-disable-user")
        event["detail"] |= {**facts, "eventName": "DisableUser" if change.is_departure else "EnableUser"}
        event["detail"]["requestParameters"] |= {"identityStoreId": IDENTITY_STORE_ID, "userId": person.store_id}
        return event
    event = load_event("identity-center-scim-patch-user")
    body = {"active": not change.is_departure}
    request = {"tenantId": SCIM_TENANT_ID, "userId": person.store_id, "httpBody": body}
    event["detail"] |= {**facts, "requestParameters": request, "responseElements": None}
    return event


def _build_request(person: Person, channel: str, change: Change, event_id: str) -> dict[str, Any]:
    event = load_event("offboarding-requested")
    days = {"in 3 days": 3, "in 8 days": 8}.get(channel)
    if not change.is_departure:
        detail = {"RequestId": person.request_id} if days is None else {"EntityId": person.entity_id}
        return {**event, "detail-type": "Offboarding Withdrawn", "detail": detail}
    date = {} if days is None else {"NotBefore": (change.at + timedelta(days=days)).isoformat()}
    entity = {"OrganizationId": ORGANIZATION_ID, "EntityId": person.entity_id}
    return {**event, "detail": {"RequestId": person.request_id, **entity, **date}}

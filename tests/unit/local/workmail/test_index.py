"""What a look-up in the index answers is what a look at every entity answers, whatever was changed and when."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
import time_machine
from hypothesis import given, settings
from moto.moto_api._internal import mock_random

from local.workmail import Behaviour, WorkMailBackend
from local.workmail.state import DELETED, DISABLED, ENABLED, RETENTION, Entities, Mailbox, User, WorkMailEntity
from tests.unit.local.workmail.conftest import ACCOUNT, MORNING, ORGANIZATION, PASSWORD, REGION

NAMES = ("dana", "DANA", "dan", "kim", "stra\N{LATIN SMALL LETTER SHARP S}e", "STRASSE")
ADDRESSES = ("dana@example.com", "Dana@Example.com", "dan@example.com", "kim@example.com", "dana@acme.awsapps.com")
STORE_IDS = ("94482488-3041-7097-2d41-0242ac120002", "94482488-3041-7097-2d41-0242ac120003")
PREFIXES = ("", "d", "dan", "DANA", "dana@e", "kim", "stras", "9448", "a")
MEMBERS_OF_OPERATIONS = {
    "RegisterToWorkMail": ("EntityId", "Email"),
    "UpdatePrimaryEmailAddress": ("EntityId", "Email"),
    "CreateAlias": ("EntityId", "Alias"),
    "DeleteAlias": ("EntityId", "Alias"),
    "AssociateMemberToGroup": ("GroupId", "MemberId"),
    "DisassociateMemberFromGroup": ("GroupId", "MemberId"),
    "DeregisterFromWorkMail": ("EntityId",),
    "DeleteUser": ("UserId",),
    "DeleteGroup": ("GroupId",),
    "DeleteResource": ("ResourceId",),
}
LIST_FILTERS = {
    "ListUsers": (
        "UsernamePrefix", "DisplayNamePrefix", "PrimaryEmailPrefix", "IdentityProviderUserIdPrefix", "State",
    ),
    "ListGroups": ("NamePrefix", "PrimaryEmailPrefix", "State"),
    "ListResources": ("NamePrefix", "PrimaryEmailPrefix", "State"),
}  # fmt: skip


class ScannedEntities(Entities):
    """Entities without an index: everything is proposed, and every mailbox is looked at."""

    def propose(self, index: str, text: str) -> list[WorkMailEntity]:
        return list(self.values())

    def propose_prefix(self, index: str, prefix: str) -> Iterable[WorkMailEntity]:
        return self.values()

    def propose_by_state(self, *states: str) -> list[WorkMailEntity]:
        return list(self.values())

    def remove_expired_mailboxes(self, time: datetime, retention: timedelta) -> None:
        for entity in self.values():
            entity.remove_expired_mailbox(time, retention)


class Twins:
    """Two organizations to which the same happens; one of them has no index."""

    def __init__(self) -> None:
        self.backends = [WorkMailBackend(REGION, ACCOUNT) for _ in range(2)]
        for backend, entities in zip(self.backends, (Entities(), ScannedEntities()), strict=True):
            mock_random.seed(0)
            backend.create_organization_with_id(ORGANIZATION, "acme", mail_domains=["example.com"])
            backend.organizations[ORGANIZATION].entities = entities
        self._count = 0
        for name, store_id in zip(("dana", "kim"), STORE_IDS, strict=True):
            self.call("CreateUser", Name=name, DisplayName=name, Password=PASSWORD, IdentityProviderUserId=store_id)
        self.call("CreateGroup", Name="all")
        self.call("CreateResource", Name="room", Type="ROOM")
        for name in ("dana", "kim", "all", "room"):
            self.call("RegisterToWorkMail", EntityId=name, Email=f"{name}@example.com")
        self.call("AssociateMemberToGroup", GroupId="all", MemberId="dana")

    def call(self, operation: str, **request: Any) -> None:
        """Make a call of both, and require the same answer and the same entities."""
        self._count += 1
        answers = []
        for backend in self.backends:
            mock_random.seed(self._count)
            try:
                answers.append(backend.perform(operation, {"OrganizationId": ORGANIZATION, **request}))
            except Exception as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1], operation
        self.compare()

    def compare(self) -> None:
        indexed, scanned = (list(backend.organizations[ORGANIZATION].entities.items()) for backend in self.backends)
        assert indexed == scanned

    def pick(self, number: int) -> list[WorkMailEntity]:
        """Return the same entity of both; nothing if there is none."""
        entities = [list(backend.organizations[ORGANIZATION].entities.values()) for backend in self.backends]
        return [of_one[number % len(of_one)] for of_one in entities if of_one]

    def pick_id(self, number: int) -> str:
        picked = self.pick(number)
        return picked[0].id if picked else "nobody"


numbers = st.integers(0, 5)
names, addresses, store_ids = st.sampled_from(NAMES), st.sampled_from(ADDRESSES), st.sampled_from(STORE_IDS)
texts = names | addresses
moments = st.none() | st.integers(-40, 5).map(lambda days: MORNING + timedelta(days=days))
states = st.sampled_from((ENABLED, DISABLED, DELETED))
ids = st.tuples(st.just("id"), numbers)
identifiers = ids | st.tuples(st.just("text"), texts)
CHANGES = {
    "name": texts,
    "email": st.none() | addresses,
    "aliases": st.lists(addresses, max_size=3),
    "state": states,
    "disabled_date": moments,
    "identity_provider_user_id": st.none() | store_ids,
    "mailbox": st.just(Mailbox(provisioned_date=MORNING)),
    "display_name": texts,
}
changes = st.sampled_from(sorted(CHANGES)).flatmap(lambda name: st.tuples(st.just(name), CHANGES[name]))
steps = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(("User", "Group", "Resource")), names, store_ids),
    st.tuples(st.just("RegisterToWorkMail"), identifiers, addresses),
    st.tuples(st.just("UpdatePrimaryEmailAddress"), identifiers, addresses),
    st.tuples(st.sampled_from(("CreateAlias", "DeleteAlias")), ids, addresses),
    st.tuples(st.just("AssociateMemberToGroup"), st.just(("text", "all")), ids),
    st.tuples(st.just("DisassociateMemberFromGroup"), st.just(("text", "all")), ids),
    st.tuples(st.just("DeregisterFromWorkMail"), identifiers),
    st.tuples(st.just("DeregisterFromWorkMail"), ids),
    st.tuples(st.sampled_from(("DeleteUser", "DeleteGroup", "DeleteResource")), ids),
    st.tuples(st.just("rename"), identifiers, names),
    st.tuples(st.just("assign"), numbers, changes),
    st.tuples(st.just("arrange"), numbers, changes),
    st.tuples(st.just("replace"), numbers, names, moments),
    st.tuples(st.just("remove"), numbers),
    st.tuples(st.just("pass"), st.sampled_from((0.5, 1, 29, 30, 31))),
    st.tuples(st.just("pass"), st.just(31)),
    st.tuples(st.just("keep"), st.sampled_from((29, 30, 45))),
    st.tuples(st.just("behave"), st.sampled_from(("kept", "removed")), st.sampled_from(("present", "absent"))),
)


class Scenario:
    """Steps that happen to both organizations."""

    def __init__(self, twins: Twins, clock: Any) -> None:
        self._twins = twins
        self._clock = clock

    def take(self, name: str, *values: Any) -> None:
        method = getattr(self, f"_{name}", None)
        if method is not None:
            method(*values)
        else:
            self._call(name, *values)
        self._twins.compare()

    def _call(self, operation: str, identifier: tuple[str, Any], value: Any = None) -> None:
        resolved = [self._resolve(part) if isinstance(part, tuple) else part for part in (identifier, value)]
        self._twins.call(operation, **dict(zip(MEMBERS_OF_OPERATIONS[operation], resolved, strict=False)))

    def _create(self, kind: str, name: str, store_id: str) -> None:
        more: dict[str, Any] = {"Type": "ROOM"} if kind == "Resource" else {}
        if kind == "User":
            more = {"DisplayName": name, "Password": PASSWORD, "IdentityProviderUserId": store_id}
        self._twins.call(f"Create{kind}", Name=name, **more)

    def _rename(self, identifier: tuple[str, Any], name: str) -> None:
        self._twins.call("UpdateResource", ResourceId=self._resolve(identifier), Name=name)

    def _assign(self, number: int, change: tuple[str, Any]) -> None:
        for entity in self._twins.pick(number):
            if hasattr(entity, change[0]):
                setattr(entity, *change)

    def _arrange(self, number: int, change: tuple[str, Any]) -> None:
        entity_id, (attribute, value) = self._twins.pick_id(number), change
        for backend, entity in zip(self._twins.backends, self._twins.pick(number), strict=False):
            if hasattr(entity, attribute):
                backend.arrange(ORGANIZATION, entity_id, **{attribute: value})

    def _replace(self, number: int, name: str, disabled_date: datetime | None) -> None:
        entity_id = self._twins.pick_id(number)
        for backend in self._twins.backends:
            user = User(id=entity_id, name=name, email=ADDRESSES[2], disabled_date=disabled_date, created_date=MORNING)
            backend.organizations[ORGANIZATION].entities[entity_id] = user

    def _remove(self, number: int) -> None:
        entity_id = self._twins.pick_id(number)
        for backend in self._twins.backends:
            backend.organizations[ORGANIZATION].entities.pop(entity_id, None)

    def _pass(self, days: float) -> None:
        self._clock.shift(timedelta(days=days))
        for backend in self._twins.backends:
            backend.remove_expired_mailboxes()
        for number in range(4):
            self._twins.call("GetMailboxDetails", UserId=self._twins.pick_id(number))

    def _keep(self, days: int) -> None:
        for backend in self._twins.backends:
            backend.retention = timedelta(days=days)

    def _behave(self, aliases: Any, email: Any) -> None:
        for backend in self._twins.backends:
            backend.behaviour = Behaviour(
                aliases_of_deregistered=aliases, email_of_disabled=email, describe_lag_seconds=60
            )

    def _resolve(self, identifier: tuple[str, Any]) -> str:
        kind, value = identifier
        return self._twins.pick_id(value) if kind == "id" else str(value)


@settings(max_examples=50, deadline=None)
@given(st.lists(steps, min_size=20, max_size=50))
def test_the_index_changes_no_answer(chosen_steps: list[tuple[Any, ...]]) -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        twins = Twins()
        scenario = Scenario(twins, clock)
        for step in chosen_steps:
            scenario.take(*step)
        require_equal_answers(twins)


def require_equal_answers(twins: Twins) -> None:
    for number in range(8):
        twins.call("ListGroupsForEntity", EntityId=twins.pick_id(number))
        twins.call("GetMailboxDetails", UserId=twins.pick_id(number))
    for text in (*NAMES, *ADDRESSES):
        twins.call("DescribeEntity", Email=text)
        for kind in ("User", "Group", "Resource"):
            twins.call(f"Describe{kind}", **{f"{kind}Id": text})
    for operation, filters in LIST_FILTERS.items():
        twins.call(operation, MaxResults=2)
        for name in filters:
            for value in (ENABLED, DISABLED, DELETED) if name == "State" else PREFIXES:
                twins.call(operation, Filters={name: value}, MaxResults=2)
                twins.call(operation, Filters={name: value})


def test_a_table_that_was_emptied_proposes_nothing() -> None:
    entities, user = Entities(), User(id="u", name="dana", email="dana@example.com", aliases=("d@example.com",))
    entities["u"] = user
    entities.clear()
    user.email = "kim@example.com"

    assert list(entities.propose_prefix("addresses", "d")) == []
    assert entities.propose("addresses", "kim@example.com") == []
    assert entities.propose_by_state(DISABLED) == []


def test_an_attribute_that_is_indexed_cannot_change_in_place() -> None:
    aliases: Any = ["d@example.com"]
    user = User(id="u", name="dana", aliases=aliases)

    assert user.aliases == ("d@example.com",)


@pytest.mark.parametrize("last", ["state", "mailbox", "disabled_date"])
def test_a_mailbox_is_removed_whichever_of_its_conditions_came_last(last: str) -> None:
    entities, user = Entities(), User(id="u", name="dana", state=ENABLED)
    entities["u"] = user
    conditions = {"state": DISABLED, "mailbox": Mailbox(provisioned_date=MORNING), "disabled_date": MORNING}
    for name, value in sorted(conditions.items(), key=lambda condition: condition[0] == last):
        setattr(user, name, value)

    entities.remove_expired_mailboxes(MORNING + RETENTION - timedelta(milliseconds=1), RETENTION)
    assert user.mailbox is not None
    entities.remove_expired_mailboxes(MORNING + RETENTION, RETENTION)
    assert user.mailbox is None

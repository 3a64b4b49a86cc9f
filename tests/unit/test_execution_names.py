"""The name of an execution identifies one departure, is valid for Step Functions, and holds no address."""

import re
import string
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from offboarding.domain.execution_names import Departure, execution_name
from tests.unit.conftest import OTHER_ORGANIZATION_ID

DEPARTURE = Departure("m-1", "12a3b4c5-0000-4000-8000-000000000001", "dana.leaver", "2026-01-01T00:00:00.000Z")


def test_a_name_has_the_initials_and_the_id() -> None:
    assert re.fullmatch(r"d-l_12a3b4c5-0000-4000-8000-000000000001_[0-9a-f]{16}", execution_name(DEPARTURE))


def test_only_the_same_departure_has_the_same_name() -> None:
    names = [
        execution_name(DEPARTURE),
        execution_name(replace(DEPARTURE, registration_key="2026-06-01T00:00:00.000Z")),
        execution_name(replace(DEPARTURE, organization_id="m-2")),
        execution_name(replace(DEPARTURE, entity_id="12a3b4c5-0000-4000-8000-000000000002")),
        execution_name(replace(DEPARTURE, entity_id=None)),
    ]

    assert len(set(names)) == 5
    room = Departure("m-1", None, "Room-4", "r-1")
    assert execution_name(room) == execution_name(replace(room, name="ROOM-4"))


LOGINS = st.text(string.printable, min_size=1, max_size=256)


@given(st.none() | LOGINS, LOGINS, LOGINS)
def test_every_name_is_valid_for_start_execution(entity_id: str | None, name: str, registration_key: str) -> None:
    result = execution_name(Departure(OTHER_ORGANIZATION_ID, entity_id, name, registration_key))

    assert re.fullmatch(r"[0-9A-Za-z_-]{1,80}", result)


NOT_HEX = st.text("ghijklmnopqrstuvwxyz", min_size=3, max_size=20)
"""Letters that a digest does not have, so that no name holds them by chance."""


@given(
    st.builds(
        "{}{}{}".format, NOT_HEX, st.just("") | NOT_HEX.map(".{}".format), st.just("") | NOT_HEX.map("@{}.xyz".format)
    )
)
def test_a_name_holds_no_part_of_a_login_or_an_address(login: str) -> None:
    result = execution_name(Departure("m-1", None, login, ""))

    for part in re.split(r"[@.]", login):
        assert part not in result

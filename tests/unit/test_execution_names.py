"""An execution's name says whom it is about, to people and to Step Functions, without the address."""

import re
import string
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from offboarding.domain.execution_names import Departure, execution_name

DANA = Departure("m-1", "12a3b4c5-0000-4000-8000-000000000001", "dana.leaver", "2026-01-01T00:00:00.000Z")


def test_a_name_shows_initials_and_id() -> None:
    assert re.fullmatch(r"d-l_12a3b4c5-0000-4000-8000-000000000001_[0-9a-f]{16}", execution_name(DANA))


def test_the_same_departure_has_the_same_name_and_another_one_another() -> None:
    names = [
        execution_name(DANA),
        execution_name(replace(DANA, registration_key="2026-06-01T00:00:00.000Z")),
        execution_name(replace(DANA, organization_id="m-2")),
        execution_name(replace(DANA, entity_id="12a3b4c5-0000-4000-8000-000000000002")),
        execution_name(replace(DANA, entity_id=None)),
    ]

    assert len(set(names)) == 5
    room = Departure("m-1", None, "Room-4", "r-1")
    assert execution_name(room) == execution_name(replace(room, name="ROOM-4"))


LOGINS = st.text(string.printable, min_size=1, max_size=256)


@given(st.none() | LOGINS, LOGINS, LOGINS)
def test_every_name_is_one_that_start_execution_takes(entity_id: str | None, name: str, departure: str) -> None:
    made = execution_name(Departure("m-" + "0" * 32, entity_id, name, departure))

    assert re.fullmatch(r"[0-9A-Za-z_-]{1,80}", made)


NOT_HEX = st.text("ghijklmnopqrstuvwxyz", min_size=3, max_size=20)
"""What the digest in a name cannot hold by chance."""


@given(
    st.builds(
        "{}{}{}".format, NOT_HEX, st.just("") | NOT_HEX.map(".{}".format), st.just("") | NOT_HEX.map("@{}.xyz".format)
    )
)
def test_no_name_holds_a_login_or_an_address(login: str) -> None:
    made = execution_name(Departure("m-1", None, login, ""))

    for part in re.split(r"[@.]", login):
        assert part not in made

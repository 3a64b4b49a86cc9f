"""An execution's name says whom it is about, to people and to Step Functions, without the address."""

import re
import string

from hypothesis import given
from hypothesis import strategies as st

from offboarding.execution_names import Departure, execution_name

DANA = Departure("m-1", "12a3b4c5-0000-4000-8000-000000000001", "dana.leaver@example.com", "2026-01-01T00:00:00.000Z")


def test_a_name_shows_initials_domain_and_id() -> None:
    assert re.fullmatch(r"d-l-at-example-com_12a3b4c5-0000-4000-8000-000000000001_[0-9a-f]{16}", execution_name(DANA))


def test_the_same_departure_has_the_same_name_and_another_one_another() -> None:
    names = [
        execution_name(DANA),
        execution_name(Departure(DANA.organization_id, DANA.entity_id, DANA.address, "2026-06-01T00:00:00.000Z")),
        execution_name(Departure("m-2", DANA.entity_id, DANA.address, DANA.since)),
        execution_name(Departure(DANA.organization_id, "other", DANA.address, DANA.since)),
        execution_name(Departure(DANA.organization_id, None, DANA.address, DANA.since)),
    ]

    assert len(set(names)) == 5
    assert execution_name(Departure("m-1", None, "DANA@example.com", "")) == execution_name(
        Departure("m-1", None, "dana@example.com", "")
    )


LOGINS = st.text(string.printable, min_size=1, max_size=256)


@given(st.none() | LOGINS, st.none() | LOGINS, LOGINS)
def test_every_name_is_one_that_start_execution_takes(entity_id: str | None, address: str | None, since: str) -> None:
    name = execution_name(Departure("m-" + "0" * 32, entity_id, address, since))

    assert re.fullmatch(r"[0-9A-Za-z_-]{1,80}", name)


@given(st.from_regex(r"[a-z]{3,20}\.[a-z]{3,20}@[0-9]{3,30}\.[0-9]{2,10}", fullmatch=True))
def test_no_name_holds_the_address(address: str) -> None:
    local = address.partition("@")[0]

    name = execution_name(Departure("m-1", None, address, ""))

    assert local not in name
    assert local.replace(".", "-") not in name

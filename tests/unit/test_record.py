"""The record of an offboarding: what identifies it, and what identifies its entity."""

from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import MailboxTouched, mailbox_touched_by
from tests.unit.conftest import ARN_B, NOW, USER_ID, make_record

ENTITY = {"Id": USER_ID.upper(), "Type": "USER", "Name": "Dana", "State": "ENABLED"}


def test_a_record_has_its_offboarding() -> None:
    offboarding = make_record("b", entity=ENTITY).offboarding

    assert offboarding == Offboarding(ARN_B, ORGANIZATION_ID, ENTITY)
    assert offboarding.entity_id == USER_ID.upper()


@pytest.mark.parametrize(
    ("attempted_at", "deregistered_at", "mailbox_touched"),
    [
        (None, None, MailboxTouched.NO),
        (None, NOW, MailboxTouched.NO),
        (NOW, None, MailboxTouched.MAYBE),
        (NOW, NOW, MailboxTouched.YES),
    ],
)
def test_an_execution_has_touched_the_mailbox_if_it_asked_and_workmail_confirmed_it(
    attempted_at: str | None, deregistered_at: str | None, mailbox_touched: MailboxTouched
) -> None:
    record = make_record(attempted_at=attempted_at, deregistered_at=deregistered_at)

    assert record.mailbox_touched is mailbox_touched


@pytest.mark.parametrize(
    ("steps", "mailbox_touched"),
    [
        ([], MailboxTouched.NO),
        (["Started", "Recorded", "Ended"], MailboxTouched.NO),
        (["Started", "RequestRefused"], MailboxTouched.NO),
        (["Recorded", "Deregister"], MailboxTouched.MAYBE),
        (["Recorded", "Deregister", "Deregister", "Ended"], MailboxTouched.MAYBE),
        (["Recorded", "Deregister", "Deregistered", "Checked", "Ended"], MailboxTouched.YES),
        (["Deregister", "Deregister", "Deregistered"], MailboxTouched.YES),
        (["Deregister", "Deregistered", "Deregistered"], MailboxTouched.YES),
        (["Recorded", "Deregistered"], MailboxTouched.NO),
        (["Recorded", "Deregistered", "Deregister"], MailboxTouched.MAYBE),
        (["Deregister", "NotTaken"], MailboxTouched.NO),
        (["Deregister", "Mismatch", "Ended"], MailboxTouched.MAYBE),
        (["Deregister", "NotTaken", "Deregistered"], MailboxTouched.NO),
        (["Deregister", "NotTaken", "Deregister"], MailboxTouched.MAYBE),
        (["Deregister", "NotTaken", "Deregister", "Deregistered"], MailboxTouched.YES),
        (["Deregister", "Deregistered", "Deregister"], MailboxTouched.YES),
        (["Deregister", "Deregistered", "Mismatch"], MailboxTouched.YES),
        (["Mismatch", "Ended"], MailboxTouched.NO),
        (["Deregister", "Deregistered", "RegisterEntity", "Restored"], MailboxTouched.YES),
        (["Deregister", "Deregistered", "Superseded", "Ended"], MailboxTouched.YES),
    ],
)
def test_the_steps_show_whether_an_execution_has_touched_the_mailbox(
    steps: list[str], mailbox_touched: MailboxTouched
) -> None:
    assert mailbox_touched_by(steps) is mailbox_touched
    assert mailbox_touched_by(iter(steps)) is mailbox_touched


@pytest.mark.parametrize(
    ("members", "identifiers"),
    [
        ({}, {USER_ID, "dana"}),
        ({"Email": None, "Aliases": None}, {USER_ID, "dana"}),
        ({"Email": "Dana@Example.com", "Aliases": []}, {USER_ID, "dana", "dana@example.com"}),
        (
            {"Email": "dana@example.com", "Aliases": ["D.Leaver@example.com", "sales@example.com"]},
            {USER_ID, "dana", "dana@example.com", "d.leaver@example.com", "sales@example.com"},
        ),
    ],
)
def test_the_identifiers_are_the_id_the_name_the_address_and_the_aliases(
    members: dict[str, Any], identifiers: set[str]
) -> None:
    assert make_record(entity={**ENTITY, **members}).identifiers == identifiers


def test_a_recorded_identifier_is_compared_narrowly() -> None:
    record = make_record(
        entity={**ENTITY, "Email": None, "Aliases": ["Stra\N{LATIN SMALL LETTER SHARP S}e@example.com"]}
    )

    assert record.has_identifier("DANA")
    assert record.has_identifier("STRA\N{LATIN SMALL LETTER SHARP S}E@example.com")
    assert not record.has_identifier("strasse@example.com")
    assert "strasse@example.com" in record.identifiers, "for the person who decides, more counts as the same"

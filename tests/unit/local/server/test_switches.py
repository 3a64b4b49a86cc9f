"""The switches of `/local/behaviour`: WorkMail's behaviour and the quotas of AWS."""

import pytest

from local.aws.quotas import POSSIBLE_QUOTAS, QuotaSettings
from local.server.switches import change_switches, render_switches
from local.workmail import Behaviour
from local.workmail.behaviour import POSSIBLE_NUMBERS

SWITCHES = (Behaviour(email_of_disabled="absent"), QuotaSettings(lambda_concurrency=5))


def test_a_change_keeps_the_other_switches() -> None:
    assert change_switches(SWITCHES, "{}") == SWITCHES
    assert change_switches(SWITCHES, '{"describe_lag_seconds": 90, "invocation_seconds": 0.5}') == (
        Behaviour(email_of_disabled="absent", describe_lag_seconds=90),
        QuotaSettings(lambda_concurrency=5, invocation_seconds=0.5),
    )
    assert change_switches(SWITCHES, '{"lambda_concurrency": null}')[1] == QuotaSettings()


def test_every_switch_has_a_name_of_its_own_and_possible_values() -> None:
    names = [*vars(SWITCHES[0]), *vars(SWITCHES[1])]

    assert list(render_switches(SWITCHES)) == names
    assert set(names) == {*Behaviour.possible_values(), *POSSIBLE_NUMBERS, *POSSIBLE_QUOTAS}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"email": "absent"}', "unknown switch email; the switches are deregister_disabled, .* lambda_concurrency"),
        ('{"email_of_disabled": "hidden"}', "email_of_disabled must be one of present, absent"),
        ('{"describe_lag_seconds": 121}', "from 0 to 120"),
        ('{"describe_lag_seconds": true}', "from 0 to 120"),
        ('{"describe_lag_seconds": "5"}', "from 0 to 120"),
        ('{"export_minutes_per_gb": -1}', "export_minutes_per_gb must be a number from 0 to 10080"),
        ('{"export_minimum_minutes": true}', "export_minimum_minutes must be a number from 0 to 10080"),
        ('{"lambda_concurrency": 0}', "lambda_concurrency must be a whole number from 1 on"),
    ],
)
def test_an_invalid_switch_is_refused_with_the_reason(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        change_switches(SWITCHES, text)

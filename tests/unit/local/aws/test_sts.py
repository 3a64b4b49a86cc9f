"""Temporary credentials of the embedded AWS."""

from datetime import UTC, datetime, timedelta

import pytest

from local.clock import read_real_time
from local.environment import Environment


@pytest.mark.parametrize("days", [-1, 1])
def test_credentials_are_valid_by_the_clock_of_the_machine_and_by_the_embedded_one(days: int) -> None:
    real_time = read_real_time()
    with Environment(None, None, now=real_time + timedelta(days=days)) as aws:
        client = aws.client("sts")
        answers = [
            client.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="any", DurationSeconds=900),
            client.get_session_token(DurationSeconds=900),
        ]
        embedded_time = aws.clock.now()

    for answer in answers:
        expiration = answer["Credentials"]["Expiration"]
        assert timedelta(seconds=890) < expiration - max(real_time, embedded_time) < timedelta(seconds=990)


def test_the_real_time_passes_while_the_embedded_clock_stands_still() -> None:
    with Environment(None, None, now=datetime(2030, 1, 1, tzinfo=UTC)) as aws:
        assert read_real_time() < aws.clock.now()

"""`POST /local/events` puts events as EventBridge delivers them on the buses of their providers."""

import json
from pathlib import Path

import pytest

from local.defaults import AUTH0_BUS, OKTA_BUS, SAILPOINT_BUS
from local.server.delivered_events import parse_event
from tests.unit.local.server.conftest import LocalServer

EVENTS = Path(__file__).parents[4] / "examples" / "events"
BUSES = {"okta": OKTA_BUS, "auth0": AUTH0_BUS, "sailpoint": SAILPOINT_BUS}


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_is_put_on_the_bus_of_its_provider(path: Path) -> None:
    event, entry = json.loads(path.read_text()), parse_event(path.read_bytes())

    assert entry["EventBusName"] == BUSES.get(path.stem.partition("-")[0], "default")
    assert (entry["Source"], entry["DetailType"]) == (event["source"], event["detail-type"])
    assert json.loads(entry["Detail"]) == event["detail"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "The body is not JSON."),
        ("[]", "source is missing or wrong"),
        ('{"source": "a", "detail": {}}', "detail-type is missing or wrong"),
        ('{"source": "a", "detail-type": "b", "detail": "{}"}', "detail is missing or wrong"),
        (
            '{"source": "", "detail-type": "b", "detail": {}}',
            "EventBridge refused the event",
        ),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(server: LocalServer, text: str, sentence: str) -> None:
    answer = server.send("POST", "/local/events", body=text)

    assert answer.status == 400
    assert sentence in answer.error
    assert "examples/events" in answer.error

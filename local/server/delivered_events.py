"""Events in the form in which EventBridge delivers them, put on their buses: `/local/events`."""

import json
from typing import Any

from local.environment import Environment

HINT = "Send one event as EventBridge delivers it, a file of examples/events for example."
_PARTNER_PREFIX = "aws.partner/"
_REQUIRED = {"source": str, "detail-type": str, "detail": dict}


def parse_event(data: bytes) -> dict[str, Any]:
    """Return the entry of `PutEvents` that leads to an event; its time is left to EventBridge.

    Parameters
    ----------
    data
        The event, as JSON. A partner's source is the name of its event bus; everything else is on the default bus.

    Raises
    ------
    ValueError
        If it is no event; the message says why.
    """
    try:
        event = json.loads(data)
    except ValueError:
        raise ValueError("The body is not JSON.") from None
    members = event if isinstance(event, dict) else {}
    wrong_members = [name for name, kind in _REQUIRED.items() if not isinstance(members.get(name), kind)]
    if wrong_members:
        raise ValueError(f"The event needs {', '.join(_REQUIRED)}; {wrong_members[0]} is missing or wrong.")
    source = event["source"]
    return {
        "Source": source,
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "EventBusName": source if source.startswith(_PARTNER_PREFIX) else "default",
    }


def put_event(environment: Environment, entry: dict[str, Any]) -> str:
    """Put an event on its bus, and wait until nothing runs at this moment of the clock; return its id.

    Raises
    ------
    ValueError
        If EventBridge refuses it; the message says why.
    """
    [result] = environment.client("events").put_events(Entries=[entry])["Entries"]
    if "ErrorCode" in result:
        raise ValueError(f"EventBridge refused the event: {result.get('ErrorMessage', result['ErrorCode'])}")
    environment.clock.settle()
    return str(result["EventId"])

"""Event buses that a template's rules name: on AWS the partner's source makes them, here they are made first.

moto also keeps only what stands behind the last `/` of a bus's name, and every partner's bus has several.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
from moto.events.models import EventsBackend

from local.hooks import Hooks

_DEFAULT = "default"


def install(hooks: Hooks) -> None:
    """Have moto take the names of partners' buses whole, for as long as the hooks are in place."""

    def normalized(_: EventsBackend, name_or_arn: str | None) -> str:
        return (name_or_arn or _DEFAULT).partition(":event-bus/")[2] or name_or_arn or _DEFAULT

    hooks.replace(EventsBackend, "_normalize_event_bus_arn", normalized)


def make_named_buses(template: str, *, region: str, account: str) -> None:
    """Make the buses that the rules of a template name and that are not there yet.

    Parameters
    ----------
    template
        A CloudFormation template, as JSON.
    region, account
        Where.
    """
    resources: dict[str, Any] = json.loads(template).get("Resources", {})
    rules = (r["Properties"] for r in resources.values() if r["Type"] == "AWS::Events::Rule")
    events = boto3.client("events", region)
    there = {bus["Name"] for bus in events.list_event_buses()["EventBuses"]}
    for name in sorted({rule.get("EventBusName", _DEFAULT) for rule in rules} - there):
        if "/" in name:
            events.create_partner_event_source(Name=name, Account=account)
            events.create_event_bus(Name=name, EventSourceName=name)
        else:
            events.create_event_bus(Name=name)

"""Event buses that a template's rules name: on AWS the partner's source makes them, here they are made first.

moto also keeps only what stands behind the last `/` of a bus's name, and every partner's bus has several.
And what it delivers lacks the `account`, is put together as text (so that a `<source>` in the detail is
filled in), and takes tens of milliseconds: here a target without an input transformer gets the event.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
from moto.events.models import EventsBackend
from moto.events.utils import EventTemplateParser

from local.hooks import Hooks

_DEFAULT = "default"
_MEMBERS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")


def install(hooks: Hooks) -> None:
    """Have moto take the names of partners' buses, and events, whole, for as long as the hooks are in place."""
    transform = EventTemplateParser.parse

    def normalized(_: EventsBackend, name_or_arn: str | None) -> str:
        return (name_or_arn or _DEFAULT).partition(":event-bus/")[2] or name_or_arn or _DEFAULT

    def parse(input_template: str | None, input_paths_map: dict[str, Any], event: Any) -> dict[str, Any]:
        if input_template or input_paths_map:
            return dict(transform(input_template, input_paths_map, event))
        return {member: event[member] for member in _MEMBERS if member in event}

    hooks.replace(EventsBackend, "_normalize_event_bus_arn", normalized)
    hooks.replace(EventTemplateParser, "parse", staticmethod(parse))


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

"""Amazon EventBridge where moto's differs from AWS's.

- The buses that a template's rules name are made first; on AWS the partner's event source makes them.
- A bus's name is kept whole; moto keeps only the part after the last `/`, and a partner's bus has several.
- A target without an input transformer gets the event itself. moto's lacks the `account`, is composed as text (so
  that a `<source>` in the detail is replaced), and takes tens of milliseconds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from moto.events.models import EventsBackend, events_backends
from moto.events.utils import EventTemplateParser

from local.hooks import Hooks

_DEFAULT_BUS = "default"
_log = logging.getLogger(__name__)
_EVENT_MEMBERS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")


def install(hooks: Hooks) -> None:
    """Have buses and events handled as on AWS for as long as the hooks are in place."""
    transform = EventTemplateParser.parse

    def normalize(_: EventsBackend, name_or_arn: str | None) -> str:
        return (name_or_arn or _DEFAULT_BUS).partition(":event-bus/")[2] or name_or_arn or _DEFAULT_BUS

    def parse(input_template: str | None, input_paths_map: dict[str, Any], event: Any) -> dict[str, Any]:
        if input_template or input_paths_map:
            return dict(transform(input_template, input_paths_map, event))
        return {member: event[member] for member in _EVENT_MEMBERS if member in event}

    hooks.replace(EventsBackend, "_normalize_event_bus_arn", normalize)
    hooks.replace(EventTemplateParser, "parse", staticmethod(parse))


def put_service_event(
    place: tuple[str, str], source: str, detail_type: str, resources: list[str], detail: dict[str, Any]
) -> None:
    """Put an event of a service on the default bus.

    As on AWS, the service does not depend on the delivery: a failure is logged.

    Parameters
    ----------
    place
        The account and the Region.
    source, detail_type, resources, detail
        Members of the event.
    """
    account, region = place
    backend = events_backends[account][region]
    event = {
        "version": "0",
        "source": source,
        "detail-type": detail_type,
        "account": account,
        "region": region,
        "resources": resources,
        "detail": detail,
    }
    rules = list(backend.describe_event_bus(_DEFAULT_BUS).rules.values())
    if not any(rule.event_pattern.matches_event(event) for rule in rules):
        return
    entry = {"Source": source, "DetailType": detail_type, "Resources": resources, "Detail": json.dumps(detail)}
    try:
        backend.put_events([entry])
    except Exception:
        _log.warning("event not delivered: %s", resources, exc_info=True)


def create_named_buses(template: str, *, region: str, account: str) -> None:
    """Create the buses that the rules of a template name, unless they exist.

    Parameters
    ----------
    template
        A CloudFormation template, as JSON.
    region, account
        The place of the buses.
    """
    create_buses(_list_bus_names(template), region=region, account=account)


@lru_cache(maxsize=16)
def _list_bus_names(template: str) -> frozenset[str]:
    """List the buses that the rules of a template name; a template is deployed into many environments."""
    resources: dict[str, Any] = json.loads(template).get("Resources", {})
    rules = (r["Properties"] for r in resources.values() if r["Type"] == "AWS::Events::Rule")
    return frozenset(rule.get("EventBusName", _DEFAULT_BUS) for rule in rules)


def create_buses(names: Iterable[str], *, region: str, account: str) -> None:
    """Create buses, unless they exist.

    Parameters
    ----------
    names
        Their names; one with a ``/`` is a partner's, and its event source is created too.
    region, account
        The place of the buses.
    """
    backend = events_backends[account][region]
    for name in sorted({*names} - backend.event_buses.keys()):
        if "/" in name:
            backend.create_partner_event_source(name, account)
            backend.create_event_bus(name, event_source_name=name)
        else:
            backend.create_event_bus(name)

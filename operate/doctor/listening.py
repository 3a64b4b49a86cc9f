"""Checks of what starts work: rules, event buses, event source mappings, the schedule."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from operate.doctor.findings import Finding, ok, wrong
from operate.doctor.setup import Setup
from operate.errors import error_code

_ENABLED = "ENABLED"
_DEFAULT_BUS = "default"
_INTAKE_OUTPUT = "EventSourceMappingId"
_RUNNING_STATES = frozenset({"Enabled", "Enabling", "Updating", "Creating"})


def check_rules(setup: Setup) -> Iterator[Finding]:
    """Check that each rule of the stack is there, and enabled.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html
    """
    # The physical id of a rule on another bus than the default one begins with that bus.
    names = {id_.rpartition("|")[2] for id_ in setup.list_ids("AWS::Events::Rule")}
    rules = {rule["Name"]: rule for rule in _iterate_rules(setup) if rule["Name"] in names}
    for name in sorted(names - rules.keys()):
        yield wrong(f"The rule {name} is gone, or its event bus.", "Run `make deploy` once the event bus exists.")
    for name, rule in sorted(rules.items()):
        if rule["State"] != _ENABLED:
            bus = ("--event-bus-name", rule["EventBusName"]) if rule["EventBusName"] != _DEFAULT_BUS else ()
            command = setup.account.render_aws_command("events", "enable-rule", "--name", name, *bus)
            yield wrong(f"The rule {name} is disabled, and its events are lost.", f"Run: {command}")
    if names and all(rules.get(name, {}).get("State") == _ENABLED for name in names):
        yield ok(f"All rules are enabled: {len(names)}.")


def _iterate_rules(setup: Setup) -> Iterator[dict[str, Any]]:
    """Go through the rules of all event buses.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html
    """
    client, pages = setup.account.client("events"), [*_list_pages(setup, "list_event_buses")]
    for bus in [bus["Name"] for page in pages for bus in page["EventBuses"]]:
        for page in client.get_paginator("list_rules").paginate(EventBusName=bus):
            yield from ({**rule, "EventBusName": bus} for rule in page["Rules"])


def _list_pages(setup: Setup, operation: str) -> Iterator[dict[str, Any]]:
    """Go through the pages of an operation for which boto3 has no paginator."""
    method = getattr(setup.account.client("events"), operation)
    page = method()
    yield page
    while "NextToken" in page:
        page = method(NextToken=page["NextToken"])
        yield page


def check_partner_sources(setup: Setup) -> Iterator[Finding]:
    """Check that each partner's event source is associated with its event bus.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventSource.html
    """
    for name, settings in setup.identities.items():
        if name.startswith("providers/") and "EventSource" in settings:
            yield _check_partner_source(setup, name.rpartition("/")[2], settings["EventSource"])


def _check_partner_source(setup: Setup, provider: str, source: str) -> Finding:
    client = setup.account.client("events")
    try:
        state = client.describe_event_source(Name=source)["State"]
        if state == "ACTIVE":
            client.describe_event_bus(Name=source)
            return ok(f"The event source of {provider} is active.")
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        state = "missing"
    if state == "PENDING":
        words = ("events", "create-event-bus", "--name", source, "--event-source-name", source)
        command = setup.account.render_aws_command(*words)
        return wrong(f"The event source of {provider} waits for its event bus.", f"Run: {command}")
    return wrong(
        f"The event source of {provider} or its event bus is {state.lower()}, and no event arrives: {source}.",
        f"Make it again at {provider}, as docs/identity-providers.md says.",
    )


def check_mappings(setup: Setup) -> Iterator[Finding]:
    """Check that each function that reads a queue or the stream does so.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
    """
    intake, ids = setup.outputs.get(_INTAKE_OUTPUT), setup.list_ids("AWS::Lambda::EventSourceMapping")
    stopped = [id_ for id_ in ids if not _is_running(setup, id_)]
    for id_ in stopped:
        command = setup.account.render_aws_command("lambda", "update-event-source-mapping", "--uuid", id_, "--enabled")
        if id_ == intake:
            yield wrong(
                "The queue of identity providers' events is paused: events wait in it for 14 days.",
                f"Run, once they may be read: {setup.account.render_command('queue', 'resume')}",
            )
        else:
            yield wrong(f"The event source mapping {id_} is disabled, and what it reads waits.", f"Run: {command}")
    if not stopped:
        yield ok(f"All event source mappings are enabled: {len(ids)}.")


def _is_running(setup: Setup, mapping: str) -> bool:
    try:
        answer = setup.account.client("lambda").get_event_source_mapping(UUID=mapping)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return False
    return answer["State"] in _RUNNING_STATES


def check_schedule(setup: Setup) -> Iterator[Finding]:
    """Check that the sweep is scheduled.

    https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html
    """
    for name in setup.list_ids("AWS::Scheduler::Schedule"):
        if setup.account.client("scheduler").get_schedule(Name=name)["State"] == _ENABLED:
            yield ok("The sweep of the records is scheduled.")
        else:
            yield wrong(
                f"The schedule {name} is disabled: no sweep closes what no event has closed.",
                "Enable it in EventBridge Scheduler's console.",
            )

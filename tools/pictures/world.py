"""A world to take pictures of: an organization on the embedded AWS, in which offboardings wait, run and have ended."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from moto.moto_api._internal import mock_random

from local.cdk.assembly import assembly
from local.defaults import COMPANY_DOMAIN, IDENTITY_STORE_ID, OFFBOARDING, ORGANIZATION_ID
from local.demo.provider_events import make_okta_event, put_events
from local.environment import Environment
from local.organization import OrganizationBuilder
from local.server.serve import make_http_server

STARTS_AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
_PEOPLE = (
    *("ada", "bruno", "carla", "dana", "emil", "fatima", "goran", "hanna", "ivan", "jana"),
    *("it.admin", "lea", "max", "kim"),
)
_SEED = 20261102


@dataclass(frozen=True)
class ServedWorld:
    """The world while it is served.

    Attributes
    ----------
    address
        The address of the server.
    executions
        The ARN of the last execution that was started for each person.
    """

    address: str
    executions: dict[str, str]


@contextmanager
def serve_world(port: int = 0) -> Iterator[ServedWorld]:
    """Serve the world as `make serve` does, for the duration of a ``with`` block.

    Parameters
    ----------
    port
        The port; 0 takes a free one.
    """
    settings = {
        **OFFBOARDING,
        "organizations": [{**OFFBOARDING["organizations"][0], "approvalRequired": ["lea", "max", "kim"]}],
    }
    with Environment(assembly(settings), now=STARTS_AT, schedules=True, alarms=True) as environment:
        mock_random.seed(_SEED)
        http_server = make_http_server(environment, port, identity_store_id=IDENTITY_STORE_ID)
        thread = threading.Thread(target=http_server.serve_forever, daemon=True)
        thread.start()
        try:
            yield ServedWorld(f"http://127.0.0.1:{http_server.port}", _fill(environment))
        finally:
            http_server.shutdown()
            http_server.server_close()


def _fill(environment: Environment) -> dict[str, str]:
    """Let six weeks pass: offboardings that are verified, one that is taken back, and several that are under way."""
    builder = OrganizationBuilder(environment.client("workmail"))
    users = {name: builder.create_user(name, _display(name), domain=COMPANY_DOMAIN) for name in _PEOPLE}
    builder.create_alias(users["carla"], "carla.rossi", COMPANY_DOMAIN)
    builder.create_group("sales", (users["carla"], users["emil"]))
    executions: dict[str, str] = {}

    def start(name: str, **members: str | bool) -> None:
        request = {"OrganizationId": ORGANIZATION_ID, "EntityId": name, "RequestedBy": "helpdesk", **members}
        executions[name] = environment.start(request)
        environment.clock.settle()

    def decide(name: str, decision: str, reason: str) -> None:
        request = {"ExecutionArn": executions[name], "Decision": decision, "DecidedBy": "it.lead", "Reason": reason}
        environment.start(request, state_machine_arn=environment.outputs["ApprovalStateMachineArn"])
        environment.clock.settle()

    def report(name: str, domain: str = COMPANY_DOMAIN) -> None:
        event = make_okta_event(f"okta-{name}", f"{name}@{domain}", environment.clock.now())
        put_events([event], environment.client("events"))
        environment.clock.settle()

    def pass_days(days: int) -> None:
        environment.clock.advance(timedelta(days=days))

    for name in ("ada", "bruno"):
        start(name, Reason="Left in October")
    pass_days(4)
    start("carla", Reason="Left on Friday")
    start("it.admin")
    for name in ("max", "kim"):
        start(name, Reason="Left on Friday")
    decide("max", "Approved", "The manager has confirmed it")
    decide("kim", "Rejected", "Moves to another team")
    pass_days(3)
    restore = {"OrganizationId": ORGANIZATION_ID, "EntityId": users["carla"], "RequestedBy": "helpdesk"}
    environment.start(
        {**restore, "Reason": "Hired again"}, state_machine_arn=environment.outputs["RestoreStateMachineArn"]
    )
    environment.clock.settle()
    pass_days(25)
    start("dana", Reason="Left in November")
    start("emil", DryRun=True)
    pass_days(9)
    report("hanna")
    report("eve", "elsewhere.example")
    start("fatima", Reason="Left in November")
    start("lea", Reason="Left on Friday")
    start("goran", NotBefore="2026-12-31T17:00:00+01:00", Reason="Leaves at the end of the year")
    pass_days(1)
    return executions


def _display(name: str) -> str:
    return " ".join(part.capitalize() for part in name.split("."))

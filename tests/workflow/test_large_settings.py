"""The largest settings deploy, and an event of the last account source starts an offboarding."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.defaults import MAIL_DOMAIN, ORGANIZATION_ID
from tests.infrastructure.providers import SAILPOINT
from tests.infrastructure.test_limits import LARGEST
from tests.workflow.conftest import Flow

ORGANIZATION: dict[str, Any] = {
    **LARGEST["organizations"][-1],
    "id": ORGANIZATION_ID,
    "mailDomains": [MAIL_DOMAIN, *LARGEST["organizations"][-1]["mailDomains"]],
}
SETTINGS: dict[str, Any] = {**LARGEST, "organizations": [*LARGEST["organizations"][:-1], ORGANIZATION]}


@pytest.mark.long
def test_the_largest_settings_deploy_and_offboard(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow(SETTINGS)
    flow.people.create_user("dana", domain=MAIL_DOMAIN)
    last_source = LARGEST["identityProviders"]["sailpoint"]["accountSources"][-1]
    detail = {
        "source": {"id": last_source},
        "identity": {"id": "i-1", "name": "dana", "email": f"dana@{MAIL_DOMAIN}"},
        "_metadata": {"invocationId": "e-1"},
    }
    entry = {
        "Source": SAILPOINT,
        "DetailType": "idn:account-deleted",
        "Detail": json.dumps(detail),
        "EventBusName": SAILPOINT,
    }
    flow.environment.client("events").put_events(Entries=[entry])
    flow.pass_days(40)

    [execution] = flow.environment.client("stepfunctions").list_executions(
        stateMachineArn=flow.environment.outputs["StateMachineArn"]
    )["executions"]
    assert flow.read_result(execution["executionArn"]).outcome == "CleanupVerified"

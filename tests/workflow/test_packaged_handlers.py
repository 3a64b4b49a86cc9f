"""Each packaged handler as AWS Lambda runs it: in a clean interpreter with only the asset and boto3."""

import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.server.serve import make_http_server
from tests.workflow.runtime_api import invoke, link_runtime, load_handlers

ROOT = Path(__file__).parents[2]
CREDENTIALS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}
STEP = {
    "ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:e",
    "Now": "2026-11-22T12:00:00.000Z",
}


@pytest.fixture
def endpoint(flow: Any) -> Iterator[str]:
    http = make_http_server(flow.environment, 0)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.port}"
    http.shutdown()
    http.server_close()


def test_each_handler_can_be_imported_with_only_the_asset_and_boto3(flow: Any, tmp_path: Path) -> None:
    runtime, asset = link_runtime(tmp_path / "runtime"), tmp_path / "asset"
    zipfile.ZipFile(flow.environment.function_code("ResolveEntity")).extractall(asset)
    handlers = sorted(path.stem for path in asset.glob("*.py") if "def handler(" in path.read_text())
    environment = {}
    for handler in handlers:
        environment |= flow.environment.function_environment(handler)

    answers = load_handlers(asset, runtime, handlers, {**environment, **CREDENTIALS})

    assert answers == handlers
    assert len(handlers) == len(list((ROOT / "lambdas").glob("*.py")))


@pytest.mark.long
def test_each_handler_runs_with_only_the_asset_and_boto3(flow: Any, endpoint: str, tmp_path: Path) -> None:
    runtime = link_runtime(tmp_path / "runtime")
    code = flow.environment.function_code("ResolveEntity")
    asset = tmp_path / "asset"
    zipfile.ZipFile(code).extractall(asset)
    user = flow.people.create_user("dana")
    arn = flow.start(user, NotBefore="2026-12-01T12:00:00Z")
    flow.clock.settle()

    def run(function: str, **event: Any) -> Any:
        environment = {
            **flow.environment.function_environment(function), **CREDENTIALS, "AWS_ENDPOINT_URL": endpoint
        }  # fmt: skip
        status, answer = invoke(
            asset, runtime, f"{function}.handler", {**STEP, "ExecutionArn": arn, **event}, environment
        )
        assert status == "response", answer
        return answer

    execution_input = {"OrganizationId": ORGANIZATION_ID, "EntityId": "dana"}
    resolved = run("resolve_entity", Input=execution_input, StartedAt=STEP["Now"], Planned=None)
    assert resolved["Entity"]["Id"] == user
    subject = {
        "OrganizationId": ORGANIZATION_ID,
        "Entity": resolved["Entity"],
        "ServiceEndsAt": resolved["ServiceEndsAt"],
    }
    assert run("check_organization", **subject, DryRun=False)["IsMigrationAdmin"] is False
    planned = run("plan_offboarding", **subject, Request={}, NeverRegistered=False, IsMigrationAdmin=False)
    assert planned["Plan"]["WouldBeRefused"] == []
    step = {"StartedAt": STEP["Now"], "Request": {}, "DateIsAhead": False, "Approval": None, "Evidence": {}}
    recorded = run("record_offboarding", **subject, **step)
    assert recorded["Decision"] == "Deregister"
    deregistration = run("deregister_entity", ServiceEndsAt=resolved["ServiceEndsAt"], RetryCount=0)
    assert deregistration["RetentionEndsAt"] == "2026-12-22T12:00:00.000Z"
    restored = run("register_entity", Input={"ExecutionArn": arn})
    assert restored["Evidence"]["Registered"] is True
    restore_result = run("restore_aliases_and_groups", OffboardingArn=arn, PutBackUntil=restored["PutBackUntil"])
    assert restore_result["Outcome"] == "Restored"
    verdict = run(
        "verify_cleanup",
        **subject,
        Check=1,
        **{key: deregistration[key] for key in ("DeregisteredAt", "RetentionEndsAt", "GiveUpAt", "ServiceEndsFirst")},
    )
    assert verdict["Outcome"] == "Reenabled"


@pytest.mark.long
def test_the_starter_runs_with_only_the_asset_and_boto3(flow: Any, endpoint: str, tmp_path: Path) -> None:
    zipfile.ZipFile(flow.environment.function_code("StartOffboarding")).extractall(tmp_path / "asset")
    valid_event = {
        "source": "workmail.offboarding",
        "detail-type": "Offboarding Requested",
        "time": "2026-11-22T12:00:00Z",
        "detail": {"RequestId": "r-1", "EntityId": flow.people.create_user("dana"), "OrganizationId": ORGANIZATION_ID},
    }
    moment = str(int(flow.clock.now().timestamp() * 1000))
    attributes = {
        "SentTimestamp": moment,
        "ApproximateFirstReceiveTimestamp": moment,
        "ApproximateReceiveCount": "1",
    }
    record = {"receiptHandle": "x", "attributes": attributes, "messageAttributes": {}, "eventSource": "aws:sqs"}
    bodies = [json.dumps(valid_event), "{}"]

    status, answer = invoke(
        tmp_path / "asset",
        link_runtime(tmp_path / "runtime"),
        "start_offboarding.handler",
        {"Records": [{**record, "messageId": f"m-{n}", "body": body} for n, body in enumerate(bodies)]},
        {**flow.environment.function_environment("start_offboarding"), **CREDENTIALS, "AWS_ENDPOINT_URL": endpoint},
    )

    assert (status, answer) == ("response", {"batchItemFailures": []})
    machine = flow.environment.outputs["StateMachineArn"]
    executions = flow.environment.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert len(executions) == 1
    [refused] = flow.environment.client("sqs").receive_message(
        QueueUrl=flow.environment.outputs["EventDeadLetterQueueUrl"], MessageAttributeNames=["All"]
    )["Messages"]
    assert refused["MessageAttributes"]["MessageId"]["StringValue"] == "m-1"


def test_an_error_reaches_lambda_with_its_name(flow: Any, tmp_path: Path) -> None:
    runtime = link_runtime(tmp_path / "runtime")
    zipfile.ZipFile(flow.environment.function_code("ResolveEntity")).extractall(tmp_path / "asset")

    status, answer = invoke(
        tmp_path / "asset",
        runtime,
        "resolve_entity.handler",
        {**STEP, "Input": {}, "StartedAt": STEP["Now"], "Planned": None},
        {**flow.environment.function_environment("resolve_entity"), "AWS_DEFAULT_REGION": "us-east-1"},
    )

    assert status == "error"
    assert answer["errorType"] == "InvalidRequest"
    assert "lacks OrganizationId" in answer["errorMessage"]

"""Each packaged handler alone, as AWS Lambda runs it: a clean interpreter, the asset, boto3, nothing else."""

import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.server.serve import make_http_server
from tests.workflow.runtime_api import invoke, link_runtime, load_each

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


def test_each_handler_can_be_loaded_with_nothing_but_the_asset_and_boto3(flow: Any, tmp_path: Path) -> None:
    runtime, asset = link_runtime(tmp_path / "runtime"), tmp_path / "asset"
    zipfile.ZipFile(flow.environment.function_code("ResolveEntity")).extractall(asset)
    handlers = sorted(path.stem for path in asset.glob("*.py") if "def handler(" in path.read_text())
    environment = {}
    for handler in handlers:
        environment |= flow.environment.function_environment(handler)

    answers = load_each(asset, runtime, handlers, {**environment, **CREDENTIALS})

    assert answers == handlers
    assert len(handlers) == len(list((ROOT / "lambdas").glob("*.py")))


@pytest.mark.long
def test_each_handler_runs_with_nothing_but_the_asset_and_boto3(flow: Any, endpoint: str, tmp_path: Path) -> None:
    runtime = link_runtime(tmp_path / "runtime")
    code = flow.environment.function_code("ResolveEntity")
    asset = tmp_path / "asset"
    zipfile.ZipFile(code).extractall(asset)
    user = flow.people.user("dana")

    def run(function: str, **event: Any) -> Any:
        kind, answer = invoke(
            asset,
            runtime,
            f"{function}.handler",
            {**STEP, **event},
            {
                **flow.environment.function_environment(function),
                **CREDENTIALS,
                "AWS_ENDPOINT_URL": endpoint,
            },
        )
        assert kind == "response", answer
        return answer

    given = {"OrganizationId": ORGANIZATION_ID, "EntityId": "dana"}
    resolved = run("resolve_entity", Input=given, StartedAt=STEP["Now"], Planned=None)
    assert resolved["Entity"]["Id"] == user
    about = {
        "OrganizationId": ORGANIZATION_ID,
        "Entity": resolved["Entity"],
        "ServiceEndsAt": resolved["ServiceEndsAt"],
    }
    assert run("check_organization", **about, DryRun=False)["IsMigrationAdmin"] is False
    planned = run("plan_offboarding", **about, Request={}, NeverRegistered=False, IsMigrationAdmin=False)
    assert planned["Plan"]["WouldBeRefused"] == []
    recorded = run("record_offboarding", **about, StartedAt=STEP["Now"], Request={}, DateIsAhead=False, Approval=None)
    assert recorded["Decision"] == "Deregister"
    dates = run("deregister_entity", **about, ResolvedAt=STEP["Now"], RetryCount=0)
    assert dates["RetentionEndsAt"] == "2026-12-22T12:00:00.000Z"
    restored = run("register_entity", Input={"ExecutionArn": STEP["ExecutionArn"]})
    assert restored["Evidence"]["Registered"] is True
    whole = run("restore_aliases_and_groups", OffboardingArn=STEP["ExecutionArn"])
    assert whole["Outcome"] == "Restored"
    verdict = run(
        "verify_cleanup",
        **about,
        Check=1,
        **{key: dates[key] for key in ("DeregisteredAt", "RetentionEndsAt", "GiveUpAt", "ServiceEndsFirst")},
    )
    assert verdict["Outcome"] == "Reenabled"


@pytest.mark.long
def test_the_starter_runs_with_nothing_but_the_asset_and_boto3(flow: Any, endpoint: str, tmp_path: Path) -> None:
    zipfile.ZipFile(flow.environment.function_code("StartOffboarding")).extractall(tmp_path / "asset")
    good = {
        "source": "workmail.offboarding",
        "detail-type": "Offboarding Requested",
        "time": "2026-11-22T12:00:00Z",
        "detail": {"RequestId": "r-1", "EntityId": flow.people.user("dana"), "OrganizationId": ORGANIZATION_ID},
    }
    record = {"receiptHandle": "x", "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs"}
    bodies = [json.dumps(good), "{}"]

    kind, answer = invoke(
        tmp_path / "asset",
        link_runtime(tmp_path / "runtime"),
        "start_offboarding.handler",
        {"Records": [{**record, "messageId": f"m-{n}", "body": body} for n, body in enumerate(bodies)]},
        {**flow.environment.function_environment("start_offboarding"), **CREDENTIALS, "AWS_ENDPOINT_URL": endpoint},
    )

    assert (kind, answer) == ("response", {"batchItemFailures": []})
    machine = flow.environment.outputs["StateMachineArn"]
    executions = flow.environment.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert len(executions) == 1
    [refused] = flow.environment.client("sqs").receive_message(
        QueueUrl=flow.environment.outputs["EventDeadLetterQueueUrl"], MessageAttributeNames=["All"]
    )["Messages"]
    assert refused["MessageAttributes"]["MessageId"]["StringValue"] == "m-1"


def test_an_error_reaches_lambda_under_its_name(flow: Any, tmp_path: Path) -> None:
    runtime = link_runtime(tmp_path / "runtime")
    zipfile.ZipFile(flow.environment.function_code("ResolveEntity")).extractall(tmp_path / "asset")

    kind, answer = invoke(
        tmp_path / "asset",
        runtime,
        "resolve_entity.handler",
        {**STEP, "Input": {}, "StartedAt": STEP["Now"], "Planned": None},
        {**flow.environment.function_environment("resolve_entity"), "AWS_DEFAULT_REGION": "us-east-1"},
    )

    assert kind == "error"
    assert answer["errorType"] == "InvalidRequest"
    assert "lacks OrganizationId" in answer["errorMessage"]

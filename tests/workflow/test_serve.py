"""`make serve` for real clients: the AWS CLI goes from nothing to CleanupVerified, over HTTP."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest

from local.assembly import assembly
from local.environment import Environment
from local.people import People
from local.serve import server
from local.settings import MAIL_DOMAIN, OFFBOARDING, ORGANIZATION_ID

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def here() -> Iterator[str]:
    """The address of a server of this process, for what needs no other process to be believed."""
    with Environment(assembly(OFFBOARDING)) as environment:
        http = server(environment, 0)
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.port}"
        http.shutdown()
        http.server_close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of `make serve`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "serve", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found, process.poll()
    yield found.group()
    process.terminate()
    process.wait(timeout=20)
    process.stdout.close()


def http(url: str, body: bytes | None = None, method: str | None = None) -> tuple[int, Any]:
    try:
        with urlopen(Request(url, data=body, method=method)) as answer:  # noqa: S310 (the address is the loopback)
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


class Cli:
    def __init__(self, url: str) -> None:
        self._environment = {
            "PATH": os.defpath,
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_PAGER": "",
            "AWS_DEFAULT_OUTPUT": "json",
        }

    def __call__(self, *arguments: str) -> Any:
        aws = Path(sys.executable).with_name("aws")
        done = subprocess.run([sys.executable, str(aws), *arguments], env=self._environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout or b"null")


def test_the_aws_cli_goes_from_nothing_to_cleanup_verified(url: str) -> None:
    aws = Cli(url)
    organization = ("--organization-id", ORGANIZATION_ID)
    address = f"alice@{MAIL_DOMAIN}"
    user = aws("workmail", "create-user", *organization, "--name", "alice", "--display-name", "Alice")["UserId"]
    aws("workmail", "register-to-work-mail", *organization, "--entity-id", user, "--email", address)
    machine = http(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]

    request = json.dumps({"OrganizationId": ORGANIZATION_ID, "EntityId": address})
    started = aws("stepfunctions", "start-execution", "--state-machine-arn", machine, "--input", request)
    execution = ("--execution-arn", started["executionArn"])
    before = http(f"{url}/local/clock")[1]["Now"]
    status, moved = http(f"{url}/local/clock", b'{"advance": "P31D"}')

    assert status == 200
    assert moved["Before"] >= before
    last = aws("stepfunctions", "get-execution-history", *execution)["events"][-1]
    assert last["type"] == "ExecutionSucceeded"
    assert json.loads(last["executionSucceededEventDetails"]["output"])["Outcome"] == "CleanupVerified"


def test_faults_affect_the_stack_until_they_are_deleted_and_never_the_client(url: str) -> None:
    aws = Cli(url)
    machine = http(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]
    user = People(boto3.client("workmail", "us-east-1", endpoint_url=url)).user("frank")
    steps = boto3.client("stepfunctions", "us-east-1", endpoint_url=url)
    request = json.dumps({"OrganizationId": ORGANIZATION_ID, "EntityId": user, "DryRun": True})

    def error_of_a_run() -> str | None:
        started = steps.start_execution(stateMachineArn=machine, input=request)
        http(f"{url}/local/clock", b'{"advance": "PT1H"}')
        return steps.describe_execution(executionArn=started["executionArn"]).get("error")

    fault = {"service": "workmail", "operation": "DescribeUser", "error": "ThrottlingException"}
    status, armed = http(f"{url}/local/faults", json.dumps([fault]).encode())
    assert (status, armed) == (200, {"Faults": [{**fault, "Happened": 0}]})
    assert error_of_a_run() == "WorkMailUnavailable"
    assert http(f"{url}/local/faults")[1]["Faults"][0]["Happened"] == 15
    shown = aws("workmail", "describe-user", "--organization-id", ORGANIZATION_ID, "--user-id", user)
    assert shown["State"] == "ENABLED"

    assert http(f"{url}/local/faults", method="DELETE") == (200, {"Faults": []})
    assert error_of_a_run() is None


@pytest.mark.long
def test_an_organization_created_by_the_cli_is_active_and_refused_by_the_workflow(url: str) -> None:
    aws = Cli(url)
    made = aws("workmail", "create-organization", "--alias", "other-corp")["OrganizationId"]
    assert aws("workmail", "describe-organization", "--organization-id", made)["State"] == "Active"
    machine = http(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]
    request = json.dumps({"OrganizationId": made, "EntityId": "alice"})
    started = aws("stepfunctions", "start-execution", "--state-machine-arn", machine, "--input", request)
    http(f"{url}/local/clock", b'{"advance": "PT1M"}')

    done = aws("stepfunctions", "describe-execution", "--execution-arn", started["executionArn"])
    assert done["error"] == "InvalidRequest"


@pytest.mark.long
def test_an_event_that_the_cli_puts_starts_an_execution(url: str) -> None:
    aws = Cli(url)
    organization = ("--organization-id", ORGANIZATION_ID)
    address = f"erin@{MAIL_DOMAIN}"
    user = aws("workmail", "create-user", *organization, "--name", "erin", "--display-name", "Erin")["UserId"]
    aws("workmail", "register-to-work-mail", *organization, "--entity-id", user, "--email", address)
    machine = http(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]
    entry = {
        "Source": "workmail.offboarding",
        "DetailType": "Offboarding Requested",
        "Detail": json.dumps({"RequestId": "r-1", "EntityId": address}),
    }

    aws("events", "put-events", "--entries", json.dumps([entry]))
    http(f"{url}/local/clock", b'{"advance": "PT1S"}')

    running = aws("stepfunctions", "list-executions", "--state-machine-arn", machine, "--status-filter", "RUNNING")
    assert [item["name"] for item in running["executions"] if user in item["name"]]


@pytest.mark.parametrize("duration", ["P1M", "PT1.5H", "P2W", "P1DT2H3M4S", "PT0S"])
def test_the_clock_accepts_iso_8601_durations(here: str, duration: str) -> None:
    status, moved = http(f"{here}/local/clock", json.dumps({"advance": duration}).encode())

    assert status == 200
    assert (moved["Now"] > moved["Before"]) is (duration != "PT0S")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"advance": "30 days"}', b'{"advance": 30}', b'{"advance": "-P1D"}',
             b'{"advance": "P1D", "to": 1}', b'{"advance": "P99999999Y"}']
)  # fmt: skip
def test_an_invalid_advance_of_the_clock_is_refused(here: str, body: bytes) -> None:
    before = http(f"{here}/local/clock")[1]["Now"]

    status, answer = http(f"{here}/local/clock", body)

    assert status == 400
    assert "P30D" in answer["Error"]
    assert http(f"{here}/local/clock")[1]["Now"] == before


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The faults are not JSON"),
        (b"{}", "a JSON list of objects"),
        (b'[{"service": "workmail"}]', "Fault 1: the fault lacks operation."),
        (b'[{"service": "workmail", "operation": "DescribeUsers", "error": "Timeout"}]', "did you mean DescribeUser?"),
    ],
)
def test_an_invalid_fault_is_refused_with_the_expected_form(here: str, body: bytes, sentence: str) -> None:
    status, answer = http(f"{here}/local/faults", body)

    assert status == 400
    assert sentence in answer["Error"]
    assert "afterEffect" in answer["Error"]
    assert http(f"{here}/local/faults")[1] == {"Faults": []}


def test_the_behaviour_can_be_read_and_each_switch_changed(here: str) -> None:
    status, told = http(f"{here}/local/behaviour")
    assert status == 200
    assert told["Answers"]["email_of_disabled"] == ["present", "absent"]

    status, changed = http(f"{here}/local/behaviour", b'{"email_of_disabled": "absent"}')

    assert (status, changed["Behaviour"]) == (200, {**told["Behaviour"], "email_of_disabled": "absent"})
    status, refused = http(f"{here}/local/behaviour", b'{"email_of_disabled": "hidden"}')
    assert (status, "must be one of present, absent" in refused["Error"]) == (400, True)
    http(f"{here}/local/behaviour", json.dumps(told["Behaviour"]).encode())


def test_an_unknown_local_path_lists_the_known_paths(here: str) -> None:
    status, answer = http(f"{here}/local/clocks")

    assert status == 404
    assert "POST /local/clock" in answer


def documented(phrase: str, **filled: str) -> str:
    """Return the block of commands of the operators' page that has a phrase, with its placeholders filled in."""
    page = (ROOT / "docs" / "operate.md").read_text()
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", page, re.S) if phrase in block]
    for placeholder, value in {"m-…": ORGANIZATION_ID, **filled}.items():
        block = block.replace(placeholder, value)
    return block


def shell(url: str, commands: str) -> str:
    """Run documented commands as they stand, with the variables that the page takes from the stack's outputs."""
    outputs = http(f"{url}/local/stack")[1]["Outputs"]
    cli = Cli(url)
    environment = {
        **cli._environment,
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "STATE_MACHINE": outputs["StateMachineArn"],
        "APPROVAL_STATE_MACHINE": outputs["ApprovalStateMachineArn"],
        "RESTORE_STATE_MACHINE": outputs["RestoreStateMachineArn"],
        "RECORDS_TABLE": outputs["RecordsTableName"],
    }
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # Long enough for what Step Functions tells of ends to be heard.
    http(f"{url}/local/clock", b'{"advance": "PT2M"}')
    return done.stdout


@pytest.mark.long
def test_the_documented_commands_plan_approve_reject_list_and_restore(url: str) -> None:
    aws = Cli(url)
    for name in ("carol", "carl", "cora"):
        user = aws("workmail", "create-user", "--organization-id", ORGANIZATION_ID, "--name", name,
                   "--display-name", name)["UserId"]  # fmt: skip
        aws("workmail", "register-to-work-mail", "--organization-id", ORGANIZATION_ID, "--entity-id", user,
            "--email", f"{name}@{MAIL_DOMAIN}")  # fmt: skip
    [parameter] = aws("ssm", "describe-parameters", "--filters", "Key=Type,Values=String")["Parameters"][-1:]
    policy = json.loads(aws("ssm", "get-parameter", "--name", parameter["Name"])["Parameter"]["Value"])
    policy["Organizations"][ORGANIZATION_ID]["ApprovalRequired"] = ["c*"]
    aws("ssm", "put-parameter", "--name", parameter["Name"], "--overwrite", "--value", json.dumps(policy))

    def outcome(started: str) -> str:
        done = aws("stepfunctions", "describe-execution", "--execution-arn", json.loads(started)["executionArn"])
        return json.loads(done["output"])["Outcome"] if "output" in done else done["error"]

    planned = shell(url, documented('"DryRun": true', **{"alice@example.com": f"carol@{MAIL_DOMAIN}"}))
    assert outcome(planned) == "Planned"
    start = documented("get-execution-history", **{"alice@example.com": f"carol@{MAIL_DOMAIN}"}).partition("\naws")[0]
    carol = json.loads(shell(url, start))["executionArn"]
    waiting = shell(url, documented("Items[].[Id.S, Entity.M.Name.S"))
    assert waiting.split()[:2] == [carol, "carol"]

    decided = shell(url, documented('"Decision": "Approved"', **{"arn:aws:states:…": carol}))
    assert outcome(decided) == "Decided"
    window = shell(url, documented("Items[].[DueAt.S"))
    assert f"InWindow\tcarol@{MAIL_DOMAIN}\t{carol}" in window
    month = documented("begins_with(StartedAt", **{"2027-03": http(f"{url}/local/clock")[1]["Now"][:7]})
    assert carol in shell(url, month)

    for name in ("carl", "cora"):
        shell(url, start.replace(f"carol@{MAIL_DOMAIN}", name))
    shell(url, documented('\\"Decision\\": \\"Rejected\\"'))
    assert shell(url, documented("Items[].[Id.S, Entity.M.Name.S")).strip() in {"", "None"}

    both = {"alice@example.com": f"carol@{MAIL_DOMAIN}", "arn:aws:states:…": carol}
    by_entity, _, by_execution = documented('"Reason": "comes back"', **both).partition("\naws")
    assert outcome(shell(url, by_entity)) == "Restored"
    assert outcome(shell(url, f"aws{by_execution}")) == "Restored"

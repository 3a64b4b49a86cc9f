"""`make serve` with real clients: the AWS CLI completes an offboarding over HTTP."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from click.testing import CliRunner

from local.__main__ import main
from local.cdk.assembly import assembly
from local.defaults import IDENTITY_STORE_ID, MAIL_DOMAIN, OFFBOARDING, ORGANIZATION_ID
from local.environment import Environment
from local.organization import OrganizationBuilder
from local.server.serve import make_http_server
from operate.account import Account
from operate.command import offboarding
from tests.serving import run_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def in_process_url() -> Iterator[str]:
    """The address of a server in this process, for tests that need no separate process."""
    with Environment(assembly(OFFBOARDING)) as environment:
        http_server = make_http_server(environment, 0)
        thread = threading.Thread(target=http_server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http_server.port}"
        http_server.shutdown()
        http_server.server_close()


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make serve` prints beside its output."""
    return tmp_path_factory.mktemp("serve") / "stderr"


@pytest.fixture(scope="module")
def url(terminal: Path) -> Iterator[str]:
    """The address of `make serve`."""
    with run_server(terminal, "--lambda-concurrency", "900") as address:
        yield address


def request_json(url: str, body: bytes | None = None, method: str | None = None) -> tuple[int, Any]:
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
        completed = subprocess.run([sys.executable, str(aws), *arguments], env=self._environment, capture_output=True)
        assert completed.returncode == 0, completed.stderr.decode()
        return json.loads(completed.stdout or b"null")


def create_user(aws: Cli, name: str) -> tuple[str, str]:
    """Create a user with a mailbox; return the id and the address."""
    organization, address = ("--organization-id", ORGANIZATION_ID), f"{name}@{MAIL_DOMAIN}"
    user = aws("workmail", "create-user", *organization, "--name", name, "--display-name", name)["UserId"]
    aws("workmail", "register-to-work-mail", *organization, "--entity-id", user, "--email", address)
    return user, address


def test_the_aws_cli_completes_an_offboarding(url: str) -> None:
    aws = Cli(url)
    _, address = create_user(aws, "alice")
    machine = request_json(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]

    request = json.dumps({"OrganizationId": ORGANIZATION_ID, "EntityId": address})
    started = aws("stepfunctions", "start-execution", "--state-machine-arn", machine, "--input", request)
    execution = ("--execution-arn", started["executionArn"])
    time_before = request_json(f"{url}/local/clock")[1]["Now"]
    status, answer = request_json(f"{url}/local/clock", b'{"advance": "P31D"}')

    assert status == 200
    assert answer["Before"] >= time_before
    last = aws("stepfunctions", "get-execution-history", *execution)["events"][-1]
    assert last["type"] == "ExecutionSucceeded"
    assert json.loads(last["executionSucceededEventDetails"]["output"])["Outcome"] == "CleanupVerified"


def test_the_server_says_what_it_does_while_it_starts(url: str, terminal: Path) -> None:
    assert url
    assert re.findall(r"^(\w+).* …$", terminal.read_text(), re.M) == ["Synthesizing", "Starting", "Deploying"]
    assert "Traceback" not in terminal.read_text()


@pytest.mark.long
def test_the_settings_of_a_file_hold(tmp_path: Path) -> None:
    organization_id, domain = "m-" + "e" * 32, "acme.example"
    offboarding = {
        "organizations": [{"id": organization_id, "mailDomains": [domain], "protected": ["boss*"]}],
        "dailyCap": 0,
        "identityProviders": {"offboardingRequested": {}},
    }
    settings = tmp_path / "cdk.json"
    settings.write_text(json.dumps({"context": {"offboarding": offboarding}}))
    with run_server(tmp_path / "stderr", "--settings", str(settings)) as url:
        machine = request_json(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]
        builder = OrganizationBuilder(
            boto3.client("workmail", "us-east-1", endpoint_url=url), organization_id, domain
        )  # fmt: skip
        users = {name: builder.create_user(name) for name in ("bossy", "eve")}
        steps = boto3.client("stepfunctions", "us-east-1", endpoint_url=url)
        request = {"OrganizationId": organization_id, "EntityId": users["bossy"]}
        refused = steps.start_execution(stateMachineArn=machine, input=json.dumps(request))["executionArn"]
        detail = json.dumps({"RequestId": "r-1", "EntityId": f"eve@{domain}"})
        entry = {"Source": "workmail.offboarding", "DetailType": "Offboarding Requested", "Detail": detail}
        boto3.client("events", "us-east-1", endpoint_url=url).put_events(Entries=[entry])
        request_json(f"{url}/local/clock", b'{"advance": "PT1H"}')
        [waiting] = steps.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        history = steps.get_execution_history(executionArn=waiting["executionArn"])["events"]

        assert steps.describe_execution(executionArn=refused)["error"] == "EntityProtected"
        assert "AwaitApproval" in str(history)


def test_the_urls_of_queues_have_the_servers_address(in_process_url: str) -> None:
    queues = boto3.client("sqs", "us-east-1", endpoint_url=in_process_url)
    stacks = boto3.client("cloudformation", "us-east-1", endpoint_url=in_process_url).describe_stacks()["Stacks"]
    outputs = request_json(f"{in_process_url}/local/stack")[1]["Outputs"]

    assert {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]} == outputs
    assert outputs["EventQueueUrl"].startswith(f"{in_process_url}/123456789012/")
    assert outputs["EventQueueUrl"] in queues.list_queues()["QueueUrls"]
    # The address in the URL is enough for a client that has no endpoint of its own, such as curl.
    request = Request(  # noqa: S310 (the address is the loopback)
        outputs["EventDeadLetterQueueUrl"],
        data=b"Action=GetQueueAttributes&Version=2012-11-05",
        headers={"Authorization": "AWS4-HMAC-SHA256 Credential=a/20270101/us-east-1/sqs/aws4_request"},
    )
    with urlopen(request) as answer:  # noqa: S310 (the address is the loopback)
        assert answer.status == 200


def test_faults_affect_the_stack_until_they_are_deleted_and_never_the_client(url: str) -> None:
    aws = Cli(url)
    machine = request_json(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]
    user = OrganizationBuilder(boto3.client("workmail", "us-east-1", endpoint_url=url)).create_user("frank")
    steps = boto3.client("stepfunctions", "us-east-1", endpoint_url=url)
    request = json.dumps({"OrganizationId": ORGANIZATION_ID, "EntityId": user, "DryRun": True})

    def run_and_read_error() -> str | None:
        started = steps.start_execution(stateMachineArn=machine, input=request)
        request_json(f"{url}/local/clock", b'{"advance": "PT17H"}')
        return steps.describe_execution(executionArn=started["executionArn"]).get("error")

    fault = {"service": "workmail", "operation": "DescribeUser", "error": "ThrottlingException"}
    status, added = request_json(f"{url}/local/faults", json.dumps([fault]).encode())
    assert (status, added) == (200, {"Faults": [{**fault, "Happened": 0}]})
    assert run_and_read_error() == "WorkMailUnavailable"
    assert request_json(f"{url}/local/faults")[1]["Faults"][0]["Happened"] == 73
    description = aws("workmail", "describe-user", "--organization-id", ORGANIZATION_ID, "--user-id", user)
    assert description["State"] == "ENABLED"

    assert request_json(f"{url}/local/faults", method="DELETE") == (200, {"Faults": []})
    assert run_and_read_error() is None


@pytest.mark.long
def test_an_organization_created_by_the_cli_is_active_and_refused_by_the_workflow(url: str) -> None:
    aws = Cli(url)
    organization_id = aws("workmail", "create-organization", "--alias", "other-corp")["OrganizationId"]
    assert aws("workmail", "describe-organization", "--organization-id", organization_id)["State"] == "Active"
    machine = request_json(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]
    request = json.dumps({"OrganizationId": organization_id, "EntityId": "alice"})
    started = aws("stepfunctions", "start-execution", "--state-machine-arn", machine, "--input", request)
    request_json(f"{url}/local/clock", b'{"advance": "PT1M"}')

    completed = aws("stepfunctions", "describe-execution", "--execution-arn", started["executionArn"])
    assert completed["error"] == "InvalidRequest"


@pytest.mark.long
def test_quotas_can_be_given_on_the_command_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    behaviour = request_json(f"{url}/local/behaviour")[1]["Behaviour"]
    assert (behaviour["lambda_concurrency"], behaviour["get_parameter_per_second"]) == (900, None)

    with pytest.raises(SystemExit):
        main(["serve", "--lambda-concurrency", "0"])

    assert "lambda_concurrency must be a whole number from 1 on" in capsys.readouterr().err


def test_an_event_that_the_cli_puts_starts_an_execution(url: str) -> None:
    aws = Cli(url)
    user, address = create_user(aws, "erin")
    machine = request_json(f"{url}/local/stack")[1]["Outputs"]["StateMachineArn"]
    entry = {
        "Source": "workmail.offboarding",
        "DetailType": "Offboarding Requested",
        "Detail": json.dumps({"RequestId": "r-1", "EntityId": address}),
    }

    aws("events", "put-events", "--entries", json.dumps([entry]))
    request_json(f"{url}/local/clock", b'{"advance": "PT1S"}')

    running = aws("stepfunctions", "list-executions", "--state-machine-arn", machine, "--status-filter", "RUNNING")
    assert [item["name"] for item in running["executions"] if user in item["name"]]


@pytest.mark.parametrize("duration", ["P1M", "PT1.5H", "P2W", "P1DT2H3M4S", "PT0S"])
def test_the_clock_accepts_iso_8601_durations(in_process_url: str, duration: str) -> None:
    status, answer = request_json(f"{in_process_url}/local/clock", json.dumps({"advance": duration}).encode())

    assert status == 200
    assert (answer["Now"] > answer["Before"]) is (duration != "PT0S")


def test_the_command_offboarding_exports_records_and_waits_on_the_clock(
    in_process_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", in_process_url)
    _, clock = request_json(f"{in_process_url}/local/clock")
    Account().pause(90)
    _, later_clock = request_json(f"{in_process_url}/local/clock")
    result = CliRunner().invoke(offboarding, ["records", "export", "-"])

    duration = datetime.fromisoformat(later_clock["Now"]) - datetime.fromisoformat(clock["Now"])
    assert duration == timedelta(seconds=90)
    assert result.exit_code == 0, result.output
    assert [*json.loads(result.stdout.splitlines()[-1])] == ["Footer"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"advance": "30 days"}', b'{"advance": 30}', b'{"advance": "-P1D"}',
             b'{"advance": "P1D", "to": 1}', b'{"advance": "P99999999Y"}']
)  # fmt: skip
def test_an_invalid_advance_of_the_clock_is_refused(in_process_url: str, body: bytes) -> None:
    time_before = request_json(f"{in_process_url}/local/clock")[1]["Now"]

    status, answer = request_json(f"{in_process_url}/local/clock", body)

    assert status == 400
    assert "P30D" in answer["Error"]
    assert request_json(f"{in_process_url}/local/clock")[1]["Now"] == time_before


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The faults are not JSON"),
        (b"{}", "a JSON list of objects"),
        (b'[{"service": "workmail"}]', "Fault 1: the fault lacks operation."),
        (b'[{"service": "workmail", "operation": "DescribeUsers", "error": "Timeout"}]', "did you mean DescribeUser?"),
        (b'[{"service": "lambda", "operation": "ResolveEntities", "latency": 1}]', ", ResolveEntity, "),
    ],
)
def test_an_invalid_fault_is_refused_with_the_expected_form(in_process_url: str, body: bytes, sentence: str) -> None:
    status, answer = request_json(f"{in_process_url}/local/faults", body)

    assert status == 400
    assert sentence in answer["Error"]
    assert "afterEffect" in answer["Error"]
    assert request_json(f"{in_process_url}/local/faults")[1] == {"Faults": []}


def test_the_behaviour_can_be_read_and_each_switch_changed(in_process_url: str) -> None:
    status, current = request_json(f"{in_process_url}/local/behaviour")
    assert status == 200
    assert current["Answers"]["email_of_disabled"] == ["present", "absent"]

    status, changed = request_json(f"{in_process_url}/local/behaviour", b'{"email_of_disabled": "absent"}')

    assert (status, changed["Behaviour"]) == (200, {**current["Behaviour"], "email_of_disabled": "absent"})
    assert request_json(f"{in_process_url}/local/behaviour", b'{"lambda_concurrency": 3}')[0] == 200
    assert request_json(f"{in_process_url}/local/behaviour")[1]["Behaviour"]["lambda_concurrency"] == 3
    status, refused = request_json(f"{in_process_url}/local/behaviour", b'{"email_of_disabled": "hidden"}')
    assert (status, "must be one of present, absent" in refused["Error"]) == (400, True)
    request_json(f"{in_process_url}/local/behaviour", json.dumps(current["Behaviour"]).encode())


def test_a_status_of_the_identity_store_can_be_set_and_is_answered_to_clients(in_process_url: str) -> None:
    route, user = f"{in_process_url}/local/identity-store", "94482488-3041-7097-2d41-0242ac120002"
    assert request_json(route) == (200, {"Users": []})

    status, answer = request_json(route, json.dumps({"UserId": user, "UserStatus": "DISABLED"}).encode())

    [user_entry] = answer["Users"]
    assert (status, user_entry["UserId"], user_entry["UserStatus"]) == (200, user, "DISABLED")
    assert user_entry["IdentityStoreId"] == IDENTITY_STORE_ID
    assert request_json(route) == (200, answer)
    client = boto3.client("identitystore", "us-east-1", endpoint_url=in_process_url)
    described = client.describe_user(IdentityStoreId=IDENTITY_STORE_ID, UserId=user)
    assert described["UserStatus"] == "DISABLED"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The body is not JSON."),
        (b"[]", "The members are IdentityStoreId, UserId, UserStatus."),
        (b'{"UserId": "dana", "UserStatus": "DISABLED"}', "UserId must be the id of a user in an identity store."),
        (b'{"UserStatus": "DISABLED"}', "UserId must be the id of a user in an identity store."),
        (b'{"UserId": "94482488-3041-7097-2d41-0242ac120002"}', "UserStatus must be one of ENABLED, DISABLED"),
        (b'{"UserId": "94482488-3041-7097-2d41-0242ac120002", "UserStatus": "DISABLED", "Name": "dana"}',
         "The members are"),
        (b'{"UserId": "94482488-3041-7097-2d41-0242ac120002", "UserStatus": "DISABLED", "IdentityStoreId": 7}',
         "IdentityStoreId must be a text."),
    ],
)  # fmt: skip
def test_an_invalid_status_is_refused_with_the_expected_form(in_process_url: str, body: bytes, sentence: str) -> None:
    users = request_json(f"{in_process_url}/local/identity-store")

    status, answer = request_json(f"{in_process_url}/local/identity-store", body)

    assert status == 400
    assert sentence in answer["Error"]
    assert '"UserStatus": "DISABLED"' in answer["Error"]
    assert request_json(f"{in_process_url}/local/identity-store") == users


def test_an_unknown_local_path_lists_the_known_paths(in_process_url: str) -> None:
    status, answer = request_json(f"{in_process_url}/local/clocks")

    assert status == 404
    assert "POST /local/clock" in answer


def read_documented_commands(phrase: str, **filled: str) -> str:
    """Return the block of commands in `docs/reference.md` that contains a phrase, with its placeholders filled in."""
    page = (ROOT / "docs" / "reference.md").read_text()
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", page, re.S) if phrase in block]
    for placeholder, value in {"m-…": ORGANIZATION_ID, **filled}.items():
        block = block.replace(placeholder, value)
    return block


def run_documented(url: str, commands: str) -> str:
    """Run documented commands unchanged, with the variables that the page takes from the stack's outputs."""
    outputs = request_json(f"{url}/local/stack")[1]["Outputs"]
    cli = Cli(url)
    environment = {
        **cli._environment,
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "STATE_MACHINE": outputs["StateMachineArn"],
        "APPROVAL_STATE_MACHINE": outputs["ApprovalStateMachineArn"],
        "RESTORE_STATE_MACHINE": outputs["RestoreStateMachineArn"],
        "RECORDS_TABLE": outputs["RecordsTableName"],
    }
    completed = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands], env=environment, capture_output=True, text=True
    )
    assert completed.returncode == 0, completed.stderr
    # Long enough for the status events of Step Functions to be processed.
    request_json(f"{url}/local/clock", b'{"advance": "PT2M"}')
    return completed.stdout


@pytest.mark.long
def test_the_documented_commands_plan_approve_reject_list_and_restore(url: str) -> None:
    aws = Cli(url)
    for name in ("carol", "carl", "cora"):
        create_user(aws, name)
    name = f"/workmail-offboarding/organizations/{ORGANIZATION_ID}"
    policy = json.loads(aws("ssm", "get-parameter", "--name", name)["Parameter"]["Value"])
    policy["ApprovalRequired"] = ["c*"]
    aws("ssm", "put-parameter", "--name", name, "--overwrite", "--value", json.dumps(policy))

    def outcome(started: str) -> str:
        completed = aws("stepfunctions", "describe-execution", "--execution-arn", json.loads(started)["executionArn"])
        return json.loads(completed["output"])["Outcome"] if "output" in completed else completed["error"]

    plan = run_documented(
        url, read_documented_commands('"DryRun": true', **{"alice@example.com": f"carol@{MAIL_DOMAIN}"})
    )
    assert outcome(plan) == "Planned"
    start = read_documented_commands(
        "get-execution-history", **{"alice@example.com": f"carol@{MAIL_DOMAIN}"}
    ).partition("\naws")[0]
    carol = json.loads(run_documented(url, start))["executionArn"]
    waiting = run_documented(url, read_documented_commands("Items[].[Id.S, Entity.M.Name.S"))
    assert waiting.split()[:2] == [carol, "carol"]

    decision = run_documented(url, read_documented_commands('"Decision": "Approved"', **{"arn:aws:states:…": carol}))
    assert outcome(decision) == "Decided"
    window = run_documented(url, read_documented_commands("Items[].[DueAt.S"))
    assert f"InWindow\tNone\tcarol@{MAIL_DOMAIN}\t{carol}" in window
    month = read_documented_commands(
        "EntityEmail.S || Identifier.S", **{"2027-03": request_json(f"{url}/local/clock")[1]["Now"][:7]}
    )
    assert carol in run_documented(url, month)

    for name in ("carl", "cora"):
        run_documented(url, start.replace(f"carol@{MAIL_DOMAIN}", name))
    run_documented(url, "offboarding reject --all --because approvalRequired --reason 'false alarm' --yes")
    assert run_documented(url, read_documented_commands("Items[].[Id.S, Entity.M.Name.S")).strip() in {"", "None"}

    placeholders = {"alice@example.com": f"carol@{MAIL_DOMAIN}", "arn:aws:states:…": carol}
    by_entity, _, by_execution = read_documented_commands('"Reason": "comes back"', **placeholders).partition("\naws")
    assert outcome(run_documented(url, by_entity)) == "Restored"
    # A complete restore is not repeated.
    assert outcome(run_documented(url, f"aws{by_execution}")) == "RestoreRefused"

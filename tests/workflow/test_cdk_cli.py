"""The CDK CLI of the lock, against `make serve EMPTY=yes`, as a team rehearses a deployment.

It needs Node's packages, which `make check` and `make deploy` install, and works on a copy of the checkout.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest

from local.defaults import OFFBOARDING, ORGANIZATION_ID
from local.organization import OrganizationBuilder

ROOT = Path(__file__).parents[2]
CLI = Path("node_modules", ".bin", "cdk")
COPIED_FILES = ("app.py", "cdk.json", "Makefile", "package.json", "package-lock.json", "pyproject.toml", "uv.lock")
COPIED_FOLDERS = ("lambdas", "local", "operate", "stacks", "statemachine", "tools")
# The packages are links: make must not install any through them.
INSTALLED = ("-o", ".venv/.synced", "-o", "node_modules/.synced")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (ROOT / CLI).exists(), reason="The CDK CLI is not installed. make check installs it."),
]


@dataclass
class Rehearsal:
    """A copy of the checkout, and the embedded AWS that serves it.

    Attributes
    ----------
    checkout
        The copy.
    url
        The server's address.
    """

    checkout: Path
    url: str

    def run(self, *command: str | Path, status: int = 0) -> str:
        """Run a command in the copy; return what it prints, without colors and with single spaces."""
        environment = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "HOME": os.environ.get("HOME", str(self.checkout)),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # Nobody is there to answer, and nothing but the server is asked.
            "CDK_REQUIRE_APPROVAL": "never",
            "CDK_NOTICES": "false",
            "CDK_DISABLE_VERSION_CHECK": "1",
            "CDK_HOME": str(self.checkout / "home"),
            "NO_COLOR": "1",
        }
        completed = subprocess.run(
            command, cwd=self.checkout, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        output = completed.stdout + completed.stderr
        assert completed.returncode == status, output
        return " ".join(output.split())

    def make(self, *target: str, status: int = 0) -> str:
        """Run a target of the Makefile, with its variables."""
        planned = self.run("make", "-n", *INSTALLED, *target)
        assert re.search(r"npm |uv sync|pip ", planned) is None, planned
        return self.run("make", *INSTALLED, *target, status=status)

    def request(self, path: str, body: bytes | None = None) -> Any:
        with urlopen(Request(f"{self.url}{path}", data=body)) as answer:  # noqa: S310 (the address is the loopback)
            return json.load(answer)

    def offboard(self, user: str) -> str:
        """Start an offboarding, and let a day pass, so that it is in its window; return its ARN."""
        machine = self.request("/local/stack")["Outputs"]["StateMachineArn"]
        request = json.dumps({"OrganizationId": ORGANIZATION_ID, "EntityId": user})
        execution = self.client("stepfunctions").start_execution(stateMachineArn=machine, input=request)
        self.request("/local/clock", b'{"advance": "P1D"}')
        return str(execution["executionArn"])

    def client(self, service: str) -> Any:
        return boto3.client(service, "us-east-1", endpoint_url=self.url)

    def change(self, file: str, edit: Callable[[str], str]) -> None:
        path = self.checkout / file
        path.write_text(edit(path.read_text()))

    def change_settings(self, **settings: Any) -> None:
        def merge(text: str) -> str:
            content = json.loads(text)
            content["context"]["offboarding"].update(settings)
            return json.dumps(content)

        self.change("cdk.json", merge)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    checkout = tmp_path / "checkout"
    (checkout / ".cache").mkdir(parents=True)
    for name in COPIED_FILES:
        shutil.copy2(ROOT / name, checkout / name)
    for name in COPIED_FOLDERS:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    for name, target in ((".venv", Path(sys.prefix)), ("node_modules", ROOT / "node_modules")):
        (checkout / name).symlink_to(target)
    if (ROOT / ".cache" / "wheels").is_dir():
        (checkout / ".cache" / "wheels").symlink_to(ROOT / ".cache" / "wheels")
    result = Rehearsal(checkout, "")
    result.change_settings(**OFFBOARDING)
    with (tmp_path / "terminal").open("w") as terminal, subprocess.Popen(
        [sys.executable, "-m", "local", "serve", "--port", "0", "--settings", "cdk.json", "--empty"],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address, (tmp_path / "terminal").read_text()
        result.url = address.group()
        yield result
        process.terminate()
        process.wait(timeout=20)
    assert (tmp_path / "terminal").read_text() == "Starting the embedded AWS …\n"


def test_a_stack_is_deployed_updated_while_an_execution_waits_and_destroyed(rehearsal: Rehearsal) -> None:
    deployed = rehearsal.make("deploy")
    assert "Account 123456789012, Region us-east-1." in deployed
    assert "CREATE_COMPLETE | AWS::CloudFormation::Stack | workmail-offboarding" in deployed
    outputs = rehearsal.request("/local/stack")["Outputs"]
    assert f"workmail-offboarding.StateMachineArn = {outputs['StateMachineArn']}" in deployed
    assert "There were no differences" in rehearsal.make("diff")

    user = OrganizationBuilder(rehearsal.client("workmail")).create_user("alice")
    steps, functions = rehearsal.client("stepfunctions"), rehearsal.client("lambda")
    waiting = rehearsal.offboard(user)

    rehearsal.change("lambdas/verify_cleanup.py", lambda text: f"{text}\nLATER = True\n")
    rehearsal.change_settings(dailyCap=7)
    assert "UPDATE_COMPLETE | AWS::CloudFormation::Stack | workmail-offboarding" in rehearsal.make("deploy")
    parameter = f"/workmail-offboarding/organizations/{ORGANIZATION_ID}"
    assert '"DailyCap":7' in rehearsal.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    [name] = [
        function["FunctionName"]
        for function in functions.list_functions()["Functions"]
        if function["Handler"] == "verify_cleanup.handler"
    ]
    versions = functions.list_versions_by_function(FunctionName=name)["Versions"]
    assert len({version["CodeSha256"] for version in versions if version["Version"] != "$LATEST"}) == 2

    rehearsal.request("/local/clock", b'{"advance": "P31D"}')
    ended = steps.describe_execution(executionArn=waiting)
    assert json.loads(ended["output"])["Outcome"] == "CleanupVerified"

    protected = rehearsal.run(CLI, "destroy", "--force", "--app", "cdk.out", status=1)
    assert "cannot be deleted while TerminationProtection is enabled" in protected
    rehearsal.client("cloudformation").update_termination_protection(
        StackName="workmail-offboarding", EnableTerminationProtection=False
    )
    assert "workmail-offboarding: destroyed" in rehearsal.run(CLI, "destroy", "--force")
    assert rehearsal.request("/local/stack")["Outputs"] == {}
    assert steps.list_state_machines()["stateMachines"] == []
    assert outputs["RecordsTableName"] in rehearsal.client("dynamodb").list_tables()["TableNames"]


def test_a_bootstrap_is_repeated_and_a_stack_is_deployed_after_it(rehearsal: Rehearsal) -> None:
    for repetition in ("bootstrapped.", "bootstrapped (no changes)."):
        repeated = rehearsal.make("bootstrap")
        assert f"Environment aws://123456789012/us-east-1 {repetition}" in repeated
        assert "Trusted accounts for deployment: (none)" in repeated
    assert rehearsal.request("/local/stack")["Outputs"] == {}

    policy = "arn:aws:iam::123456789012:policy/workmail-offboarding-deployment"
    assert f"Execution policies: {policy}" in rehearsal.make("bootstrap", f"EXECUTION_POLICY={policy}")
    assert "CREATE_COMPLETE | AWS::CloudFormation::Stack | workmail-offboarding" in rehearsal.make("deploy")


def test_who_is_in_the_window_is_restored_by_a_new_stack_with_the_records_of_the_destroyed_one(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.make("deploy")
    table = rehearsal.request("/local/stack")["Outputs"]["RecordsTableName"]
    user = OrganizationBuilder(rehearsal.client("workmail")).create_user("alice")
    rehearsal.offboard(user)

    destroy = ("destroy", "UNPROTECT=stack", "YES=workmail-offboarding", "EXPORT=records.jsonl")
    assert "Executions still wait (1)" in rehearsal.make(*destroy, status=2)
    destroyed = rehearsal.make(*destroy, "STOP=yes")
    assert "The stack workmail-offboarding is deleted." in destroyed
    assert table in destroyed

    rehearsal.make("deploy")
    outputs = rehearsal.request("/local/stack")["Outputs"]
    assert outputs["RecordsTableName"] != table
    rehearsal.run(".venv/bin/python", "-m", "operate", "records", "import", "records.jsonl")
    request = json.dumps({"OrganizationId": ORGANIZATION_ID, "EntityId": user})
    steps = rehearsal.client("stepfunctions")
    restore = steps.start_execution(stateMachineArn=outputs["RestoreStateMachineArn"], input=request)["executionArn"]
    rehearsal.request("/local/clock", b'{"advance": "PT10M"}')
    ended = steps.describe_execution(executionArn=restore)
    assert json.loads(ended["output"])["Outcome"] == "Restored"
    assert rehearsal.client("workmail").describe_user(OrganizationId=ORGANIZATION_ID, UserId=user)["State"] == "ENABLED"


def test_a_creation_that_fails_says_why_and_can_be_repeated(rehearsal: Rehearsal) -> None:
    bus = "aws.partner/okta.com/exampleco/missing"
    rehearsal.change_settings(identityProviders={"okta": {"eventSource": bus}})
    failed = rehearsal.make("deploy", status=2)
    assert f"Event bus {bus} does not exist." in failed
    assert "ROLLBACK_COMPLETE | AWS::CloudFormation::Stack | workmail-offboarding" in failed

    rehearsal.change_settings(identityProviders={})
    rehearsal.client("cloudformation").update_termination_protection(
        StackName="workmail-offboarding", EnableTerminationProtection=False
    )
    assert "CREATE_COMPLETE | AWS::CloudFormation::Stack | workmail-offboarding" in rehearsal.make("deploy")

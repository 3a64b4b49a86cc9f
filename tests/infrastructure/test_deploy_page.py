"""The commands of docs/deploy.md can be typed as they stand, and the page names the permissions that they need."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from botocore import xform_name
from botocore.session import get_session

from local.cdk.assembly import ROOT
from local.defaults import ACCOUNT, REGION

PAGE = (ROOT / "docs" / "deploy.md").read_text()
FIRST_DEPLOYMENT = PAGE.partition("## First deployment")[2]
VARIABLES_OF_OTHER_PAGES = {"AWS_ENDPOINT_URL", "STATE_MACHINE"}
"""Those of README.md and reference.md, to which the page leads."""


def list_blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.S)


def write_command(folder: Path, name: str) -> None:
    """Write a command that adds its name and arguments to a file."""
    command = folder / name
    command.write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/commands"\n')
    command.chmod(0o755)


def test_the_commands_for_the_policies_leave_no_placeholder_in_any_of_them(tmp_path: Path) -> None:
    pages = ((ROOT / "docs" / "roles.md").read_text(), PAGE)
    blocks = [block for page in pages for block in list_blocks(page) if "create-policy" in block]
    assert len(blocks) == len(pages)
    for name in ("aws", "make"):
        write_command(tmp_path, name)
    commands = "".join(blocks).replace("/tmp/", f"{tmp_path}/").replace("=workmail-offboarding", "=another-stack")  # noqa: S108 (the page's folder)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run([str(shutil.which("sh")), "-euc", commands], cwd=ROOT, env={"PATH": path}, check=True)

    names = sorted(file.name for file in (ROOT / "docs" / "policies").iterdir())
    assert sorted(file.name for file in tmp_path.glob("*.json")) == names
    for name in names:
        text = (tmp_path / name).read_text()
        assert set(re.findall(r"\d{12}", text)) == {"210987654321"}
        assert set(re.findall(r"[a-z]{2}-[a-z]+-\d\b", text)) == {"eu-west-1"}
        assert (ACCOUNT in text, REGION in text, "workmail-offboarding" in text) == (False, False, False)
    *created, bootstrap = (tmp_path / "commands").read_text().splitlines()
    assert len(created) == len(names)
    policies = bootstrap.partition("EXECUTION_POLICY=")[2].split(",")
    assert policies == [
        f"arn:aws:iam::210987654321:policy/another-stack-cloudformation-{name}" for name in ("execution", "archives")
    ]
    for policy in policies:
        name = policy.partition("/")[2]
        file = f"{name.removeprefix('another-stack-')}.json"
        assert any(f"--policy-name {name} " in line and line.endswith(f"/{file}") for line in created)


def test_each_variable_of_a_command_is_set_before_it() -> None:
    known_variables = set(VARIABLES_OF_OTHER_PAGES)
    for block in list_blocks(PAGE):
        for line in block.splitlines():
            used = set(re.findall(r"\$\{?([A-Z][A-Z_]*)", line))
            assert used <= known_variables, line
            known_variables |= set(re.findall(r"(?:^|\s|for )([A-Z][A-Z_]*)(?:=| in )", line))


def iterate_actions(text: str) -> Iterator[str]:
    """Go through the actions of IAM that the AWS CLI's commands in a text need."""
    for service, command in re.findall(r"\baws ([a-z]+) ([a-z-]+)", text):
        model = get_session().get_service_model(service)
        [operation] = [name for name in model.operation_names if xform_name(name, "-") == command]
        yield f"{model.signing_name}:{operation}".replace("monitoring:", "cloudwatch:")


def test_the_page_names_the_permissions_of_each_command_of_the_checks() -> None:
    actions = set(iterate_actions("".join(list_blocks(FIRST_DEPLOYMENT))))
    assert {"states:TestState", "lambda:PutFunctionConcurrency", "cloudwatch:ListMetrics"} < actions
    assert {action for action in actions if f"`{action}`" not in FIRST_DEPLOYMENT} == set()

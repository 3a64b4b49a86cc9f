"""The commands of the AWS CLI on the pages for operators and auditors are ones that the CLI takes.

The queries of DynamoDB are run by `tests/unit/test_questions.py`. The CLI checks each other command without sending it.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ARN = "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:name"
CHECK = """
import json, sys
from awscli.clidriver import create_clidriver
for words in json.load(sys.stdin):
    # A driver of its own for each: it keeps what an earlier command has registered. The option makes it print a sample
    # of the answer, after it has read all other options.
    if create_clidriver().main([*words, "--generate-cli-skeleton", "output"]) != 0:
        sys.exit(f"refused: {words}")
"""
"""Runs in a process of its own, because the CLI changes botocore for all that comes after it."""


def list_commands(page: str) -> list[list[str]]:
    """List the commands of a page, each once, with a value in place of each variable and each command in a command."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [line.partition(" | ")[0] for line in lines if re.match("aws (?!dynamodb)", line)]
    filled = dict.fromkeys(re.sub(r'"?\$(\([^()]*(\([^()]*\)[^()]*)*\)|\w+)"?', ARN, line) for line in commands)
    return [shlex.split(command, comments=True)[1:] for command in filled]


@pytest.mark.parametrize("page", ["audit.md", "reference.md"])
def test_the_cli_takes_every_command_of_the_page(page: str) -> None:
    commands = list_commands(page)
    assert commands

    process = subprocess.run(
        [sys.executable, "-c", CHECK],
        input=json.dumps(commands),
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
    )

    assert process.returncode == 0, process.stderr

"""The commands of the AWS CLI on the pages for operators and auditors are ones that the CLI takes.

The queries of DynamoDB are run by `tests/unit/test_questions.py`. The CLI checks each other command without sending it.
"""

import re
import shlex
from pathlib import Path

import pytest
from awscli.clidriver import create_clidriver

DOCS = Path(__file__).parents[2] / "docs"
ARN = "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:name"


def list_commands(page: str) -> list[str]:
    """List the commands of a page, each once, with a value in place of each variable and each command in a command."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [line.partition(" | ")[0] for line in lines if re.match("aws (?!dynamodb)", line)]
    return list(dict.fromkeys(re.sub(r'"?\$(\([^()]*(\([^()]*\)[^()]*)*\)|\w+)"?', ARN, line) for line in commands))


@pytest.mark.parametrize("page", ["audit.md", "reference.md"])
def test_the_cli_takes_every_command_of_the_page(
    page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    commands = list_commands(page)
    assert commands
    for command in commands:
        # The option makes it print a sample of the answer, after it has read all other options.
        words = [*shlex.split(command, comments=True)[1:], "--generate-cli-skeleton", "output"]
        # A driver of its own for each: it keeps what an earlier command has registered.
        assert create_clidriver().main(words) == 0, (command, capsys.readouterr().err)

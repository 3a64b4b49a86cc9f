"""What a command refuses under make is told with the variable of make, and not with the command's option only."""

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.infrastructure.test_words import ROOT, source_files

VARIABLES = {
    "demo": ("EVIDENCE",),
    "serve": ("PORT", "SETTINGS", "EMPTY"),
    "destroy": ("STOP", "UNPROTECT", "YES", "EXPORT", "STACK"),
}
"""By target of the Makefile: the variables that become options of the command."""


def iterate_sentences(folder: str) -> Iterator[str]:
    """Go through the texts with spaces and an option in the sources of a folder, as the source has them."""
    for path in source_files(".py"):
        if path.is_relative_to(ROOT / folder):
            source = path.read_text()
            lines = source.splitlines()
            for node in ast.walk(ast.parse(source)):
                # A look at the lines is a hundred times as fast as the segment.
                if isinstance(node, ast.JoinedStr | ast.Constant) and any(
                    "--" in line for line in lines[node.lineno - 1 : node.end_lineno]
                ):
                    text = ast.get_source_segment(source, node) or ""
                    if text.startswith(("f", '"')) and not text.startswith('"""') and " " in text:
                        yield text


@pytest.mark.parametrize("target", VARIABLES)
def test_a_target_passes_on_each_variable_as_the_option_of_its_name(target: str) -> None:
    assignments = [f"{variable}=yes" for variable in VARIABLES[target]]
    make = [
        str(shutil.which("make")),
        "--dry-run",
        "-o",
        ".venv/.synced",
        "-o",
        ".venv/.synced-trial",
        target,
        *assignments,
    ]
    recipe = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    options = {word for word in shlex.split(recipe) if word.startswith("--")}
    assert options == {f"--{variable.lower()}" for variable in VARIABLES[target]}


@pytest.mark.parametrize(("target", "folder"), [("serve", "local/server"), ("destroy", "operate/destroy")])
def test_a_sentence_that_names_an_option_names_the_variable_of_make_too(target: str, folder: str) -> None:
    named = [
        (variable, text)
        for text in iterate_sentences(folder)
        for variable in VARIABLES[target]
        if re.search(rf"--{variable.lower()}\b", text)
    ]
    assert named
    assert [text for variable, text in named if f"{variable}=" not in text] == []

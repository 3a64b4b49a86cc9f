"""Every suppression and exclusion of a check has its reason beside it, and a finding that it suppresses."""

import json
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.infrastructure.accepted import ROOT, is_one_sentence, read_documented_findings
from tools.static.check_templates import read_accepted_findings

FOLDERS = ("benchmarks", "lambdas", "local", "operate", "stacks", "tests", "tools")
SKIPPED_FOLDERS = {".venv", "__pycache__"}
PYPROJECT = (ROOT / "pyproject.toml").read_text()
SETTINGS = tomllib.loads(PYPROJECT)["tool"]
SUPPRESSION = re.compile(
    r"noqa|(type|pyright|mypy|pylint|isort|zizmor|ruff|shellcheck)\s*:|pragma\s*:|nosec|nosemgrep|checkov\s*:"
)
REASONED = re.compile(
    r"""
    \#\ (
        (ruff:\ )?noqa:\ [A-Z]+\d+(,\ [A-Z]+\d+)*\ \(\S+(\ \S+)+\)
      | type:\ ignore\[[a-z-]+(,\ [a-z-]+)*\]\ {1,2}\#\ \S+(\ \S+)+
      | pragma:\ no\ \w+\ \(\S+(\ \S+)+\)
      | zizmor:\ ignore\[[a-z-]+\]\ \S+(\ \S+)+
    )$""",
    re.VERBOSE,
)
EXCLUSION = re.compile(
    r"^(ignore\w*|omit|exclude\w*|disable_error_code|do_not_mutate\w*|follow_imports|\"[^\"]+\" = \[)"
)


def python_files() -> Iterator[Path]:
    yield ROOT / "app.py"
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not SKIPPED_FOLDERS & set(path.parts):
                yield path


def comments(path: Path) -> Iterator[tuple[int, str]]:
    if path.suffix == ".py":
        with path.open("rb") as source:
            for token in tokenize.tokenize(source.readline):
                if token.type == tokenize.COMMENT:
                    yield token.start[0], token.string
    else:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "#" in line:
                yield number, line[line.index("#") :]


@cache
def suppressions(path: Path) -> list[tuple[int, str]]:
    """List each comment that begins as an instruction to a tool."""
    if not SUPPRESSION.search(path.read_text()):
        return []
    return [(number, comment) for number, comment in comments(path) if SUPPRESSION.match(comment.lstrip("# "))]


def without_a_reason(path: Path) -> list[str]:
    return [f"{path.name}:{number}: {comment}" for number, comment in suppressions(path) if not REASONED.match(comment)]


def test_every_suppression_in_the_code_names_its_rule_and_reason() -> None:
    paths = [*python_files(), ROOT / "Makefile", *sorted((ROOT / ".github").rglob("*.yml"))]
    assert sum(len(suppressions(path)) for path in paths) > 10
    assert [problem for path in paths for problem in without_a_reason(path)] == []


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: S101",
        "# noqa: S101 (why)",
        "# noqa (it is all right)",
        "#noqa: S101 (it is all right)",
        "# type: ignore",
        "# type: ignore[arg-type]",
        "# type: ignore # it is all right",
        "# pragma: no cover",
        "# nosec",
        "# pylint: disable=all",
        "# ruff: noqa",
        "# mypy: ignore-errors",
    ],
)
def test_a_suppression_without_a_rule_or_a_reason_is_found(tmp_path: Path, comment: str) -> None:
    path = tmp_path / "code.py"
    path.write_text(f"assert True  {comment}\n")
    assert without_a_reason(path) == [f"code.py:1: {comment}"]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: S101 (nothing but a test)",
        "# type: ignore[arg-type]  # nothing but a test",
        "# pragma: no cover (nothing but a test)",
    ],
)
def test_a_suppression_with_a_reason_passes(tmp_path: Path, comment: str) -> None:
    path = tmp_path / "code.py"
    path.write_text(f"assert True  {comment}\n")
    assert suppressions(path)
    assert without_a_reason(path) == []


def test_type_errors_are_suppressed_only_in_files_that_mypy_checks() -> None:
    """In other files mypy would not report that a suppression is no longer needed."""
    checked = {ROOT / name for name in SETTINGS["mypy"]["files"]}
    for path in python_files():
        if not checked & {path, *path.parents}:
            assert [comment for _, comment in suppressions(path) if "type:" in comment] == [], path


def exclusions_without_a_reason(settings: str) -> list[str]:
    """List the lines that exclude something and have no comment, on the line or above; each line of a list counts."""
    is_inside_list, without_reason = False, []
    lines = settings.splitlines()
    for previous, line in zip(["", *lines], lines, strict=False):
        is_exclusion = EXCLUSION.match(line) is not None
        if is_exclusion and line.rstrip().endswith("["):
            is_inside_list = True
        elif is_inside_list and line.startswith("]"):
            is_inside_list = False
        elif (is_exclusion or is_inside_list) and "#" not in line and not previous.startswith("#"):
            without_reason.append(line)
    return without_reason


def test_every_exclusion_in_the_settings_of_the_tools_has_a_reason_beside_it() -> None:
    assert exclusions_without_a_reason(PYPROJECT) == []


@pytest.mark.parametrize(
    "settings",
    [
        'ignore = ["D100"]',
        'omit = ["a.py"]  # nobody calls it\nexclude_also = ["b"]',
        'ignore = [\n    "D100",  # it is all right\n    "D101",\n]',
        '"tests/**" = [\n    "D100",\n]',
        "ignore_missing_imports = true",
        'do_not_mutate_patterns = ["x"]',
    ],
)
def test_an_exclusion_without_a_reason_is_found(settings: str) -> None:
    assert len(exclusions_without_a_reason(settings)) == 1


def test_every_rule_that_ruff_ignores_has_a_finding() -> None:
    lint = SETTINGS["ruff"]["lint"]
    ruff = [Path(sys.executable).parent / "ruff", "check", ROOT, "--output-format", "json"]
    everything = ["--config", "lint.per-file-ignores={}", "--extend-select", ",".join(lint["ignore"])]
    process = subprocess.run([*ruff, *everything], capture_output=True, text=True, check=False)
    findings = {(str(Path(hit["filename"]).relative_to(ROOT)), hit["code"]) for hit in json.loads(process.stdout)}
    ignored = [("**", rule) for rule in lint["ignore"]]
    ignored += [(pattern, rule) for pattern, rules in lint["per-file-ignores"].items() for rule in rules]
    for pattern, rule in ignored:
        assert any(fnmatch(path, pattern) and code.startswith(rule) for path, code in findings), (pattern, rule)


def test_every_accepted_finding_has_a_reason_of_one_sentence_that_is_in_the_docs() -> None:
    accepted = read_accepted_findings()
    assert {entry.reason for entry in accepted if not is_one_sentence(entry.reason)} == set()
    for tool in ("checkov", "cfn-lint"):
        assert read_documented_findings(tool) == {
            (entry.rule, entry.reason) for entry in accepted if entry.tool == tool
        }


def test_every_licence_override_has_a_reason_of_one_sentence() -> None:
    overrides = tomllib.loads((ROOT / "tools" / "static" / "licences.toml").read_text())["overrides"]
    assert [package for package, entry in overrides.items() if not is_one_sentence(entry["reason"])] == []

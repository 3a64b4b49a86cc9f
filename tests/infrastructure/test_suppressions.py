"""Whatever a check is told to overlook has its reason beside it, and is really there."""

import json
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.infrastructure.accepted import ROOT, documented, is_one_sentence
from tools.static.templates import accepted_findings

FOLDERS = ("benchmarks", "lambdas", "local", "stacks", "tests", "tools")
LEFT_BY_TOOLS = {".venv", "__pycache__"}
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
OVERLOOKING = re.compile(
    r"^(ignore\w*|omit|exclude\w*|disable_error_code|do_not_mutate\w*|follow_imports|\"[^\"]+\" = \[)"
)


def python_files() -> Iterator[Path]:
    yield ROOT / "app.py"
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not LEFT_BY_TOOLS & set(path.parts):
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


def suppressions(path: Path) -> Iterator[tuple[int, str]]:
    """Each comment that begins as an instruction to a tool."""
    if not SUPPRESSION.search(path.read_text()):
        return
    for number, comment in comments(path):
        if SUPPRESSION.match(comment.lstrip("# ")):
            yield number, comment


def without_a_reason(path: Path) -> list[str]:
    return [f"{path.name}:{number}: {comment}" for number, comment in suppressions(path) if not REASONED.match(comment)]


def test_every_suppression_in_the_code_says_which_rule_and_why() -> None:
    paths = [*python_files(), ROOT / "Makefile", *sorted((ROOT / ".github").rglob("*.yml"))]
    assert sum(len([*suppressions(path)]) for path in paths) > 10
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
    assert [*suppressions(path)]
    assert without_a_reason(path) == []


def test_types_are_ignored_only_where_types_are_checked() -> None:
    """Elsewhere mypy would not say that it is not needed any more."""
    checked = {ROOT / name for name in SETTINGS["mypy"]["files"]}
    for path in python_files():
        if not checked & {path, *path.parents}:
            assert [comment for _, comment in suppressions(path) if "type:" in comment] == [], path


def overlooked_without_a_reason(settings: str) -> list[str]:
    """The lines that tell a tool what to overlook, without a comment on them or above; in a list each line is one."""
    inside, bare = False, []
    lines = settings.splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        opens = OVERLOOKING.match(line) is not None
        if opens and line.rstrip().endswith("["):
            inside = True
        elif inside and line.startswith("]"):
            inside = False
        elif (opens or inside) and "#" not in line and not before.startswith("#"):
            bare.append(line)
    return bare


def test_whatever_the_settings_of_the_tools_overlook_has_a_reason_beside_it() -> None:
    assert overlooked_without_a_reason(PYPROJECT) == []


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
def test_a_setting_that_overlooks_without_a_reason_is_found(settings: str) -> None:
    assert len(overlooked_without_a_reason(settings)) == 1


def test_whatever_ruff_is_told_to_overlook_is_there() -> None:
    lint = SETTINGS["ruff"]["lint"]
    ruff = [Path(sys.executable).parent / "ruff", "check", ROOT, "--output-format", "json"]
    everything = ["--config", "lint.per-file-ignores={}", "--extend-select", ",".join(lint["ignore"])]
    answer = subprocess.run([*ruff, *everything], capture_output=True, text=True, check=False)
    found = {(str(Path(hit["filename"]).relative_to(ROOT)), hit["code"]) for hit in json.loads(answer.stdout)}
    ignored = [("**", rule) for rule in lint["ignore"]]
    ignored += [(pattern, rule) for pattern, rules in lint["per-file-ignores"].items() for rule in rules]
    for pattern, rule in ignored:
        assert any(fnmatch(path, pattern) and code.startswith(rule) for path, code in found), (pattern, rule)


def test_what_is_accepted_in_the_templates_has_a_reason_of_one_sentence_that_the_docs_tell() -> None:
    accepted = accepted_findings()
    assert {entry.reason for entry in accepted if not is_one_sentence(entry.reason)} == set()
    for tool in ("checkov", "cfn-lint"):
        assert documented(tool) == {(entry.rule, entry.reason) for entry in accepted if entry.tool == tool}


def test_what_is_stated_of_a_licence_has_a_reason_of_one_sentence() -> None:
    stated = tomllib.loads((ROOT / "tools" / "static" / "licences.toml").read_text())["stated"]
    assert [package for package, entry in stated.items() if not is_one_sentence(entry["reason"])] == []

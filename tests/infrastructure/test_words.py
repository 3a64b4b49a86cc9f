"""The project's words: names are nouns and verbs of the field, and sentences are plain English."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRONOUNS_AND_PARTICIPLES = frozenset(
    {
        *("me", "other", "own", "there", "given", "known", "found", "said", "noted", "before", "what", "who", "whom"),
        *("asked", "told", "looked", "listed", "because", "anew", "first", "counted", "lasting"),
    }
)
"""Names that make a reader translate: a name is a noun, and a function's name is a verb with its object."""

REPLACED_NAMES = frozenset(
    {
        *("_runs", "_act_on", "_put_aside", "NotForUs", "may_be_no_user", "_moment", "_is_plan", "_insist_on"),
        *("_insist_on_leave", "insist_on_absence", "before_the_call", "after_a_no", "_note_the_no", "_NO", "_said_of"),
        *("_was_asked", "_asked_since", "asked_at", "deregistering", "hold_again", "let_go", "not_deregistered"),
        *("restoring", "Pointer", "window_of", "_NOT_OVER", "_OVER", "_OUT_OF_THE_WINDOW", "_WATCHED_TO_THE_END"),
        *("gives_way", "look_at_holder", "in_progress", "LAG", "OLD", "FRESH", "WAITS", "LONGEST_AHEAD", "_QUICKLY"),
        *("_SLOWEST_MILLISECONDS", "_ATTRIBUTES", "Belongings", "_recorded_before", "Promise", "_conclusion"),
        *("_wake_somebody", "_wake_somebody_once", "claim_notice", "return_notice", "_who_has", "_made_anew"),
        *("_BEFORE_ANYTHING", "_only", "_resolved", "_described_by_id", "of_workmail", "_ASKED", "_ANSWER"),
        *("_NOBODYS_MAILBOX", "_tell", "start_and_tell", "_wrong", "the_one", "_the_one"),
        *("Standing", "Story", "Happening", "Ending", "Watch", "Asked", "People"),
    }
)
"""Names that this project had, each for something that has a standard term."""

OBSCURE_PHRASES = re.compile(
    r"\banew\b|\bmend(s|ed|ing)?\b|\binsist|\bis let in\b|\banswers to\b|\bis well\b|\ba no (of|is)\b|\bis none that\b",
    re.IGNORECASE,
)
MAX_WORDS = 25
FOLDERS = ("lambdas", "stacks", "statemachine", "local", "operate", "tools", "benchmarks", "tests", "docs", ".github")
GENERATED = ("tests/releases/0", "examples/events/", "tests/workflow/fault_matrix.md")


@cache
def source_files(*endings: str) -> tuple[Path, ...]:
    """List the project's own files with one of these endings, without what is generated or recorded."""
    candidates = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    names = {path: path.relative_to(ROOT).as_posix() for path in candidates if path.is_file()}
    return tuple(
        path
        for path, name in sorted(names.items())
        if name.endswith(endings) and not name.startswith(GENERATED) and ".venv" not in path.parts
    )


def defined_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every name that a module defines: of variables, parameters, functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg) and node.arg != "other":  # the field's name for what __eq__ compares with
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every text of a module, with one X for each value that is put into it; docstrings are left out."""
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield node.lineno, "".join(map(str, parts))


def test_no_name_is_a_pronoun_a_participle_or_a_replaced_name() -> None:
    names = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in source_files(".py")
        for line, name in defined_names(ast.parse(path.read_text()))
        if name.strip("_") in PRONOUNS_AND_PARTICIPLES or name in REPLACED_NAMES
    ]

    assert names == []


def test_no_file_has_an_obscure_phrase() -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in source_files(".py", ".md", ".json", ".toml", ".yml", "Makefile")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if path != Path(__file__) and OBSCURE_PHRASES.search(line)
    ]

    assert lines == []


def test_a_sentence_for_people_has_at_most_25_words() -> None:
    python_texts = [
        (path, text)
        for folder in ("lambdas", "stacks", "local/demo", "operate", "tools")
        for path in source_files(".py")
        if path.is_relative_to(ROOT / folder)
        for _, text in texts(ast.parse(path.read_text()))
    ]
    definition_texts = [
        (path, text)
        for path in source_files(".asl.json")
        for text in re.findall(r'"(?:Comment|cause|Explanation)": "([^"{]+)"', path.read_text())
    ]
    assert python_texts
    assert definition_texts
    sentences = [
        f"{path.relative_to(ROOT)}: {sentence}"
        for path, text in (*python_texts, *definition_texts)
        for sentence in re.split(r"(?<=[.!?])\s+", text)
        if len(sentence.split()) > MAX_WORDS
    ]

    assert sentences == []

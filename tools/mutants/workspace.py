"""A copy of the deployed code in which mutmut finds every function, and leaves prose alone.

mutmut 3 skips what is decorated, and names what it mutates by its path, without a leading `src/`. So the copy of
`lambdas/` is called `src`, and each decorator is applied in a statement of its own, which means the same. What is
written for people is made an f-string, whose text mutmut does not touch: the tests look for what a sentence has to
say, not for its every letter.
"""

import re
import shutil
from pathlib import Path

import libcst as cst

ROOT = Path(__file__).resolve().parents[2]

_KEPT = frozenset({"staticmethod", "classmethod"})
_PROSE = re.compile(r"\S\s+\S")
_TESTED_OTHERWISE = frozenset({"test_mutants.py", "test_settings.py"})


def make_workspace(workspace: Path, *, keep: bool = False) -> None:
    """Write the code and the tests into a workspace.

    Parameters
    ----------
    workspace
        A folder; what is in it is deleted.
    keep
        Whether to bring it up to date instead, so that mutmut keeps what it knows of functions that stay.
    """
    if not keep:
        shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / "pyproject.toml", workspace)
    for source in (ROOT / "lambdas").rglob("*.py"):
        target = workspace / "src" / source.relative_to(ROOT / "lambdas")
        _write(target, rewritten(source.read_text()))
    tests = [
        ROOT / "tests" / "conftest.py",
        *(ROOT / "tests" / "events").iterdir(),
        *(ROOT / "tests/unit").glob("*.py"),
    ]
    for source in [*tests, *(ROOT / "local").rglob("*.py")]:
        if source.name not in _TESTED_OTHERWISE:
            _write(workspace / source.relative_to(ROOT), source.read_text())


def rewritten(source: str) -> str:
    """Return code that means the same, and that mutmut mutates as a whole.

    Parameters
    ----------
    source
        A module.
    """
    return cst.parse_module(source).visit(_Rewriter()).code


def _write(target: Path, text: str) -> None:
    if not target.exists() or target.read_text() != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


class _Rewriter(cst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802 (libcst finds it by its name)
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        decorators = [decorator.decorator for decorator in updated_node.decorators]
        if not decorators or any(isinstance(one, cst.Name) and one.value in _KEPT for one in decorators):
            return updated_node
        applied: cst.BaseExpression = updated_node.name
        for decorator in reversed(decorators):
            applied = cst.Call(decorator, [cst.Arg(applied)])
        assignment = cst.Assign([cst.AssignTarget(updated_node.name)], applied)
        return cst.FlattenSentinel([updated_node.with_changes(decorators=[]), cst.SimpleStatementLine([assignment])])

    def leave_SimpleString(  # noqa: N802 (libcst finds it by its name)
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.BaseExpression:
        if updated_node.prefix or len(updated_node.quote) > 1 or not _PROSE.search(updated_node.raw_value):
            return updated_node
        text = updated_node.raw_value.replace("{", "{{").replace("}", "}}")
        quote = updated_node.quote
        return cst.FormattedString([cst.FormattedStringText(text)], start=f"f{quote}", end=quote)

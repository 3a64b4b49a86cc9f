"""Makes a copy of the deployed code in which mutmut changes every function, but no text for people.

mutmut 3 skips decorated functions, and names mutants by their path, without a leading `src/`. So the copy of `lambdas/`
is called `src`, and each decorator is applied in a separate statement, which is equivalent. A text for people becomes
an f-string, which mutmut does not change, because the tests do not check every word of a sentence.
"""

import re
import shutil
from pathlib import Path

import libcst as cst

ROOT = Path(__file__).resolve().parents[2]

_KEPT_DECORATORS = frozenset({"staticmethod", "classmethod"})
_PROSE = re.compile(r"\S\s+\S")
_EXCLUDED_TESTS = frozenset({"test_mutants.py", "test_settings.py"})


def make_workspace(workspace: Path, *, keep: bool = False) -> None:
    """Write the code and the tests into a workspace.

    Parameters
    ----------
    workspace
        A folder, which is deleted first.
    keep
        Whether to update the folder instead, so that mutmut keeps the outcomes of unchanged functions.
    """
    if not keep:
        shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / "pyproject.toml", workspace)
    for source in (ROOT / "lambdas").rglob("*.py"):
        target = workspace / "src" / source.relative_to(ROOT / "lambdas")
        _write_if_changed(target, rewrite(source.read_text()))
    tests = [
        *(ROOT / "tests").glob("*.py"),
        *(ROOT / "tests" / "events").iterdir(),
        *(ROOT / "tests/unit").glob("*.py"),
        ROOT / "docs" / "reference.md",
    ]
    for source in [*tests, *(ROOT / "local").rglob("*.py")]:
        if source.name not in _EXCLUDED_TESTS:
            _write_if_changed(workspace / source.relative_to(ROOT), source.read_text())


def rewrite(source: str) -> str:
    """Rewrite a module to equivalent code in which mutmut can change every function.

    Parameters
    ----------
    source
        The code of the module.
    """
    return cst.parse_module(source).visit(_Rewriter()).code


def _write_if_changed(target: Path, text: str) -> None:
    if not target.exists() or target.read_text() != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


class _Rewriter(cst.CSTTransformer):
    def visit_MatchValue(self, node: cst.MatchValue) -> bool:  # noqa: N802 (libcst calls it by its name)
        """Leave the text of a pattern alone: it cannot be an f-string."""
        return False

    def leave_FunctionDef(  # noqa: N802 (libcst calls it by its name)
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        decorators = [node.decorator for node in updated_node.decorators]
        names = {decorator.value for decorator in decorators if isinstance(decorator, cst.Name)}
        if not decorators or names & _KEPT_DECORATORS:
            return updated_node
        applied: cst.BaseExpression = updated_node.name
        for decorator in reversed(decorators):
            applied = cst.Call(decorator, [cst.Arg(applied)])
        assignment = cst.Assign([cst.AssignTarget(updated_node.name)], applied)
        return cst.FlattenSentinel([updated_node.with_changes(decorators=[]), cst.SimpleStatementLine([assignment])])

    def leave_SimpleString(  # noqa: N802 (libcst calls it by its name)
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.BaseExpression:
        if updated_node.prefix or len(updated_node.quote) > 1 or not _PROSE.search(updated_node.raw_value):
            return updated_node
        text = updated_node.raw_value.replace("{", "{{").replace("}", "}}")
        quote = updated_node.quote
        return cst.FormattedString([cst.FormattedStringText(text)], start=f"f{quote}", end=quote)

"""The folders of `local/` are layers: an import leads down or stays in its layer, and never in a circle."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOCAL = ROOT / "local"
LAYERS = (
    {"clock", "defaults", "faults", "hooks", "policies"},
    {"aws", "workmail"},
    {"cdk"},
    {"environment"},
    {"organization"},
    {"demo", "server"},
    {"__main__"},
)
MAX_TOP_LEVEL_FILES = 8
MAX_FUNCTION_LINES = 50


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(LOCAL.rglob("*.py"))}
LAYERED_MODULES = [module for module in MODULES if module != "local"]


def layer_of(module: str) -> int:
    """Return the number of a module's layer, the lowest first."""
    top = module.split(".")[1]
    [number] = [number for number, names in enumerate(LAYERS) if top in names]
    return number


def imported_names(module: str) -> Iterator[tuple[str, str]]:
    """Yield what a module imports from `local`: the module, and the name or an empty text."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "local")
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            if source.partition(".")[0] == "local":
                yield from ((source, alias.name) for alias in node.names)


def imported_modules(module: str) -> set[str]:
    """Return the modules of `local` that a module imports; a submodule does not count as its package."""
    return {f"{source}.{name}" if f"{source}.{name}" in MODULES else source for source, name in imported_names(module)}


def test_few_files_are_at_the_top() -> None:
    files = sorted(path.name for path in LOCAL.glob("*.py"))
    assert len(files) <= MAX_TOP_LEVEL_FILES, files


def test_no_import_leads_to_a_higher_layer() -> None:
    upward = [
        (module, imported)
        for module in LAYERED_MODULES
        for imported in imported_modules(module)
        if layer_of(imported) > layer_of(module)
    ]
    assert upward == []


def test_aws_and_workmail_do_not_import_each_other() -> None:
    folders = {module: module.split(".")[1] for module in LAYERED_MODULES if layer_of(module) == 1}
    across = [
        (module, imported)
        for module in folders
        for imported in imported_modules(module)
        if folders.get(imported, folders[module]) != folders[module]
    ]
    assert across == []


def test_no_imports_form_a_circle() -> None:
    # It raises CycleError, which names the modules of the circle.
    TopologicalSorter({module: imported_modules(module) for module in MODULES}).prepare()


def test_no_module_imports_a_private_name_of_another() -> None:
    private = [(module, name) for module in MODULES for _, name in imported_names(module) if re.match(r"_(?!_)", name)]
    assert private == []


def test_no_function_is_long() -> None:
    lengths = {
        f"{module}.{node.name}": node.end_lineno - node.lineno + 1
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}

"""The layers of what the functions share: each imports only from those before it, and one module calls WorkMail."""

import ast
from pathlib import Path

import pytest

import offboarding

OFFBOARDING = Path(offboarding.__file__).parent
LAYERS = ("domain", "configuration", "adapters", "edge")
MODULES = sorted(path for path in OFFBOARDING.rglob("*.py") if path.parent != OFFBOARDING or path.stem in LAYERS)


def layer_of(path: Path) -> str:
    return path.relative_to(OFFBOARDING).parts[0].removesuffix(".py")


def imported_layers(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    dotted = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    return {name.split(".")[1] for name in dotted if name.startswith("offboarding.")}


def test_every_module_is_in_a_layer() -> None:
    assert {path.name for path in OFFBOARDING.iterdir() if path.name != "__pycache__"} == {
        "__init__.py",
        "configuration.py",
        *("domain", "adapters", "edge"),
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(OFFBOARDING).as_posix())
def test_a_module_imports_only_from_its_own_layer_and_those_before_it(path: Path) -> None:
    allowed = LAYERS[: LAYERS.index(layer_of(path)) + 1]

    assert imported_layers(path) <= set(allowed)


def test_one_module_alone_makes_the_client_of_workmail() -> None:
    clients = [path for path in OFFBOARDING.parent.rglob("*.py") if '"workmail"' in path.read_text()]

    assert clients == [OFFBOARDING / "adapters" / "directory.py"]


def test_the_domain_does_not_use_aws() -> None:
    modules = sorted((OFFBOARDING / "domain").rglob("*.py"))

    assert len(modules) > 1
    assert [path.name for path in modules if "boto" in path.read_text()] == []

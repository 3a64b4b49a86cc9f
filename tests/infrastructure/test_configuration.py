"""Each function gets the environment variables that its code reads, and no others."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.templates import resources_of_type

LAMBDAS = Path(__file__).parents[2] / "lambdas"
CONFIGURATION = "offboarding.configuration"
GIVEN_TO_ALL = {
    "WORKMAIL_REGION",
    *("POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"),  # read by Powertools
}
ONLY_WITHOUT_SERVICE_END = {"SERVICE_ENDS_ON"}
"""Read by `until_service_ends` only for ResolveEntity, the one state that passes no `ServiceEndsAt`."""

REPLACES_ENVIRONMENTS = {"INTAKE_SETTINGS_HASH"}
"""Read by no code: its change has Lambda replace the execution environments, which remember former settings."""

Definition = ast.FunctionDef | ast.ClassDef


@cache
def parse_module(name: str) -> ast.Module | None:
    path = LAMBDAS / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text()) if path.exists() else None


@cache
def imported_names(module: str) -> dict[str, tuple[str, str]]:
    """Return what a module imports from this project: each name's module, and its name there."""
    tree = parse_module(module)
    assert tree is not None
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("offboarding")
        for alias in node.names
    }


def find_definition(module: str, name: str) -> tuple[str, Definition] | None:
    """Find a function or class, in the module or where the module imports it from."""
    tree = parse_module(module)
    if tree is None:
        return None
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            return module, node
    if name in imported_names(module):
        return find_definition(*imported_names(module)[name])
    return None


def variables_read_by(module: str) -> set[str]:
    """Return the environment variables that a handler can read, by following every name that it mentions."""
    variables: set[str] = set()
    visited: set[tuple[str, str]] = set()

    def visit(home: str, node: ast.AST) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Subscript) and ast.unparse(part.value) == "os.environ":
                variables.add(ast.literal_eval(part.slice))
            elif isinstance(part, ast.Attribute) and ast.unparse(part.value) == "configuration":
                follow(CONFIGURATION, part.attr)
            elif isinstance(part, ast.Name):
                follow(home, part.id)

    def follow(home: str, name: str) -> None:
        definition = find_definition(home, name)
        if definition and (definition[0], name) not in visited:
            visited.add((definition[0], name))
            visit(*definition)

    follow(module, "handler")
    tree = parse_module(module)
    assert tree is not None
    for statement in tree.body:
        if not isinstance(statement, Definition):
            visit(module, statement)
    return variables


def functions_of(template: dict[str, Any]) -> dict[str, set[str]]:
    """Return the functions of a template by their modules, each with the names of its environment variables."""
    functions = resources_of_type(template, "AWS::Lambda::Function").values()
    return {
        function["Properties"]["Handler"].removesuffix(".handler"): set(
            function["Properties"]["Environment"]["Variables"]
        )
        for function in functions
        if function["Properties"]["Handler"].endswith(".handler")
    }


HANDLERS = sorted(path.stem for path in LAMBDAS.glob("*.py"))


def test_every_handler_is_a_function_of_the_stack(all_providers: dict[str, Any]) -> None:
    assert set(HANDLERS) == set(functions_of(all_providers)) & set(HANDLERS)


@pytest.mark.parametrize("module", HANDLERS)
def test_a_function_has_the_variables_that_it_reads_and_no_others(module: str, all_providers: dict[str, Any]) -> None:
    configured, read = functions_of(all_providers)[module], variables_read_by(module)

    assert read - configured <= ONLY_WITHOUT_SERVICE_END
    assert configured - read <= GIVEN_TO_ALL | REPLACES_ENVIRONMENTS
    assert module != "resolve_entity" or configured >= ONLY_WITHOUT_SERVICE_END


def test_the_environment_is_read_in_one_module_only() -> None:
    readers = [path for path in LAMBDAS.rglob("*.py") if re.search(r"\benviron\b|\bgetenv\b", path.read_text())]

    assert readers == [LAMBDAS / "offboarding" / "configuration.py"]

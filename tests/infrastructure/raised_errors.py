"""Which of this project's errors can leave a function: read from the source, without running it.

Calls are followed from function to function and from module to module, `except` clauses take away what they name,
and what WorkMail may answer to an operation is what its service model lists for it. A receiver is known by its name:
`directory` is a `Directory`, `exports` are `MailboxExports`, which is a `Directory` too, `records` are the `Records`,
and so on.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import botocore.session
from botocore.exceptions import ClientError

from offboarding.adapters import directory as directory_module
from offboarding.domain import errors

LAMBDAS = Path(__file__).parents[2] / "lambdas"
RECEIVERS = {
    "directory": ("offboarding.adapters.directory", "Directory"),
    "records": ("offboarding.adapters.records", "Records"),
    "table": ("offboarding.adapters.table", "Table"),
    "cap": ("offboarding.adapters.cap", "Cap"),
    "reports": ("offboarding.adapters.reports", "Reports"),
    "exports": ("offboarding.adapters.mailbox_exports", "MailboxExports"),
    "slots": ("offboarding.adapters.export_slots", "ExportSlots"),
    "look": ("check_export", "Look"),
}
CALLS = ("_call", "_iterate_pages")
"""The methods of `Directory` that call WorkMail."""
ANY_OPERATION = {"WorkMailUnavailable", "AccessDenied"}

Names = frozenset[str]


@dataclass(frozen=True)
class Escape:
    """What leaves a function: an error, or the error class in a parameter."""

    kind: str
    name: str


@dataclass(frozen=True)
class Module:
    """A module's functions, methods and imports."""

    name: str
    functions: Mapping[str, ast.FunctionDef]
    imports: Mapping[str, str]
    tree: ast.Module = field(compare=False)


def list_raised_errors(module: str, function: str = "handler") -> set[str]:
    """Return the names of the errors that can leave a function of a module."""
    escapes = _Reader(module).function(_module(module), function)
    assert {escape.kind for escape in escapes} <= {"error"}, escapes
    return {escape.name for escape in escapes}


@cache
def _module(name: str) -> Module:
    path = LAMBDAS / f"{name.replace('.', '/')}.py"
    tree = ast.parse(path.read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef):
            functions |= {f"{owner.name}.{node.name}": node for node in owner.body if isinstance(node, ast.FunctionDef)}
    imports = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and node.module
        and (LAMBDAS / node.module.replace(".", "/")).parent.exists()
        for alias in node.names
        if node.module.startswith("offboarding")
    }
    return Module(name, functions, imports, tree)


def _error_class(name: str) -> type[Exception] | None:
    error_class = getattr(errors, name, None)
    return error_class if isinstance(error_class, type) else None


def _without(escapes: Iterable[Escape], caught: Names) -> set[Escape]:
    """Take away the errors that an `except` names, with all their subclasses."""
    classes = tuple(c for c in map(_error_class, caught) if c)
    everything = bool(caught & {"Exception", "BaseException"})
    left = set()
    for escape in escapes:
        if escape.kind == "param" or not (everything or issubclass(_error_class(escape.name) or object, classes)):
            left.add(escape)
    return left


class _Reader:
    """Reads on behalf of one handler, whose `Directory` says what some answers mean."""

    def __init__(self, module: str) -> None:
        self._escapes: dict[tuple[str, str], set[Escape]] = {}
        made = [
            node
            for node in ast.walk(_module(module).tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Directory"
        ]
        keywords = {k.arg: k.value.attr for call in made for k in call.keywords if isinstance(k.value, ast.Attribute)}
        self._directory = directory_module.Directory(
            None,
            "",
            **{name: getattr(errors, value) for name, value in keywords.items()},
        )

    def function(self, module: Module, name: str) -> set[Escape]:
        key = (module.name, name)
        if key not in self._escapes:
            self._escapes[key] = set()
            node = module.functions[name]
            # The one place at which answers become errors: `_answers` has what it makes of them.
            escapes = set() if name == "Directory._call" else self._body(module, name, node, node.body)
            for decorator in node.decorator_list:
                target = self._target(module, name, decorator)
                if target:
                    escapes |= {e for e in self.function(*target) if e.kind == "error"}
            if name.startswith("Directory."):
                escapes |= {Escape("error", error) for error in self._answers(node)}
            self._escapes[key] = escapes
        return self._escapes[key]

    def _answers(self, method: ast.FunctionDef) -> set[str]:
        """Return the errors that stand for WorkMail's answers in a method of `Directory`."""
        constants = {node.value for node in ast.walk(method) if isinstance(node, ast.Constant)}
        names = {node.id for node in ast.walk(method) if isinstance(node, ast.Name)}
        operations = set(_workmail().operation_names) & constants
        operations |= (
            {operation for operation, _ in directory_module._DESCRIBE_OPERATIONS.values()}
            if "_DESCRIBE_OPERATIONS" in names
            else set()
        )
        operations |= (
            {operation for operation, _ in directory_module._LIST_OPERATIONS.values()}
            if "_LIST_OPERATIONS" in names
            else set()
        )
        return {error for operation in operations for error in self._means(operation)}

    def _means(self, operation: str) -> set[str]:
        error_names = {shape.name for shape in _workmail().operation_model(operation).error_shapes}
        meanings = {
            type(self._translate(operation, code)).__name__ for code in error_names - {"InvalidParameterException"}
        }
        unlisted = type(self._translate(operation, "SomethingNew")).__name__
        return meanings | ANY_OPERATION | {unlisted, self._directory._invalid_parameter.__name__}

    def _translate(self, operation: str, code: str) -> errors.OffboardingError:
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        return self._directory._translate_error(operation, ClientError(answer, operation))

    def _body(self, module: Module, where: str, function: ast.FunctionDef, body: list[ast.stmt]) -> set[Escape]:
        escapes: set[Escape] = set()
        for statement in body:
            escapes |= self._statement(module, where, function, statement)
        return escapes

    def _statement(self, module: Module, where: str, function: ast.FunctionDef, node: ast.AST) -> set[Escape]:
        if isinstance(node, ast.Try):
            escapes = self._body(module, where, function, node.body)
            handled: set[Escape] = set()
            for handler in node.handlers:
                caught = _names(handler.type)
                left = _without(escapes, caught)
                again = escapes - left if _raises_again(handler) else set()
                handled |= again | self._body(module, where, function, handler.body)
                escapes = left
            return escapes | handled | self._body(module, where, function, [*node.orelse, *node.finalbody])
        escapes = set()
        if isinstance(node, ast.Raise):
            escapes |= self._raised(module, where, function, node)
        if isinstance(node, ast.Call):
            escapes |= self._called(module, where, function, node)
        for child in ast.iter_child_nodes(node):
            escapes |= self._statement(module, where, function, child)
        return escapes

    def _raised(self, module: Module, where: str, function: ast.FunctionDef, node: ast.Raise) -> set[Escape]:
        if not isinstance(node.exc, ast.Call):
            assert node.exc is None, f"{where} raises {ast.dump(node)}"
            return set()
        names = _names(node.exc.func)
        if any(map(_error_class, names)):
            return {Escape("error", name) for name in names}
        if names & _parameters(function):
            return {Escape("param", name) for name in names}
        target = self._target(module, where, node.exc.func)
        if target is None or target[1].startswith("Directory."):
            return set()
        return {Escape("error", name) for name in _made(target[0].functions[target[1]], node.exc)}

    def _called(self, module: Module, where: str, function: ast.FunctionDef, call: ast.Call) -> set[Escape]:
        if where.startswith("MailboxExports.") and isinstance(call.func, ast.Attribute) and call.func.attr in CALLS:
            assert isinstance(call.args[0], ast.Constant)
            return {Escape("error", error) for error in self._means(call.args[0].value)}
        target = self._target(module, where, call.func)
        if target is None:
            return set()
        callee = target[0].functions[target[1]]
        arguments_by_name = _bind_arguments(callee, call)
        escapes: set[Escape] = set()
        for escape in self.function(*target):
            argument = arguments_by_name.get(escape.name)
            if escape.kind == "error":
                escapes.add(escape)
            elif argument is not None:
                escapes |= {Escape("error", name) for name in _names(argument)}
        return escapes

    def _target(self, module: Module, where: str, called: ast.expr) -> tuple[Module, str] | None:
        """Find the function or method that is called, if it is one of this project."""
        if isinstance(called, ast.Name):
            if called.id in module.functions:
                return module, called.id
            home, _, name = module.imports.get(called.id, "").rpartition(".")
            return self._existing(home, name)
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name | ast.Attribute):
            receiver = called.value.id if isinstance(called.value, ast.Name) else called.value.attr.lstrip("_")
            if receiver == "self":
                return self._existing(module.name, f"{where.partition('.')[0]}.{called.attr}")
            if receiver in RECEIVERS:
                home, owner = RECEIVERS[receiver]
                return self._existing(home, f"{owner}.{called.attr}")
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Call):
            made = _names(called.value.func)
            for home, owner in RECEIVERS.values():
                if owner in made:
                    return self._existing(home, f"{owner}.{called.attr}")
        return None

    def _existing(self, home: str, name: str) -> tuple[Module, str] | None:
        if not home or not (LAMBDAS / f"{home.replace('.', '/')}.py").exists():
            return None
        module = _module(home)
        if name in module.functions:
            return module, name
        if name.startswith("MailboxExports."):
            return self._existing(directory_module.__name__, name.replace("MailboxExports", "Directory"))
        return None


@cache
def _workmail() -> botocore.model.ServiceModel:
    return botocore.session.get_session().get_service_model("workmail")


def _names(node: ast.expr | None) -> Names:
    """Return the last names of what stands in an `except` or before the brackets of a call."""
    if node is None:
        return frozenset({"BaseException"})
    if isinstance(node, ast.Tuple):
        return frozenset().union(*map(_names, node.elts))
    if isinstance(node, ast.Attribute):
        return frozenset({node.attr})
    if isinstance(node, ast.Name):
        return frozenset({node.id})
    return frozenset()


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def _parameters(function: ast.FunctionDef) -> set[str]:
    arguments = function.args
    return {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


def _bind_arguments(callee: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr]:
    """Return what a call gives for each parameter, or its default."""
    arguments = callee.args
    names = [argument.arg for argument in arguments.args if argument.arg != "self"]
    defaults = dict(zip(reversed(names), reversed(arguments.defaults), strict=False))
    named = {a.arg: default for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default}
    positional = dict(zip(names, call.args, strict=False))
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return {**defaults, **named, **positional, **keywords}


def _made(function: ast.FunctionDef, call: ast.Call) -> set[str]:
    """Return the errors that a function makes for its caller to raise, classes that it gets as arguments included."""
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    classes = {
        name
        for parameter, value in _bind_arguments(function, call).items()
        if parameter in called
        for name in _names(value)
    }
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and _error_class(node.attr)} | classes

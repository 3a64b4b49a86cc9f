"""Makes the next release of a cloud assembly: a changed copy, as a synthesis of changed sources would write it."""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.cdk.assembly import TEMPLATE

_MANIFEST = "manifest.json"
_ASSETS = "workmail-offboarding.assets.json"
_HASH_LENGTH = 32


class NextRelease:
    """The next release, made from a former one.

    Parameters
    ----------
    former_assembly
        The assembly of the former release; it is only read.
    directory
        The directory of the new assembly; it must not exist.
    """

    def __init__(self, former_assembly: Path, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True)
        shutil.copy(former_assembly / _MANIFEST, directory)
        self._assets = json.loads((former_assembly / _ASSETS).read_text())
        self._former_resources: dict[str, Any] = json.loads((former_assembly / TEMPLATE).read_text())["Resources"]
        self.template: dict[str, Any] = json.loads((former_assembly / TEMPLATE).read_text())
        for file in self._assets["files"].values():
            file["source"]["path"] = str(former_assembly / file["source"]["path"])

    @property
    def resources(self) -> dict[str, Any]:
        return self.template["Resources"]

    def find_logical_id(self, kind: str, beginning: str) -> str:
        """Return the logical id of the resource of a type whose id has this beginning; it must be unique."""
        [logical_id] = [n for n, r in self.resources.items() if r["Type"] == kind and n.startswith(beginning)]
        return logical_id

    def read_function(self, name: str) -> dict[str, Any]:
        """Return the properties of a function."""
        return self.resources[self.find_logical_id("AWS::Lambda::Function", f"{name}Function")]["Properties"]

    def append_code(self, **modules: str) -> None:
        """Add lines to handlers' modules; every function gets the new package."""
        files = self._assets["files"]
        [old] = [digest for digest, file in files.items() if file["source"]["packaging"] == "zip"]
        new = hashlib.sha256(json.dumps([old, modules]).encode()).hexdigest()
        package = self._directory / f"asset.{new}"
        # Bytecode of the old package would be used without a look at the changed sources.
        shutil.copytree(files[old]["source"]["path"], package, ignore=shutil.ignore_patterns("__pycache__"))
        for module, lines in modules.items():
            file = package / f"{module}.py"
            file.write_text(f"{file.read_text()}\n\n{lines}")
        self._replace(old, new)
        self._assets["files"][new]["source"]["path"] = str(package)

    def change_definition(self, change: Callable[[dict[str, Any]], None], machine: str = "Offboarding") -> None:
        """Change a state machine's definition, in place."""
        properties = self.resources[self.find_logical_id("AWS::StepFunctions::StateMachine", machine)]["Properties"]
        definition = json.loads(properties["DefinitionString"])
        original = copy.deepcopy(definition)
        change(definition)
        assert definition != original, "the change must have an effect"
        properties["DefinitionString"] = json.dumps(definition)

    def set_environment(self, name: str, value: str) -> None:
        """Change an environment variable of every function that has it."""
        functions = [r["Properties"] for r in self.resources.values() if r["Type"] == "AWS::Lambda::Function"]
        environments = [f["Environment"]["Variables"] for f in functions if name in f["Environment"]["Variables"]]
        assert environments, name
        for variables in environments:
            variables[name] = value

    def rename_function(self, old: str, new: str) -> None:
        """Have the definition call a new function; the retired function keeps its resources and permissions."""
        for logical_id in [name for name in self.resources if name.startswith(old)]:
            text = json.dumps(self.resources[logical_id]).replace(old, new)
            self.resources[logical_id.replace(old, new)] = json.loads(text)
        # The module of the handler keeps its name.
        self.read_function(new)["Handler"] = self.read_function(old)["Handler"]
        role = self.resources[self.find_logical_id("AWS::IAM::Policy", "OffboardingRole")]["Properties"][
            "PolicyDocument"
        ]
        for statement in list(role["Statement"]):
            if f"{old}Function" in json.dumps(statement):
                role["Statement"].append(json.loads(json.dumps(statement).replace(f"{old}Function", f"{new}Function")))
        machine = self.resources[self.find_logical_id("AWS::StepFunctions::StateMachine", "Offboarding")]["Properties"]
        machine["DefinitionString"] = machine["DefinitionString"].replace(f"${{{old}}}", f"${{{new}}}")
        machine["DefinitionSubstitutions"][new] = json.loads(
            json.dumps(machine["DefinitionSubstitutions"].pop(old)).replace(old, new)
        )

    def remove_function(self, name: str) -> None:
        """Remove a function that no state calls, with its resources and permissions, in spite of waiting executions."""
        removed_ids = {logical_id for logical_id in self.resources if logical_id.startswith(name)}
        for logical_id in removed_ids:
            del self.resources[logical_id]
        role = self.resources[self.find_logical_id("AWS::IAM::Policy", "OffboardingRole")]["Properties"][
            "PolicyDocument"
        ]
        for statement in role["Statement"]:
            if isinstance(statement["Resource"], list):
                statement["Resource"] = [r for r in statement["Resource"] if f"{name}Function" not in json.dumps(r)]

    def delete_retention_policies(self) -> None:
        """Delete the policies that retain versions."""
        for resource in self.resources.values():
            if resource["Type"] == "AWS::Lambda::Version":
                del resource["DeletionPolicy"], resource["UpdateReplacePolicy"]

    def write(self) -> Path:
        """Write the assembly, with a new version of each function that has changed."""
        for name, resource in list(self.resources.items()):
            if resource["Type"] == "AWS::Lambda::Version" and name in self._former_resources:
                function = resource["Properties"]["FunctionName"]["Ref"]
                if self.resources[function] != self._former_resources.get(function):
                    digest = hashlib.sha256(json.dumps(self.resources[function]).encode()).hexdigest()
                    self._replace(name, name[:-_HASH_LENGTH] + digest[:_HASH_LENGTH])
        (self._directory / TEMPLATE).write_text(json.dumps(self.template))
        for file in self._assets["files"].values():
            if file["source"]["packaging"] == "file":
                file["source"]["path"] = TEMPLATE
        (self._directory / _ASSETS).write_text(json.dumps(self._assets))
        return self._directory

    def _replace(self, old: str, new: str) -> None:
        self.template = json.loads(json.dumps(self.template).replace(old, new))
        self._assets = json.loads(json.dumps(self._assets).replace(old, new))

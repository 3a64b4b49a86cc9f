"""The wheel of the command `offboarding`: it has operate/ alone, and works without the rest of the repository."""

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from stacks.locked_packages import ROOT

REQUIRED = {"boto3", "click", "rich"}
BOTO3_BRINGS = {"botocore"}
PREAMBLE = """
import sys

class Refuser:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"lambdas", "local", "offboarding", "stacks", "tests", "tools"}:
            raise ImportError(f"{name} is not in the wheel")

sys.meta_path.insert(0, Refuser())
sys.path.insert(0, sys.argv.pop(1))
"""
COMMAND = """
from importlib.metadata import distribution

[command] = [point for point in distribution("workmail-offboarding").entry_points if point.name == "offboarding"]
command.load()()
"""
ALL_MODULES = """
import pkgutil
import operate

modules = [module.name for module in pkgutil.walk_packages(operate.__path__, "operate.")]
for module in modules:
    if not module.endswith("__main__"):
        __import__(module)
print(*modules)
"""
ON_MOTO = """
import boto3
from moto import mock_aws

mock_aws().start()
boto3.client("dynamodb").create_table(
    TableName="records",
    KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
    AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("Id", "Part")],
    BillingMode="PAY_PER_REQUEST",
)
boto3.client("dynamodb").put_item(TableName="records", Item={"Id": {"S": "erased/1"}, "Part": {"S": "Erased"}})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as the build backend makes it, which is installed, so that no index is asked."""
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from flit_core import buildapi; print(buildapi.build_wheel({str(folder)!r}))"
    built = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder / built.stdout.split()[-1]


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def metadata_of(unpacked: Path) -> Message:
    [path] = unpacked.glob("*.dist-info/METADATA")
    return message_from_bytes(path.read_bytes())


def run(unpacked: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))},
        **{"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"},
    }
    command = [sys.executable, "-I", "-c", PREAMBLE + code, str(unpacked), *arguments]
    return subprocess.run(command, cwd=unpacked.parent, env=environment, capture_output=True, text=True)


def iterate_imports(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def test_the_wheel_has_the_command_and_its_licence_alone(unpacked: Path) -> None:
    files = {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()}
    modules = {path.relative_to(ROOT) for path in (ROOT / "operate").rglob("*.py")}
    [information] = unpacked.glob("*.dist-info")

    assert Path("operate/command.py") in modules
    assert {path for path in files if path.parts[0] != information.name} == modules
    assert (information / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_wheel_requires_the_locked_versions_of_what_the_command_imports(unpacked: Path) -> None:
    requirements = metadata_of(unpacked).get_all("Requires-Dist") or []

    assert {requirement.partition("==")[0] for requirement in requirements} == REQUIRED
    third_party = set(iterate_imports(unpacked / "operate")) - sys.stdlib_module_names - {"operate"}
    assert third_party == REQUIRED | BOTO3_BRINGS


def test_the_build_backend_is_the_locked_one() -> None:
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    [version] = [package["version"] for package in packages if package["name"] == "flit-core"]

    assert build_system["requires"] == [f"flit_core=={version}"]


def test_every_module_of_the_wheel_imports_without_the_repository(unpacked: Path) -> None:
    imported = run(unpacked, ALL_MODULES)

    assert imported.returncode == 0, imported.stderr
    assert {"operate.command", "operate.records.exporting"} <= set(imported.stdout.split())


def test_the_installed_command_explains_itself(unpacked: Path) -> None:
    helped = run(unpacked, COMMAND, "--help")

    assert helped.returncode == 0, helped.stderr
    assert helped.stdout.startswith("Usage: offboarding [OPTIONS] COMMAND")


def test_the_installed_command_works_on_a_table(unpacked: Path) -> None:
    exported = run(unpacked, ON_MOTO + COMMAND, "records", "export", "-", "--table", "records")

    assert exported.returncode == 0, exported.stderr
    assert '"erased/1"' in exported.stdout
    assert exported.stderr == "Items of records exported: 1.\n"

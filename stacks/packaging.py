"""Builds the Lambda asset: the contents of ``lambdas/`` and the packages that they import at run time.

The files come from the installed environment, and the lock file determines the packages and their versions. So the
deployed versions are the tested ones, and the build needs neither Docker nor the network.
"""

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, Final

from packaging.markers import Marker

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = "workmail-offboarding"

DEPLOYED_ENVIRONMENT: Final[dict[str, str]] = {
    "implementation_name": "cpython",
    "implementation_version": "3.13.0",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}
"""The runtime of the asset. The lock's markers are evaluated for it, not for the machine that synthesizes."""

_COMPILED_SUFFIXES: Final = {".so", ".pyd", ".dll", ".dylib"}
_BYTECODE_SUFFIXES: Final = {".pyc", ".pyo"}
_LICENCE_PREFIXES: Final = ("licen", "copying", "notice", "authors")


class PackagingError(RuntimeError):
    """The asset cannot be built as locked; the message is one sentence for the deployer."""


def build_asset(lambdas: Path = ROOT / "lambdas", lock: Path = ROOT / "uv.lock") -> Path:
    """Build the directory with the code of every function.

    The same sources and the same lock give the same tree, byte for byte, in the same place.

    Parameters
    ----------
    lambdas
        The handlers and their shared package.
    lock
        The project's ``uv.lock``.

    Returns
    -------
    Path
        The directory, under ``.cache/`` at the root of the repository.

    Raises
    ------
    PackagingError
        A package is not installed as locked, is not pure Python, or would overwrite a file of the asset.
    """
    contents = {path.relative_to(lambdas).as_posix(): path for path in list_source_files(lambdas)}
    for name, version in sorted(read_locked_packages(lock).items()):
        for target, source in _list_package_files(name, version):
            if target in contents:
                raise PackagingError(f"{name} {version} would overwrite {target} in the Lambda asset")
            contents[target] = source
    asset = ROOT / ".cache" / "lambda-asset" / _hash_contents(contents)
    if not asset.is_dir():
        _write_asset(contents, asset)
    return asset


def list_source_files(folder: Path) -> Iterator[Path]:
    """List every file below a folder, in a fixed order, without hidden files and bytecode.

    Parameters
    ----------
    folder
        The folder, which need not exist.

    Yields
    ------
    Path
        One file.
    """
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        is_hidden = any(part == "__pycache__" or part.startswith(".") for part in parts)
        if path.is_file() and not is_hidden and path.suffix not in _BYTECODE_SUFFIXES:
            yield path


def read_locked_packages(lock: Path = ROOT / "uv.lock") -> dict[str, str]:
    """Read which packages the deployed code needs.

    Parameters
    ----------
    lock
        The project's ``uv.lock``.

    Returns
    -------
    dict[str, str]
        Names to versions: the closure of the project's dependencies, extras included, on the deployed runtime.
        Development groups are not part of it.

    Raises
    ------
    PackagingError
        The lock has several versions of a package.
    """
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in _parse_lock(lock.read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)
    closure: dict[str, str] = {}
    visited: set[tuple[str, str, str]] = set()
    pending = [*_list_dependencies(packages[PROJECT][0], "")]
    while pending:
        dependency = pending.pop()
        package = _resolve_package(dependency, packages)
        closure[package["name"]] = package["version"]
        for extra in ("", *dependency.get("extra", ())):
            visit = (package["name"], package["version"], extra)
            if visit not in visited:
                visited.add(visit)
                pending.extend(_list_dependencies(package, extra))
    return closure


@lru_cache(maxsize=1)
def _parse_lock(text: str) -> Mapping[str, Any]:
    """Parse a lock once per process: it takes longer than building a stack."""
    return tomllib.loads(text)


def _list_dependencies(package: Mapping[str, Any], extra: str) -> Iterator[Mapping[str, Any]]:
    """List the dependencies of a locked package, or of one of its extras, on the deployed runtime."""
    extras = {"": package.get("dependencies", ()), **package.get("optional-dependencies", {})}
    for dependency in extras.get(extra, ()):
        marker = dependency.get("marker")
        if marker is None or Marker(marker).evaluate(DEPLOYED_ENVIRONMENT):
            yield dependency


def _resolve_package(dependency: Mapping[str, Any], packages: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the locked package of a dependency; uv writes the version if several are locked."""
    candidates = [
        package
        for package in packages.get(dependency["name"], ())
        if dependency.get("version", package["version"]) == package["version"]
    ]
    if len(candidates) != 1:
        raise PackagingError(f"uv.lock does not say which version of {dependency['name']} is deployed")
    return candidates[0]


def _list_package_files(name: str, version: str) -> Iterator[tuple[str, Path]]:
    """List the deployed files of an installed package: the path in the asset, and the installed file."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise PackagingError(f"{name} {version} is locked for deployment but not installed: run make setup") from None
    if distribution.version != version:
        raise PackagingError(f"{name} {distribution.version} is installed but uv.lock has {version}: run make setup")
    for file in distribution.files or ():
        if file.suffix in _COMPILED_SUFFIXES:
            raise PackagingError(f"{name} {version} has a compiled file ({file}), and only pure Python can be deployed")
        if _is_deployed(file):
            yield file.as_posix(), Path(str(distribution.locate_file(file)))


def _is_deployed(file: PurePosixPath) -> bool:
    """Accept code, data, licences and the METADATA with the version; no scripts, tests or bytecode."""
    folder = file.parts[0]
    if folder in {"..", "tests"} or file.parts[1:2] == ("tests",):
        return False
    if folder.endswith(".dist-info"):
        return file.name == "METADATA" or file.name.lower().startswith(_LICENCE_PREFIXES)
    return file.suffix not in _BYTECODE_SUFFIXES and "__pycache__" not in file.parts


def _hash_contents(contents: Mapping[str, Path]) -> str:
    files = {target: hashlib.sha256(source.read_bytes()).hexdigest() for target, source in contents.items()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _write_asset(contents: Mapping[str, Path], asset: Path) -> None:
    """Write to a temporary directory and rename it, so that no process reads an incomplete asset."""
    asset.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=asset.parent, prefix="unfinished-"))
    try:
        for target, source in sorted(contents.items()):
            path = unfinished / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
        _normalise_modes(unfinished)
        _rename(unfinished, asset)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _normalise_modes(folder: Path) -> None:
    """Make the code readable for Lambda, independently of the umask of the build."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _rename(unfinished: Path, final: Path) -> None:
    try:
        os.rename(unfinished, final)
    except OSError:
        # Another process was faster, and its result is the same.
        if not final.is_dir():
            raise

"""The Lambda asset: the contents of ``lambdas/`` and, beside them, what they import at run time.

The packages are taken from the installed environment, but the lock file decides: which packages, in which
versions. What was tested is what runs, and neither Docker nor the network is needed to build it.
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
"""Where the asset runs. The lock's markers are evaluated for it, not for the machine that synthesizes."""

_COMPILED: Final = {".so", ".pyd", ".dll", ".dylib"}
_BYTECODE: Final = {".pyc", ".pyo"}
_LICENCE_NAMES: Final = ("licen", "copying", "notice", "authors")


class PackagingError(RuntimeError):
    """The asset cannot be built as locked; the message is one sentence for the person who deploys."""


def build_asset(lambdas: Path = ROOT / "lambdas", lock: Path = ROOT / "uv.lock") -> Path:
    """Build the directory that becomes every function's code.

    The same sources and the same lock give the same tree, byte for byte, at the same place.

    Parameters
    ----------
    lambdas
        The handlers and what they share.
    lock
        The project's ``uv.lock``.

    Returns
    -------
    Path
        The directory, under ``.cache/`` at the root of the repository.

    Raises
    ------
    PackagingError
        A package is not installed as locked, is not pure Python, or hides a module of another.
    """
    contents = {path.relative_to(lambdas).as_posix(): path for path in source_files(lambdas)}
    for name, version in sorted(locked_packages(lock).items()):
        for target, source in _package_files(name, version):
            if target in contents:
                raise PackagingError(f"{name} {version} would overwrite {target} in the Lambda asset")
            contents[target] = source
    asset = ROOT / ".cache" / "lambda-asset" / _digest(contents)
    if not asset.is_dir():
        _write(contents, asset)
    return asset


def source_files(folder: Path) -> Iterator[Path]:
    """List every file below a folder, in a fixed order, without what Python and tools leave behind.

    Parameters
    ----------
    folder
        Where to look; need not exist.

    Yields
    ------
    Path
        One file.
    """
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part == "__pycache__" or part.startswith(".") for part in parts)
        if path.is_file() and not hidden and path.suffix not in _BYTECODE:
            yield path


def locked_packages(lock: Path = ROOT / "uv.lock") -> dict[str, str]:
    """Walk the lock to the packages that the deployed code needs.

    Parameters
    ----------
    lock
        The project's ``uv.lock``.

    Returns
    -------
    dict[str, str]
        Names to versions: the closure of the project's own dependencies, extras included, on the deployed
        runtime. Development groups are not part of it.
    """
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in _read_lock(lock.read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)
    closure: dict[str, str] = {}
    visited: set[tuple[str, str, str]] = set()
    waiting = [*_dependencies(packages[PROJECT][0], "")]
    while waiting:
        wanted = waiting.pop()
        package = _the_one(wanted, packages)
        closure[package["name"]] = package["version"]
        for extra in ("", *wanted.get("extra", ())):
            visit = (package["name"], package["version"], extra)
            if visit not in visited:
                visited.add(visit)
                waiting.extend(_dependencies(package, extra))
    return closure


@lru_cache(maxsize=1)
def _read_lock(text: str) -> Mapping[str, Any]:
    """Read a lock once, however many stacks a process builds: it is read for longer than a stack is built."""
    return tomllib.loads(text)


def _dependencies(package: Mapping[str, Any], extra: str) -> Iterator[Mapping[str, Any]]:
    """Yield what a locked package needs on the deployed runtime; with an extra, what that adds."""
    wanted = package.get("optional-dependencies", {}).get(extra, ()) if extra else package.get("dependencies", ())
    for dependency in wanted:
        marker = dependency.get("marker")
        if marker is None or Marker(marker).evaluate(DEPLOYED_ENVIRONMENT):
            yield dependency


def _the_one(wanted: Mapping[str, Any], packages: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Find the locked package that a dependency means; uv writes the version where there are several."""
    found = [
        package
        for package in packages.get(wanted["name"], ())
        if wanted.get("version", package["version"]) == package["version"]
    ]
    if len(found) != 1:
        raise PackagingError(f"uv.lock does not say which version of {wanted['name']} is deployed")
    return found[0]


def _package_files(name: str, version: str) -> Iterator[tuple[str, Path]]:
    """Yield where each file of an installed package goes in the asset, and where it is now."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise PackagingError(f"{name} {version} is locked for deployment but not installed: run make setup") from None
    if distribution.version != version:
        raise PackagingError(f"{name} {distribution.version} is installed but uv.lock has {version}: run make setup")
    for file in distribution.files or ():
        if file.suffix in _COMPILED:
            raise PackagingError(f"{name} {version} has a compiled file ({file}), and only pure Python can be deployed")
        if _is_deployed(file):
            yield file.as_posix(), Path(str(distribution.locate_file(file)))


def _is_deployed(file: PurePosixPath) -> bool:
    """Keep code, data, licences, and the METADATA that says what was vendored; no scripts, tests or bytecode."""
    top = file.parts[0]
    if top in {"..", "tests"} or file.parts[1:2] == ("tests",):
        return False
    if top.endswith(".dist-info"):
        return file.name == "METADATA" or file.name.lower().startswith(_LICENCE_NAMES)
    return file.suffix not in _BYTECODE and "__pycache__" not in file.parts


def _digest(contents: Mapping[str, Path]) -> str:
    files = {target: hashlib.sha256(source.read_bytes()).hexdigest() for target, source in contents.items()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _write(contents: Mapping[str, Path], asset: Path) -> None:
    """Write beside the final place and rename, so that nobody ever sees half an asset."""
    asset.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=asset.parent, prefix="unfinished-"))
    try:
        for target, source in sorted(contents.items()):
            path = unfinished / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
        _normalise_modes(unfinished)
        _move(unfinished, asset)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _normalise_modes(folder: Path) -> None:
    """Let Lambda read the code, whatever the umask of whoever builds it."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _move(unfinished: Path, final: Path) -> None:
    try:
        os.rename(unfinished, final)
    except OSError:
        # Another process was faster; what it made is the same.
        if not final.is_dir():
            raise

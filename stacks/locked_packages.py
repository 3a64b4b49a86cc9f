"""Reads from ``uv.lock`` which packages are deployed, and the hashes of their wheels."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = "workmail-offboarding"
_DEPLOYED_GROUP: Final = "functions"

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

_PURE_PYTHON_SUFFIX = "-none-any.whl"


class PackagingError(RuntimeError):
    """The asset cannot be built as locked; the message is one sentence for the deployer."""


@dataclass(frozen=True)
class LockedWheel:
    """A wheel that is deployed.

    Attributes
    ----------
    name, version
        Those of the package.
    sha256
        The hash of the wheel's file, in hexadecimal digits.
    """

    name: str
    version: str
    sha256: str


def read_locked_packages(lock: Path = ROOT / "uv.lock") -> dict[str, str]:
    """Read which packages the deployed code needs.

    Parameters
    ----------
    lock
        The project's ``uv.lock``.

    Returns
    -------
    dict[str, str]
        Names to versions: the closure of the dependency group `functions`, extras included, on the deployed runtime.
        Neither the command's dependencies nor the other groups are part of it.

    Raises
    ------
    PackagingError
        The lock has several versions of a package.
    """
    return {package["name"]: package["version"] for package in _list_deployed_packages(lock)}


def read_locked_wheels(lock: Path = ROOT / "uv.lock") -> list[LockedWheel]:
    """Read which wheels have the packages that the deployed code needs.

    Parameters
    ----------
    lock
        The project's ``uv.lock``.

    Returns
    -------
    list[LockedWheel]
        The wheel of each package, ordered by name.

    Raises
    ------
    PackagingError
        The lock has several versions of a package, or no wheel of it that is pure Python.
    """
    return [_choose_wheel(package) for package in sorted(_list_deployed_packages(lock), key=itemgetter("name"))]


def _choose_wheel(package: Mapping[str, Any]) -> LockedWheel:
    name, version = package["name"], package["version"]
    wheels = [wheel for wheel in package.get("wheels", ()) if wheel["url"].endswith(_PURE_PYTHON_SUFFIX)]
    if len(wheels) != 1:
        raise PackagingError(
            f"uv.lock has {len(wheels)} wheels of {name} {version} that run everywhere, and one is needed: only pure "
            "Python can be deployed"
        )
    algorithm, _, digest = wheels[0]["hash"].partition(":")
    if algorithm != "sha256":
        raise PackagingError(f"uv.lock has no sha256 of the wheel of {name} {version}")
    return LockedWheel(name, version, digest)


def _list_deployed_packages(lock: Path) -> list[dict[str, Any]]:
    """List the lock's entries of the deployed packages."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in _parse_lock(lock.read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)
    closure: dict[str, dict[str, Any]] = {}
    visited: set[tuple[str, str, str]] = set()
    pending = [*_select_deployed(packages[PROJECT][0]["dev-dependencies"][_DEPLOYED_GROUP])]
    while pending:
        dependency = pending.pop()
        package = _resolve_package(dependency, packages)
        closure[package["name"]] = package
        for extra in ("", *dependency.get("extra", ())):
            visit = (package["name"], package["version"], extra)
            if visit not in visited:
                visited.add(visit)
                pending.extend(_list_dependencies(package, extra))
    return [*closure.values()]


@lru_cache(maxsize=1)
def _parse_lock(text: str) -> Mapping[str, Any]:
    """Parse a lock once per process: it takes longer than building a stack."""
    return tomllib.loads(text)


def _list_dependencies(package: Mapping[str, Any], extra: str) -> Iterator[Mapping[str, Any]]:
    """List the dependencies of a locked package, or of one of its extras, on the deployed runtime."""
    extras = {"": package.get("dependencies", ()), **package.get("optional-dependencies", {})}
    return _select_deployed(extras.get(extra, ()))


def _select_deployed(dependencies: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Select the dependencies whose marker holds on the deployed runtime."""
    for dependency in dependencies:
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

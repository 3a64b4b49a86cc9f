"""Checks that every locked package has an allowed licence, and that every deployed package has a permissive one."""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from stacks.locked_packages import read_locked_packages

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class LicenceRules:
    """The content of ``licences.toml``.

    Attributes
    ----------
    deployed, tools
        The allowed licences, by their SPDX identifiers.
    spellings
        SPDX expressions by the texts of older metadata.
    overrides
        SPDX expressions by the names of packages whose metadata are unusable.
    """

    deployed: frozenset[str]
    tools: frozenset[str]
    spellings: Mapping[str, str]
    overrides: Mapping[str, str]

    def find_problem(self, package: str, declared: str, *, deployed: bool) -> str | None:
        """Check one package.

        Parameters
        ----------
        package
            Its name.
        declared
            The licence in its metadata; empty if there is none.
        deployed
            Whether it is in the Lambda asset, which requires an SPDX expression in the metadata.

        Returns
        -------
        str or None
            A sentence that describes the problem.
        """
        text = declared if deployed else self.overrides.get(package) or self.spellings.get(declared, declared)
        try:
            expression = canonicalize_license_expression(text)
        except InvalidLicenseExpression:
            return f"{package}: licences.toml does not contain the licence {declared!r}"
        if _is_allowed(expression, self.deployed if deployed else self.deployed | self.tools):
            return None
        return f"{package}: {expression} is not allowed for {'deployed packages' if deployed else 'tools'}"


def read_rules(file: Path = HERE / "licences.toml") -> LicenceRules:
    """Read the rules.

    Parameters
    ----------
    file
        The file.

    Returns
    -------
    LicenceRules
        Its content.
    """
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return LicenceRules(
        deployed=frozenset(content["allowed"]["deployed"]),
        tools=frozenset(content["allowed"]["tools"]),
        spellings=content["spellings"],
        overrides={package: entry["licence"] for package, entry in content["overrides"].items()},
    )


def list_problems(licences: Iterable[tuple[str, str]], deployed: Iterable[str], rules: LicenceRules) -> list[str]:
    """Check packages.

    Parameters
    ----------
    licences
        Packages, and the licences in their metadata.
    deployed
        The packages in the Lambda asset.
    rules
        The allowed licences.

    Returns
    -------
    list[str]
        A sentence for each package that may not be used, and for each rule that no package needs.
    """
    pairs = [*licences]
    vendored = frozenset(deployed)
    problems = [rules.find_problem(package, declared, deployed=package in vendored) for package, declared in pairs]
    packages, texts = map(set, zip(*pairs, strict=True))
    unused = {"overrides": rules.overrides.keys() - packages, "spellings": rules.spellings.keys() - texts}
    problems += [
        f"licences.toml: no package needs {key!r} in {table}" for table, keys in unused.items() for key in keys
    ]
    return sorted({problem for problem in problems if problem})


def read_declared_licence(package: metadata.PackageMetadata) -> str:
    """Read the licence that a package declares.

    Parameters
    ----------
    package
        Its metadata.

    Returns
    -------
    str
        An SPDX expression if there is one; otherwise the licences of its classifiers, or the first line of its
        ``License`` field. Empty if it declares none.
    """
    if "License-Expression" in package:
        return package["License-Expression"]
    field = package["License"].partition("\n")[0] if "License" in package else ""
    try:
        return canonicalize_license_expression(field)
    except InvalidLicenseExpression:
        classifiers = package.get_all("Classifier") or []
        names = [text.split(" :: ")[-1] for text in classifiers if text.startswith("License ::")]
        return ", ".join(sorted(names)) or field


def read_uv_licences(lock: Path, site_packages: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Read the licences of the packages in a lock of uv.

    Parameters
    ----------
    lock
        The file.
    site_packages
        The directories of the installed packages. A package for another platform or another Python is not installed.

    Yields
    ------
    tuple[str, str]
        A package's name, and the licence in its metadata; empty if it is not installed.
    """
    installed = {
        re.sub(r"[-_.]+", "-", distribution.name).lower(): read_declared_licence(distribution.metadata)
        for distribution in metadata.distributions(path=[*map(str, site_packages)])
    }
    for package in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]:
        if "registry" in package["source"]:
            yield package["name"], installed.get(package["name"], "")


def read_npm_licences(lock: Path) -> Iterator[tuple[str, str]]:
    """Read the licences in a lock of npm.

    Parameters
    ----------
    lock
        The ``package-lock.json``.

    Yields
    ------
    tuple[str, str]
        A package's path in ``node_modules``, and its licence.
    """
    packages: Mapping[str, Mapping[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    for path, package in packages.items():
        if path:
            yield path, str(package.get("license", ""))


def main() -> int:
    """Check the three locks.

    Returns
    -------
    int
        0 if every licence is allowed, otherwise 1.
    """
    licences = [
        *read_uv_licences(ROOT / "uv.lock", map(Path, sys.path)),
        *read_uv_licences(HERE / "uv.lock", (HERE / ".venv").glob("lib/python*/site-packages")),
        *read_npm_licences(ROOT / "package-lock.json"),
    ]
    deployed = read_locked_packages()
    problems = list_problems(licences, deployed, read_rules())
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(licences)} locked packages, {len(deployed)} of them deployed, {len(problems)} problems\n")
    return 1 if problems else 0


def _is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Require one licence of a choice with OR, and every licence of an expression with AND."""
    words = expression.replace("(", " ").replace(")", " ").split()
    licences = {word for word in words if word not in {"AND", "OR"}}
    return bool(licences & allowed) if "AND" not in words else licences <= allowed


if __name__ == "__main__":
    sys.exit(main())

"""Every locked package has a licence that is allowed, the deployed ones a permissive one, or the check fails."""

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

from stacks.packaging import locked_packages

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Rules:
    """What ``licences.toml`` says.

    Attributes
    ----------
    deployed, tools
        The licences that are allowed, by their SPDX identifiers.
    spelled
        From what older metadata say to SPDX.
    stated
        Licences of packages whose metadata do not tell.
    """

    deployed: frozenset[str]
    tools: frozenset[str]
    spelled: Mapping[str, str]
    stated: Mapping[str, str]

    def problem(self, package: str, says: str, *, deployed: bool) -> str | None:
        """Judge one package.

        Parameters
        ----------
        package
            Its name.
        says
            What its metadata say; empty if there is nothing to read.
        deployed
            Whether it is in the Lambda asset, where only what is said in SPDX counts.

        Returns
        -------
        str or None
            What is wrong with it, in a sentence.
        """
        told = says if deployed else self.stated.get(package) or self.spelled.get(says, says)
        try:
            expression = canonicalize_license_expression(told)
        except InvalidLicenseExpression:
            return f"{package}: {says!r} is no licence that licences.toml knows"
        if _allows(expression, self.deployed if deployed else self.deployed | self.tools):
            return None
        return f"{package}: {expression} is not allowed for what is {'deployed' if deployed else 'used here'}"


def read_rules(file: Path = HERE / "licences.toml") -> Rules:
    """Read the rules.

    Parameters
    ----------
    file
        The file.

    Returns
    -------
    Rules
        What it says.
    """
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return Rules(
        deployed=frozenset(content["allowed"]["deployed"]),
        tools=frozenset(content["allowed"]["tools"]),
        spelled=content["spelled"],
        stated={package: entry["licence"] for package, entry in content["stated"].items()},
    )


def judge(licences: Iterable[tuple[str, str]], deployed: Iterable[str], rules: Rules) -> list[str]:
    """Judge packages.

    Parameters
    ----------
    licences
        Packages, and what their metadata say.
    deployed
        Those in the Lambda asset.
    rules
        What is allowed.

    Returns
    -------
    list[str]
        A sentence for each package that may not be used, and for each rule about a package that is not there.
    """
    pairs = [*licences]
    vendored = frozenset(deployed)
    problems = [rules.problem(package, says, deployed=package in vendored) for package, says in pairs]
    packages, texts = map(set, zip(*pairs, strict=True))
    problems += [f"{package} is stated, and is not locked any more" for package in rules.stated.keys() - packages]
    problems += [f"{text!r} is spelled out, and no package says it any more" for text in rules.spelled.keys() - texts]
    return sorted({problem for problem in problems if problem})


def said(package: metadata.PackageMetadata) -> str:
    """Find what a package says its licence is.

    Parameters
    ----------
    package
        Its metadata.

    Returns
    -------
    str
        An SPDX expression where there is one; otherwise the licences of its classifiers, or the first line of its
        ``License`` field. Empty if it says nothing.
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


def locked(lock: Path, site_packages: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Go through what a lock of uv's holds.

    Parameters
    ----------
    lock
        The file.
    site_packages
        Where it is installed. What is locked for another platform or another Python is not.

    Yields
    ------
    tuple[str, str]
        A package's name, and what its metadata say.
    """
    installed = {
        re.sub(r"[-_.]+", "-", found.name).lower(): said(found.metadata)
        for found in metadata.distributions(path=[*map(str, site_packages)])
    }
    for package in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]:
        if "registry" in package["source"]:
            yield package["name"], installed.get(package["name"], "")


def locked_by_npm(lock: Path) -> Iterator[tuple[str, str]]:
    """Go through what npm's lock holds, which has the licences in it.

    Parameters
    ----------
    lock
        The ``package-lock.json``.

    Yields
    ------
    tuple[str, str]
        A package's place in ``node_modules``, and what it says.
    """
    packages: Mapping[str, Mapping[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    for place, package in packages.items():
        if place:
            yield place, str(package.get("license", ""))


def main() -> int:
    """Look at the three locks.

    Returns
    -------
    int
        0 if every licence is allowed, otherwise 1.
    """
    licences = [
        *locked(ROOT / "uv.lock", map(Path, sys.path)),
        *locked(HERE / "uv.lock", (HERE / ".venv").glob("lib/python*/site-packages")),
        *locked_by_npm(ROOT / "package-lock.json"),
    ]
    deployed = locked_packages()
    problems = judge(licences, deployed, read_rules())
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(licences)} locked packages, {len(deployed)} of them deployed, {len(problems)} problems\n")
    return 1 if problems else 0


def _allows(expression: str, allowed: frozenset[str]) -> bool:
    """One of a choice is enough; of anything more involved every licence has to be allowed."""
    words = expression.replace("(", " ").replace(")", " ").split()
    licences = {word for word in words if word not in {"AND", "OR"}}
    return bool(licences & allowed) if "AND" not in words else licences <= allowed


if __name__ == "__main__":
    sys.exit(main())

"""Builds the Lambda asset: the contents of ``lambdas/`` and the packages that they import at run time.

The packages come from the wheels whose hashes are in the lock file, not from the installed environment. So the deployed
files are the locked ones, whatever has happened to the environment, and the build needs no Docker.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stacks.bytecode import compile_sources
from stacks.locked_packages import ROOT, PackagingError, read_locked_wheels
from stacks.wheels import fetch_wheels, read_wheel

_BYTECODE_SUFFIXES: Final = {".pyc", ".pyo"}


@dataclass(frozen=True)
class Asset:
    """The directory with the code of every function.

    Attributes
    ----------
    path
        The directory, under ``.cache/`` at the root of the repository.
    source_hash
        The hash of the sources, from which bytecode follows: it is the same on every machine.
    has_bytecode
        Whether it has bytecode beside the sources.
    """

    path: Path
    source_hash: str
    has_bytecode: bool


def build_asset(
    lambdas: Path = ROOT / "lambdas", lock: Path = ROOT / "uv.lock", interpreter: str | None = None
) -> Asset:
    """Build the directory with the code of every function.

    The same sources, the same lock and the same interpreter give the same tree, byte for byte, in the same place.

    Parameters
    ----------
    lambdas
        The handlers and their shared package.
    lock
        The project's ``uv.lock``.
    interpreter
        The Python that compiles the sources; without one the asset has no bytecode.

    Raises
    ------
    PackagingError
        A wheel cannot be fetched as locked, is not pure Python, or would overwrite a file of the asset.
    """
    contents = {path.relative_to(lambdas).as_posix(): path.read_bytes() for path in list_source_files(lambdas)}
    wheels = read_locked_wheels(lock)
    fetch_wheels(wheels)
    for wheel in wheels:
        for target, content in read_wheel(wheel).items():
            if target in contents:
                raise PackagingError(f"{wheel.name} {wheel.version} would overwrite {target} in the Lambda asset")
            contents[target] = content
    source_hash = _hash_contents(contents)
    path = ROOT / ".cache" / "lambda-asset" / f"{source_hash}{'-bytecode' if interpreter else ''}"
    if not path.is_dir():
        bytecode = compile_sources(contents, interpreter) if interpreter else {}
        _write_asset({**contents, **bytecode}, path)
    return Asset(path, source_hash, has_bytecode=interpreter is not None)


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


def _hash_contents(contents: Mapping[str, bytes]) -> str:
    files = {target: hashlib.sha256(content).hexdigest() for target, content in contents.items()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _write_asset(contents: Mapping[str, bytes], asset: Path) -> None:
    """Write to a temporary directory and rename it, so that no process reads an incomplete asset."""
    asset.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=asset.parent, prefix="unfinished-"))
    try:
        for target, content in sorted(contents.items()):
            path = unfinished / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
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

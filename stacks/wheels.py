"""The wheels of the deployed packages: fetched from the package index, kept by their hashes, and read.

``make setup`` runs this module, so that a synth needs no network. pip fetches them, as it is configured on this machine
(``PIP_INDEX_URL``, a proxy, …). Each wheel is compared with the hash in the lock whenever it is read.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

from stacks.locked_packages import DEPLOYED_ENVIRONMENT, ROOT, LockedWheel, PackagingError, read_locked_wheels

CACHE: Final = ROOT / ".cache" / "wheels"

_COMPILED_SUFFIXES: Final = {".so", ".pyd", ".dll", ".dylib"}
_BYTECODE_SUFFIXES: Final = {".pyc", ".pyo"}
_LICENCE_PREFIXES: Final = ("licen", "copying", "notice", "authors")
_HASHES_DIFFER: Final = "DO NOT MATCH THE HASHES"
"""What pip writes if the index has another file than the requirement's hash."""


def fetch_wheels(wheels: Iterable[LockedWheel], cache: Path = CACHE) -> None:
    """Fetch the wheels that the cache does not have.

    Parameters
    ----------
    wheels
        The locked wheels.
    cache
        The folder of the wheels, each named after its hash.

    Raises
    ------
    PackagingError
        pip cannot fetch one, or it has another hash than in the lock.
    """
    missing = [wheel for wheel in wheels if _read_cached(wheel, cache) is None]
    if not missing:
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as folder:
        _download(missing, Path(folder))
        fetched = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in Path(folder).glob("*.whl")}
        for wheel in missing:
            if wheel.sha256 not in fetched:
                raise PackagingError(f"pip fetched {wheel.name} {wheel.version} with another hash than in uv.lock")
            fetched[wheel.sha256].replace(_cached_path(wheel, cache))


@lru_cache(maxsize=16)
def read_wheel(wheel: LockedWheel, cache: Path = CACHE) -> Mapping[str, bytes]:
    """Read the files of a wheel that are deployed.

    Parameters
    ----------
    wheel
        The locked wheel.
    cache
        See `fetch_wheels`.

    Returns
    -------
    Mapping[str, bytes]
        By the path in the asset: the content. It is code, data, licences and the METADATA with the version.

    Raises
    ------
    PackagingError
        The wheel is not in the cache, or it is not pure Python.
    """
    content = _read_cached(wheel, cache)
    if content is None:
        raise PackagingError(f"{wheel.name} {wheel.version} is not in {cache}: run make setup")
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if path.suffix in _COMPILED_SUFFIXES:
                raise PackagingError(
                    f"{wheel.name} {wheel.version} has a compiled file ({path}), and only pure Python can be deployed"
                )
            if not member.is_dir() and _is_deployed(path):
                files[path.as_posix()] = archive.read(member)
    return files


def _read_cached(wheel: LockedWheel, cache: Path) -> bytes | None:
    """Return the wheel's file; None if it is missing or has another hash."""
    try:
        content = _cached_path(wheel, cache).read_bytes()
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == wheel.sha256 else None


def _cached_path(wheel: LockedWheel, cache: Path) -> Path:
    return cache / f"{wheel.sha256}.whl"


def _download(wheels: Sequence[LockedWheel], folder: Path) -> None:
    """Have pip download wheels that run everywhere into a folder, if they have the locked hashes."""
    requirements = folder / "requirements.txt"
    requirements.write_text(
        "".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels), encoding="utf-8"
    )
    python = DEPLOYED_ENVIRONMENT["python_version"]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries=2"),
        *("--require-hashes", "--no-deps", "--only-binary=:all:"),
        *(f"--python-version={python}", "--platform=any", "--implementation=py", "--abi=none"),
        *("--dest", str(folder), "--requirement", str(requirements)),
    ]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PackagingError(_explain_failure(wheels, result.stderr))


def _explain_failure(wheels: Iterable[LockedWheel], output: str) -> str:
    names = ", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels)
    if _HASHES_DIFFER in output:
        return f"The package index has another wheel than uv.lock, by its hash, of one of these: {names}"
    reasons = [line for line in output.splitlines() if line.strip()]
    return (
        f"pip cannot fetch {names}: run make setup where the package index can be reached "
        f"({reasons[-1].strip() if reasons else 'pip gives no reason'})"
    )


def _is_deployed(file: PurePosixPath) -> bool:
    """Accept code, data, licences and the METADATA with the version; no scripts, tests or bytecode."""
    folder = file.parts[0]
    if file.is_absolute() or ".." in file.parts or folder.endswith(".data"):
        return False
    if folder == "tests" or file.parts[1:2] == ("tests",):
        return False
    if folder.endswith(".dist-info"):
        return file.name == "METADATA" or file.name.lower().startswith(_LICENCE_PREFIXES)
    return file.suffix not in _BYTECODE_SUFFIXES and "__pycache__" not in file.parts


def main() -> int:
    """Fetch the wheels that are deployed, or write one sentence that says why not, and return exit code 1."""
    try:
        fetch_wheels(read_locked_wheels())
    except PackagingError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The cloud assembly, synthesized when a file or setting that it depends on has changed.

A synth takes about five seconds, nearly all of it the start of jsii. The embedded AWS deploys the same template and
asset that would be deployed to an account.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from stacks.packaging import list_source_files

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "workmail-offboarding.template.json"

_SOURCE_FILES = ("app.py", "cdk.json", "uv.lock")
_SOURCE_FOLDERS = ("stacks", "lambdas", "statemachine")


class AssemblyError(RuntimeError):
    """The app cannot be synthesized; the message is that of ``app.py``."""


def assembly(settings: Mapping[str, Any] | None = None) -> Path:
    """Return the cloud assembly for some settings; it is synthesized if it is not in the cache.

    Parameters
    ----------
    settings
        The ``offboarding`` object that replaces the one in ``cdk.json``.

    Returns
    -------
    Path
        The directory with ``manifest.json``, the template and the asset. It is shared: do not change it,
        change a copy.

    Raises
    ------
    AssemblyError
        If a setting is invalid, or the synth fails for another reason.
    """
    final = ROOT / ".cache" / "assembly" / compute_digest(settings)
    if not final.is_dir():
        final.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=final.parent, prefix="unfinished-"))
        try:
            _synthesize(unfinished, settings)
            _publish(unfinished, final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return final


def compute_digest(settings: Mapping[str, Any] | None) -> str:
    """Hash everything that the assembly depends on.

    Parameters
    ----------
    settings
        As of `assembly`.
    """
    parts: dict[str, object] = {
        "settings": settings,
        "python": sys.version_info[:2],
        "aws-cdk-lib": metadata.version("aws-cdk-lib"),
    }
    for path in _sources():
        parts[path.relative_to(ROOT).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def list_asset_folders(assemblies: Iterable[Path]) -> Iterator[Path]:
    """List the directories with the code of functions: of some assemblies, and of the last ``make synth``.

    Parameters
    ----------
    assemblies
        Cloud assemblies; one that does not exist has no assets.
    """
    for folder in dict.fromkeys((*assemblies, ROOT / "cdk.out")):
        yield from sorted(path for path in folder.glob("asset.*") if path.is_dir())


def _synthesize(outdir: Path, settings: Mapping[str, Any] | None) -> None:
    """Run the app as the CDK CLI does, in a separate process."""
    # The caller's Region and context must have no effect: they are not part of the digest.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDK_")}
    environment["CDK_OUTDIR"] = str(outdir)
    with tempfile.TemporaryDirectory() as folder:
        if settings is not None:
            # As the CLI does with a context that is too large for a variable.
            context = Path(folder, "context.json")
            context.write_text(json.dumps({"offboarding": settings}))
            environment["CONTEXT_OVERFLOW_LOCATION_ENV"] = str(context)
        result = subprocess.run(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if result.returncode != 0:
        raise AssemblyError(result.stderr.strip() or f"app.py ended with exit code {result.returncode}")


def _publish(unfinished: Path, final: Path) -> None:
    """Rename the directory, which is atomic."""
    try:
        unfinished.rename(final)
    except OSError:
        # Another process was faster; its result is the same.
        if not final.is_dir():
            raise


def _sources() -> Iterator[Path]:
    yield from (ROOT / name for name in _SOURCE_FILES)
    for folder in _SOURCE_FOLDERS:
        yield from list_source_files(ROOT / folder)

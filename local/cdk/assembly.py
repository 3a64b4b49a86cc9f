"""The cloud assembly, synthesized when what it depends on has changed.

A synth takes about five seconds, nearly all of it the start of jsii. The embedded AWS deploys what this
returns, so it is the template and the asset that would be deployed to an account, and not a copy of them.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from stacks.packaging import source_files

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "workmail-offboarding.template.json"

_FILES = ("app.py", "cdk.json", "uv.lock")
_FOLDERS = ("stacks", "lambdas", "statemachine")


class AssemblyError(RuntimeError):
    """The app cannot be synthesized; the message is the sentence that ``app.py`` has for it."""


def assembly(settings: Mapping[str, Any] | None = None) -> Path:
    """Find or make the cloud assembly for some settings.

    Parameters
    ----------
    settings
        The ``offboarding`` object that stands in for the one in ``cdk.json``.

    Returns
    -------
    Path
        The directory with ``manifest.json``, the template and the asset. It is shared: read it, and copy
        what has to be changed.

    Raises
    ------
    AssemblyError
        A setting is wrong, or something else stops the synth.
    """
    final = ROOT / ".cache" / "assembly" / _digest(settings)
    if not final.is_dir():
        final.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=final.parent, prefix="unfinished-"))
        try:
            _synthesize(unfinished, settings)
            _publish(unfinished, final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return final


def _synthesize(outdir: Path, settings: Mapping[str, Any] | None) -> None:
    """Run the app as the CDK CLI does, in a process of its own."""
    # Neither the Region nor the context of whatever runs this may leak in: they are not part of the digest.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDK_")}
    environment["CDK_OUTDIR"] = str(outdir)
    if settings is not None:
        environment["CDK_CONTEXT_JSON"] = json.dumps({"offboarding": settings})
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise AssemblyError(done.stderr.strip() or f"app.py ended with exit code {done.returncode}")


def _publish(unfinished: Path, final: Path) -> None:
    """Rename, which nobody can see half done."""
    try:
        unfinished.rename(final)
    except OSError:
        # Another process was faster; what it made is the same.
        if not final.is_dir():
            raise


def _digest(settings: Mapping[str, Any] | None) -> str:
    """Hash everything that the assembly depends on."""
    parts: dict[str, object] = {
        "settings": settings,
        "python": sys.version_info[:2],
        "aws-cdk-lib": metadata.version("aws-cdk-lib"),
    }
    for path in _sources():
        parts[path.relative_to(ROOT).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sources() -> Iterator[Path]:
    yield from (ROOT / name for name in _FILES)
    for folder in _FOLDERS:
        yield from source_files(ROOT / folder)

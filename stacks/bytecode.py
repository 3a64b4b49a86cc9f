"""Bytecode of the deployed code, made by the Python that Lambda runs, if this machine has it.

Lambda cannot write to the folder of the code, so without bytecode every cold start compiles all of it. The files are
*unchecked* (PEP 552): they are used without a look at the source, whose time in the asset says nothing. They have the
paths that the code has on Lambda, and none of this machine.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from stacks.locked_packages import DEPLOYED_ENVIRONMENT, PackagingError

TASK_ROOT: Final = "/var/task"
_VERSION: Final = DEPLOYED_ENVIRONMENT["python_version"]
_CHECK: Final = "import sys; print('%d.%d' % sys.version_info[:2])"
_COMPILE: Final = """
import py_compile, sys
from pathlib import Path
root, task_root = Path(sys.argv[1]), sys.argv[2]
for path in sorted(root.rglob("*.py")):
    py_compile.compile(
        str(path),
        dfile=f"{task_root}/{path.relative_to(root).as_posix()}",
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
"""


@cache
def find_interpreter() -> str | None:
    """Return the path of a Python of the deployed version: this one, or one in PATH; None if there is none."""
    candidates = (sys.executable, shutil.which(f"python{_VERSION}"))
    return next((path for path in candidates if path and _read_version(path) == _VERSION), None)


def compile_sources(contents: Mapping[str, bytes], interpreter: str) -> dict[str, bytes]:
    """Compile the modules of an asset.

    Parameters
    ----------
    contents
        The files of the asset, by their paths.
    interpreter
        A Python of the deployed version.

    Returns
    -------
    dict[str, bytes]
        The bytecode, by the path beside its module: the same for the same sources.

    Raises
    ------
    PackagingError
        A module cannot be compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for target, content in contents.items():
            if target.endswith(".py"):
                path = root / target
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        command = [interpreter, "-I", "-c", _COMPILE, str(root), TASK_ROOT]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode != 0:
            reasons = [line for line in result.stderr.splitlines() if line.strip()] or ["it gives no reason"]
            raise PackagingError(
                f"{interpreter} cannot compile the functions: correct the module, or take this Python out of PATH "
                f"({reasons[-1].strip()})"
            )
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.pyc"))}


def _read_version(interpreter: str) -> str | None:
    """Return the version of an interpreter; None for a name in PATH behind which there is none."""
    result = subprocess.run([interpreter, "-I", "-c", _CHECK], check=False, capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else None

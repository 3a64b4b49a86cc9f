"""`make serve` in a process of its own, for tests that use it from outside."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def run_server(terminal: Path, *options: str) -> Iterator[str]:
    """Run `make serve` in a process, and return its address."""
    with terminal.open("w") as errors, subprocess.Popen(
        [sys.executable, "-m", "local", "serve", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address, terminal.read_text()
        yield address.group()
        process.terminate()
        process.wait(timeout=20)

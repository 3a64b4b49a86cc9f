"""Measures how long each function's module takes to import in a new interpreter.

Run it with `make bench`. Compare the ratios to `resolve_entity`: absolute times depend on the machine and its load.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

from local.cdk.assembly import assembly
from local.defaults import OFFBOARDING

FUNCTIONS = ("resolve_entity", "check_organization", "deregister_entity", "verify_cleanup", "start_offboarding")
ROUNDS = 7
_IMPORT = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
_ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_METRICS_NAMESPACE": "benchmark",
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "WORKMAIL_REGION": "us-east-1",
}


def measure_import(module: str, asset: Path) -> float:
    """Import a module of the asset in a new interpreter, without bytecode, and return the seconds."""
    process = subprocess.run(
        [sys.executable, "-B", "-c", _IMPORT.format(module=module)],
        env={"PATH": os.defpath, "PYTHONPATH": str(asset), **_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(process.stdout)


def main() -> None:
    """Import every function's module several times, in turn, and print the medians."""
    asset = next(path for path in assembly(OFFBOARDING).iterdir() if path.is_dir() and path.name.startswith("asset."))
    times: dict[str, list[float]] = {module: [] for module in FUNCTIONS}
    for module in FUNCTIONS:
        measure_import(module, asset)
    for _ in range(ROUNDS):
        for module in FUNCTIONS:
            times[module].append(measure_import(module, asset))
    base = statistics.median(times["resolve_entity"])
    for module, durations in times.items():
        median = statistics.median(durations)
        print(f"{module:20} median {median:.2f} s, {median / base:.2f} of resolve_entity")


if __name__ == "__main__":
    main()

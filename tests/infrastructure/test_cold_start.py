"""What a cold start loads: each module and each client costs milliseconds before the first answer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stacks.packaging import build_asset
from tests.conftest import FAKE_ENVIRONMENT

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("loaded_modules.py")
STARTS = {
    "await_approval": (83, "dynamodb"),
    "check_export": (105, "ssm dynamodb workmail"),
    "check_organization": (76, "workmail"),
    "close_record": (114, "dynamodb"),
    "decide_approval": (82, "dynamodb stepfunctions"),
    "deregister_entity": (102, "dynamodb ssm workmail stepfunctions"),
    "erase_person": (84, "dynamodb"),
    "notify_subscribers": (114, "events dynamodb"),
    "plan_offboarding": (106, "dynamodb ssm workmail"),
    "record_offboarding": (104, "dynamodb ssm workmail"),
    "register_entity": (99, "dynamodb ssm workmail"),
    "resolve_entity": (94, "ssm workmail"),
    "restore_aliases_and_groups": (82, "dynamodb workmail"),
    "start_export": (103, "ssm dynamodb workmail"),
    "start_offboarding": (161, "ssm dynamodb workmail stepfunctions"),
    "sweep_records": (70, "dynamodb"),
    "verify_cleanup": (83, "dynamodb workmail"),
    "wait_for_date": (81, "dynamodb"),
}
"""By function: how many modules of the asset and of boto3 it loads beside boto3's own, and for which services it makes
clients. All else is loaded when it is needed."""


@pytest.fixture(scope="module")
def starts() -> dict[str, dict[str, Any]]:
    asset = build_asset().path
    functions = sorted(path.stem for path in (ROOT / "lambdas").glob("*.py"))
    paths = [str(asset), *(path for path in sys.path if path.endswith("site-packages"))]
    process = subprocess.run(
        [sys.executable, "-B", "-s", str(PROGRAM), str(asset), *functions],
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(paths), **FAKE_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    results: dict[str, dict[str, Any]] = json.loads(process.stdout)
    return results


def test_no_function_loads_a_tenth_more_modules_than_it_did(starts: dict[str, dict[str, Any]]) -> None:
    counts = {name: start["modules"] for name, start in starts.items()}

    assert counts.keys() == STARTS.keys()
    assert {name: count for name, count in counts.items() if count > STARTS[name][0] * 1.1} == {}
    assert {name: count for name, count in counts.items() if count < STARTS[name][0] * 0.9} == {}, "lower the numbers"


def test_every_function_makes_the_clients_that_each_invocation_needs_and_no_others(
    starts: dict[str, dict[str, Any]],
) -> None:
    assert {name: start["clients"] for name, start in starts.items()} == {
        name: services.split() for name, (_, services) in STARTS.items()
    }

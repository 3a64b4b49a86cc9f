"""The environment of every test: no AWS account, no settings of this machine, no network except the loopback."""

import gc
import os
from collections.abc import Iterator
from typing import Any

import moto.core.models  # noqa: F401 (it reaches only those sessions of boto3 that are made after it was imported)
import pytest
from hypothesis import HealthCheck, settings

from tools.pictures.browser import find_chromium, open_browser

FAKE_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "WORKMAIL_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "workmail-offboarding",
    "POWERTOOLS_METRICS_NAMESPACE": "WorkMailOffboarding",
}
os.environ.update(FAKE_ENVIRONMENT)
os.environ.pop("AWS_PROFILE", None)

# The duration of an example depends more on the load of the machine than on the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

LONGEST_MODULES = frozenset(
    {
        "test_accessibility",
        "test_app",
        "test_demo",
        "test_documented_commands",
        "test_fault_matrix",
        "test_foreign_pages",
        "test_page",
        "test_privileges",
        "test_random_walks",
        "test_recordings",
        "test_releases",
        "test_serve",
    }
)
"""Modules with a set-up, or a test, that takes seconds, and those that share the set-up of one."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A Chromium of this machine; none is ever downloaded. There is one, because Playwright cannot run twice."""
    program = find_chromium()
    if program is None:
        pytest.skip("There is no Chromium in PATH: install the package chromium.")
    with open_browser(program) as browser:
        yield browser


def pytest_configure() -> None:
    """Collect garbage less often: with moto and jsii loaded, each full collection takes a quarter of a second."""
    gc.set_threshold(100_000, 50, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what takes longest: one worker would run it at the end alone.

    A worker also steals from the end, and would set up again what the tests of a module share.
    """
    items.sort(key=lambda item: item.path.stem not in LONGEST_MODULES)


def pytest_collection_finish() -> None:
    """Leave what was collected out of later collections: the thousands of tests stay until the end."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Collect garbage once: to warn of what was not closed, pytest does so five times, each in half a second."""
    gc.collect()
    gc.freeze()

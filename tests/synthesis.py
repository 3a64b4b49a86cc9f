"""Synthesizes assemblies in the process of the tests, because starting jsii for each takes most of the time.

`tests/infrastructure/test_app.py` checks that ``app.py`` makes the same assembly in a separate process.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.cdk import assembly

CONTEXT: dict[str, Any] = json.loads((Path(__file__).parents[1] / "cdk.json").read_text())["context"]
synthesize_in_subprocess = assembly._synthesize
"""The function that the product uses outside of tests."""


def synthesize_in_process(outdir: Path, settings: Mapping[str, Any] | None) -> None:
    # These imports start jsii, which takes seconds, and are not needed if every assembly is cached.
    from stacks.cdk_app import build_app
    from stacks.locked_packages import PackagingError
    from stacks.settings_fields import SettingsError
    from stacks.workflow import DefinitionError

    overrides = {} if settings is None else {"offboarding": settings}
    try:
        build_app({**CONTEXT, **overrides}, outdir=outdir).synth()
    except (SettingsError, PackagingError, DefinitionError) as problem:
        raise assembly.AssemblyError(str(problem)) from problem


@pytest.fixture(scope="session", autouse=True)
def jsii_starts_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(assembly, "_synthesize", synthesize_in_process)
        yield

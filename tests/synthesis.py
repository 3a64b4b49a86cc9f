"""What tests deploy, synthesized in their own process: starting jsii anew for each would take most of the time.

That it is what ``app.py`` makes in a process of its own is seen by `tests/infrastructure/test_app.py`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.cdk import assembly

CONTEXT: dict[str, Any] = json.loads((Path(__file__).parents[1] / "cdk.json").read_text())["context"]
synthesize_apart = assembly._synthesize
"""How it is done outside of tests."""


def synthesize_here(outdir: Path, settings: Mapping[str, Any] | None) -> None:
    # Importing them starts jsii, which takes seconds; where every assembly is at hand already, nobody needs it.
    from stacks.packaging import PackagingError
    from stacks.settings import SettingsError
    from stacks.synthesis import offboarding_app
    from stacks.workflow import DefinitionError

    given = {} if settings is None else {"offboarding": settings}
    try:
        offboarding_app({**CONTEXT, **given}, outdir=outdir).synth()
    except (SettingsError, PackagingError, DefinitionError) as problem:
        raise assembly.AssemblyError(str(problem)) from problem


@pytest.fixture(scope="session", autouse=True)
def jsii_starts_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(assembly, "_synthesize", synthesize_here)
        yield

"""Synthesizes the stack from the settings in ``cdk.json``.

It needs neither an AWS account nor the network. It runs under the CDK CLI and as ``python app.py``. ``make deploy``
sets ``OFFBOARDING_DEPLOYMENT``, because the CLI does not say what it synthesizes for.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stacks.cdk_app import build_app
from stacks.locked_packages import PackagingError
from stacks.settings_fields import SettingsError
from stacks.workflow import DefinitionError

ROOT = Path(__file__).resolve().parent


def main() -> int:
    """Synthesize, or write what the deployer has to correct, a line for each, and return exit code 1."""
    try:
        build_app(
            read_context(ROOT / "cdk.json"),
            outdir=Path(os.environ.get("CDK_OUTDIR", ROOT / "cdk.out")),
            deployment_region=os.environ.get("CDK_DEFAULT_REGION"),
            is_deployment="OFFBOARDING_DEPLOYMENT" in os.environ,
        ).synth()
    except (SettingsError, PackagingError, DefinitionError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def read_context(file: Path) -> Mapping[str, object]:
    """Read the CDK context of the settings' file.

    Raises
    ------
    SettingsError
        The file is no JSON, or has no context.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{file.name} must be JSON, but line {error.lineno}, column {error.colno} is not: {error.msg}"
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{file.name} must be JSON in UTF-8: {type(error).__name__}") from None
    context = content.get("context") if isinstance(content, Mapping) else None
    if not isinstance(context, Mapping):
        raise SettingsError(
            f'{file.name} must have the member context, an object like {{"offboarding": {{"organizations": [...]}}}}'
        )
    return context


if __name__ == "__main__":
    sys.exit(main())

"""Synthesizes the stack from the settings in ``cdk.json``.

It needs neither an AWS account nor the network. It runs under the CDK CLI and as ``python app.py``. ``make deploy``
sets ``OFFBOARDING_DEPLOYMENT``, because the CLI does not say what it synthesizes for.
"""

import os
import sys
from pathlib import Path

from stacks.cdk_app import build_app
from stacks.locked_packages import PackagingError
from stacks.settings import read_context
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


if __name__ == "__main__":
    sys.exit(main())

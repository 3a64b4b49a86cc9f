"""The synthesized template, which is read once."""

from typing import Any

import pytest

from tests.infrastructure.providers import ORGANIZATIONS, PROVIDERS
from tests.infrastructure.templates import template_of
from tests.synthesis import jsii_starts_once  # noqa: F401 (it is a fixture)

ORGANIZATION_ID = "m-" + "a1" * 16
SETTINGS = {"organizations": [{"id": ORGANIZATION_ID}]}


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The CloudFormation template for one organization and otherwise the defaults."""
    return template_of(SETTINGS)


@pytest.fixture(scope="session")
def with_exports() -> dict[str, Any]:
    """The CloudFormation template of a stack that exports mailboxes, and locks their archives."""
    return template_of({**SETTINGS, "export": {"mode": "Required", "lockDays": 30}})


@pytest.fixture(scope="session")
def all_providers() -> dict[str, Any]:
    """The CloudFormation template with every identity provider."""
    return template_of({"organizations": ORGANIZATIONS, "identityProviders": PROVIDERS})

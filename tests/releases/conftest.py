"""What the tests of releases share."""

from tests.synthesis import jsii_starts_once  # noqa: F401 (it is a fixture)

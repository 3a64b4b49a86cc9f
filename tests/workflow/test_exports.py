"""Exports before a deregistration: the archive, its proof, the slots, and what happens when there is no archive."""

from typing import Any

import pytest

pytestmark = pytest.mark.archives


def test_a_mailbox_is_deregistered_after_its_archive_was_verified(flow: Any) -> None:
    flow.people.create_user("alice")

    result = flow.run("alice")
    assert result.outcome == "CleanupVerified"

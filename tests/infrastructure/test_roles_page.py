"""docs/roles.md: it has every command, and every policy for people."""

import re

from local.cdk.assembly import ROOT
from operate.command import offboarding

PAGE = (ROOT / "docs" / "roles.md").read_text()
DEPLOYMENT = {"cloudformation-archives", "cloudformation-execution", "deployer", "destroyer"}


def test_each_command_has_one_row_with_its_role() -> None:
    rows = re.findall(r"^\| `offboarding (\w+)` \|", PAGE, re.M)

    assert sorted(rows) == sorted({*offboarding.commands} | {"forget"})


def test_each_policy_of_people_is_in_the_table_and_in_the_loop() -> None:
    policies = {path.stem for path in (ROOT / "docs" / "policies").glob("*.json")} - DEPLOYMENT
    [loop] = re.findall(r"^for POLICY in (.*); do$", PAGE, re.M)

    assert set(loop.split()) == policies
    assert set(re.findall(r"\(policies/([a-z-]+)\.json\)", PAGE)) == policies

"""The files of examples/ are accepted as they are, and complete."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.server.settings_file import load_settings
from offboarding.edge.schemas import DECISION, INPUT, RESTORE, Schema, validated
from tests.infrastructure.templates import template_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SETTINGS = sorted(EXAMPLES.glob("*/cdk.json"))
SCHEMAS: dict[str, Schema] = {"approve": DECISION, "reject": DECISION, "withdraw": DECISION, "restore": RESTORE}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.mark.parametrize("path", sorted((EXAMPLES / "inputs").glob("*.json")), ids=lambda path: path.stem)
def test_an_input_is_accepted_by_its_state_machine(path: Path) -> None:
    assert validated(read(path), SCHEMAS.get(path.stem, INPUT), dict)


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.parent.name)
def test_settings_are_deployed_as_they_are(path: Path) -> None:
    settings = load_settings(path)

    template = template_of(settings.context)

    assert template["Outputs"]["StateMachineArn"]
    assert [organization.id for organization in settings.parsed.organizations] == [
        organization["id"] for organization in settings.context["organizations"]
    ]


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.parent.name)
def test_a_file_of_settings_is_a_complete_cdk_json(path: Path) -> None:
    example, default = read(path), read(ROOT / "cdk.json")

    del example["context"]["offboarding"], default["context"]["offboarding"]

    assert example == default

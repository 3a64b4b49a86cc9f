"""The README says what is so."""

import json
import re
from pathlib import Path

from local.diagram import DEFINITION, diagram
from local.settings import ORGANIZATION_ID
from offboarding.schemas import INPUT, validated
from stacks.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
OPERATE = (ROOT / "docs" / "operate.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_diagram_is_that_of_the_definition() -> None:
    assert blocks("mermaid") == [diagram(DEFINITION.read_text())], "run: .venv/bin/python -m local diagram"


def test_every_example_input_is_valid() -> None:
    examples = [json.loads(block) for block in blocks("json")]

    assert len(examples) >= 3
    for example in examples:
        assert validated(example, INPUT)["OrganizationId"] == ORGANIZATION_ID


def test_the_settings_of_the_providers_page_are_valid() -> None:
    page = (ROOT / "docs" / "identity-providers.md").read_text()
    [example] = re.findall(r"```json\n(.*?)```", page, re.S)

    settings = Settings.from_context(json.loads(example))

    assert settings.organizations[0].mail_domains == ("example.com",)


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for target in set(re.findall(r"`?make ([a-z]+)", README)) - {"and"}:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_end_of_the_flow_is_explained_in_the_operators_table() -> None:
    states = json.loads(DEFINITION.read_text())["States"]
    ends = {name for name, state in states.items() if state["Type"] in {"Fail", "Succeed"}}

    assert ends == set(re.findall(r"^\| `(\w+)` \| (?:succeeded|failed)", OPERATE, re.M))

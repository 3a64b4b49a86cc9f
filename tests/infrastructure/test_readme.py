"""The README says what is so."""

import json
import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from stacks.settings import Settings
from stacks.settings_fields import SettingsError
from tests.definitions import list_outcomes
from tests.infrastructure.templates import as_list, template_of

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "statemachine" / "offboarding.asl.json"
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


NO_OUTPUTS = {"OrganizationId", "EntityId", "EventId", "ExecutionArn", "OtherExecutionArn", "MessageId", "RequestId"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_every_json_of_the_readme_is_an_example() -> None:
    examples = [json.loads(path.read_text()) for path in (ROOT / "examples").rglob("*.json")]
    shown = [json.loads(block) for block in blocks("json")]

    assert len(shown) >= 2
    assert [block for block in shown if block not in examples] == []


def test_the_readme_names_each_example_input() -> None:
    assert sorted(set(re.findall(r"`([\w-]+\.json)`", README)) - {"cdk.json"}) == sorted(
        path.name for path in (ROOT / "examples" / "inputs").glob("*.json")
    )


def test_the_readme_is_short_beside_its_tables_and_code() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.S)
    words = [word for line in prose.splitlines() if not line.lstrip().startswith("|") for word in line.split()]

    assert len(words) < 1500


def test_the_costs_of_the_readme_are_those_of_the_cost_page() -> None:
    page = (ROOT / "docs" / "cost.md").read_text().partition("<!-- end of summary -->")[0]
    rows = re.findall(r"^\| \*\*(?:an idle stack|1,000 offboardings).*?\| \*\*([\d.]+)\*\*", page, re.M)

    assert re.findall(r"about ([\d.]+) USD", README) == [f"{float(cost):.2f}" for cost in rows]


def test_the_settings_of_the_providers_page_are_valid() -> None:
    page = (ROOT / "docs" / "identity-providers.md").read_text()
    [example] = re.findall(r"```json\n(.*?)```", page, re.S)

    settings = Settings.from_context(json.loads(example))

    assert settings.organizations[0].mail_domains == ("example.com",)


def test_the_table_of_settings_has_each_setting() -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"organizations": [{"id": ORGANIZATION_ID}], "0": None})
    accepted = str(refusal.value).partition("; the settings are ")[2].split(", ")

    documented = re.findall(r"^\| `([a-z][\w.\[\]]+)` \| (?!succeeded|failed)", README, re.M)

    assert [key for key in accepted if key not in documented] == []
    assert [key for key in documented if re.split(r"[.\[]", key)[0] not in accepted] == []


def is_allowed(policy: dict[str, Any], action: str, resource: str) -> bool:
    """Return whether a policy allows an action, as IAM evaluates it: a statement that denies wins."""
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if any(fnmatchcase(action, pattern) for pattern in as_list(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in as_list(statement["Resource"]))
    }
    return effects == {"Allow"}


def test_of_the_two_documented_roles_one_requests_and_the_other_approves() -> None:
    template = template_of({"organizations": [{"id": ORGANIZATION_ID}]})
    requester, approver = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", REFERENCE, re.S))
    offboarding, approval = (
        f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:"
        + template["Resources"][template["Outputs"][output]["Value"]["Ref"]]["Properties"]["StateMachineName"]
        for output in ("StateMachineArn", "ApprovalStateMachineArn")
    )

    assert [is_allowed(requester, "states:StartExecution", arn) for arn in (offboarding, approval)] == [True, False]
    assert [is_allowed(approver, "states:StartExecution", arn) for arn in (offboarding, approval)] == [False, True]
    # A further policy must not give a person what the role is to keep away.
    for policy, denied in (
        (requester, [("states:StartExecution", approval)]),
        (approver, [("states:StartExecution", offboarding), ("events:PutEvents", "*")]),
    ):
        extended = {"Statement": [*policy["Statement"], {"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        for action, resource in [*denied, ("states:SendTaskSuccess", "*"), ("states:SendTaskFailure", "*")]:
            assert not is_allowed(extended, action, resource), action


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for target in set(re.findall(r"`?make ([a-z]+)", README)) - {"and"}:
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize(
    ("machine", "heading"),
    [
        ("offboarding", "## How an execution ends"),
        ("approval", "### Approve or reject"),
        ("restore", "### Restore"),
    ],
)
def test_every_end_of_a_state_machine_is_explained_in_the_operators_table(machine: str, heading: str) -> None:
    section = REFERENCE.partition(f"\n{heading}\n")[2]
    section = re.split(rf"\n#{{2,{heading.count('#')}}} ", section)[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (succeeded|failed)", section, re.M)

    documented = {name: status for names, status in rows for name in re.findall(r"\w+", names)}
    assert documented == {name: status.lower() for name, status in list_outcomes(machine).items()}


def test_every_output_that_the_operators_page_names_is_one_of_the_stack() -> None:
    template = template_of({"organizations": [{"id": ORGANIZATION_ID, "mailDomains": ["example.com"]}],
                            "identityProviders": {"offboardingRequested": {}}})  # fmt: skip
    named = set(re.findall(r"`(\w+(?:Arn|Name|Url|Id|sRegion|MailEndsOn))`", REFERENCE)) - NO_OUTPUTS

    assert named == set(template["Outputs"])


def list_anchors(page: Path) -> set[str]:
    """List the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        assert not anchor or anchor in list_anchors(linked), target


def test_the_pages_about_upgrades_and_releases_lead_to_each_other() -> None:
    pages = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("upgrade", "releasing")}

    assert "(releasing.md)" in pages["upgrade"]
    assert "(upgrade.md)" in pages["releasing"]
    assert "(docs/upgrade.md)" in README
    assert "(upgrade.md)" in REFERENCE
    sentences = {name: set(re.findall(r"[A-Z][^.|]{40,}\.", text)) for name, text in pages.items()}
    assert sentences["upgrade"] & sentences["releasing"] == set()


def list_test_state_requests() -> list[dict[str, Any]]:
    """Parse the commands of the first deployment's checks, as the AWS CLI would send them."""
    page = (ROOT / "docs" / "deploy.md").read_text().replace("\\\n", " ")
    commands = re.findall(r"^aws stepfunctions test-state (.*)$", page, re.M)
    requests = []
    for command in commands:
        words = shlex.split(command)
        request: dict[str, Any] = {}
        for option, value in zip(words[::2], words[1::2], strict=True):
            name = re.sub(r"-(\w)", lambda match: match[1].upper(), option.removeprefix("--"))
            request[name] = json.loads(value) if name == "mock" else value
        requests.append(request)
    return requests


def list_variables_read(name: str) -> set[str]:
    """Return the variables of the definition that a state reads."""
    states = json.loads(DEFINITION.read_text())["States"]
    rules = [rule for state in states.values() for rule in (state, *state.get("Choices", ()), *state.get("Catch", ()))]
    assigned = {variable for rule in rules for variable in rule.get("Assign", {})}
    return assigned & set(re.findall(r"\$(\w+)", json.dumps(states[name])))


def test_the_checks_of_a_first_deployment_are_requests_that_step_functions_takes() -> None:
    service = botocore.session.get_session().get_service_model("stepfunctions")
    requests = list_test_state_requests()

    assert [request["stateName"] for request in requests] == ["Begin", "ResolveEntity", "Failed"]
    for request in requests:
        report = ParamValidator().validate(request, service.operation_model("TestState").input_shape)
        assert not report.has_errors(), report.generate_report()
        assert request["definition"] == "$DEFINITION"
        assert request["stateName"] in json.loads(DEFINITION.read_text())["States"]
        assert list_variables_read(request["stateName"]) <= json.loads(request.get("variables", "{}")).keys()
        assert json.loads(request.get("context", '{"State": {}}'))

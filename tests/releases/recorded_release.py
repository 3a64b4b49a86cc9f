"""The recording of a release: its template, its handlers, and executions as they were while they waited.

The folder of a release has its version as name. `record` writes it from the current sources.

    template.json    the stack, for the settings in `SETTINGS`
    handlers.zip     lambdas/, without vendored packages
    world.json       the time of the recording, and the table of records and the directory at that time
    executions/      one file for each execution that waited
"""

import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local.cdk.assembly import TEMPLATE
from local.defaults import OFFBOARDING, ORGANIZATION_ID
from local.environment import Environment
from local.workmail.state import Group, Mailbox, Resource, User, WorkMailEntity

FOLDER = Path(__file__).parent
SETTINGS: Mapping[str, Any] = {"organizations": OFFBOARDING["organizations"]}
"""Without identity providers: their executions wait like any other."""

_ASSETS = "workmail-offboarding.assets.json"
_KINDS: tuple[type[WorkMailEntity], ...] = (User, Group, Resource)
_BACKEND_MEMBERS = {"permissions", "attributes"}


@dataclass(frozen=True)
class WaitingExecution:
    """An execution that waited.

    Attributes
    ----------
    name
        Its name, which describes its case.
    started_at
        Its start time, RFC 3339.
    input
        Its input.
    state
        The state in which it waited.
    state_input
        That state's input.
    variables
        The workflow variables when it entered the state.
    """

    name: str
    started_at: str
    input: dict[str, Any]
    state: str
    state_input: Any
    variables: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the content of its file."""
        return asdict(self)


@dataclass(frozen=True)
class RecordedState:
    """The table of records and the directory at the time of the recording.

    Attributes
    ----------
    recorded_at
        The time of the recording, RFC 3339.
    items
        The items of the table of records in DynamoDB's format.
    entities
        The entities of the directory, each with its type in `type`.
    """

    recorded_at: str
    items: list[dict[str, Any]]
    entities: list[dict[str, Any]]

    @classmethod
    def of(cls, environment: Environment) -> "RecordedState":
        """Read the current state of an environment."""
        table = environment.outputs["RecordsTableName"]
        items = environment.client("dynamodb").scan(TableName=table)["Items"]
        entities = environment.workmail.organizations[ORGANIZATION_ID].entities.values()
        return cls(
            recorded_at=render_timestamp(environment.clock.now()),
            items=sort_items(items),
            entities=[_entity_to_json(entity) for entity in sorted(entities, key=lambda entity: entity.name)],
        )

    def build(self, environment: Environment) -> None:
        """Write the recorded state to an empty environment."""
        for item in self.items:
            environment.client("dynamodb").put_item(TableName=environment.outputs["RecordsTableName"], Item=item)
        for entity in self.entities:
            parsed = _parse_entity(entity)
            environment.workmail.organizations[ORGANIZATION_ID].entities[parsed.id] = parsed


@dataclass(frozen=True)
class Release:
    """A release as it was recorded.

    Attributes
    ----------
    version
        As in ``pyproject.toml``.
    """

    version: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.version

    @property
    def template(self) -> dict[str, Any]:
        template: dict[str, Any] = json.loads((self.folder / "template.json").read_text())
        return template

    @property
    def recorded_state(self) -> RecordedState:
        return RecordedState(**json.loads((self.folder / "world.json").read_text()))

    @property
    def executions(self) -> Iterator[WaitingExecution]:
        """The executions in the order of their start."""
        executions = [
            WaitingExecution(**json.loads(file.read_text())) for file in (self.folder / "executions").glob("*.json")
        ]
        return iter(sorted(executions, key=lambda waiting: (waiting.started_at, waiting.name)))

    def assembly(self, current: Path, directory: Path) -> Path:
        """Make the release's cloud assembly.

        Parameters
        ----------
        current
            The assembly of the current sources, from which the vendored packages come.
        directory
            The target directory; it must not exist.

        Returns
        -------
        Path
            The directory.
        """
        directory.mkdir()
        for file in ("manifest.json", _ASSETS):
            shutil.copy(current / file, directory)
        assets = json.loads((current / _ASSETS).read_text())
        [(present, asset)] = [item for item in assets["files"].items() if item[1]["source"]["packaging"] == "zip"]
        package = directory / "package"
        source_names = {path.name for path in (FOLDER.parents[1] / "lambdas").iterdir()}
        shutil.copytree(
            current / asset["source"]["path"], package, ignore=lambda _, names: source_names.intersection(names)
        )
        with zipfile.ZipFile(self.folder / "handlers.zip") as handlers:
            handlers.extractall(package)
        asset["source"]["path"] = "package"
        text = json.dumps(assets).replace(f"{present}.zip", f"{self._package_digest()}.zip")
        (directory / _ASSETS).write_text(text)
        (directory / TEMPLATE).write_text(json.dumps(self.template))
        return directory

    def _package_digest(self) -> str:
        functions = [r for r in self.template["Resources"].values() if r["Type"] == "AWS::Lambda::Function"]
        [digest] = {function["Properties"]["Code"]["S3Key"].removesuffix(".zip") for function in functions}
        return str(digest)


def sort_items(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort items of the table of records, in DynamoDB's format.

    Those with the ARN of an execution go by it: ids of entities differ in each recording, names of executions do not.
    """
    return sorted(
        items, key=lambda item: ("Live" in item, item.get("ExecutionArn", item["Id"])["S"], item["Part"]["S"])
    )


def list_releases() -> list[Release]:
    """Return every recorded release."""
    return [Release(folder.parent.name) for folder in sorted(FOLDER.glob("*/template.json"))]


def render_resuming_definition(definition: str, executions: list[WaitingExecution], recorded_at: str) -> str:
    """Render a definition in which each execution resumes in the state in which it waited.

    Parameters
    ----------
    definition
        The deployed definition of the state machine.
    executions
        The executions to resume; the definition distinguishes them by name.
    recorded_at
        The time of the recording; each execution waits until then.

    Returns
    -------
    str
        The definition that the state machine must have while the executions start.
    """
    resumed = json.loads(definition)
    choices = []
    for waiting in executions:
        begin, wait = f"Resume {waiting.name}", f"Recorded {waiting.name}"
        choices.append({"Condition": f"{{% $states.context.Execution.Name = '{waiting.name}' %}}", "Next": begin})
        resumed["States"][begin] = {
            "Type": "Pass", "Assign": waiting.variables, "Output": waiting.state_input, "Next": wait,
        }  # fmt: skip
        resumed["States"][wait] = {"Type": "Wait", "Timestamp": recorded_at, "Next": waiting.state}
    resumed["States"]["Resume"] = {"Type": "Choice", "Choices": choices, "Default": resumed["StartAt"]}
    return json.dumps({**resumed, "StartAt": "Resume"})


def render_timestamp(moment: datetime) -> str:
    """Render a moment as RFC 3339."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entity_to_json(entity: WorkMailEntity) -> dict[str, Any]:
    members = {name: value for name, value in asdict(entity).items() if name not in _BACKEND_MEMBERS}
    return {"type": entity.type, **_to_plain(members)}


def _to_plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return render_timestamp(value)
    return {name: _to_plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _parse_entity(members: Mapping[str, Any]) -> WorkMailEntity:
    [kind] = [kind for kind in _KINDS if kind.type == members["type"]]
    attributes = {name: value for name, value in members.items() if name != "type"}
    dates = {
        name: datetime.fromisoformat(value) for name, value in attributes.items() if name.endswith("_date") and value
    }
    mailbox = attributes["mailbox"] and Mailbox(
        **{
            **attributes["mailbox"],
            "provisioned_date": datetime.fromisoformat(attributes["mailbox"]["provisioned_date"]),
        }
    )
    return kind(**{**attributes, **dates, "mailbox": mailbox})

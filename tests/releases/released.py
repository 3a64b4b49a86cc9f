"""What a release left behind: its template, its own handlers, and executions as they were while they waited.

A release is a folder named as its version. `record` makes it from the sources that are there.

    template.json    the stack, for the settings in `SETTINGS`
    handlers.zip     lambdas/, without what is vendored
    world.json       when the recording was made, the table of records and the directory at that moment
    executions/      one file for each execution that waited
"""

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
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
"""No identity providers: what they start waits as everything else does."""

_ASSETS = "workmail-offboarding.assets.json"
_KINDS: tuple[type[WorkMailEntity], ...] = (User, Group, Resource)
_OF_THE_BACKEND = {"permissions", "attributes"}


@dataclass(frozen=True)
class Waiting:
    """An execution that waited.

    Attributes
    ----------
    name
        Its name, which says what it stands for.
    started_at
        When it was started, RFC 3339.
    input
        What it was started with.
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
        """Return it as its file has it."""
        return asdict(self)


@dataclass(frozen=True)
class World:
    """What was there beside the executions.

    Attributes
    ----------
    recorded_at
        When, RFC 3339.
    items
        The table of records, as DynamoDB spells items.
    entities
        The directory; each with its type under `type`.
    """

    recorded_at: str
    items: list[dict[str, Any]]
    entities: list[dict[str, Any]]

    @classmethod
    def of(cls, environment: Environment) -> "World":
        """Read everything that is there now."""
        table = environment.outputs["RecordsTableName"]
        items = environment.client("dynamodb").scan(TableName=table)["Items"]
        entities = environment.workmail.organizations[ORGANIZATION_ID].entities.values()
        return cls(
            recorded_at=timestamp(environment.clock.now()),
            # Whom an item is about has an id that is made up anew each time; an execution's name stays.
            items=sorted(items, key=lambda item: ("Live" in item, item.get("ExecutionArn", item["Id"])["S"])),
            entities=[_entity_to_json(entity) for entity in sorted(entities, key=lambda entity: entity.name)],
        )

    def build(self, environment: Environment) -> None:
        """Make it so in an environment that has nothing yet."""
        for item in self.items:
            environment.client("dynamodb").put_item(TableName=environment.outputs["RecordsTableName"], Item=item)
        for entity in self.entities:
            made = _entity(entity)
            environment.workmail.organizations[ORGANIZATION_ID].entities[made.id] = made


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
    def world(self) -> World:
        return World(**json.loads((self.folder / "world.json").read_text()))

    @property
    def executions(self) -> Iterator[Waiting]:
        """The executions, the one that was started first at the front."""
        found = [Waiting(**json.loads(file.read_text())) for file in (self.folder / "executions").glob("*.json")]
        return iter(sorted(found, key=lambda waiting: (waiting.started_at, waiting.name)))

    def assembly(self, current: Path, directory: Path) -> Path:
        """Make the release's cloud assembly.

        Parameters
        ----------
        current
            The assembly of the present sources: what is vendored comes from there.
        directory
            Where it goes; it must not exist.

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
        own = {path.name for path in (FOLDER.parents[1] / "lambdas").iterdir()}
        shutil.copytree(current / asset["source"]["path"], package, ignore=lambda _, names: own.intersection(names))
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


def released() -> list[Release]:
    """Return every release that is recorded."""
    return [Release(folder.parent.name) for folder in sorted(FOLDER.glob("*/template.json"))]


def resuming(definition: str, executions: list[Waiting], recorded_at: str) -> str:
    """Write a definition in which each execution goes on where it waited.

    Parameters
    ----------
    definition
        The state machine's, as it was deployed.
    executions
        They are told apart by their names.
    recorded_at
        When the recording was made; until then each of them does nothing.

    Returns
    -------
    str
        To be given to the state machine while the executions are started.
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
    resumed["States"]["Resume"] = {"Type": "Choice", "Choices": choices}
    return json.dumps({**resumed, "StartAt": "Resume"})


def timestamp(moment: datetime) -> str:
    """Write a moment as RFC 3339."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entity_to_json(entity: WorkMailEntity) -> dict[str, Any]:
    members = {name: value for name, value in asdict(entity).items() if name not in _OF_THE_BACKEND}
    return {"type": entity.type, **_plain(members)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _entity(members: Mapping[str, Any]) -> WorkMailEntity:
    [kind] = [kind for kind in _KINDS if kind.type == members["type"]]
    given = {name: value for name, value in members.items() if name != "type"}
    dates = {name: datetime.fromisoformat(value) for name, value in given.items() if name.endswith("_date") and value}
    mailbox = given["mailbox"] and Mailbox(
        **{**given["mailbox"], "provisioned_date": datetime.fromisoformat(given["mailbox"]["provisioned_date"])}
    )
    return kind(**{**given, **dates, "mailbox": mailbox})

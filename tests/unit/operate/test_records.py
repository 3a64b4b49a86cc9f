"""The table of records as a file, and back."""

import base64
import hashlib
import json
import stat
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from operate.errors import Refusal
from operate.records import reading
from operate.records.files import HEADER_MEMBERS, RecordsReader, RecordsWriter
from tests.unit.operate.conftest import TABLE, RunCommand, create_table

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:one"
ENTITY = "m-1/e-1"
RECORD = {
    "Id": {"S": EXECUTION},
    "Part": {"S": "Record"},
    "Status": {"S": "Scheduled"},
    "StatusKey": {"S": "Scheduled"},
    "RecordedAt": {"S": "2026-11-22T12:00:00.000Z"},
    "DueAt": {"S": "2026-12-31T12:00:00.000Z"},
    "TaskToken": {"S": "token"},
    "OrganizationId": {"S": "m-1"},
    "EntityId": {"S": "e-1"},
    "Entity": {"M": {"Id": {"S": "e-1"}, "Name": {"S": "Dána"}}},
    "ExpiresAt": {"N": "1799999999"},
}
STEP = {"Id": {"S": EXECUTION}, "Part": {"S": "Step 1"}, "Kind": {"S": "Step"}, "EntityKey": {"S": ENTITY}}
LOCK = {"Id": {"S": ENTITY}, "Part": {"S": "Lock"}, "Live": {"BOOL": True}, "ExecutionArn": {"S": EXECUTION}}
IDENTIFIER = {"Id": {"S": "identifier/1"}, "Part": {"S": f"Entity {ENTITY}"}}
OTHER_LOCK = {"Id": {"S": "m-1/e-2"}, "Part": {"S": "Lock"}, "Live": {"BOOL": False}, "ExecutionArn": {"S": "arn:x"}}
ODD = {
    "Id": {"S": "odd"},
    "Part": {"S": "Types"},
    "Numbers": {"NS": ["1", "2.5"]},
    "Binary": {"B": b"\x00\xff"},
    "Binaries": {"BS": [b"a", b"b"]},
    "List": {"L": [{"NULL": True}, {"M": {"Inner": {"B": b"\x01"}}}, {"SS": ["b", "a"]}]},
}
ITEMS = [RECORD, STEP, LOCK, IDENTIFIER, OTHER_LOCK, ODD]
KEEPS = {"Id": {"S": "m-1/e-2"}, "Part": {"S": "Lock"}, "Live": {"BOOL": False}, "ExecutionArn": {"S": "arn:y"}}


def put(table: Any, *items: dict[str, Any], name: str = TABLE) -> None:
    for item in items:
        table.put_item(TableName=name, Item=item)


def read(table: Any, item: dict[str, Any], name: str = "target") -> dict[str, Any] | None:
    key = {key: item[key] for key in ("Id", "Part")}
    return table.get_item(TableName=name, Key=key).get("Item")


@pytest.fixture
def exported(table: Any, run: RunCommand, tmp_path: Path) -> Path:
    """Export a table with items of each kind, and create an empty one to import into."""
    put(table, *ITEMS)
    path = tmp_path / "records.jsonl"
    assert run("records", "export", path, "--table", TABLE).exit_code == 0
    create_table(table, "target")
    return path


class TestExport:
    def test_the_file_has_every_item_between_a_header_and_a_proof(self, exported: Path) -> None:
        header, *lines, footer = exported.read_bytes().splitlines(keepends=True)

        members = json.loads(header)["Header"]
        assert members.pop("ExportedAt").endswith("Z")
        assert members == {
            "Format": "workmail-offboarding-records",
            "Version": 1,
            "Stack": "workmail-offboarding",
            "Account": "123456789012",
            "Region": "us-east-1",
            "Table": TABLE,
        }
        digest = hashlib.sha256(b"".join([header, *lines])).hexdigest()
        assert json.loads(footer) == {"Footer": {"Items": len(ITEMS), "Sha256": digest}}
        items = {json.loads(line)["Item"]["Id"]["S"]: json.loads(line)["Item"] for line in lines}
        assert items["odd"]["Binary"] == {"B": base64.b64encode(b"\x00\xff").decode()}
        assert items["odd"]["Numbers"] == ODD["Numbers"]
        assert "Dána".encode() in exported.read_bytes()

    def test_only_its_owner_can_read_the_file(self, exported: Path) -> None:
        assert stat.S_IMODE(exported.stat().st_mode) == 0o600

    def test_a_file_is_written_in_full_or_not_at_all(
        self, exported: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_calls(monkeypatch, "Scan", "AccessDeniedException", times=1)

        result = run("records", "export", exported.with_name("another"), "--table", TABLE)

        assert (result.exit_code, result.stderr) == (1, "AWS refuses Scan (AccessDeniedException): made by the test.\n")
        assert [path.name for path in exported.parent.iterdir()] == [exported.name]

    def test_a_file_that_exists_is_not_replaced(self, exported: Path, table: Any, run: RunCommand) -> None:
        """It can be the only one that has the records of a stack that is deleted."""
        content = exported.read_bytes()

        result = run("records", "export", exported, "--table", TABLE)

        assert result.exit_code == 1
        assert result.stderr.endswith("exists, and nothing was exported: name another file, or move it away.\n")
        assert exported.read_bytes() == content

    def test_the_standard_output_has_the_same_lines(self, exported: Path, run: RunCommand) -> None:
        result = run("records", "export", "-", "--table", TABLE)

        assert result.stdout_bytes.splitlines()[1:-1] == exported.read_bytes().splitlines()[1:-1]
        assert result.stderr == f"Items of {TABLE} exported: {len(ITEMS)}.\n"

    def test_the_table_is_read_page_by_page(
        self, table: Any, run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = record_calls(monkeypatch, "Scan")
        big = "x" * 380_000
        put(table, *({"Id": {"S": str(i)}, "Part": {"S": "Record"}, "Text": {"S": big}} for i in range(8)))

        result = run("records", "export", tmp_path / "all", "--table", TABLE)

        assert result.stderr == f"Items of {TABLE} exported: 8.\n"
        assert len(calls) > 2
        assert all(call["ConsistentRead"] for call in calls)

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (
                ["FILE"],
                "There is no stack workmail-offboarding in us-east-1: choose another Region with --region, or name the "
                "stack with --stack (make: STACK=NAME).\n",
            ),
            (["FILE", "--stack", "test", "--region", "eu-west-1"], "There is no stack test in eu-west-1: choose"),
            (["missing/FILE", "--table", TABLE], "The file missing/FILE cannot be written: No such file or directory."),
            (["FILE", "--table", "nothing"], "AWS refuses Scan (ResourceNotFoundException): "),
            (["FILE", "--profile", "nobody"], "AWS cannot be called (ProfileNotFound): "),
        ],
    )
    def test_a_refusal_is_one_sentence(
        self, table: Any, run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str],
        sentence: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        result = run("records", "export", *arguments)

        assert result.exit_code == 1
        assert result.stderr.startswith(sentence)
        assert result.stderr.count("\n") == 1

    def test_without_a_region_nothing_is_called(self, run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        result = run("records", "export", "-")
        assert (result.exit_code, result.stderr) == (1, "No Region is set: give --region, or set AWS_REGION.\n")

    @pytest.mark.parametrize("arguments", [["export"], ["import", "missing"], ["else"], ["export", "a", "b"]])
    def test_wrong_use_has_its_own_exit_code(self, run: RunCommand, arguments: list[str]) -> None:
        assert run("records", *arguments).exit_code == 2


class TestImport:
    @pytest.fixture(autouse=True)
    def no_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading.time, "sleep", lambda seconds: None)

    @staticmethod
    def import_file(run: RunCommand, path: Path) -> Any:
        return run("records", "import", path, "--table", "target")

    def test_what_is_missing_is_written_with_its_types(self, exported: Path, table: Any, run: RunCommand) -> None:
        result = self.import_file(run, exported)

        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[0] == "Items written: 6; in the table already: 0."
        imported = read(table, ODD)
        assert imported is not None
        assert {**imported, "Numbers": {"NS": sorted(imported["Numbers"]["NS"])}} == ODD
        assert [read(table, item) for item in (IDENTIFIER, OTHER_LOCK)] == [IDENTIFIER, OTHER_LOCK]

    def test_what_executions_that_are_gone_have_left_is_adjusted(
        self, exported: Path, table: Any, run: RunCommand
    ) -> None:
        result = self.import_file(run, exported)

        assert read(table, LOCK) == {**LOCK, "Live": {"BOOL": False}}
        record = {name: value for name, value in RECORD.items() if name != "TaskToken"}
        assert read(table, RECORD) == {**record, "DueAt": RECORD["RecordedAt"]}
        step = read(table, STEP)
        assert step is not None
        assert step.pop("ImportedAt")["S"].endswith("Z")
        assert step == STEP
        assert result.stdout.splitlines()[1:] == [
            "Entities released, because the executions that held them are over: 1.",
            "Offboardings that waited for a date or an approval: 1. The next sweep ends them as Forgotten.",
        ]

    def test_what_a_running_execution_holds_stays_as_it_is(
        self, exported: Path, table: Any, run: RunCommand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer_calls(monkeypatch, "DescribeExecution", {"status": "RUNNING"})
        self.import_file(run, exported)

        assert [read(table, item) for item in (LOCK, RECORD)] == [LOCK, RECORD]

    def test_an_execution_that_cannot_be_described_is_not_taken_for_gone(
        self, exported: Path, table: Any, run: RunCommand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_calls(monkeypatch, "DescribeExecution", "AccessDeniedException")

        assert self.import_file(run, exported).exit_code == 1
        assert read(table, LOCK) is None

    def test_an_entity_in_its_window_that_nobody_watches_is_counted(
        self, table: Any, run: RunCommand, tmp_path: Path
    ) -> None:
        in_window = {
            **RECORD,
            "StatusKey": {"S": "InWindow"},
            "Status": {"S": "Unwatched"},
            "Outcome": {"S": "Stopped"},
        }
        put(table, in_window, {**in_window, "Id": {"S": "arn:2"}, "Outcome": {"S": "ServiceEnded"}})
        run("records", "export", tmp_path / "file", "--table", TABLE)
        create_table(table, "target")

        result = self.import_file(run, tmp_path / "file")

        assert result.stdout.splitlines()[1:] == [
            "Offboardings in the window that no execution watches: 1. Start each again to have it verified."
        ]
        assert read(table, in_window) == in_window

    def test_a_repetition_writes_nothing(self, exported: Path, run: RunCommand) -> None:
        self.import_file(run, exported)
        result = self.import_file(run, exported)

        assert (result.exit_code, result.stdout) == (0, "Items written: 0; in the table already: 6.\n")

    def test_the_table_that_was_exported_has_it_all(self, exported: Path, run: RunCommand) -> None:
        result = run("records", "import", exported, "--table", TABLE)
        assert (result.exit_code, result.stdout) == (0, "Items written: 0; in the table already: 6.\n")

    def test_the_order_of_a_set_is_no_difference(self, exported: Path, table: Any, run: RunCommand) -> None:
        put(table, {**ODD, "Numbers": {"NS": ["2.5", "1"]}, "Binaries": {"BS": [b"b", b"a"]}}, name="target")
        result = self.import_file(run, exported)
        assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "Items written: 5; in the table already: 1.")

    def test_an_item_that_differs_is_listed_and_not_changed(self, exported: Path, table: Any, run: RunCommand) -> None:
        put(table, KEEPS, name="target")
        result = self.import_file(run, exported)

        assert result.exit_code == 1
        assert result.stdout.splitlines()[:2] == [
            "Differs: m-1/e-2 Lock",
            "Items written: 5; in the table already: 0.",
        ]
        assert result.stderr == "Items that are in the table and differ were not changed: 1.\n"
        assert read(table, KEEPS) == KEEPS

    def test_an_item_that_is_written_meanwhile_is_not_changed(
        self, exported: Path, table: Any, run: RunCommand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write_first(parameters: dict[str, Any]) -> None:
            if parameters["Item"] == OTHER_LOCK:
                monkeypatch.undo()
                put(table, KEEPS, name="target")

        call_before(monkeypatch, "PutItem", write_first)
        result = self.import_file(run, exported)

        assert (result.exit_code, read(table, KEEPS)) == (1, KEEPS)

    def test_what_counts_the_work_of_one_table_stays_that_tables(
        self, table: Any, run: RunCommand, tmp_path: Path
    ) -> None:
        cap = {"Id": {"S": "cap/m-1"}, "Part": {"S": "Count"}, "Next": {"N": "57"}}
        sweep = {"Id": {"S": "sweep"}, "Part": {"S": "State"}, "SweptUntil": {"S": "2026-11-22T12:00:00.000Z"}}
        put(table, cap, sweep)
        run("records", "export", tmp_path / "file", "--table", TABLE)
        create_table(table, "target")
        put(table, {**cap, "Next": {"N": "3"}}, {**sweep, "SweptUntil": {"S": "2026-12-01"}}, name="target")

        result = self.import_file(run, tmp_path / "file")

        assert (result.exit_code, result.stdout.splitlines()[1:]) == (
            0,
            ["Items of the caps and the sweep that the table has of its own: 2."],
        )

    def test_somebody_who_was_erased_after_the_export_stays_erased(
        self, exported: Path, table: Any, run: RunCommand
    ) -> None:
        digest = hashlib.sha256(EXECUTION.encode()).hexdigest()
        put(table, {"Id": {"S": f"erased/{digest}"}, "Part": {"S": "Execution"}}, name="target")

        result = self.import_file(run, exported)

        assert "Items left out, because their person was erased after the export: 4." in result.stdout.splitlines()
        assert [read(table, item) for item in (RECORD, STEP, LOCK, IDENTIFIER)] == [None] * 4
        assert read(table, OTHER_LOCK) == OTHER_LOCK

    def test_keys_that_are_not_processed_are_asked_for_again(
        self, exported: Path, table: Any, run: RunCommand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(table, OTHER_LOCK, name="target")
        answers = iter([True, False])
        call = BaseClient._make_api_call

        def process_later(client: BaseClient, name: str, parameters: dict[str, Any]) -> Any:
            if name == "BatchGetItem" and next(answers):
                return {"Responses": {}, "UnprocessedKeys": parameters["RequestItems"]}
            return call(client, name, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", process_later)

        assert self.import_file(run, exported).stdout.startswith("Items written: 5; in the table already: 1.\n")

    def test_a_table_that_processes_nothing_ends_the_import(
        self, exported: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer_calls(monkeypatch, "BatchGetItem", {"Responses": {}, "UnprocessedKeys": {"target": {}}})

        result = self.import_file(run, exported)

        assert (result.exit_code, result.stderr) == (
            1,
            "DynamoDB does not process all keys: it is throttled. Start again.\n",
        )

    @pytest.mark.parametrize(
        ("stack", "region", "place"),
        [
            ("test", "us-east-1", "123456789012/us-east-1/test"),
            ("workmail-offboarding", "eu-west-1", "123456789012/eu-west-1/workmail-offboarding"),
        ],
    )
    def test_the_records_of_another_stack_are_refused(
        self, exported: Path, run: RunCommand, stack: str, region: str, place: str
    ) -> None:
        result = run("records", "import", exported, "--table", "target", "--stack", stack, "--region", region)

        assert (result.exit_code, result.stderr) == (
            1,
            f"The file is of 123456789012/us-east-1/workmail-offboarding, and this is {place}: its records only fit a "
            "stack of the same account, Region and name.\n",
        )


def write_file() -> bytes:
    """Write an export of the items."""
    file = BytesIO()
    writer = RecordsWriter(file, dict.fromkeys(HEADER_MEMBERS - {"Format", "Version"}, "x"))
    for item in ITEMS:
        writer.write_item(item)
    writer.finish()
    return file.getvalue()


def without_last_line(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def without_an_item(lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines[2:]]


def with_a_changed_item(lines: list[bytes]) -> list[bytes]:
    return [line.replace("Dána".encode(), b"Dora") for line in lines]


def with_a_line_after_the_last(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[1]]


def with_line(number: int, text: str) -> Any:
    return lambda lines: [*lines[: number - 1], text.encode() + b"\n", *lines[number:]]


KEY = '"Id": {"S": "a"}, "Part": {"S": "b"}'
FORMAT = '"Format": "workmail-offboarding-records"'


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without_last_line, "The file is not complete: it ends after line 7, without the last line of an export."),
        (without_an_item, "Line 7 of the file does not fit the lines before it: the file was changed or is damaged"),
        (with_a_changed_item, "Line 8 of the file does not fit the lines before it"),
        (with_a_line_after_the_last, "Line 9 of the file follows the last line of the export"),
        (with_line(3, "{"), "Line 3 of the file is not JSON"),
        (with_line(3, "[" * 100_000), "Line 3 of the file is not JSON"),
        (with_line(4, '{"Item": {}, "More": 1}'), "Line 4 of the file is no line of an export of records"),
        (with_line(4, '{"Item": {"Id": {"S": "a"}}}'), "Line 4 of the file is not an item with a key"),
        (with_line(4, '{"Item": 7}'), "Line 4 of the file is not an item with a key"),
        (with_line(4, f'{{"Item": {{{KEY}, "C": {{"X": 1}}}}}}'), "Line 4 of the file is not an item with a key"),
        (with_line(4, f'{{"Item": {{{KEY}, "C": {{"N": "x"}}}}}}'), "Line 4 of the file is not an item with a key"),
        (with_line(4, f'{{"Item": {{{KEY}, "C": {{"N": "NaN"}}}}}}'), "Line 4 of the file is not an item with a key"),
        (with_line(4, f'{{"Item": {{{KEY}, "C": {{"B": "?"}}}}}}'), "Line 4 of the file is not an item with a key"),
        (with_line(2, '{"Header": {}}'), "Line 2 of the file is not an item with a key"),
        (with_line(1, '{"Header": {"Format": "x"}}'), "Line 1 of the file is not the header of an export of records"),
        (with_line(1, '{"Item": {}}'), "Line 1 of the file is not the header of an export of records"),
        (with_line(1, f'{{"Header": {{{FORMAT}, "Version": 2}}}}'), "The file has version 2 of the format"),
        (with_line(1, f'{{"Header": {{{FORMAT}, "Version": 1}}}}'), "Line 1 of the file lacks a member of the header"),
        (lambda lines: [], "The file is not complete: it ends after line 0"),
    ],
)
def test_a_file_that_is_damaged_is_refused_with_the_line(damage: Any, sentence: str) -> None:
    lines = write_file().splitlines(keepends=True)

    with pytest.raises(Refusal) as refusal:
        list(RecordsReader(BytesIO(b"".join(damage(lines)))).iterate_items())

    assert str(refusal.value).startswith(sentence)


def test_a_file_can_be_read_more_than_once() -> None:
    reader = RecordsReader(BytesIO(write_file()))
    assert list(reader.iterate_items()) == list(reader.iterate_items()) == ITEMS


def test_of_a_file_that_is_damaged_nothing_is_imported(table: Any, run: RunCommand, tmp_path: Path) -> None:
    # More than are written at once.
    put(table, *({"Id": {"S": str(number)}, "Part": {"S": "Record"}} for number in range(120)))
    run("records", "export", tmp_path / "file", "--table", TABLE)
    create_table(table, "target")
    lines = (tmp_path / "file").read_bytes().splitlines(keepends=True)
    (tmp_path / "file").write_bytes(b"".join(without_last_line(lines)))

    result = run("records", "import", tmp_path / "file", "--table", "target")

    assert (result.exit_code, result.stderr) == (
        1,
        "The file is not complete: it ends after line 121, without the last line of an export.\n",
    )
    assert table.scan(TableName="target")["Count"] == 0


def call_before(monkeypatch: pytest.MonkeyPatch, operation: str, hook: Any) -> None:
    call = BaseClient._make_api_call

    def call_after(client: BaseClient, name: str, parameters: dict[str, Any]) -> Any:
        if name == operation:
            answer = hook(parameters)
            if answer is not None:
                return answer
        return call(client, name, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", call_after)


def record_calls(monkeypatch: pytest.MonkeyPatch, operation: str) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    call_before(monkeypatch, operation, calls.append)
    return calls


def answer_calls(monkeypatch: pytest.MonkeyPatch, operation: str, answer: dict[str, Any]) -> None:
    call_before(monkeypatch, operation, lambda parameters: answer)


def fail_calls(monkeypatch: pytest.MonkeyPatch, operation: str, code: str, times: int | None = None) -> None:
    failures = iter(range(times)) if times is not None else None

    def fail(parameters: dict[str, Any]) -> None:
        if failures is None or next(failures, None) is not None:
            raise ClientError({"Error": {"Code": code, "Message": "made by the test"}}, operation)

    call_before(monkeypatch, operation, fail)

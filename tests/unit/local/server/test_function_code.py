"""`make serve` runs only code of this checkout's assets, whoever asks."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.models import default_user_config
from moto.utilities.docker_utilities import DockerModel

from local.cdk.assembly import list_asset_folders

from .conftest import ROLE, LocalServer

REFUSAL = "The embedded AWS runs only code of this checkout"


def zip_files(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def read_asset(asset: Path) -> dict[str, str]:
    return {path.relative_to(asset).as_posix(): path.read_text() for path in sorted(asset.rglob("*.py"))}


def write_marker(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w')\ndef handler(event, context):\n    return 1\n"


def create_function(server: LocalServer, name: str, code: dict[str, Any], **members: Any) -> Any:
    members = {"Handler": "echo.handler", "Runtime": "python3.13", **members}
    return server.client("lambda").create_function(FunctionName=name, Role=ROLE, Code=code, **members)


def invoke(server: LocalServer, name: str, event: Any) -> Any:
    return json.load(server.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"])


def list_function_names(server: LocalServer) -> list[str]:
    return [function["FunctionName"] for function in server.client("lambda").list_functions()["Functions"]]


def upload(server: LocalServer, package: bytes) -> dict[str, str]:
    objects = server.client("s3")
    objects.create_bucket(Bucket="code")
    objects.put_object(Bucket="code", Key="package.zip", Body=package)
    return {"S3Bucket": "code", "S3Key": "package.zip"}


@pytest.fixture
def function(server: LocalServer) -> str:
    """A function with an asset's code, zipped in another way than the embedded deployment does."""
    if "trusted" not in list_function_names(server):
        files = {"package/": "", **dict(reversed(read_asset(server.asset).items()))}
        create_function(server, "trusted", upload(server, zip_files(files)))
    return "trusted"


def test_an_assets_code_runs_however_it_was_zipped(server: LocalServer, function: str) -> None:
    assert invoke(server, function, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "is_uploaded"),
    [("foreign", False), ("foreign", True), ("changed", True), ("added", False), ("missing", False), ("twice", False),
     ("no archive", True)],
)  # fmt: skip
def test_code_of_no_asset_is_refused(
    server: LocalServer, function: str, tmp_path: Path, kind: str, is_uploaded: bool
) -> None:
    files, marker = read_asset(server.asset), tmp_path / "ran"
    package = {
        "foreign": zip_files({"echo.py": write_marker(marker)}),
        "changed": zip_files({**files, "echo.py": files["echo.py"].replace("event\n", "other\n")}),
        "added": zip_files({**files, "package/__init__.py": write_marker(marker)}),
        "missing": zip_files({"echo.py": files["echo.py"]}),
        "twice": zip_twice(files),
        "no archive": b"PK\3\4",
    }[kind]
    code = upload(server, package) if is_uploaded else {"ZipFile": package}

    with pytest.raises(ClientError, match=f"InvalidParameterValueException.*{REFUSAL}"):
        create_function(server, "foreign", code)
    with pytest.raises(ClientError, match=f"InvalidParameterValueException.*{REFUSAL}"):
        server.client("lambda").update_function_code(FunctionName=function, **code)

    assert "foreign" not in list_function_names(server)
    assert invoke(server, function, "same") == "same"
    assert not marker.exists()


def zip_twice(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO(zip_files(files))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("echo.py", files["echo.py"])
    return buffer.getvalue()


@pytest.mark.parametrize("is_uploaded", [False, True])
def test_a_template_with_code_of_no_asset_is_refused(server: LocalServer, tmp_path: Path, is_uploaded: bool) -> None:
    marker = tmp_path / "ran"
    source = write_marker(marker)
    code = upload(server, zip_files({"index.py": source})) if is_uploaded else {"ZipFile": source}
    properties = {"Code": code, "Handler": "index.handler", "Role": ROLE, "Runtime": "python3.13"}
    template = {"Resources": {"Code": {"Type": "AWS::Lambda::Function", "Properties": properties}}}

    cloudformation, name = server.client("cloudformation"), f"inline-{is_uploaded}"
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))

    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    assert any(REFUSAL in event.get("ResourceStatusReason", "") for event in events)
    assert not [name for name in list_function_names(server) if name.startswith("inline")]
    assert not marker.exists()


@pytest.mark.parametrize("handler", ["pty.spawn", "subprocess.getoutput", "package/helper.handler", "echo.json"])
def test_a_handler_outside_of_the_asset_does_not_run(server: LocalServer, tmp_path: Path, handler: str) -> None:
    name = handler.replace(".", "-").replace("/", "-")
    create_function(server, name, {"ZipFile": zip_files(read_asset(server.asset))}, Handler=handler)

    answer = invoke(server, name, ["/bin/sh", "-c", f"touch {tmp_path / 'ran'}"])

    assert answer["errorType"] == "Runtime.UntrustedCode"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "aws_profile", "AWS_ENDPOINT_URL", "PYTHONPATH", "PATH"])
def test_a_variable_that_changes_the_sdk_stops_the_function(server: LocalServer, function: str, variable: str) -> None:
    configure = server.client("lambda").update_function_configuration
    configure(FunctionName=function, Environment={"Variables": {variable: "/tmp/x"}})  # noqa: S108 (never read)

    answer = invoke(server, function, {})
    configure(FunctionName=function, Environment={"Variables": {"TABLE": "x"}})

    assert answer["errorType"] == "Runtime.UntrustedCode"
    assert variable in answer["errorMessage"]
    assert invoke(server, function, 1) == 1


def test_code_that_a_function_has_already_is_checked_before_it_runs(
    server: LocalServer, function: str, tmp_path: Path
) -> None:
    trusted_code = server.environment.runtime.trusted_code
    server.environment.runtime.trusted_code = None
    package = zip_files({"echo.py": write_marker(tmp_path / "ran")})
    create_function(server, "earlier", {"ZipFile": package})
    server.environment.runtime.trusted_code = trusted_code

    assert invoke(server, "earlier", {})["errorType"] == "Runtime.UntrustedCode"
    assert not (tmp_path / "ran").exists()


def test_assets_are_those_of_the_deployed_assembly_and_of_cdk_out(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cdk.assembly.ROOT", tmp_path)
    (tmp_path / "cdk.out" / "asset.4567").mkdir(parents=True)
    (tmp_path / "cdk.out" / "asset.template.json").touch()

    folders = list(list_asset_folders([server.asset.parent, tmp_path / "none"]))

    assert folders == [server.asset, tmp_path / "cdk.out" / "asset.4567"]


def test_no_container_is_started(server: LocalServer) -> None:
    assert server.client("batch").describe_job_queues()["jobQueues"] == []
    assert not default_user_config["batch"]["use_docker"]
    with pytest.raises(RuntimeError, match="does not use Docker"):
        _ = DockerModel().docker_client

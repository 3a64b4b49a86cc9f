"""The app without an account, a network or an installed Node, and under the CDK CLI; its cloud assembly."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import app
from local.cdk import assembly as assembly_module
from local.cdk.assembly import TEMPLATE, AssemblyError, assembly
from stacks.settings import read_context
from stacks.settings_fields import SettingsError
from stacks.workflow import DefinitionError, read_definition
from tests.synthesis import CONTEXT, synthesize_in_subprocess

ROOT = Path(__file__).parents[2]
SETTINGS = {"organizations": [{"id": "m-" + "c3" * 16}]}
BLOCK_NETWORK = """
require("fs").writeFileSync(process.env.PROOF, "loaded");
const block = () => { throw new Error("the network is blocked") };
require("net").Socket.prototype.connect = block;
require("dgram").createSocket = block;
require("dns").lookup = block;
require("dns").resolve = block;
"""


def run(outdir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run app.py with only the given environment variables."""
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={"CDK_OUTDIR": str(outdir), **environment},
        capture_output=True,
        text=True,
    )


def context_with(**values: Any) -> dict[str, str]:
    return {"CDK_CONTEXT_JSON": json.dumps({"offboarding": {**SETTINGS, **values}})}


def test_the_app_needs_no_account_no_network_and_no_node_on_the_path_and_warns_about_the_example(
    tmp_path: Path,
) -> None:
    """The library jsii, between Python and the CDK, leaves out members that are null: they are in the template too."""
    hook, proof, outdir = tmp_path / "network.cjs", tmp_path / "proof", tmp_path / "out"
    hook.write_text(BLOCK_NETWORK)
    no_network = {"PROOF": str(proof), "NODE_OPTIONS": f"--require {hook}"}
    no_account = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    settings = {**CONTEXT["offboarding"], "handCap": None}
    context = tmp_path / "context.json"
    context.write_text(json.dumps({"offboarding": settings}))

    process = run(outdir, PATH=str(tmp_path), CONTEXT_OVERFLOW_LOCATION_ENV=str(context), **no_network, **no_account)

    assert (process.returncode, process.stdout) == (0, "")
    assert "put your organization's id into offboarding.organizations before you deploy" in process.stderr
    assert proof.read_text() == "loaded"
    template = (outdir / TEMPLATE).read_text()
    assert '"HandCap\\":null' in template
    assert template == (assembly(settings) / TEMPLATE).read_text()


def test_the_app_runs_the_node_in_jsii_node(tmp_path: Path) -> None:
    process = run(tmp_path, JSII_NODE=str(tmp_path / "no-such-node"), PATH=os.environ["PATH"])
    assert process.returncode != 0
    assert "no-such-node" in process.stderr


@pytest.mark.long
def test_a_null_in_the_variable_of_the_cdk_cli_does_not_become_the_default(tmp_path: Path) -> None:
    """A context that is too large for the variable is in a file, as in the first test."""
    process = run(tmp_path / "out", **context_with(handCap=None))

    assert (process.returncode, process.stderr) == (0, "")
    assert '"HandCap\\":null' in (tmp_path / "out" / TEMPLATE).read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {**context_with(), "CDK_DEFAULT_REGION": "eu-central-1"},
            "offboarding.workmailRegion must be one of us-east-1, us-west-2, eu-west-1, because Amazon WorkMail "
            "does not exist in eu-central-1, where the stack is deployed\n",
        ),
        (
            context_with(retentionDays=29),
            "offboarding.retentionDays must be a whole number from 30 to 35, but it is 29\n",
        ),
    ],
)
def test_a_wrong_setting_stops_the_app_with_one_sentence_and_no_assembly(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    process = run(tmp_path, **environment)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", sentence)
    assert not list(tmp_path.iterdir())


def make(
    target: str, outdir: Path, cdk: str = f"{sys.executable} app.py #", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a target of the Makefile with the app, or another command, in the place of the CDK CLI."""
    installed = [option for path in (".venv/.synced", "node_modules/.synced") for option in ("-o", path)]
    return subprocess.run(
        [
            *(str(shutil.which("make")), "--silent", *installed, target),
            *(f"CDK={cdk}", "CHECK_ACCOUNT=true"),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "CDK_OUTDIR": str(outdir), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"app": 1,\n  "context": {,}\n}', "cdk.json must be JSON, but line 2, column 15 is not: "),
        ("", "cdk.json must be JSON, but line 1, column 1 is not: "),
        ("[" * 100_000, "cdk.json must be JSON in UTF-8: RecursionError"),
        ('{"context": {"a": {"dailyCap": 5, "dailyCap": 50}}}', "The settings must not have the key dailyCap twice"),
        (None, "cdk.json cannot be read: No such file or directory"),
        ("\xff", "cdk.json must be JSON in UTF-8: UnicodeDecodeError"),
        *((text, "cdk.json must have the member context, an object like ") for text in ("{}", "[]", '{"context": 7}')),
    ],
)
def test_a_file_of_settings_that_cannot_be_read_is_refused_with_a_sentence(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    file = tmp_path / "cdk.json"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))

    with pytest.raises(SettingsError) as refusal:
        read_context(file)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"context": {"dailyCap": 5,\n}}', "; perhaps there is a comma too many before it"),
        ('{"context": [1,\n]}', "; perhaps there is a comma too many before it"),
        ('{"context": {},, "app": 1}', "; perhaps there is a comma too many before it"),
        ('{"context": {}\n"app": 1}', "; perhaps a comma is missing before it"),
        ('{"context": [1 2]}', "; perhaps a comma is missing before it"),
        ('{"context": // the settings\n{}}', "; JSON has no comments"),
        ('{"context": {},\n# "app": 1\n}', "; JSON has no comments"),
        ('{"context": {"dailyCap": 5}', "; the file ends too early, perhaps without a bracket"),
        ('{"context": {"dailyCap": five}}', ": Expecting value"),
        ("", ": Expecting value"),
    ],
)
def test_the_probable_cause_of_a_file_that_is_no_json_is_named(tmp_path: Path, text: str, hint: str) -> None:
    """The parser names the token after a wrong comma, which may be on another line."""
    file = tmp_path / "cdk.json"
    file.write_text(text)

    # Python 3.13 and later see a comma that is too many themselves.
    with pytest.raises(SettingsError, match=rf"({re.escape(hint)}|: Illegal trailing comma .*)$"):
        read_context(file)


@pytest.mark.parametrize(("exit_code", "line"), [(0, "The template is {}.\n"), (1, "")])
def test_make_synth_says_where_the_template_is_if_there_is_one(tmp_path: Path, exit_code: int, line: str) -> None:
    app = tmp_path / "python"
    app.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    app.chmod(0o755)

    process = make("synth", tmp_path / "out", PATH=os.environ["PATH"], MAKEFLAGS=f"BIN={tmp_path}")

    assert process.stdout == line.format(tmp_path / "out" / TEMPLATE)


PAST_EXAMPLE = context_with(
    organizations=[{"id": "m-" + "0" * 32}], serviceEndsOn="2026-03-31", confirmServiceEndsOn="2026-03-31"
)
PAST_EXAMPLE_SENTENCES = (
    "offboarding.serviceEndsOn must be ahead for a deployment, but it is 2026-03-31",
    "put your organization's id into offboarding.organizations before you deploy",
)


def test_the_app_refuses_a_past_end_of_the_service_and_the_example_for_a_deployment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OFFBOARDING_DEPLOYMENT", "1")
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path))
    monkeypatch.setattr(app, "read_context", lambda _: {**CONTEXT, **json.loads(PAST_EXAMPLE["CDK_CONTEXT_JSON"])})

    assert app.main() == 1

    refusal = capsys.readouterr().err
    assert all(sentence in refusal for sentence in PAST_EXAMPLE_SENTENCES)
    assert not (tmp_path / TEMPLATE).exists()


@pytest.mark.parametrize(("target", "value"), [("deploy", "1\n"), ("diff", "\n")])
def test_make_tells_the_app_whether_it_deploys(tmp_path: Path, target: str, value: str) -> None:
    process = make(target, tmp_path, cdk="sh -c 'echo \"$$OFFBOARDING_DEPLOYMENT\"' #")

    assert (process.returncode, process.stdout) == (0, value)


@pytest.mark.long
def test_a_past_end_of_the_service_and_the_example_are_refused_by_a_deployment(tmp_path: Path) -> None:
    deployment = make("deploy", tmp_path, **PAST_EXAMPLE)

    assert deployment.returncode != 0
    assert all(sentence in deployment.stderr for sentence in PAST_EXAMPLE_SENTENCES)
    assert not (tmp_path / TEMPLATE).exists()


@pytest.mark.long
def test_a_past_end_of_the_service_and_the_example_are_warned_of_by_a_comparison(tmp_path: Path) -> None:
    comparison = make("diff", tmp_path, **PAST_EXAMPLE)

    assert comparison.returncode == 0
    assert all(sentence in comparison.stderr for sentence in PAST_EXAMPLE_SENTENCES)
    assert (tmp_path / TEMPLATE).exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${Known} ${Unknown}", "flow.asl.json: ${Unknown} is not a function"),
        ("nothing", "flow.asl.json: ${Known} is a function that no state calls"),
    ],
)
def test_a_definition_that_does_not_match_the_functions_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    flow = tmp_path / "flow.asl.json"
    flow.write_text(text)
    with pytest.raises(DefinitionError) as refusal:
        read_definition(flow, {"Known"})
    assert str(refusal.value) == sentence


def test_an_assembly_is_synthesized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first_assembly = assembly(SETTINGS)
    monkeypatch.setattr(assembly_module, "_synthesize", lambda *_: pytest.fail("synthesized again"))
    assert assembly(SETTINGS) == first_assembly
    assert assembly(json.loads(json.dumps(SETTINGS))) == first_assembly


def test_an_assembly_is_synthesized_again_for_other_settings_or_other_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first_assembly = assembly(SETTINGS)
    monkeypatch.setattr(assembly_module, "_synthesize", lambda outdir, _: (outdir / "made").touch())
    for name in assembly_module._SOURCE_FILES:
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "lambdas").mkdir()
    monkeypatch.setattr(assembly_module, "ROOT", tmp_path)
    seen = {first_assembly.name, assembly(SETTINGS).name, assembly(None).name}
    (tmp_path / "lambdas" / "handler.py").write_text("one")
    seen.add(assembly(SETTINGS).name)
    (tmp_path / "lambdas" / "handler.py").write_text("two")
    seen.add(assembly(SETTINGS).name)
    assert len(seen) == 5


def test_concurrent_callers_get_the_same_assembly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in assembly_module._SOURCE_FILES:
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(assembly_module, "ROOT", tmp_path)
    all_have_started = Barrier(4, timeout=30)

    def synthesize(outdir: Path, _: object) -> None:
        all_have_started.wait()
        (outdir / "made").touch()

    monkeypatch.setattr(assembly_module, "_synthesize", synthesize)
    with ThreadPoolExecutor(4) as pool:
        [result] = set(pool.map(lambda _: assembly(SETTINGS), range(4)))
    assert [path.name for path in (tmp_path / ".cache" / "assembly").iterdir()] == [result.name]


@pytest.mark.long
def test_an_assembly_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDK_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"offboarding": {}}')
    synthesize_in_subprocess(tmp_path, SETTINGS)
    assert (tmp_path / TEMPLATE).read_text() == (assembly(SETTINGS) / TEMPLATE).read_text()


def test_a_failed_synth_raises_the_sentence_of_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly_module, "_synthesize", synthesize_in_subprocess)
    with pytest.raises(AssemblyError) as failure:
        assembly({**SETTINGS, "overdueDays": 8})
    assert str(failure.value) == "offboarding.overdueDays must be a whole number from 0 to 7, but it is 8"

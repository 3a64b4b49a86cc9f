"""The app as it is run: with no account, no network, no Node of the machine's own, and under the CDK CLI."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from local.cdk import assembly as module
from local.cdk.assembly import TEMPLATE, AssemblyError, assembly
from stacks.workflow import DefinitionError, read_definition
from tests.synthesis import synthesize_apart

ROOT = Path(__file__).parents[2]
MINE = {"organizations": [{"id": "m-" + "c3" * 16}]}
NETWORK_IS_SHUT = """
require("fs").writeFileSync(process.env.PROOF, "loaded");
const shut = () => { throw new Error("the network is shut") };
require("net").Socket.prototype.connect = shut;
require("dgram").createSocket = shut;
require("dns").lookup = shut;
require("dns").resolve = shut;
"""


def run(outdir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run app.py with nothing in the environment but what is given."""
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={"CDK_OUTDIR": str(outdir), **environment},
        capture_output=True,
        text=True,
    )


def settings(**values: Any) -> dict[str, str]:
    return {"CDK_CONTEXT_JSON": json.dumps({"offboarding": {**MINE, **values}})}


def test_it_needs_no_account_no_network_and_no_node_on_the_path_and_warns_of_the_example(tmp_path: Path) -> None:
    hook, proof, outdir = tmp_path / "network.cjs", tmp_path / "proof", tmp_path / "out"
    hook.write_text(NETWORK_IS_SHUT)
    shut = {"PROOF": str(proof), "NODE_OPTIONS": f"--require {hook}"}
    nobody = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    done = run(outdir, PATH=str(tmp_path), **shut, **nobody)
    assert (done.returncode, done.stdout) == (0, "")
    assert "put your organization's id into offboarding.organizations before you deploy" in done.stderr
    assert proof.read_text() == "loaded"
    assert (outdir / TEMPLATE).read_text() == (assembly() / TEMPLATE).read_text()


def test_the_node_that_is_named_is_the_one_that_runs(tmp_path: Path) -> None:
    done = run(tmp_path, JSII_NODE=str(tmp_path / "no-such-node"), PATH=os.environ["PATH"])
    assert done.returncode != 0
    assert "no-such-node" in done.stderr


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {**settings(), "CDK_DEFAULT_REGION": "eu-central-1"},
            "offboarding.workmailRegion must be given (us-east-1, us-west-2, eu-west-1) when the stack is deployed "
            "to eu-central-1, because Amazon WorkMail does not exist there\n",
        ),
        pytest.param(
            settings(retentionDays=29),
            "offboarding.retentionDays must be a whole number from 30 to 35, got 29\n",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_wrong_setting_stops_it_with_one_sentence_and_no_assembly(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    done = run(tmp_path, **environment)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${Known} ${Unknown}", "flow.asl.json: ${Unknown} is not a function"),
        ("nothing", "flow.asl.json: ${Known} is a function that no state calls"),
    ],
)
def test_a_definition_that_does_not_fit_the_functions_stops_it(tmp_path: Path, text: str, sentence: str) -> None:
    flow = tmp_path / "flow.asl.json"
    flow.write_text(text)
    with pytest.raises(DefinitionError) as refusal:
        read_definition(flow, {"Known"})
    assert str(refusal.value) == sentence


def test_an_assembly_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = assembly(MINE)
    monkeypatch.setattr(module, "_synthesize", lambda *_: pytest.fail("synthesized again"))
    assert assembly(MINE) == made
    assert assembly(json.loads(json.dumps(MINE))) == made


def test_an_assembly_is_made_again_for_other_settings_or_other_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = assembly(MINE)
    monkeypatch.setattr(module, "_synthesize", lambda outdir, _: (outdir / "made").touch())
    for name in module._SOURCE_FILES:
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "lambdas").mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    seen = {made.name, assembly(MINE).name, assembly(None).name}
    (tmp_path / "lambdas" / "handler.py").write_text("one")
    seen.add(assembly(MINE).name)
    (tmp_path / "lambdas" / "handler.py").write_text("two")
    seen.add(assembly(MINE).name)
    assert len(seen) == 5


def test_two_at_once_agree_on_one_assembly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in module._SOURCE_FILES:
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(module, "ROOT", tmp_path)
    all_have_started = Barrier(4, timeout=30)

    def synthesize(outdir: Path, _: object) -> None:
        all_have_started.wait()
        (outdir / "made").touch()

    monkeypatch.setattr(module, "_synthesize", synthesize)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: assembly(MINE), range(4)))
    [only] = found
    assert [path.name for path in (tmp_path / ".cache" / "assembly").iterdir()] == [only.name]


@pytest.mark.long
def test_an_assembly_does_not_depend_on_who_asks_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDK_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"offboarding": {}}')
    synthesize_apart(tmp_path, MINE)
    assert (tmp_path / TEMPLATE).read_text() == (assembly(MINE) / TEMPLATE).read_text()


def test_a_failed_synth_raises_with_the_sentence_of_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_synthesize", synthesize_apart)
    with pytest.raises(AssemblyError) as failure:
        assembly({**MINE, "overdueDays": 8})
    assert str(failure.value) == "offboarding.overdueDays must be a whole number from 0 to 7, got 8"

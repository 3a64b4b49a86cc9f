"""The pictures of the documentation are current, complete and readable."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from local.server.graphs import draw_graph
from tools.pictures import gallery
from tools.pictures.architecture import FRAMES, LINKS, NODES, draw_architecture
from tools.pictures.terminal import draw_terminal

CURE = "run `make pictures`"
README_WIDTH = 1012
MIN_LETTER_PIXELS = 11
MAX_BYTES = 1_000_000
MAX_SCREENSHOT_BYTES = 250_000
SVG = "{http://www.w3.org/2000/svg}"
PICTURED_TYPES = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::KMS::Key",
        "AWS::Lambda::Function",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::Scheduler::Schedule",
        "AWS::StepFunctions::StateMachine",
    }
)
DRAWINGS = ("architecture.svg", "demo.svg", "flow.svg", "mail.svg")
MEASURE = (Path(__file__).parent / "measure_drawing.js").read_text()


def drawings_of_machines():
    for path in sorted((gallery.ROOT / "statemachine").glob("*.asl.json")):
        name = path.name.partition(".")[0]
        yield name, draw_graph(json.loads(path.read_text()), name, standalone=True)


@pytest.mark.parametrize("picture", gallery.DRAWN)
def test_a_drawn_picture_is_current(picture):
    assert (gallery.IMAGES / picture).read_text() == gallery.DRAWN[picture](), CURE


@pytest.mark.parametrize("picture", gallery.SOURCES)
def test_a_picture_is_made_from_the_present_sources(picture):
    entry = gallery.read_digests().get(picture)

    assert entry == {
        "madeFrom": gallery.digest_sources(picture),
        "picture": gallery.digest_picture(picture),
    }, CURE


def test_the_folder_has_these_pictures_only():
    names = {path.name for path in gallery.IMAGES.iterdir()}

    assert names == {*gallery.DRAWN, *gallery.SOURCES, gallery.DIGESTS.name}, CURE


def test_the_pictures_are_small():
    sizes = {path.name: path.stat().st_size for path in gallery.IMAGES.iterdir()}

    assert sum(sizes.values()) < MAX_BYTES
    assert [name for name, size in sizes.items() if name.endswith(".png") and size > MAX_SCREENSHOT_BYTES] == []


@pytest.mark.parametrize("picture", DRAWINGS)
def test_a_drawing_requests_nothing_and_runs_nothing(picture):
    text = (gallery.IMAGES / picture).read_text()

    assert re.search(r"<script|<image|<foreignObject|@import|@font-face|\bhref=|\bsrc=|\bon\w+=", text) is None
    assert [target for target in re.findall(r"url\((.*?)\)", text) if not target.startswith("#")] == []


@pytest.mark.parametrize("picture", DRAWINGS)
def test_letters_can_be_read_at_the_width_of_the_readme(picture):
    text = (gallery.IMAGES / picture).read_text()
    width = float(re.search(r'viewBox="0 0 ([\d.]+) ', text).group(1))
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", text)]

    assert min(sizes) * min(1, README_WIDTH / width) >= MIN_LETTER_PIXELS


@pytest.mark.parametrize("picture", DRAWINGS)
def test_a_drawing_has_a_title(picture):
    root = ET.parse(gallery.IMAGES / picture).getroot()  # noqa: S314 (the project's own drawing)

    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == root.get("aria-label")


def pictured_resources():
    return [resource for node in NODES.values() for resource in node.resources]


def test_the_architecture_has_every_resource_of_the_template_and_no_other(all_providers, with_exports):
    resources = {
        re.sub(r"[0-9A-F]{8}\Z", "", name)
        for template in (all_providers, with_exports)
        for name, resource in template["Resources"].items()
        if resource["Type"] in PICTURED_TYPES
    }

    assert sorted(pictured_resources()) == sorted(resources)


def test_the_architecture_draws_every_resource_that_it_names():
    groups = ET.fromstring(draw_architecture()).iter(f"{SVG}g")  # noqa: S314 (the project's own drawing)
    drawn = [name for group in groups for name in group.get("data-resources", "").split()]

    assert sorted(drawn) == sorted(pictured_resources())


def test_the_connections_of_the_architecture_lead_to_its_boxes():
    ends = {end for link in LINKS for end in (link.source, link.target)}

    assert ends <= {*NODES, *FRAMES}
    assert set(NODES) - ends - {"Okta", "Auth0", "SailPoint", "Identity Center", "Your systems"} == {"ErasePerson"}


def test_a_terminal_is_drawn_with_its_colours_and_without_fonts_of_another_host():
    drawing = draw_terminal("\x1b[31mred\x1b[0m & <plain>\n", "make demo")

    assert ">red<" in drawing
    assert "&lt;plain&gt;" in drawing
    assert "<title>make demo</title>" in drawing
    assert "@font-face" not in drawing
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("picture", ["demo.svg", "report.png"])
def test_a_change_of_a_source_is_noticed(picture, tmp_path, monkeypatch):
    before_change = gallery.digest_sources(picture)
    for pattern in gallery.SOURCES[picture]:
        for path in gallery.ROOT.glob(pattern):
            copy = tmp_path / path.relative_to(gallery.ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    assert gallery.digest_sources(picture) == before_change

    changed = next(tmp_path.glob(gallery.SOURCES[picture][0]))
    changed.write_text(f"{changed.read_text()}\n")

    assert gallery.digest_sources(picture) != before_change


def test_a_source_that_is_gone_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(gallery, "ROOT", tmp_path)

    with pytest.raises(LookupError, match="there is no such file"):
        gallery.digest_sources("demo.svg")


@pytest.fixture(scope="module")
def measure(chromium):
    """A function that returns what is wrong with a drawing in a browser."""
    page = chromium.new_page(viewport={"width": README_WIDTH, "height": 900})

    def measure_drawing(drawing):
        page.set_content(f"<!doctype html><body style='margin:0'>{drawing}")
        return page.evaluate(MEASURE)

    yield measure_drawing
    page.close()


def test_texts_fit_their_boxes_and_labels_are_free(measure):
    drawings = {**dict(drawings_of_machines()), "architecture": draw_architecture()}

    assert {name: measure(drawing) for name, drawing in drawings.items()} == {name: [] for name in drawings}


def test_the_measurement_sees_what_is_wrong(measure):
    definition = json.loads((gallery.ROOT / "statemachine" / "approval.asl.json").read_text())
    drawing = draw_graph(definition, "approval", standalone=True)

    assert measure(drawing.replace("<tspan", "<tspan dx='90'")) != []
    assert measure(drawing.replace(">DecideApproval<", ">DecideApprovalOfSomebodyOrSomething<")) != []


def test_the_mail_fits_its_window(measure):
    assert measure((gallery.IMAGES / "mail.svg").read_text()) == []

"""The pictures: how each is drawn, or what each was made from.

A picture that is cheap to draw is compared with a new drawing. The others need a run of the demo or a browser: a
digest of what they were made from says whether they are current.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from local.server.graphs import draw_graph
from tools.pictures.architecture import draw_architecture
from tools.pictures.mail import draw_mail

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
DIGESTS = IMAGES / "sources.json"
_DEFINITION = ROOT / "statemachine" / "offboarding.asl.json"


def draw_flow() -> str:
    """Draw the state machine of an offboarding, as an image of its own."""
    return draw_graph(json.loads(_DEFINITION.read_text()), "workmail-offboarding", standalone=True)


DRAWN: Mapping[str, Callable[[], str]] = {
    "architecture.svg": draw_architecture,
    "flow.svg": draw_flow,
    "mail.svg": draw_mail,
}
"""The pictures that are drawn in milliseconds."""

_SCREENSHOT_SOURCES = ("tools/pictures/screenshots.py", "tools/pictures/world.py")
_PAGE_SOURCES = (
    *("local/server/page/files/page.css", "local/server/page/files/parts.js", "local/server/page/files/format.js"),
    *_SCREENSHOT_SOURCES,
)
SOURCES: Mapping[str, tuple[str, ...]] = {
    "demo.svg": ("local/demo/*.py", "tools/pictures/terminal.py"),
    "execution.png": (
        *("docs/images/flow.svg", "local/server/page/files/execution.js", "local/server/page/files/graph.js"),
        *_PAGE_SOURCES,
    ),
    "page.png": (
        *("local/server/page/files/index.html", "local/server/page/files/overview.js"),
        *("local/server/page/files/clock.js", *_PAGE_SOURCES),
    ),
    "report.png": (
        "operate/reporting/counts.py",
        "operate/reporting/page.py",
        "operate/reporting/sections.py",
        *_SCREENSHOT_SOURCES,
    ),
}
"""By each other picture: the files that decide how it looks, as patterns. What they import changes too often."""


def digest_sources(picture: str) -> str:
    """Return the digest of what a picture is made from.

    Parameters
    ----------
    picture
        A key of `SOURCES`.

    Raises
    ------
    LookupError
        A pattern matches no file.
    """
    digest = hashlib.sha256()
    for pattern in SOURCES[picture]:
        paths = sorted(path for path in ROOT.glob(pattern) if path.is_file())
        if not paths:
            message = f"{picture} is made from {pattern}, and there is no such file."
            raise LookupError(message)
        for path in paths:
            digest.update(f"{path.relative_to(ROOT).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def digest_picture(picture: str) -> str:
    """Return the digest of a picture's file."""
    return hashlib.sha256((IMAGES / picture).read_bytes()).hexdigest()


def read_digests() -> dict[str, dict[str, str]]:
    """Return what was recorded of each picture that takes long to make."""
    digests: dict[str, dict[str, str]] = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    return digests


def record_digests(picture: str) -> None:
    """Record what a picture was made from, and its own digest.

    Parameters
    ----------
    picture
        A key of `SOURCES`, whose picture was written.
    """
    entry = {"madeFrom": digest_sources(picture), "picture": digest_picture(picture)}
    digests = {**read_digests(), picture: entry}
    DIGESTS.write_text(json.dumps(dict(sorted(digests.items())), indent=2) + "\n")

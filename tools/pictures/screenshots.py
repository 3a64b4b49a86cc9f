"""The screenshots: the page of the local server, and the report that the command writes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tools.pictures.world import ServedWorld

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ROOT = Path(__file__).parents[2]
_REPORT_WIDTH = 1360
_REPORT_ENDS_BEFORE = "How offboardings ended"
_MARGIN = 8
_PAGE_SIZE = (1280, 800)
_GRAPH_SIZE = (1280, 1600)
"""A window of this height shows the whole graph, so that the browser need not scroll."""


def take_page(browser: "Browser", world: ServedWorld, path: Path) -> None:
    """Take a picture of the local server's page, as it begins.

    Parameters
    ----------
    browser, world
        What it is taken with, and of.
    path
        Where the picture is written.
    """
    page = _open(browser, f"{world.address}/", *_PAGE_SIZE)
    page.get_by_role("button", name="Approve").first.wait_for()
    page.screenshot(path=path)


def take_execution(browser: "Browser", world: ServedWorld, path: Path) -> None:
    """Take a picture of the graph of an execution in the window, on the local server's page.

    Parameters
    ----------
    browser, world
        What it is taken with, and of.
    path
        Where the picture is written.
    """
    execution = quote(world.executions["fatima"], safe="")
    page = _open(browser, f"{world.address}/#/executions/{execution}", *_GRAPH_SIZE)
    page.locator(".state.current").wait_for()
    page.locator("section", has=page.locator("svg.graph")).last.screenshot(path=path)


def take_report(browser: "Browser", world: ServedWorld, path: Path) -> None:
    """Have the command write its report about the world, and take a picture of the report's first section.

    Parameters
    ----------
    browser, world
        What it is taken with, and of.
    path
        Where the picture is written.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.html"
        subprocess.run(
            [sys.executable, "-m", "operate", "report", "--from", "2026-Q4", "--html", str(report)],
            cwd=_ROOT,
            env={**os.environ, "AWS_ENDPOINT_URL": world.address},
            check=True,
        )
        page = _open(browser, report.as_uri(), _REPORT_WIDTH, 800)
        heading = page.get_by_role("heading", name=_REPORT_ENDS_BEFORE).bounding_box()
        if heading is None:
            message = f"The report has no visible heading {_REPORT_ENDS_BEFORE}."
            raise LookupError(message)
        height = heading["y"] - _MARGIN
        page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": _REPORT_WIDTH, "height": height})


def _open(browser: "Browser", address: str, width: int, height: int) -> "Page":
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light", reduced_motion="reduce")
    page.goto(address)
    return page

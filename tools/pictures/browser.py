"""Takes screenshots with Chromium, which requests nothing but the page itself."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
MISSING = (
    "The screenshots are left out: install Chromium (the package chromium of Debian and Fedora, or Google Chrome)."
)


def find_chromium() -> str | None:
    """Return the path of an installed Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


@contextmanager
def open_browser(program: str) -> Iterator["Browser"]:
    """Open a headless browser for the duration of a ``with`` block.

    Parameters
    ----------
    program
        The path of Chromium.
    """
    # It is in the group of packages for tests, and the other pictures need none of it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_ARGUMENTS])
        try:
            yield browser
        finally:
            browser.close()

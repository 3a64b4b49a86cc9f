"""`python -m tools.pictures` makes the pictures of the documentation in `docs/images`."""

import logging
import sys
import warnings

from local.cdk.deployment import UNSUPPORTED_TYPE_WARNING
from tools.pictures.browser import MISSING, find_chromium, open_browser
from tools.pictures.gallery import DRAWN, IMAGES, record_digests
from tools.pictures.screenshots import take_execution, take_page, take_report
from tools.pictures.terminal import draw_terminal, run_demo
from tools.pictures.world import serve_world

SCREENSHOTS = {"execution.png": take_execution, "page.png": take_page, "report.png": take_report}


def main() -> int:
    """Make all pictures; return 1 if the screenshots had to be left out."""
    # Its readers know: the page about the embedded AWS says what it leaves out.
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", UNSUPPORTED_TYPE_WARNING)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for picture, draw in DRAWN.items():
        (IMAGES / picture).write_text(draw())
    (IMAGES / "demo.svg").write_text(draw_terminal(run_demo(), "make demo"))
    record_digests("demo.svg")
    program = find_chromium()
    if program is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    with serve_world() as world, open_browser(program) as browser:
        for picture, take in SCREENSHOTS.items():
            take(browser, world, IMAGES / picture)
            record_digests(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())

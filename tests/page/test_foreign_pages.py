"""A web page of another server of the same machine can neither read the page, nor frame it, nor act through it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page

from .steps import read_json

ATTACK = """<!doctype html><title>foreign</title>
<iframe name="framed" src="{url}/"></iframe><form method="post" action="{url}/local/clock" enctype="text/plain">
<input name='{{"advance": "P30D", "x' value='"}}'></form>"""


@pytest.fixture(scope="module")
def foreign_url(url: str) -> Iterator[str]:
    """The address of another server, whose page attacks that of `make serve`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ATTACK.format(url=url).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def foreign_tab(browser: BrowserContext) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def foreign_page(foreign_tab: Page, foreign_url: str) -> Page:
    foreign_tab.goto(foreign_url)
    return foreign_tab


def test_it_cannot_frame_the_page(foreign_page: Page) -> None:
    frame = foreign_page.frame("framed")

    assert frame is not None
    assert frame.locator("#views").count() == 0
    assert "WorkMail" not in frame.content()


@pytest.mark.parametrize("options", ["{}", "{mode: 'no-cors'}", "{method: 'POST', mode: 'no-cors', body: '{}'}"])
def test_it_cannot_read_or_post(foreign_page: Page, url: str, options: str) -> None:
    for path in ("/local/page/overview", "/local/page/people", "/local/page/files/main.js", "/"):
        script = f"fetch('{url}{path}', {options}).then(answer => answer.text(), error => error.name)"
        text = foreign_page.evaluate(script)
        assert text in {"TypeError", ""}


def test_it_cannot_send_a_form_to_it(foreign_page: Page, page: Page, url: str) -> None:
    time_before = read_json(page, "/local/clock")["Now"]
    with foreign_page.expect_navigation() as navigation:
        foreign_page.evaluate("document.forms[0].submit()")

    assert navigation.value.status == 403
    assert urlsplit(foreign_page.url).netloc == urlsplit(url).netloc
    assert read_json(page, "/local/clock")["Now"] == time_before


def test_it_cannot_use_a_script_of_it(foreign_page: Page, url: str) -> None:
    script = f"""new Promise(resolve => {{
        const node = document.createElement("script");
        node.type = "module"; node.src = "{url}/local/page/files/main.js";
        node.onload = () => resolve("loaded"); node.onerror = () => resolve("refused");
        document.head.append(node);
    }})"""

    assert foreign_page.evaluate(script) == "refused"

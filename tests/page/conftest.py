"""A real Chromium, and `make serve` in a process of its own with settings of a file."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, expect

from local.defaults import COMPANY_DOMAIN, IDENTITY_STORE_ID, MAIL_DOMAIN, OFFBOARDING, ORGANIZATION_ID
from local.organization import OrganizationBuilder
from tests.serving import run_server

from .steps import WAIT_MILLISECONDS

SECOND_ORGANIZATION = "m-" + "e" * 32
SETTINGS: dict[str, Any] = {
    **OFFBOARDING,
    "organizations": [
        {
            "id": ORGANIZATION_ID,
            "mailDomains": [MAIL_DOMAIN, COMPANY_DOMAIN],
            "identityStores": [IDENTITY_STORE_ID],
            "protected": ["ceo@*"],
            "approvalRequired": ["vip*"],
        },
        {"id": SECOND_ORGANIZATION, "mailDomains": ["acme.example"]},
    ],
    # The tests hold on every day, also after WorkMail has ended.
    "serviceEndsOn": "2099-03-31",
    "confirmServiceEndsOn": "2099-03-31",
}
VIEWPORT: ViewportSize = {"width": 1280, "height": 800}

expect.set_options(timeout=WAIT_MILLISECONDS)


@pytest.fixture(scope="package")
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    """A window of Chromium without animations: each of their frames is drawn by the processor."""
    context = chromium.new_context(viewport={**VIEWPORT}, reduced_motion="reduce")
    context.set_default_timeout(WAIT_MILLISECONDS)
    yield context
    context.close()


@pytest.fixture(scope="package")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `make serve`."""
    folder = tmp_path_factory.mktemp("page")
    settings = folder / "cdk.json"
    settings.write_text(json.dumps({"context": {"offboarding": SETTINGS}}))
    with run_server(folder / "stderr", "--settings", str(settings)) as address:
        yield address
    assert "Traceback" not in (folder / "stderr").read_text()


@pytest.fixture(scope="package")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `make serve EMPTY=yes`."""
    with run_server(tmp_path_factory.mktemp("empty") / "stderr", "--empty") as address:
        yield address


@pytest.fixture
def refusals() -> Iterator[list[str]]:
    """What the server or the browser refused, by address; a test that provokes a refusal takes it away."""
    addresses: list[str] = []
    yield addresses
    assert addresses == []


@pytest.fixture(scope="module")
def tab(browser: BrowserContext) -> Iterator[Page]:
    """A tab for all tests of a module: it is opened more slowly than the page is loaded in it."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def page(tab: Page, url: str, refusals: list[str]) -> Iterator[Page]:
    """The page at 1280 x 800, which must cause no error, and ask no other host for anything."""
    yield from open_page(tab, url, refusals)


@pytest.fixture
def empty_page(browser: BrowserContext, empty_url: str, refusals: list[str]) -> Iterator[Page]:
    """The page of a server without a stack, in a tab of its own: that of the other tests asks the other server."""
    with browser.new_page() as page:
        yield from open_page(page, empty_url, refusals)


@pytest.fixture(scope="package")
def people(url: str) -> OrganizationBuilder:
    """Creates people over HTTP, as the AWS CLI does."""
    return OrganizationBuilder(boto3.client("workmail", "us-east-1", endpoint_url=url))


def open_page(page: Page, url: str, refusals: list[str]) -> Iterator[Page]:
    """Load the page, check at the end what it has done, and leave the tab as it was."""
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "status of 400" in message.text:
            refusals.append(message.location["url"].removeprefix(url))
        elif "TrustedHTML" in message.text:
            refusals.append("TrustedHTML")
        elif message.type in {"error", "warning"}:
            problems.append(message.text)

    listeners: dict[str, Callable[[Any], Any]] = {
        "console": note,
        "pageerror": lambda error: problems.append(str(error)),
        "dialog": lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()),
        "request": lambda request: None if request.url.startswith(f"{url}/") else problems.append(request.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    page.goto(url)
    yield page
    page.unroute_all()
    page.emulate_media(color_scheme="null", reduced_motion="null")
    page.set_viewport_size({**VIEWPORT})
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert problems == []

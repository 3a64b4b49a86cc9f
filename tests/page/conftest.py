"""A real Chromium, and `make serve` in a process of its own with settings of a file."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from local.defaults import COMPANY_DOMAIN, IDENTITY_STORE_ID, MAIL_DOMAIN, OFFBOARDING, ORGANIZATION_ID
from local.organization import OrganizationBuilder
from tests.serving import run_server

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
WAIT_MILLISECONDS = 30_000

expect.set_options(timeout=WAIT_MILLISECONDS)


@pytest.fixture(scope="session")
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    """A window of Chromium, of which each test has a tab."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT_MILLISECONDS)
    yield context
    context.close()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `make serve`."""
    folder = tmp_path_factory.mktemp("page")
    settings = folder / "cdk.json"
    settings.write_text(json.dumps({"context": {"offboarding": SETTINGS}}))
    with run_server(folder / "stderr", "--settings", str(settings)) as address:
        yield address
    assert "Traceback" not in (folder / "stderr").read_text()


@pytest.fixture(scope="session")
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


@pytest.fixture
def page(browser: BrowserContext, url: str, refusals: list[str]) -> Iterator[Page]:
    """The page at 1280 x 800, which must cause no error, and ask no other host for anything."""
    yield from open_page(browser, url, refusals)


@pytest.fixture
def empty_page(browser: BrowserContext, empty_url: str, refusals: list[str]) -> Iterator[Page]:
    """The page of a server without a stack."""
    yield from open_page(browser, empty_url, refusals)


@pytest.fixture(scope="session")
def people(url: str) -> OrganizationBuilder:
    """Creates people over HTTP, as the AWS CLI does."""
    return OrganizationBuilder(boto3.client("workmail", "us-east-1", endpoint_url=url))


def open_page(browser: BrowserContext, url: str, refusals: list[str]) -> Iterator[Page]:
    """Open the page, and check at the end what it has done."""
    page = browser.new_page()
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "status of 400" in message.text:
            refusals.append(message.location["url"].removeprefix(url))
        elif "TrustedHTML" in message.text:
            refusals.append("TrustedHTML")
        elif message.type in {"error", "warning"}:
            problems.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith(f"{url}/") else problems.append(request.url))
    page.goto(url)
    yield page
    page.close()
    assert problems == []

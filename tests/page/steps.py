"""What the tests do on the page, in short functions: only what a person can do there."""

import json
from typing import Any
from urllib.parse import quote, urljoin

from playwright.sync_api import Locator, Page, expect

from local.defaults import MAIL_DOMAIN, ORGANIZATION_ID

WAIT_MILLISECONDS = 30_000


def address(name: str) -> str:
    return f"{name}@{MAIL_DOMAIN}"


def open_view(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def wait_for_view(page: Page) -> None:
    """Wait until the view has its data."""
    _wait_until(page, "document.getElementById('main').ariaBusy === 'false'")


def wait_for_action(page: Page) -> None:
    """Wait until no button waits for an action any more; `expect` would look again only after up to a second."""
    _wait_until(page, "!document.documentElement.classList.contains('busy')")


def refresh(page: Page) -> None:
    """Have the page read everything again, as it does when a person comes back to its tab."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def create_person(page: Page, name: str, display_name: str = "") -> None:
    open_view(page, "People")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Display name").fill(display_name)
    page.get_by_role("button", name="Create person").click()
    expect(page.get_by_text(f"{address(name)} was created")).to_be_visible()


def start(page: Page, entity: str, *, plan: bool = False, not_before: str = "", by: str = "") -> str:
    """Start an offboarding or a plan; return what the page says."""
    open_view(page, "Start")
    form = panel(page, "Start an execution")
    form.get_by_label("Entity").fill(entity)
    form.get_by_label("Plan only").set_checked(plan)
    form.get_by_label("Not before").fill(not_before)
    form.get_by_label("Requested by").fill(by)
    form.get_by_role("button", name="Start the").click()
    wait_for_action(page)
    result = form.get_by_role("status")
    expect(result).to_contain_text("The execution was started.")
    return result.inner_text()


def move_clock(page: Page, text: str) -> str:
    """Move the clock with a button; return what the page says."""
    page.get_by_role("button", name=text).click()
    wait_for_action(page)
    expect(page.locator("#result")).to_contain_text("The clock moved by")
    return page.locator("#result").inner_text()


def decide(page: Page, button: str, label: str, *, by: str = "Ann Approver", reason: str = "as agreed") -> Locator:
    """Fill in the dialog of a decision on the overview, and send it."""
    open_view(page, "Overview")
    page.get_by_role("button", name=f"{button} {label}").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").first.fill(by)
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=button.split()[0]).click()
    wait_for_action(page)
    return dialog


def open_execution(page: Page, label: str, machine: str = "Offboarding") -> None:
    """Open the newest execution about an entity."""
    open_view(page, "Executions")
    page.get_by_label("State machine").select_option(label=machine)
    # Until those of the chosen state machine are read, the list has the others.
    name = "workmail-offboarding" if machine == "Offboarding" else f"workmail-offboarding-{machine.lower()}"
    of_machine = page.locator(f'[href*="{quote(f":{name}:", safe="")}"]')
    page.get_by_role("row").get_by_role("link", name=label).and_(of_machine).first.click()
    expect(page.get_by_role("heading", level=1, name=label)).to_be_visible()


def panel(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def read_states(page: Page, mark: str) -> list[str]:
    """Return the names of the states on the graph with a mark."""
    states: list[str] = page.locator(f".canvas .state.{mark}").evaluate_all("nodes => nodes.map(n => n.dataset.state)")
    return states


def read_json(page: Page, path: str) -> Any:
    return page.request.get(urljoin(page.url, path)).json()


def find_entity(page: Page, name: str) -> dict[str, Any]:
    [entity] = read_json(page, f"/local/page/entities?organization={ORGANIZATION_ID}&search={name}")["Rows"]
    return entity


def _wait_until(page: Page, condition: str) -> None:
    """Wait in the page itself: its policy forbids what Playwright's `wait_for_function` does."""
    page.evaluate(f"""() => new Promise((resolve, reject) => {{
        const end = performance.now() + {WAIT_MILLISECONDS};
        const look = () => {{
            if ({condition}) resolve();
            else if (performance.now() > end) reject(new Error({json.dumps(condition)}));
            else setTimeout(look, 20);
        }};
        look();
    }})""")

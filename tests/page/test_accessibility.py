"""The page for everybody: by keyboard, in light and dark, on a phone; and with names that are markup."""

from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, Route, expect

from local.organization import OrganizationBuilder

from .steps import address, open_execution, open_view, read_json, start, wait_for_action, wait_for_view

VIEWS = ("Overview", "People", "Executions", "Start", "Messages")
HOSTILE = '"><img src=/x onerror="alert(1)"><script>alert(2)</script>'
LIST_CONTROLS = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
    .filter(node => !node.disabled && node.tabIndex >= 0 && node.checkVisibility({visibilityProperty: true}))
    .map(node => { node.dataset.control ??= String(window.controls = (window.controls ?? 0) + 1);
                   return node.dataset.control; })"""
READ_FOCUS = """() => {
    const node = document.activeElement, style = getComputedStyle(node);
    const isVisible = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return {control: node.dataset.control ?? "", outline: isVisible};
}"""
FIND_FAINT_TEXTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const parse = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
    const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const backgroundOf = (node) => {
        const layers = [];
        for (let at = node; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color[3] > 0) layers.push(color);
            if (color[3] === 1) break;
        }
        return layers.reverse().reduce((below, layer) => over(layer, below), parse("Canvas"));
    };
    const shapeOf = (node) => {
        const shape = node.closest("[data-state]")?.querySelector(".shape");
        const fill = shape ? parse(getComputedStyle(shape).fill) : [0, 0, 0, 0];
        return over(fill, backgroundOf(node.closest("svg").parentElement));
    };
    const faint = [];
    let count = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !node.checkVisibility({opacityProperty: true})) continue;
        if (node.closest("option, title, noscript")) continue;
        count += 1;
        const style = getComputedStyle(node), isDrawn = node instanceof SVGElement;
        const behind = isDrawn ? shapeOf(node) : backgroundOf(node);
        const color = over(parse(isDrawn ? style.fill : style.color), behind);
        const [light, dark] = [luminance(color), luminance(behind)].sort((a, b) => b - a);
        const ratio = (light + 0.05) / (dark + 0.05), size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        if (ratio < (isLarge ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${walker.currentNode.textContent.trim()}`);
    }
    return {faint, count};
}"""


@pytest.fixture
def filled_page(page: Page, people: OrganizationBuilder) -> Page:
    """The page with something in each list: who waits, who is in the window, what failed, what was told."""
    names = ("vip.eve", "gil")
    existing = {entity["Name"] for entity in read_json(page, "/local/page/entities?search=vip.eve")["Rows"]}
    if not existing:
        for name in names:
            people.create_user(name, f"{name} {HOSTILE}")
        for entity in (*names, "<b>nobody</b>"):
            start(page, entity, by="helpdesk <i>")
    open_view(page, "Overview")
    expect(page.get_by_role("row", name=address("vip.eve"))).to_be_visible()
    return page


def test_names_from_aws_are_text_and_never_markup(filled_page: Page, refusals: list[str]) -> None:
    page = filled_page
    for view in VIEWS:
        open_view(page, view)
        expect(page.locator("main img, main script, main b, main i")).to_have_count(0)
    open_view(page, "People")
    page.get_by_label("contains").fill("vip.eve")
    expect(page.get_by_text(f"vip.eve {HOSTILE}")).to_be_visible()
    open_execution(page, "<b>nobody</b>")
    expect(page.locator(".facts")).to_contain_text("InvalidRequest")
    expect(page.locator("main img, main script, main b")).to_have_count(0)
    # Also a mistake of the page's own could not make markup: the browser refuses it.
    refused = page.evaluate("() => { try { document.body.innerHTML = '<p>'; } catch (error) { return error.name; } }")

    assert (refused, refusals) == ("TypeError", ["TrustedHTML"])
    refusals.clear()


def test_every_control_is_reached_by_keyboard_and_shows_the_focus(filled_page: Page) -> None:
    for view in VIEWS:
        open_view(filled_page, view)
        wait_for_view(filled_page)
        controls = set(filled_page.evaluate(LIST_CONTROLS))
        filled_page.evaluate("document.activeElement.blur()")
        reached: dict[str, bool] = {}
        for _ in range(len(controls) + 20):
            filled_page.keyboard.press("Tab")
            focus: dict[str, Any] = filled_page.evaluate(READ_FOCUS)
            # A date has several parts, of which each shows the focus in its own way.
            reached[focus["control"]] = focus["outline"] or reached.get(focus["control"], False)
            if controls <= {control for control, is_visible in reached.items() if is_visible}:
                break
        assert controls - set(reached) == set(), view
        assert [control for control in controls if not reached[control]] == [], view


def test_the_skip_link_leads_to_the_content(filled_page: Page) -> None:
    filled_page.reload()
    filled_page.keyboard.press("Tab")
    expect(filled_page.get_by_text("Skip to the content")).to_be_focused()
    filled_page.keyboard.press("Enter")

    expect(filled_page.locator("main")).to_be_focused()


def test_escape_closes_a_dialog_and_gives_the_focus_back(filled_page: Page) -> None:
    opener = filled_page.get_by_role("button", name=f"Reject the offboarding of {address('vip.eve')}")
    opener.focus()
    filled_page.keyboard.press("Enter")
    expect(filled_page.get_by_role("dialog")).to_be_visible()
    expect(filled_page.get_by_label("Who decides")).to_be_focused()
    filled_page.keyboard.press("Escape")

    expect(filled_page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def test_the_focus_is_kept_when_a_list_changes(filled_page: Page, people: OrganizationBuilder) -> None:
    opener = filled_page.get_by_role("button", name=f"Reject the offboarding of {address('vip.eve')}")
    opener.focus()
    people.create_user("vip.ned")
    machine = read_json(filled_page, "/local/stack")
    execution_input = f'{{"OrganizationId": "{machine["Organization"]["Id"]}", "EntityId": "vip.ned"}}'
    body = {"Machine": "offboarding", "Input": execution_input}
    assert filled_page.request.post(urljoin(filled_page.url, "/local/page/executions"), data=body).ok
    expect(filled_page.get_by_role("row", name=address("vip.ned"))).to_be_visible()

    expect(opener).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(filled_page: Page, scheme: str) -> None:
    page = filled_page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.reload()
    counts = []
    for view in (*VIEWS, "execution", "dialog"):
        if view == "execution":
            open_execution(page, address("gil"))
            expect(page.locator(".canvas .state.current")).to_be_visible()
        elif view == "dialog":
            open_view(page, "Overview")
            page.get_by_role("button", name=f"Approve the offboarding of {address('vip.eve')}").click()
        else:
            open_view(page, view)
            wait_for_view(page)
        result = page.evaluate(FIND_FAINT_TEXTS)
        assert result["faint"] == [], view
        counts.append(result["count"])

    assert min(counts) > 10


def test_on_a_phone_nothing_is_wider_than_the_screen(filled_page: Page) -> None:
    page = filled_page
    page.set_viewport_size({"width": 360, "height": 740})
    for view in (*VIEWS, "execution", "dialog"):
        if view == "execution":
            open_execution(page, address("gil"))
            expect(page.locator(".canvas svg")).to_be_visible()
            page.locator("main summary").evaluate_all("nodes => nodes.forEach(node => node.click())")
        elif view == "dialog":
            open_view(page, "Overview")
            page.get_by_role("button", name=f"Approve the offboarding of {address('vip.eve')}").click()
        else:
            open_view(page, view)
            wait_for_view(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view


def test_nothing_moves_for_a_person_who_wants_no_motion(page: Page) -> None:
    held: list[Route] = []
    page.route("**/local/clock", lambda route: held.append(route))
    page.emulate_media(reduced_motion="reduce")
    with page.expect_request("**/local/clock"):
        page.get_by_role("button", name="1 hour").click()
    count_without_motion = page.evaluate("document.getAnimations().length")
    page.emulate_media(reduced_motion="no-preference")
    count = page.evaluate("document.getAnimations().length")
    held[0].continue_()
    wait_for_action(page)
    expect(page.locator("#result")).to_contain_text("The clock moved by")

    assert (count_without_motion, count) == (0, 1)


def test_a_view_that_cannot_be_loaded_is_not_busy(page: Page, refusals: list[str]) -> None:
    page.evaluate("() => { location.hash = '#/executions/arn%3Anone'; }")
    expect(page.get_by_text("Step Functions does not know this execution.")).to_be_visible()
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")
    refusals.clear()

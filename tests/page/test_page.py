"""The page of `make serve` in a real Chromium: the product works by clicks alone."""

import json
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from local.organization import OrganizationBuilder
from local.server.page.samples import SAMPLES, Sample

from .conftest import SECOND_ORGANIZATION
from .steps import (
    address,
    create_person,
    decide,
    find_entity,
    move_clock,
    open_execution,
    open_view,
    panel,
    read_states,
    refresh,
    start,
    wait_for_action,
)

STORE_USER_ID = "94482488-3041-7097-2d41-{:012d}"
RETURNS = {"okta-reactivated": "okta-deactivated", "withdrawn": "requested", "scim-activated": "scim-deactivated"}


def test_a_person_is_created_and_offboarded_until_the_clean_up_is_verified(page: Page) -> None:
    create_person(page, "olivia", "Olivia Leaver")
    result = start(page, "olivia", by="helpdesk")
    open_view(page, "Overview")
    row = page.get_by_role("row", name=address("olivia"))
    expect(row).to_contain_text("30 days")
    open_execution(page, address("olivia"))
    expect(page.locator(".canvas .state.current")).to_have_attribute("data-state", "WaitForRetention")
    expect(panel(page, "What happened")).to_contain_text("All times are UTC.")
    expect(panel(page, "What happened")).to_contain_text("The retention ends at")
    moved = move_clock(page, "30 days")
    expect(page.locator(".canvas .state.current")).to_have_attribute("data-state", "WaitForRetention")
    # What others wait for can be due earlier.
    for _ in range(20):
        if f"{address('olivia')}: CleanupVerified" in moved:
            break
        moved = move_clock(page, "to what is due next")

    assert "Told: Offboarding Deregistered." in result
    assert f"Due was: the clean-up of {address('olivia')} is verified." in moved
    assert f"{address('olivia')}: CleanupVerified" in moved.partition("Ended: ")[2]
    expect(page.locator(".canvas .state.visited[data-state=CleanupVerified]")).to_have_count(1)
    assert read_states(page, "current") == read_states(page, "failed") == []
    expect(page.locator(".facts")).to_contain_text("succeeded")
    expect(page.locator(".facts")).to_contain_text("CleanupVerified")
    assert find_entity(page, "olivia")["HasMailbox"] is False


def test_the_page_shows_input_output_evidence_and_history_of_an_execution(
    page: Page, people: OrganizationBuilder
) -> None:
    people.create_user("ines")
    start(page, "ines", plan=True, by="helpdesk")
    open_execution(page, address("ines"))
    expect(page.locator(".facts")).to_contain_text("Planned")
    data = panel(page, "Input, output and evidence")
    for name in ("Evidence", "Input", "Output"):
        if data.locator("details", has=page.get_by_text(name, exact=True)).get_attribute("open") is None:
            data.get_by_text(name, exact=True).click()
    execution_input, output, evidence = (json.loads(text) for text in data.locator("pre").all_inner_texts())
    panel(page, "History").get_by_text("events", exact=False).first.click()

    assert execution_input["DryRun"] is True
    assert "DeregisterFromWorkMail" in str(output["Plan"]["WouldCall"])
    assert "DescribeUser" in str(evidence["ResolveEntity"])
    expect(panel(page, "History").get_by_role("row", name="ExecutionSucceeded")).to_be_visible()
    assert find_entity(page, "ines")["State"] == "ENABLED"


def test_an_execution_that_failed_shows_where_and_waits_for_no_output(page: Page) -> None:
    start(page, "nobody.of.this.name")
    open_execution(page, "nobody.of.this.name")
    expect(page.locator(".facts")).to_contain_text("EntityNotFound")

    expect(page.locator(".canvas .state.failed")).to_have_count(2)
    assert read_states(page, "failed") == ["ResolveEntity", "Failed"]
    assert read_states(page, "current") == []
    expect(panel(page, "Input, output and evidence").get_by_text("None.", exact=True).first).to_be_visible()


def test_a_restore_gives_a_mailbox_back(page: Page, people: OrganizationBuilder) -> None:
    people.create_user("ron")
    start(page, "ron")
    assert find_entity(page, "ron")["State"] == "DISABLED"

    dialog = decide(page, "Restore", address("ron"), by="helpdesk", reason="comes back")

    expect(dialog).to_have_count(0)
    expect(page.locator("#result")).to_contain_text(f"Restore {address('ron')}: Restored.")
    assert find_entity(page, "ron")["State"] == "ENABLED"
    open_execution(page, address("ron"), "Restore")
    expect(page.locator(".facts")).to_contain_text("succeeded")


def test_a_person_approves_rejects_and_withdraws(page: Page, people: OrganizationBuilder) -> None:
    for name in ("vip.ada", "vip.ben"):
        people.create_user(name)
    start(page, "vip.ada", by="helpdesk")
    start(page, "vip.ben")
    refused = decide(page, "Approve", f"the offboarding of {address('vip.ada')}", by="helpdesk")
    expect(refused.get_by_role("alert")).to_contain_text("InvalidRequest")
    page.keyboard.press("Escape")
    decide(page, "Approve", f"the offboarding of {address('vip.ada')}")
    expect(page.locator("#result")).to_contain_text("Decided")
    decide(page, "Reject", f"the offboarding of {address('vip.ben')}", reason="stays")
    expect(page.locator("#result")).to_contain_text("Decided")

    assert find_entity(page, "vip.ada")["State"] == "DISABLED"
    assert find_entity(page, "vip.ben")["State"] == "ENABLED"
    open_execution(page, address("vip.ben"))
    expect(page.locator(".facts")).to_contain_text("Rejected")


def test_what_started_last_comes_first_also_while_the_clock_stands_still(
    page: Page, people: OrganizationBuilder
) -> None:
    for name in ("lea", "leo"):
        people.create_user(name)
        start(page, name, plan=True)
        open_view(page, "Executions")
        expect(page.get_by_role("row").nth(1)).to_contain_text(address(name))


def test_what_waits_for_its_date_can_be_withdrawn(page: Page, people: OrganizationBuilder) -> None:
    people.create_user("wim")
    now = datetime.fromisoformat(page.locator("#now[datetime]").get_attribute("datetime") or "")
    start(page, "wim", not_before=f"{now + timedelta(days=1):%Y-%m-%dT%H:%M}")

    decide(page, "Withdraw", f"the offboarding of {address('wim')}", reason="stays")

    expect(page.locator("#result")).to_contain_text("Decided")
    open_execution(page, address("wim"))
    expect(page.locator(".facts")).to_contain_text("Withdrawn")


def test_each_event_of_an_identity_provider_does_as_its_title_says(page: Page, people: OrganizationBuilder) -> None:
    open_view(page, "Start")
    form = panel(page, "Send the event of an identity provider")
    results = {}
    for number, sample in enumerate(SAMPLES):
        name = f"{RETURNS.get(sample.id, sample.id)}.person"
        if sample.id not in RETURNS:
            people.create_user(name, IdentityProviderUserId=STORE_USER_ID.format(number))
        form.get_by_label("Event", exact=True).select_option(sample.id)
        form.get_by_label("Person").fill(name)
        form.get_by_label("Person").blur()
        expect(form.get_by_label("Request")).not_to_be_empty()
        form.get_by_role("button", name="Send the event").click()
        wait_for_action(page)
        expect(form.get_by_role("status")).to_contain_text("The event was sent.")
        results[sample.id] = form.get_by_role("status").inner_text()

    assert "Ignored: user.lifecycle.suspend" in results["okta-suspended"]
    for sample_id in ("okta-reactivated", "withdrawn", "scim-activated"):
        assert "Leaver Returned" in results[sample_id], results
    departures = [sample.id for sample in SAMPLES if "(is" not in sample.title]
    assert len(departures) == 9
    for sample_id in departures:
        assert f"{sample_id}.person" in results[sample_id], results[sample_id]


def test_a_text_of_ones_own_is_sent_and_its_refusal_is_shown(page: Page) -> None:
    open_view(page, "Start")
    form = panel(page, "Send the event of an identity provider")
    form.get_by_label("Event", exact=True).select_option(label="A text of your own")
    form.get_by_label("Request").fill("no JSON")
    form.get_by_role("button", name="Send the event").click()
    expect(form.get_by_role("status")).to_have_text("The event is not JSON.")
    expect(form.get_by_role("status")).to_have_class("result problem")
    detail = {"RequestId": "r-own", "EntityId": "nobody@unknown.example"}
    entry = {"Source": "workmail.offboarding", "DetailType": "Offboarding Requested", "Detail": detail}
    form.get_by_label("Request").fill(json.dumps(entry))
    form.get_by_role("button", name="Send the event").click()
    wait_for_action(page)

    expect(form.get_by_role("status")).to_contain_text("Refused: ")
    expect(form.get_by_role("status")).to_have_class("result")
    open_view(page, "Messages")
    page.get_by_label("Kind").select_option("refused")
    expect(page.get_by_text("Event refused (offboardingRequested)").first).to_be_visible()


def test_all_organizations_of_the_settings_are_served(page: Page) -> None:
    expect(page.get_by_role("list", name="Organizations").get_by_role("listitem")).to_have_count(2)
    open_view(page, "People")
    page.get_by_label("Organization").select_option(SECOND_ORGANIZATION)
    page.get_by_label("Name", exact=True).fill("zoe")
    page.get_by_label("Mail domain").select_option("acme.example")
    page.get_by_role("button", name="Create person").click()

    expect(page.get_by_text("zoe@acme.example was created")).to_be_visible()
    expect(page.get_by_role("cell", name="zoe@acme.example")).to_be_visible()


def test_a_stack_that_is_deployed_meanwhile_can_be_used_at_once(page: Page) -> None:
    def hide_stack(route: Route) -> None:
        answer = route.fetch()
        body = {**answer.json(), "Machines": []}
        for sample in body.get("Samples", ()):
            sample["IsConfigured"] = False
        route.fulfill(response=answer, json=body)

    patterns = ("**/local/page/overview", "**/local/page/samples")
    for pattern in patterns:
        page.route(pattern, hide_stack)
    open_view(page, "Start")
    expect(page.get_by_text("No stack is deployed yet")).to_be_visible()
    expect(page.get_by_label("Event", exact=True)).to_have_value("")
    for pattern in patterns:
        page.unroute(pattern)
    refresh(page)

    expect(page.get_by_text("No stack is deployed yet")).to_have_count(0)
    expect(page.get_by_label("Event", exact=True)).to_have_value(SAMPLES[0].id)


@pytest.mark.parametrize("sample", [None, *{sample.path: sample for sample in SAMPLES}.values()])
def test_a_text_is_kept_and_sent_when_the_stack_changes(page: Page, refusals: list[str], sample: Sample | None) -> None:
    open_view(page, "Start")
    form = panel(page, "Send the event of an identity provider")
    expect(form.get_by_label("Event", exact=True)).to_have_value(SAMPLES[0].id)
    form.get_by_label("Event", exact=True).select_option(label=sample.title if sample else "A text of your own")
    form.get_by_label("Request").fill('{"Source": "edited"}')
    page.route("**/local/page/samples", lambda route: route.fulfill(json={"Samples": []}))
    refresh(page)
    expect(form.get_by_label("Event", exact=True).locator("option")).to_have_count(1)

    expect(form.get_by_label("Request")).to_have_value('{"Source": "edited"}')
    expect(form.get_by_label("Event", exact=True)).to_have_value("")
    with page.expect_request("**/local/page/events") as request:
        form.get_by_role("button", name="Send the event").click()
    assert request.value.post_data_json == {"Entry": {"Source": "edited"}}
    expect(form.get_by_role("status")).not_to_be_empty()
    assert refusals == ["/local/page/events"]
    refusals.clear()


def test_a_choice_is_kept_when_the_samples_come_after_it(page: Page) -> None:
    page.route("**/local/page/samples", lambda route: route.fulfill(json={"Samples": []}))
    open_view(page, "Start")
    event = page.get_by_label("Event", exact=True)
    expect(event.locator("option")).to_have_count(1)
    event.select_option(label="A text of your own")
    page.unroute("**/local/page/samples")
    refresh(page)

    expect(event.locator("option")).to_have_count(len(SAMPLES) + 1)
    expect(event).to_have_value("")


def test_a_mistyped_address_shows_a_view_all_the_same(page: Page) -> None:
    for address_part, title in (("people/%E0%A4%A", "People"), ("nothing", "Overview")):
        page.evaluate("hash => { location.hash = hash; }", f"#/{address_part}")
        expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


def test_a_long_list_has_pages(page: Page, people: OrganizationBuilder) -> None:
    for number in range(30):
        people.create_user(f"pat{number:02}", registered=False)
    open_view(page, "People")
    page.get_by_label("contains").fill("pat")
    expect(page.get_by_text("30 match.")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(26)
    page.get_by_role("button", name="Next", exact=True).click()

    expect(page.get_by_text("26 to 30 of 30")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(6)
    expect(page.get_by_role("button", name="Next", exact=True)).to_be_disabled()


def test_errors_of_aws_are_sentences(page: Page, people: OrganizationBuilder, refusals: list[str]) -> None:
    people.create_user("twin")
    open_view(page, "People")
    page.get_by_label("Name", exact=True).fill("twin")
    page.get_by_role("button", name="Create person").click()

    expect(page.get_by_text("CreateUser was refused: ")).to_be_visible()
    assert refusals == ["/local/page/people"]
    refusals.clear()


def test_all_buttons_wait_while_the_clock_moves(page: Page) -> None:
    requests = []
    page.route("**/local/clock", lambda route: requests.append(route))
    with page.expect_request("**/local/clock"):
        page.get_by_role("button", name="1 hour").click()
    expect(page.locator("#result")).to_have_text("The clock moves …")
    expect(page.get_by_role("button", name="1 day")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="1 day").dispatch_event("click")
    requests[0].continue_()
    wait_for_action(page)
    expect(page.locator("#result")).to_contain_text("The clock moved by 1 hour")

    assert len(requests) == 1
    expect(page.get_by_role("button", name="1 day")).not_to_have_attribute("aria-disabled", "true")


@pytest.mark.long
def test_without_a_stack_the_page_says_so_and_people_can_be_created(empty_page: Page, refusals: list[str]) -> None:
    expect(empty_page.get_by_text("No stack is deployed yet")).to_be_visible()
    create_person(empty_page, "first")
    open_view(empty_page, "Start")
    form = panel(empty_page, "Start an execution")
    form.get_by_label("Entity").fill("first")
    form.get_by_role("button", name="Start the offboarding").click()
    expect(form.get_by_role("status")).to_contain_text("No stack is deployed yet.")
    assert refusals == ["/local/page/executions"]
    refusals.clear()

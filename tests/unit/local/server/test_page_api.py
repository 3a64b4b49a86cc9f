"""The page's files and its JSON, through real HTTP, without a browser and without a stack."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import local.server.page
from local.clock import Clock
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.server.clock_moves import ClockMoves
from local.server.page.executions import Executions
from local.server.page.samples import SAMPLES
from local.server.page.stack import StackView
from local.workmail.state import DISABLED, User

from .conftest import ROLE, LocalServer

FOLDER = Path(local.server.page.__file__).parent / "files"
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
SIGNATURE = "AWS4-HMAC-SHA256 Credential=a/20270101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
PERSON = {"OrganizationId": ORGANIZATION_ID, "Name": "nia", "DisplayName": "", "Domain": "", "IdentityCenter": True}


def call(server: LocalServer, path: str, body: Any = None) -> tuple[int, Any]:
    text = "" if body is None else json.dumps(body)
    answer = server.send("GET" if body is None else "POST", path, {"Sec-Fetch-Site": "same-origin"}, text)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("path", ["/", "/local", "/local/", "/?", "/?view=people"])
def test_a_browser_gets_the_page(server: LocalServer, path: str) -> None:
    answer = server.send("GET", path, NAVIGATION)

    assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")
    assert b"<title>WorkMail offboarding" in answer.body


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"Accept": "*/*"}),
        ("/", {**NAVIGATION, "Authorization": SIGNATURE}),
        ("/?X-Amz-Signature=0&X-Amz-Credential=a/20270101/us-east-1/s3/aws4_request", NAVIGATION),
        ("/?AWSAccessKeyId=a&Signature=b", NAVIGATION),
    ],
)
def test_a_request_of_an_sdk_gets_the_buckets(server: LocalServer, path: str, headers: dict[str, str]) -> None:
    server.client("s3").create_bucket(Bucket="listed")

    answer = server.send("GET", path, headers)

    assert answer.status == 200
    assert b"ListAllMyBucketsResult" in answer.body
    assert b"listed" in answer.body
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "listed" in {bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]}


def test_a_program_that_wants_no_html_gets_the_help_of_the_local_api(server: LocalServer) -> None:
    assert "POST /local/clock" in json.loads(server.send("GET", "/local").body)


@pytest.mark.parametrize("path", ["/", *(f"/local/page/files/{file.name}" for file in sorted(FOLDER.iterdir()))])
def test_the_page_and_its_files_cannot_be_framed_and_run_only_their_own_code(server: LocalServer, path: str) -> None:
    answer = server.send("GET", path, NAVIGATION)
    policy = answer.headers.get_all("Content-Security-Policy")

    assert answer.status == 200
    assert answer.headers.get_content_type() in {"text/html", "text/css", "text/javascript", "image/svg+xml"}
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert policy is not None
    assert len(policy) == 1
    directives = dict(part.split(" ", 1) for part in policy[0].split("; "))
    assert directives["default-src"] == directives["form-action"] == directives["frame-ancestors"] == "'none'"
    assert {directives[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in policy[0]


def test_the_page_has_no_code_and_no_style_of_its_own_and_names_no_other_host() -> None:
    page = (FOLDER / "index.html").read_text()
    texts = [file.read_text() for file in FOLDER.iterdir()]

    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('<script type="module" src="/local/page/files/')
    addresses = [word for text in texts for word in text.split() if "//" in word and "http" in word]
    # The name of a language, which nobody loads.
    assert {address.strip('";') for address in addresses if "www.w3.org" not in address} == set()
    assert not [text for text in texts if "innerHTML" in text or "insertAdjacentHTML" in text]


@pytest.mark.parametrize("name", ["gone.js", "../api.py", "..%2fapi.py", "", "index.html/", "%2e%2e/api.py"])
def test_no_other_file_is_served(server: LocalServer, name: str) -> None:
    answer = server.send("GET", f"/local/page/files/{name}", NAVIGATION)

    assert answer.status == 404
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
@pytest.mark.parametrize("path", ["/", "/local/page/files/main.js", "/local/page/overview", "/local/page/people"])
def test_another_web_page_gets_nothing(server: LocalServer, headers: dict[str, str], path: str) -> None:
    for method in ("GET", "POST"):
        answer = server.send(method, path, {**NAVIGATION, **headers, "Origin": "http://127.0.0.1:1"})
        assert answer.status == 403
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_without_a_stack_the_overview_has_the_organizations_and_nothing_else(server: LocalServer) -> None:
    status, overview = call(server, "/local/page/overview")

    assert status == 200
    assert overview["Machines"] == overview["Waiting"]["Rows"] == overview["Window"]["Rows"] == []
    assert [organization["Id"] for organization in overview["Organizations"]] == [ORGANIZATION_ID]
    assert overview["Next"] is None


def test_a_large_organization_is_listed_in_pages(server: LocalServer) -> None:
    organization = server.environment.workmail.organizations[ORGANIZATION_ID]
    users = {f"u{number}": User(id=f"u{number}", name=f"many{number:04}") for number in range(2_000)}
    organization.entities.update(users)
    try:
        _, page = call(server, "/local/page/entities?search=many")
        _, last = call(server, "/local/page/entities?search=many&offset=1990")
        _, none = call(server, "/local/page/entities?search=many&state=ENABLED")
    finally:
        for id_ in users:
            del organization.entities[id_]

    assert (page["Total"], len(page["Rows"]), page["Rows"][0]["Name"]) == (2_000, 25, "many0000")
    assert (len(last["Rows"]), last["Rows"][-1]["Name"]) == (10, "many1999")
    assert (none["Total"], none["Rows"]) == (0, [])


def test_a_person_is_created_by_the_calls_of_workmail(server: LocalServer) -> None:
    status, person = call(server, "/local/page/people", PERSON)
    user = server.client("workmail").describe_user(OrganizationId=ORGANIZATION_ID, UserId=person["EntityId"])

    assert status == 200
    assert (user["State"], user["Email"], user["DisplayName"]) == ("ENABLED", person["Email"], "nia")
    assert user["IdentityProviderUserId"]


def test_a_disabled_person_has_the_days_that_are_left(server: LocalServer) -> None:
    people = OrganizationBuilder(server.client("workmail"))
    user_id = people.create_user("tim")
    server.client("workmail").deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=user_id)
    counts = []
    for duration in (timedelta(), timedelta(days=1), timedelta(days=28, hours=23), timedelta(hours=1)):
        server.environment.clock.advance(duration)
        [row] = call(server, "/local/page/entities?search=tim&state=DISABLED")[1]["Rows"]
        counts.append((row["DaysLeft"], row["HasMailbox"]))

    assert counts == [(30, True), (29, True), (1, True), (None, False)]
    assert server.environment.workmail.organizations[ORGANIZATION_ID].entities[user_id].state == DISABLED


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("people", {**PERSON, "Name": "a b"}, "A name consists of letters from a to z, digits, dots, hyphens and "),
        ("people", {**PERSON, "Name": "Jürgen"}, "A name consists of letters from a to z, digits, dots, hyphens and "),
        ("people", {**PERSON, "OrganizationId": "m-0"}, "There is no organization 'm-0'."),
        ("people", {**PERSON, "IdentityCenter": "yes"}, "IdentityCenter has a value of the wrong kind."),
        ("people", {"Name": "x"}, "The body must be a JSON object with exactly the members "),
        ("people", [], "The body must be a JSON object with exactly the members "),
        ("executions", {"Machine": "offboarding", "Input": "{}"}, "No stack is deployed yet."),
        ("executions", {"Machine": "none", "Input": "{}"}, "There is no state machine 'none'."),
        ("executions", {"Machine": "offboarding", "Input": "[]"}, "The input must be a JSON object."),
        ("executions", {"Machine": "offboarding", "Input": "{"}, "The input must be a JSON object."),
        ("events", {"Entry": {"Source": "a", "Detail": {}, "No": 1}}, "Parameter validation failed: Unknown parameter"),
        ("entities?state=GONE", None, "There is no state 'GONE'."),
        ("entities?offset=-1", None, "offset must be a whole number."),
        ("entities?organization=m-0", None, "There is no organization 'm-0'."),
        ("executions?status=x", None, "There is no status 'x'."),
        ("executions/nothing", None, "Step Functions does not know this execution."),
        ("graphs/nothing", None, "Step Functions does not know this execution."),
        ("samples/nothing", None, "There is no event 'nothing'."),
        (f"samples/{SAMPLES[0].id}?person=x", None, "The stack does not hear okta: "),
    ],
)
def test_an_error_is_a_sentence(server: LocalServer, path: str, body: Any, sentence: str) -> None:
    status, answer = call(server, f"/local/page/{path}", body)

    assert status == 400
    assert answer["Error"].startswith(sentence)


def test_an_address_that_the_page_does_not_have_is_not_found(server: LocalServer) -> None:
    assert call(server, "/local/page/nothing")[0] == 404
    assert call(server, f"/local/page/executions/{quote('arn:x')}", {})[0] == 404


def test_the_clock_moves_to_what_is_due_next(server: LocalServer) -> None:
    clock = server.environment.clock
    calls: list[str] = []
    due = clock.now() + timedelta(days=20)
    for name, when in (("schedule sweep", timedelta(hours=1)), ("export job", timedelta(days=20))):
        clock.call_at(clock.now() + when, lambda name=name: calls.append(name), name)

    assert call(server, "/local/page/overview")[1]["Next"]["Name"] == "export job"
    status, answer = call(server, "/local/clock", {"advance": "next"})

    assert (status, answer["Due"], calls) == (200, "export job", ["schedule sweep", "export job"])
    assert clock.now() == due
    status, answer = call(server, "/local/clock", {"advance": "next"})
    assert (status, answer["Error"]) == (400, "Nothing is due: the clock stands where it was.")


def test_what_is_told_is_kept_however_far_the_clock_is_moved(server: LocalServer) -> None:
    clock = server.environment.clock
    call(server, "/local/page/overview")
    entry = {"Source": "workmail.offboarding", "DetailType": "Offboarding Ended", "Detail": '{"Outcome": "Planned"}'}
    clock.call_at(
        clock.now() + timedelta(days=2), lambda: server.environment.client("events").put_events(Entries=[entry]), "tell"
    )
    _, earlier = call(server, "/local/page/news")
    call(server, "/local/clock", {"advance": "P300D"})
    _, news = call(server, f"/local/page/news?since={earlier['Last']}")

    assert news["Told"] == [{"Kind": "event", "Title": "Offboarding Ended: Planned", "Count": 1}]
    assert call(server, "/local/page/messages?kind=event")[1]["Total"] == earlier["Last"] + 1


def test_the_page_leaves_nothing_in_the_account(server: LocalServer) -> None:
    for path in ("overview", "messages", "news"):
        assert call(server, f"/local/page/{path}")[0] == 200

    assert server.client("sqs").list_queues().get("QueueUrls", []) == []
    assert server.client("events").list_rules()["Rules"] == []
    assert server.client("sns").list_subscriptions()["Subscriptions"] == []


def test_what_is_told_is_listed_also_if_nobody_had_opened_the_page(server: LocalServer) -> None:
    events = server.client("events")
    details = {"Offboarding Ended": {"Outcome": "Rejected"}, "Offboarding Requested": {}, "Something": {}}
    for name, detail in details.items():
        events.put_events(
            Entries=[{"Source": "workmail.offboarding", "DetailType": name, "Detail": json.dumps(detail)}]
        )
    events.put_events(Entries=[{"Source": "elsewhere", "DetailType": "Something else", "Detail": "{}"}])

    rows = call(server, "/local/page/messages?kind=event")[1]["Rows"]
    assert [row["Title"] for row in rows[:2]] == ["Something", "Offboarding Ended: Rejected"]
    assert datetime.fromisoformat(rows[0]["At"]) == server.environment.clock.now()


def test_what_was_due_is_described_as_it_was_before_it_ran() -> None:
    phase = ["waits"]
    with Clock() as clock:
        clock.call_at(clock.now() + timedelta(days=1), lambda: phase.append("has run"), "offboarding")
        moves = ClockMoves(clock, lambda name: f"{name} {phase[-1]}")

        assert moves.advance_to_next()[2] == "offboarding waits"
    assert phase[-1] == "has run"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("delayed delivery from stack-StatusChanges0123", "the stack records which executions started or ended"),
        ("export job 57536dda", "WorkMail ends the export of a mailbox"),
        ("redrive", "redrive"),
    ],
)
def test_what_is_due_next_is_named_in_words(server: LocalServer, name: str, text: str) -> None:
    clock = server.environment.clock
    clock.call_at(clock.now() + timedelta(seconds=1), lambda: None, name)

    assert call(server, "/local/page/overview")[1]["Next"]["Name"] == text
    assert call(server, "/local/clock", {"advance": "next"})[1]["Due"] == text


def test_an_execution_that_was_deleted_with_its_state_machine_is_left_out(server: LocalServer) -> None:
    client, deleted = server.client("stepfunctions"), "arn:aws:states:us-east-1:123456789012:execution:gone:gone"
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    machine = client.create_state_machine(name="short", definition=definition, roleArn=ROLE)["stateMachineArn"]
    existing = client.start_execution(stateMachineArn=machine)["executionArn"]
    server.environment.clock.settle()

    summaries = Executions(StackView(server.environment)).summarize_existing([deleted, existing])

    assert [(summary["ExecutionArn"], summary["Status"]) for summary in summaries] == [(existing, "SUCCEEDED")]

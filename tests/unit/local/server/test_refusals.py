"""What a web page could send to `make serve` is refused, through real HTTP; what the AWS CLI and SDKs send is not."""

import json
from urllib.parse import urlencode

import pytest
from moto.moto_api import state_manager

from .conftest import ROLE, LocalServer

PAGE = "https://attacker.example"
CODE = "def handler(event, context):\n    return 1\n"
DEFINITION = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
TEMPLATE = json.dumps(
    {
        "Resources": {
            "Code": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Code": {"ZipFile": CODE}, "Handler": "index.handler", "Role": ROLE},
            }
        }
    }
)
PLAIN = {"Content-Type": "text/plain"}


def sign(service: str) -> dict[str, str]:
    """Return the header by which moto finds the service; it does not check signatures."""
    scope = f"AKIA/20270101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def call_step_functions(action: str, **members: str) -> tuple[str, str, dict[str, str], str]:
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AWSStepFunctions.{action}"}
    return "POST", "/", {**headers, **sign("states")}, json.dumps(members)


ABUSE = {
    "CreateStack with inline code": (
        "POST",
        "/",
        {"Content-Type": "application/x-www-form-urlencoded", **sign("cloudformation")},
        urlencode({"Action": "CreateStack", "Version": "2010-05-15", "StackName": "bad", "TemplateBody": TEMPLATE}),
    ),
    "CreateFunction": ("POST", "/2015-03-31/functions", sign("lambda"), '{"FunctionName": "bad", "Code": {}}'),
    "UpdateFunctionCode": ("PUT", "/2015-03-31/functions/bad/code", sign("lambda"), '{"ZipFile": ""}'),
    "Invoke": ("POST", "/2015-03-31/functions/bad/invocations", sign("lambda"), "{}"),
    "CreateStateMachine": call_step_functions("CreateStateMachine", name="bad", roleArn=ROLE, definition=DEFINITION),
    "StartExecution": call_step_functions("StartExecution", stateMachineArn="arn", input="{}"),
    "SubmitJob": ("POST", "/v1/submitjob", sign("batch"), '{"jobName": "bad"}'),
    "PutObject": ("PUT", "/bad/key", {}, "content"),
    "GET with an action": ("GET", "/?Action=CreateQueue&QueueName=bad&Version=2012-11-05", sign("sqs"), ""),
    "GET of a read": ("GET", "/local/stack", {}, ""),
    "HEAD": ("HEAD", "/local/stack", {}, ""),
    "the clock": ("POST", "/local/clock", PLAIN, '{"advance": "P30D"}'),
    "the faults": ("DELETE", "/local/faults", {}, ""),
    "the behaviour": ("POST", "/local/behaviour", PLAIN, '{"email_of_disabled": "absent"}'),
    "a mailbox": ("POST", "/local/mailboxes", PLAIN, '{"EntityId": "dana"}'),
    "a user's status": ("POST", "/local/identity-store", PLAIN, "{}"),
    "a reset": ("POST", "/moto-api/reset", PLAIN, ""),
    "a configuration of moto": ("POST", "/moto-api/config", PLAIN, '{"lambda": {"use_docker": true}}'),
}
PAGES = {
    "a page elsewhere": {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"},
    "an old browser": {"Origin": PAGE},
    "an opaque origin": {"Origin": "null"},
    "another port": {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    "another port, and a browser that says it is the same": {"Origin": "http://localhost:1"},
    "an image": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "an image of another port": {"Sec-Fetch-Site": "same-site"},
    "a site in another case": {"Sec-Fetch-Site": "Cross-Site"},
    "an empty origin": {"Origin": ""},
    "an empty site": {"Sec-Fetch-Site": ""},
    "two origins": {"Origin": f"http://127.0.0.1, {PAGE}"},
    "an extension": {"Origin": "chrome-extension://abcdefgh"},
}


@pytest.mark.parametrize("name", ABUSE)
def test_what_a_web_page_sends_is_refused_and_nothing_runs(server: LocalServer, name: str) -> None:
    method, path, headers, body = ABUSE[name]
    passed = list(server.passed)

    answer = server.send(method, path, {**headers, **PAGES["a page elsewhere"]}, body)

    assert answer.status == 403
    assert method == "HEAD" or answer.error.startswith("The request is refused: it comes from a web page")
    assert not [header for header in answer.headers if header.lower().startswith("access-control-")]
    assert server.passed == passed


@pytest.mark.parametrize("name", ABUSE)
def test_a_preflight_is_refused_without_cors_headers(server: LocalServer, name: str) -> None:
    method, path, headers, _ = ABUSE[name]
    preflight = {
        "Origin": PAGE,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ",".join(headers).lower(),
        "Access-Control-Request-Private-Network": "true",
    }
    passed = list(server.passed)

    answer = server.send("OPTIONS", path, preflight)

    assert answer.status == 403
    assert not [header for header in answer.headers if header.lower().startswith("access-control-")]
    assert server.passed == passed


@pytest.mark.parametrize("page", PAGES)
def test_every_web_page_but_the_servers_is_refused(server: LocalServer, page: str) -> None:
    method, path, headers, body = ABUSE["the clock"]
    time_before = server.environment.clock.now()

    assert server.send(method, path, {**headers, **PAGES[page]}, body).status == 403
    assert server.send("GET", path, PAGES[page]).status == 403
    assert server.environment.clock.now() == time_before


@pytest.mark.parametrize(
    "host",
    ["attacker.example", "attacker.example:{port}", "127.0.0.1:1", "127.0.0.1", "localhost", "localhost.:{port}",
     "127.0.0.1.:{port}", "127.1:{port}", "0.0.0.0:{port}", "[::]:{port}", "user@127.0.0.1:{port}",
     "127.0.0.1:{port},attacker.example", "127.0.0.1:{port}.attacker.example", "x.localhost:{port}", " ", None]
)  # fmt: skip
def test_a_host_that_is_not_the_servers_is_refused(server: LocalServer, host: str | None) -> None:
    method, path, headers, body = ABUSE["the clock"]
    passed = list(server.passed)

    answer = server.send(method, path, headers, body, host and host.format(port=server.port))

    assert answer.status == 403
    assert answer.error.endswith(f"its Host is not that of this server. Use http://127.0.0.1:{server.port}.")
    assert server.passed == passed


@pytest.mark.parametrize("name", ["CreateStack with inline code", "CreateStateMachine", "a reset", "GET of a read"])
def test_a_rebound_name_is_refused_even_without_the_headers_of_a_page(server: LocalServer, name: str) -> None:
    method, path, headers, body = ABUSE[name]

    answer = server.send(method, path, headers, body, f"attacker.example:{server.port}")

    assert answer.status == 403


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /local/clock HTTP/1.0\r\n\r\n",
        "GET /local/clock\r\n\r\n",
        "GET /local/clock HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: attacker.example\r\n\r\n",
        "GET http://attacker.example/local/clock HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n",
        "GET http://127.0.0.1:{port}/local/clock HTTP/1.1\r\nHost: attacker.example\r\n\r\n",
    ],
)
def test_a_request_with_no_host_or_several_is_refused(server: LocalServer, request_text: str) -> None:
    answer = server.send_raw(request_text.format(port=server.port).encode())

    assert b"The request is refused: its Host" in answer
    assert b'"Now"' not in answer


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("127.0.0.1", {}),
        ("localhost", {}),
        ("LocalHost", {}),
        ("[::1]", {}),
        ("127.0.0.1", {"Sec-Fetch-Site": "none"}),
        ("127.0.0.1", {"Sec-Fetch-Site": "same-origin"}),
        ("127.0.0.1", {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:{port}"}),
        ("localhost", {"Origin": "http://localhost:{port}"}),
    ],
)
def test_clients_and_the_servers_own_pages_are_answered(
    server: LocalServer, host: str, headers: dict[str, str]
) -> None:
    page = {name: value.format(port=server.port) for name, value in headers.items()}

    answer = server.send("GET", "/local/clock", page, host=f"{host}:{server.port}")

    assert (answer.status, list(json.loads(answer.body))) == (200, ["Now"])


def test_a_page_of_the_server_under_another_name_is_refused(server: LocalServer) -> None:
    assert server.send("GET", "/local/clock", {"Origin": f"http://localhost:{server.port}"}).status == 403


def test_http_1_0_with_a_host_is_answered(server: LocalServer) -> None:
    request = f"GET /local/clock HTTP/1.0\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"

    assert b'"Now"' in server.send_raw(request.encode())


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/moto-api/reset", {}),
        ("POST", "/moto-api/reset", {"Authorization": "A C=a/b/amazonaws.com/motoapi/c"}),
        ("POST", "//moto-api/reset", {}),
        ("POST", "/%6Doto-api/reset", {}),
        ("POST", "/moto-api/state-manager/set-transition", {}),
        ("GET", "/moto-api/", {}),
        ("GET", "/moto-api/data.json", {}),
        ("GET", "/favicon.ico", {}),
    ],
)
def test_there_is_no_moto_api(server: LocalServer, method: str, path: str, headers: dict[str, str]) -> None:
    queues = server.client("sqs")
    queue_url = queues.create_queue(QueueName="kept")["QueueUrl"]
    transition = state_manager.get_transition("batch::job")

    answer = server.send(method, path, headers, '{"model_name": "batch::job", "transition": {}}')

    assert (answer.status, answer.error) == (404, "This server has no /moto-api.")
    assert queue_url in queues.list_queues()["QueueUrls"]
    assert state_manager.get_transition("batch::job") == transition


def test_a_path_does_not_choose_the_service_of_a_request_without_a_signature(server: LocalServer) -> None:
    answer = server.send("GET", "/sqs_us-east-1/?Action=CreateQueue&QueueName=linked", {"Sec-Fetch-Site": "none"})

    assert (answer.status, b"NoSuchBucket" in answer.body) == (404, True)


def test_a_stored_page_is_data_and_no_page_of_the_server(server: LocalServer) -> None:
    objects = server.client("s3")
    objects.create_bucket(Bucket="pages")
    objects.put_object(Bucket="pages", Key="page", Body=b"<p>", ContentType="text/html", ACL="public-read")

    answer = server.send("GET", "/pages/page", {"Sec-Fetch-Site": "none"})

    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"

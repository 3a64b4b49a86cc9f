"""Malformed requests to `make serve` are answered with 400 and a sentence, and no traceback is printed."""

import json
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from botocore.exceptions import ClientError

from local.__main__ import main
from local.clock import read_real_time
from local.server.bodies import MAX_JSON_DEPTH, is_nested_too_deep
from local.server.serve import bind, serve

from .conftest import LocalServer
from .test_refusals import sign

DEEP = "[" * 100_000
SQS = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0", **sign("sqs")}
STATES = {"X-Amz-Target": "AWSStepFunctions.StartExecution", **sign("states")}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **sign("cloudformation")}
TOO_DEEP = "The JSON of the body is nested deeper than 200 levels."


def render_headers(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def post_raw(server: LocalServer, path: str, headers: dict[str, str], body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\n{render_headers({'Host': f'127.0.0.1:{server.port}', **headers})}\r\n"
    return server.send_raw(head.encode() + body)


@pytest.mark.parametrize(
    ("path", "headers", "body", "sentence"),
    [
        ("/local/clock", {}, DEEP, TOO_DEEP),
        ("/local/faults", {}, "[" * 900 + "]" * 900, TOO_DEEP),
        ("/", SQS, '{"QueueName": ' + DEEP, TOO_DEEP),
        ("/", STATES, json.dumps({"input": '{"a":' * 900}), TOO_DEEP),
        ("/2015-03-31/functions", sign("lambda"), DEEP, "The request cannot be read (RecursionError"),
        ("/", FORM, f"Action=CreateStack&StackName=a&Version=2010-05-15&TemplateBody={DEEP}", "The request cannot be"),
        ("/", SQS, '{"QueueName"', "The body is not a JSON object."),
        ("/", SQS, "[]", "The body is not a JSON object."),
        ("/", {"Authorization": "none"}, "", "The request cannot be read (ValueError: its signature or its target"),
    ],
)
def test_json_that_is_too_deep_or_malformed_is_refused(
    server: LocalServer, capfd: pytest.CaptureFixture[str], path: str, headers: dict[str, str], body: str, sentence: str
) -> None:
    answer = server.send("POST", path, headers, body)

    assert (answer.status, answer.error[: len(sentence)]) == (400, sentence)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/local/clock", {}, b'{"advance": "\xff"}'),
        ("/", SQS, b'{"QueueName": "\xff"}'),
        ("/", FORM, b"Action=\xff"),
        ("/2015-03-31/functions", sign("lambda"), b'{"a": "\xff"}'),
    ],
)
def test_invalid_utf_8_is_refused(
    server: LocalServer, capfd: pytest.CaptureFixture[str], path: str, headers: dict[str, str], body: bytes
) -> None:
    answer = post_raw(server, path, {**headers, "Content-Length": str(len(body))}, body)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("chunks", "sentence"),
    [
        (b"zz\r\n{}\r\n0\r\n\r\n", b"The chunks of the body are malformed."),
        (b"-5\r\n{}\r\n0\r\n\r\n", b"The chunks of the body are malformed."),
        (b"2\r\n{}{}\r\n0\r\n\r\n", b"The chunks of the body are malformed."),
        (b"ff\r\n{}", b"The chunks of the body are malformed."),
    ],
)
@pytest.mark.parametrize("path", ["/local/clock", "/"])
def test_malformed_chunks_are_refused(
    server: LocalServer, capfd: pytest.CaptureFixture[str], path: str, chunks: bytes, sentence: bytes
) -> None:
    answer = post_raw(server, path, {"Transfer-Encoding": "chunked", **sign("s3")}, chunks)

    assert (answer[:13], sentence in answer) == (b"HTTP/1.1 400 ", True)
    assert capfd.readouterr().err == ""


def test_chunks_are_read(server: LocalServer) -> None:
    answer = post_raw(
        server, "/local/clock", {"Transfer-Encoding": "chunked"}, b'13\r\n{"advance": "PT0S"}\r\n0\r\n\r\n'
    )

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("length", "sentence"),
    [
        ("100", b"The body is shorter than its Content-Length."),
        ("9" * 30, b"The body is shorter than its Content-Length."),
        ("two", b"Content-Length is not a whole number."),
        ("-1", b"Content-Length is not a whole number."),
        ("+2", b"Content-Length is not a whole number."),
        ("1_0", b"Content-Length is not a whole number."),
        ("1", b"The body is not JSON."),
    ],
)
def test_a_wrong_content_length_is_refused(
    server: LocalServer, capfd: pytest.CaptureFixture[str], length: str, sentence: bytes
) -> None:
    answer = post_raw(server, "/local/clock", {"Content-Length": length}, b"{}")

    assert (answer[:13], sentence in answer) == (b"HTTP/1.1 400 ", True)
    assert capfd.readouterr().err == ""


def test_a_body_that_does_not_come_is_refused_in_time(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("local.server.bodies.READ_TIMEOUT_SECONDS", 0.05)

    answer = server.send("POST", "/local/clock", {"Content-Length": "100"})

    assert (answer.status, answer.error) == (400, "The body is shorter than its Content-Length.")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("target", ["http://[::1/local", "//[/", "/%ff%fe", "*", "/" + "a" * 70_000])
def test_a_malformed_target_prints_no_traceback(
    server: LocalServer, capfd: pytest.CaptureFixture[str], target: str
) -> None:
    answer = server.send_raw(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 4")
    assert "Traceback" not in capfd.readouterr().err


def test_a_failure_of_moto_is_a_line_and_not_a_traceback(
    server: LocalServer, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = server.send("POST", "/", SQS, '{"QueueName": 5}')

    assert (answer.status, answer.error[:24]) == (500, "The embedded AWS failed ")
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("The embedded AWS failed on POST 'AmazonSQS.CreateQueue': TypeError: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH, False),
        ("[" * (MAX_JSON_DEPTH + 1), True),
        ("[" + ",".join(["[{}]"] * 500) + "]", False),
        (json.dumps({"a": "[" * 500}), True),
        (json.dumps({"a": "no [" + "[" * 500}), False),
        (json.dumps({"a": json.dumps({"b": "{" * 500})}), True),
        ('{"a": "\\' + "[" * 500, True),
    ],
)
def test_the_depth_of_json_is_counted_also_in_its_strings(text: str, expected: bool) -> None:
    assert is_nested_too_deep(text.encode()) is expected


def test_a_port_in_use_is_a_sentence_before_anything_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    with bind(0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        assert serve(port) == 1

    assert f"Port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["65536", "-1", "http", "9" * 5000, "1_0"])
def test_a_port_out_of_range_is_a_sentence(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--port", port])

    assert "a port is a whole number from 0 to 65535" in capsys.readouterr().err


def test_an_operation_that_moto_lacks_is_answered_in_the_protocol_of_the_client(
    server: LocalServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ClientError, match=r"NotImplemented.*The estimate_template_cost action"):
        server.client("cloudformation").estimate_template_cost(TemplateBody="{}")

    assert capfd.readouterr().err == ""


def test_an_answer_has_the_date_of_the_machine(server: LocalServer) -> None:
    server.environment.clock.advance(timedelta(days=1))

    date = parsedate_to_datetime(server.send("GET", "/local/clock").headers["Date"])

    # SDKs repeat each call that fails, for most of a minute, if their time is another one.
    assert abs(date - read_real_time()) < timedelta(minutes=1)

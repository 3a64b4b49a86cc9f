"""Requests that take the short way to moto arrive there as those that take the long one."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, HeadersDict
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from botocore.endpoint import Endpoint
from botocore.exceptions import NoCredentialsError
from moto import mock_aws
from moto.core.exceptions import ServiceNotWhitelisted
from moto.core.request import Request

from local.aws import in_process_requests
from local.aws.in_process_requests import PlainHeaders, PlainRequest
from local.hooks import Hooks

REGION = "us-east-1"
URL = "https://dynamodb.us-east-1.amazonaws.com/"
JSON = {"Content-Type": b"application/x-amz-json-1.0", "X-Amz-Target": b"DynamoDB_20120810.GetItem"}
PLAIN = {
    "JSON": ("POST", URL, {**JSON, "Content-Length": "2"}, b"{}"),
    "text": ("POST", URL, JSON, '{"é": 1}'),
    "no body": ("POST", URL, JSON, None),
    "empty body": ("POST", URL, JSON, b""),
    "no type": ("PUT", "https://bucket.s3.amazonaws.com/", {"Content-Length": b"0"}, None),
    "query": ("GET", "https://bucket.s3.amazonaws.com/?list-type=2&prefix=a%20b&empty=", {}, None),
    "path": ("POST", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/a_b-c.d/invocations", JSON, b"1"),
    "slashes": ("GET", "https://bucket.s3.amazonaws.com/a//b/?x=1&x=2", {}, None),
    "insecure": ("POST", "http://sqs.us-east-1.amazonaws.com/", JSON, b"{}"),
    "chunked": ("PUT", "https://b.s3.amazonaws.com/key", {"Transfer-Encoding": b"chunked"}, b"content"),
}
UNUSUAL = {
    "form": ("POST", URL, {"Content-Type": b"application/x-www-form-urlencoded; charset=utf-8"}, "Action=A&B=c+d"),
    "multipart": ("POST", URL, {"Content-Type": b"multipart/form-data; boundary=b"}, b"--b--"),
    "key of an object": ("PUT", "https://bucket.s3.amazonaws.com/a%20b/%C3%BC%2B%3F%252f%26x", {}, b"x"),
    "no path": ("GET", "https://bucket.s3.amazonaws.com", {}, None),
    "leading slashes": ("GET", "https://bucket.s3.amazonaws.com//a", {}, None),
    "port": ("POST", "https://sqs.us-east-1.amazonaws.com:443/", JSON, b"{}"),
    "server": ("POST", "http://127.0.0.1:5000/", JSON, b"{}"),
    "capitals": ("POST", "https://SQS.us-east-1.amazonaws.com/", JSON, b"{}"),
    "metadata": ("PUT", "https://bucket.s3.amazonaws.com/key", {"x-amz-meta-my_key": b"v"}, b"x"),
    "other letters": ("PUT", "https://bucket.s3.amazonaws.com/key", {"x-amz-meta-key": "é".encode()}, b"x"),
    "host": ("POST", URL, {"Host": b"elsewhere.example.com"}, b"{}"),
    "wrong length": ("POST", URL, {"Content-Length": b"7"}, b"{}"),
    "stream": ("PUT", "https://bucket.s3.amazonaws.com/key", {}, io.BytesIO(b"content")),
}
make_any_request = Request.from_primitives


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as hooks:
        in_process_requests.install(hooks)
        yield hooks


def read_parts(request: Request) -> dict[str, Any]:
    """Return what moto can read of a request; the body first, as moto does."""
    names = ("data", "form", "files", "args", "values", "url", "base_url", "url_root", "raw_url", "raw_path", "path")
    more = ("method", "scheme", "host", "root_path", "query_string", "content_type", "content_length", "server")
    rest = ("content_encoding", "mimetype", "remote_addr", "max_form_memory_size", "from_wsgi_server", "shallow")
    environ = {name: value for name, value in request.environ.items() if name != "werkzeug.request"}
    stream = environ.pop("wsgi.input")
    return {
        "environ": environ,
        "input": stream.getvalue(),
        "headers": sorted(request.headers),
        "target": request.headers.get("x-amz-target"),
        **{name: getattr(request, name) for name in (*names, *more, *rest)},
    }


@pytest.mark.parametrize("parts", PLAIN.values(), ids=PLAIN)
def test_a_plain_request_has_all_parts_of_the_one_that_werkzeug_builds(hooks: Hooks, parts: Any) -> None:
    method, url, headers, body = parts
    request = Request.from_primitives(method, url, HeadersDict(headers), body)

    expected = make_any_request(method, url, HeadersDict(headers), body)

    assert type(request) is PlainRequest
    assert vars(expected).keys() <= vars(request).keys()
    assert read_parts(request) == read_parts(expected)


@pytest.mark.parametrize("parts", UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_request_is_built_by_werkzeug(hooks: Hooks, parts: Any) -> None:
    method, url, headers, body = parts
    request = Request.from_primitives(method, url, HeadersDict(headers), body)

    assert type(request) is Request


def prepare(headers: HTTPHeaders) -> AWSPreparedRequest:
    request = AWSRequest("POST", URL, headers, b"{}")
    request.headers["X-Amz-Date"] = "now"
    del request.headers["X-Amz-Date"]
    request.headers["X-Amz-Date"] = "later"
    request.headers.add_header("amz-sdk-request", "attempt=1")
    assert "x-amz-date" in request.headers
    assert request.headers["X-AMZ-DATE"] == "later"
    return Endpoint("host", "dynamodb", None, http_session=object()).prepare_request(request)


def test_the_headers_of_a_request_are_prepared_as_by_botocore() -> None:
    expected = prepare({"X-Amz-Target": "GetItem", "content-type": b"json"})
    with Hooks() as hooks:
        in_process_requests.install(hooks)
        prepared = prepare({"X-Amz-Target": "GetItem", "content-type": b"json"})
        assert type(AWSRequest().headers) is PlainHeaders

    assert list(prepared.headers.items()) == list(expected.headers.items())
    assert prepared.headers["X-AMZ-TARGET"] == b"GetItem"


@pytest.mark.parametrize("source", [{"A": 1, "b": 2, "a": 3}, [("A", 1), ("b", 2), ("a", 3)], HeadersDict({"A": 1})])
def test_a_dictionary_of_headers_has_the_same_content(hooks: Hooks, source: Any) -> None:
    headers, reference = HeadersDict(source), HeadersDict()
    reference.update(source)

    assert list(headers.items()) == list(reference.items())
    assert HeadersDict() == {}


def sign(credentials: Credentials | None) -> AWSRequest:
    request = AWSRequest("POST", URL, {"Authorization": "of an earlier attempt"}, b"{}")
    SigV4Auth(credentials, "dynamodb", REGION).add_auth(request)
    return request


def test_a_request_bears_the_credentials_the_date_the_region_and_the_service(hooks: Hooks) -> None:
    request = sign(Credentials("AKIAIOSFODNN7EXAMPLE", "secret", "token"))

    date = request.context["timestamp"]
    assert request.headers.get_all("Authorization") == [
        f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{date[:8]}/us-east-1/dynamodb/aws4_request, "
        f"SignedHeaders=host, Signature={'0' * 64}"
    ]
    assert request.headers["X-Amz-Date"] == date
    assert request.headers["X-Amz-Security-Token"] == "token"


def test_a_request_without_credentials_is_refused(hooks: Hooks) -> None:
    with pytest.raises(NoCredentialsError):
        sign(None)


def test_every_kind_of_request_is_answered(hooks: Hooks) -> None:
    key, content = "a b/ü+?%2f&x=1", b"\x00content"
    with mock_aws():
        s3 = boto3.client("s3", REGION)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key=key, Body=content, Metadata={"my_key": "value"})
        s3_object = s3.get_object(Bucket="bucket", Key=key)
        [summary] = s3.list_objects_v2(Bucket="bucket", Prefix="a b/")["Contents"]
        topic = boto3.client("sns", REGION).create_topic(Name="topic")["TopicArn"]
        queue = boto3.client("sqs", REGION).create_queue(QueueName="queue")["QueueUrl"]
        boto3.client("sqs", REGION).send_message(QueueUrl=queue, MessageBody="1 & 2 = ü")
        [message] = boto3.client("sqs", REGION).receive_message(QueueUrl=queue)["Messages"]
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket="bucket", Key="missing")

    assert (s3_object["Body"].read(), s3_object["Metadata"], summary["Key"]) == (content, {"my_key": "value"}, key)
    assert topic.endswith(":topic")
    assert message["Body"] == "1 & 2 = ü"


def test_a_service_that_is_not_allowed_is_still_refused(hooks: Hooks) -> None:
    with mock_aws(config={"core": {"service_whitelist": ["s3"]}}):
        assert boto3.client("s3", REGION).list_buckets()["Buckets"] == []
        with pytest.raises(ServiceNotWhitelisted):
            boto3.client("dynamodb", REGION).list_tables()


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("events", "PutEvents", [{"EndpointId": "abc.def"}, {"EndpointId": "ghi.jkl"}, {}]),
        ("s3", "GetObject", [{"Bucket": "one-bucket"}, {"Bucket": "another-bucket"}]),
    ],
)
def test_an_endpoint_is_of_the_parameters_of_its_call(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, service: str, operation: str, parameters: list[dict[str, str]]
) -> None:
    monkeypatch.setattr(in_process_requests, "_MAX_ENDPOINTS", 2)
    client = boto3.client(service, REGION)
    resolver, model = client._ruleset_resolver, client.meta.service_model.operation_model(operation)

    def resolve(call: dict[str, str]) -> str:
        return str(resolver.construct_endpoint(model, call, {}).url)

    urls = [resolve(call) for call in parameters]
    assert len(set(urls)) == len(parameters)
    assert [resolve(call) for call in parameters] == urls
    assert len(vars(resolver).get("local_endpoints", {})) <= 2

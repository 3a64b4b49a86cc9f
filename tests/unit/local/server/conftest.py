"""A local server without the stack, and requests with exactly the headers that a test gives."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.environment import Environment
from local.server.local_api import LocalApi
from local.server.serve import make_http_server

ROLE = "arn:aws:iam::123456789012:role/anything"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def error(self) -> str:
        """The sentence of an error."""
        if self.headers.get_content_type() == "text/xml":
            return self.body.decode().partition("<Message>")[2].partition("</Message>")[0]
        return str(json.loads(self.body)["Error"])


@dataclass(frozen=True)
class LocalServer:
    """A server in this process.

    Attributes
    ----------
    environment, port
        What it serves, and where.
    asset
        The directory of an asset that counts as deployed: the modules ``echo`` and ``package.helper``.
    passed
        The paths of the requests that were not refused.
    clients
        The boto3 clients so far, by service.
    """

    environment: Environment
    port: int
    asset: Path
    passed: list[str] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: str = "", host: str | None = ""
    ) -> Answer:
        """Send a request. An empty ``host`` is the server's, and None leaves it out."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if host is not None:
            connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def send_raw(self, request: bytes) -> bytes:
        """Send bytes, end the sending side, and return the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def client(self, service: str) -> Any:
        """Return a boto3 client of the server."""
        if service not in self.clients:
            self.clients[service] = boto3.client(service, "us-east-1", endpoint_url=f"http://127.0.0.1:{self.port}")
        return self.clients[service]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    asset = tmp_path_factory.mktemp("assembly") / "asset.0123"
    (asset / "package").mkdir(parents=True)
    (asset / "echo.py").write_text("def handler(event, context):\n    return event\n")
    (asset / "package" / "helper.py").write_text("def handler(event, context):\n    return 1\n")
    passed: list[str] = []

    class Spy(LocalApi):
        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            passed.append(environ["PATH_INFO"])
            return super().__call__(environ, start_response)

    with Environment(None) as environment, pytest.MonkeyPatch.context() as patch:
        patch.setattr("local.server.serve.LocalApi", Spy)
        environment.deployed_assemblies.append(asset.parent)
        http_server = make_http_server(environment, 0)
        threading.Thread(target=http_server.serve_forever, args=(0.05,), daemon=True).start()
        client = boto3.client("iam", "us-east-1", endpoint_url=f"http://127.0.0.1:{http_server.port}")
        client.create_role(RoleName="anything", AssumeRolePolicyDocument="{}")
        yield LocalServer(environment, http_server.port, asset, passed)
        http_server.shutdown()
        http_server.server_close()

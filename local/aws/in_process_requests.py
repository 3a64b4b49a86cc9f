"""The way of a request from botocore to moto inside this process, in less time: speed only.

Between them lies HTTP that nobody sends:

- botocore signs each request, and moto reads only the credentials, the Region and the service of the signature.
- botocore keeps headers in a mail message, which looks up a policy for each of them.
- botocore computes the parameters of the endpoint's rules for each call, though most depend on the client alone.
- moto looks for the service among the patterns of all URLs, and compiles those of the service's operations.
- moto renders the time of each answer, and finds the key of each request's credentials twice.
- moto builds a WSGI request by werkzeug's builder for tests, and computes its URL from the parts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from typing import Any

import jmespath
from botocore import auth, awsrequest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.compat import HTTPHeaders
from botocore.endpoint import Endpoint
from botocore.exceptions import NoCredentialsError
from botocore.model import OperationModel
from botocore.regions import EndpointRulesetResolver
from moto import backend_index, backends
from moto.core import DEFAULT_ACCOUNT_ID, responses
from moto.core.base_backend import BackendDict
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.config import default_user_config
from moto.core.exceptions import HTTPException
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    EnvironHeaders,
    Request,
)
from moto.core.responses import BaseResponse
from moto.moto_api import recorder
from moto.settings import MAX_FORM_MEMORY_SIZE
from werkzeug.datastructures import ImmutableMultiDict

from local.hooks import Hooks

_UNREAD_SIGNATURE = "0" * 64
# Of other URLs werkzeug changes the spelling. Only these parts are the same in the request and in the URL.
_PLAIN_URL = re.compile(
    r"(?P<url>(?P<scheme>https?)://(?P<host>[a-z0-9.-]+\.amazonaws\.com)(?P<path>/(?:[\w.-][\w./-]*)?))"
    r"(?:\?(?P<query>[\w.~%&=*+-]+))?",
    re.ASCII,
)
_MAX_ENDPOINTS = 1000
"""Of one client. A key has the name of a table, of which a server can see many."""
_CUSTOMIZED_SERVICES = frozenset({"s3", "s3control"})
_FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
_CONSTANT_MEMBERS = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_EMPTY: ImmutableMultiDict[str, Any] = ImmutableMultiDict()


def install(hooks: Hooks) -> None:
    """Shorten the way of requests for as long as the hooks are in place."""
    hooks.replace(SigV4Auth, "add_auth", _add_auth)
    hooks.replace(SigV4Auth, "_inject_signature_to_request", _add_authorization)
    hooks.replace(awsrequest, "HTTPHeaders", PlainHeaders)
    hooks.replace(Endpoint, "_encode_headers", _encode_headers)
    hooks.replace(HeadersDict, "__init__", _fill_headers)
    hooks.replace(HeadersDict, "__contains__", _has_header)
    hooks.replace(EndpointRulesetResolver, "construct_endpoint", _construct_endpoint)
    hooks.replace(BaseResponse, "get_access_key", _read_access_key)
    hooks.replace(responses, "http_date", _render_date)
    hooks.replace(BotocoreStubber, "process_request", _process_request)
    hooks.replace(Request, "from_primitives", classmethod(_make_request))


def _add_auth(self: SigV4Auth, request: Any) -> None:
    if self.credentials is None:
        raise NoCredentialsError
    request.context["timestamp"] = auth.get_current_datetime().strftime(auth.SIGV4_TIMESTAMP)
    self._modify_request_before_signing(request)
    self._inject_signature_to_request(request, _UNREAD_SIGNATURE)


def _add_authorization(self: SigV4Auth, request: Any, signature: str) -> Any:
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={self.scope(request)}, SignedHeaders=host, Signature={signature}"
    )
    return request


class PlainHeaders(HTTPHeaders):
    """Headers of a request, which need neither a limit nor an encoding of mail."""

    _headers: list[tuple[str, Any]]

    def __setitem__(self, name: str, value: Any) -> None:
        self._headers.append((name, value))

    def items(self) -> list[tuple[str, Any]]:
        """Return the headers as they were set."""
        return list(self._headers)


def _encode_headers(_: Endpoint, headers: PlainHeaders) -> None:
    headers._headers[:] = [
        (name, value.encode() if isinstance(value, str) else value) for name, value in headers._headers
    ]


_update_headers = HeadersDict.__init__
_HeaderKey = awsrequest._HeaderKey


def _fill_headers(self: HeadersDict, *sources: Any, **more: Any) -> None:
    if len(sources) == 1 and not more and type(sources[0]) is dict:
        self._dict = {_HeaderKey(name): value for name, value in sources[0].items()}
    elif len(sources) == 1 and not more and type(sources[0]) is list:
        self._dict = {_HeaderKey(name): value for name, value in sources[0]}
    else:
        _update_headers(self, *sources, **more)


def _has_header(self: HeadersDict, name: object) -> bool:
    return _HeaderKey(name) in self._dict


_construct_any_endpoint = EndpointRulesetResolver.construct_endpoint


def _construct_endpoint(
    self: EndpointRulesetResolver, operation_model: OperationModel, call_args: Any, request_context: Any
) -> Any:
    """Resolve an endpoint once per resolver, operation and parameters that the rules read.

    So a handler of `before-endpoint-resolution` is called only then.
    """
    # Handlers change what the rules of S3 read for each call.
    if self._service_model.service_name in _CUSTOMIZED_SERVICES:
        return _construct_any_endpoint(self, operation_model, call_args, request_context)
    parameters = call_args or {}
    names = [param.member_name for param in operation_model.context_parameters]
    paths = [param["path"] for param in dict(operation_model.operation_context_parameters).values()]
    values = [parameters.get(name) for name in names] + [_read_path(path, parameters) for path in paths]
    key = (operation_model.name, *(tuple(value) if isinstance(value, list) else value for value in values))
    endpoints: dict[Any, Any] = vars(self).setdefault("local_endpoints", {})
    try:
        is_known = key in endpoints
    except TypeError:  # a parameter of a wrong type, which botocore refuses later
        return _construct_any_endpoint(self, operation_model, call_args, request_context)
    if not is_known:
        if len(endpoints) >= _MAX_ENDPOINTS:
            endpoints.clear()
        endpoints[key] = _construct_any_endpoint(self, operation_model, call_args, request_context)
    return endpoints[key]


def _read_path(path: str, parameters: Any) -> Any:
    return parameters.get(path) if path.isidentifier() else jmespath.search(path, parameters)


_read_any_access_key = BaseResponse.get_access_key


def _read_access_key(self: BaseResponse) -> str:
    authorization = self.headers.get("Authorization")
    key = _find_access_key(authorization) if authorization is not None else None
    return key if key is not None else _read_any_access_key(self)


@lru_cache(maxsize=256)
def _find_access_key(authorization: str) -> str | None:
    match = BaseResponse.access_key_regex.search(authorization)
    return match[1] if match else None


def _render_date(moment: datetime) -> str:
    return _render_second(moment.replace(microsecond=0))


_render_second = lru_cache(maxsize=16)(responses.http_date)


_process_any_request = BotocoreStubber.process_request


def _process_request(self: BotocoreStubber, request: AWSPreparedRequest) -> Any:
    """Answer a request as moto does, which then asks the patterns of all URLs once for each URL."""
    core = default_user_config.get("core", {})
    is_filtered = any(core.get("passthrough", {}).values()) or core.get("service_whitelist") is not None
    address = None if is_filtered else _PLAIN_URL.fullmatch(request.url)
    if address is None:
        return _process_any_request(self, request)
    try:
        handler, backend = _find_handler(address["url"])
    except LookupError:
        return _process_any_request(self, request)
    _create_backend(backend)
    plain_request = Request.from_primitives(request.method, request.url, request.headers, request.body)
    try:
        recorder._record_request(plain_request)
        return handler(plain_request, plain_request.raw_url, plain_request.headers)
    except HTTPException as error:
        return error.code, error.get_headers(), error.get_body()


@lru_cache(maxsize=1024)
def _find_handler(url: str) -> tuple[Callable[..., Any], Any]:
    """Find what answers requests to a URL, and the backends of its service."""
    for service, pattern in backend_index.backend_url_patterns:
        if pattern.match(url):
            service_backends: Any = backends.get_backend(service)
            for path, handler in _create_backend(service_backends).urls.items():
                if re.match(path, url):
                    return handler, service_backends
    raise LookupError(url)


def _create_backend(service_backends: Any) -> Any:
    """Return the backend that moto asks for its URLs, which it thereby creates."""
    if not isinstance(service_backends, BackendDict):
        return service_backends["global"]
    account = service_backends[DEFAULT_ACCOUNT_ID]
    return account["us-east-1" if "us-east-1" in account else "aws"]


class PlainRequest(Request):
    """A request whose URL is spelled as werkzeug spells it, and whose body is no form."""

    def __init__(self, environ: dict[str, Any], address: re.Match[str], body: bytes) -> None:
        # Without the call of the constructors, which compute these attributes from `environ`.
        self.environ = environ
        self.shallow = False
        self.method = environ["REQUEST_METHOD"]
        self.scheme = address["scheme"]
        self.server = (address["host"], int(environ["SERVER_PORT"]))
        self.root_path = ""
        self.path = address["path"]
        self.query_string = (address["query"] or "").encode()
        self.headers = EnvironHeaders(environ)
        self.remote_addr = None
        self.max_form_memory_size = MAX_FORM_MEMORY_SIZE
        self.form = self.files = _EMPTY
        self.data = self._cached_data = body
        if not self.query_string:
            self.args = _EMPTY
        self._url = address[0]

    @property
    def raw_url(self) -> str:
        """The URL as it arrived."""
        return self._url


_make_any_request = Request.from_primitives


def _make_request(cls: type[Request], method: str, url: str, headers: Any, body: Any = None) -> Request:
    """Make the request that moto makes by way of werkzeug's builder, unless it is a form or its URL is unusual."""
    address = _PLAIN_URL.fullmatch(url)
    environ = None if address is None or cls is not Request else _make_environ(method, address, headers, body)
    if address is None or environ is None:
        return _make_any_request(method, url, headers, body)
    return PlainRequest(environ, address, environ["wsgi.input"].getvalue())


def _make_environ(method: str, address: re.Match[str], headers: Any, body: Any) -> dict[str, Any] | None:
    """Make the WSGI environment of a request; None if only werkzeug's builder can."""
    if not method.isupper() or not (body is None or isinstance(body, (bytes, str))):
        return None
    content = body.encode() if isinstance(body, str) else body or b""
    environ = {
        **_CONSTANT_MEMBERS,
        "REQUEST_METHOD": method,
        "PATH_INFO": address["path"],
        "QUERY_STRING": address["query"] or "",
        "REQUEST_URI": address["path"],
        "RAW_URI": address["path"],
        "SERVER_NAME": address["host"],
        "SERVER_PORT": _DEFAULT_PORTS[address["scheme"]],
        "HTTP_HOST": address["host"],
        "wsgi.url_scheme": address["scheme"],
        "wsgi.input": BytesIO(content),
        "wsgi.errors": sys.stderr,
        "CONTENT_LENGTH": str(len(content)),
        PRESERVED_HEADER_NAMES_ENVIRON_KEY: {},
    }
    for name, value in headers.items():
        member = _to_environ_member(name)
        text = value.decode() if type(value) is bytes else value
        if member is None or type(text) is not str or not text.isprintable() or not text.isascii():
            return None
        if member == "CONTENT_TYPE" and text.startswith(_FORM_TYPES):
            return None
        if member == "CONTENT_LENGTH":
            if text != environ[member]:
                return None
        elif member:
            environ[member] = text
    return environ


@lru_cache(maxsize=256)
def _to_environ_member(header: str) -> str | None:
    """Return the name in WSGI of a header: "" if it is left out, and None if only werkzeug's builder knows."""
    name = header.upper()
    if "_" in name or not name.isascii() or name in {"HOST", "COOKIE"}:
        return None
    if name == "TRANSFER-ENCODING":
        return ""
    member = name.replace("-", "_")
    return member if member in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{member}"

"""moto's server without what a local server must not have, and with answers instead of tracebacks.

- There is no `/moto-api`: it resets everything, and can switch moto to Docker.
- A request without a signature never means a service that its path names. moto's own requests do that, and so could a
  link in a mail: a GET with side effects.
- If moto cannot read a request, the answer is 400; if it fails for another reason, 500. Either has a sentence.
- In CloudFormation's answers, such as the outputs of a stack, the URLs of queues have this server's address. SQS
  answers with the address of the request already.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from local.server.answers import error_response

_REFUSED_BACKENDS = frozenset({"moto_api", "moto_api._internal"})
_SERVICES_WITH_QUEUE_URLS = frozenset({"cloudformation"})
_QUEUE_URL = re.compile(rb"https://(?:sqs\.[a-z0-9-]+|queue)\.amazonaws\.com/(?=\d{12}/)")


class AwsApi(DomainDispatcherApplication):
    """The WSGI application that answers as AWS."""

    def __init__(self) -> None:
        super().__init__(_create_application)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request; never raise."""
        request = f"{environ['REQUEST_METHOD']} {environ.get('HTTP_X_AMZ_TARGET', environ['PATH_INFO'])!r}"
        try:
            return list(super().__call__(environ, start_response))
        except (RecursionError, ValueError) as error:
            text = f"The request cannot be read ({_describe(error)})."
            answer = error_response(environ, "SerializationException", text, HTTPStatus.BAD_REQUEST)
        except NotImplementedError as error:
            text = " ".join(str(error).split()) or "The embedded AWS does not have this operation."
            answer = error_response(environ, "NotImplemented", text, HTTPStatus.NOT_IMPLEMENTED)
        except Exception as error:  # whatever moto raises: an answer is all that the client can use
            text = f"The embedded AWS failed on {request}: {_describe(error)}."
            print(text, file=sys.stderr, flush=True)
            answer = error_response(environ, "InternalFailure", text, HTTPStatus.INTERNAL_SERVER_ERROR)
        return answer(environ, start_response)

    def infer_service_region_host(self, environ: dict[str, Any], path: str) -> str | None:
        """Find the service that a request is for."""
        try:
            return super().infer_service_region_host(environ, path)
        except LookupError:
            raise ValueError("its signature or its target is malformed") from None

    def get_service_from_path(self, path_info: str) -> tuple[str | None, str | None]:
        """Find no service in a path."""
        return None, None


def _create_application(service: Any) -> Any:
    if service in _REFUSED_BACKENDS:
        return _refuse_as("NotFound", "This server has no /moto-api.")
    if service is None:
        return _refuse_as("UnknownService", "The embedded AWS does not have this service.")
    application = create_backend_app(service)
    return _replace_queue_urls(application) if service in _SERVICES_WITH_QUEUE_URLS else application


def _refuse_as(code: str, message: str) -> Callable[..., Any]:
    """Return an application that has one answer."""
    return lambda environ, start: error_response(environ, code, message, HTTPStatus.NOT_FOUND)(environ, start)


def _replace_queue_urls(application: Callable[..., Any]) -> Callable[..., Any]:
    """Put this server's address into the URLs of queues."""

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        response = Response.from_app(application, environ, buffered=True)
        response.set_data(_QUEUE_URL.sub(f"http://{environ['HTTP_HOST']}/".encode(), response.get_data()))
        return response(environ, start_response)

    return answer


def replace_queue_url(text: str, host: str) -> str:
    """Return a text with the server's address in the URLs of queues.

    Examples
    --------
    >>> replace_queue_url("https://sqs.us-east-1.amazonaws.com/123456789012/jobs", "127.0.0.1:5000")
    'http://127.0.0.1:5000/123456789012/jobs'
    """
    return _QUEUE_URL.sub(f"http://{host}/".encode(), text.encode()).decode()


def _describe(error: Exception) -> str:
    """Describe an error in one short line; its text can repeat a whole request."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__

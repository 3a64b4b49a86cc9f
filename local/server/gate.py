"""Who may talk to the local server: programs of this machine, and the server's own pages; no other web page.

A browser sends a page's requests to 127.0.0.1 too. They differ from those of the AWS CLI and the SDKs by their headers:

- ``Host`` is the page's own name if its DNS answers with 127.0.0.1 (DNS rebinding).
- ``Origin`` names the page; browsers send it with each request that is not a GET or HEAD, and with each preflight.
- ``Sec-Fetch-Site`` says how the page and this server are related; a page of another local port is ``same-site``.

A page cannot change these headers. Every refused request is answered with 403, before its body is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from local.server.answers import error_response
from local.server.page.files import IS_PAGE, PAGE_HEADERS

HOST_NAMES = ("127.0.0.1", "localhost", "[::1]")
"""The names under which the server can be reached."""
_DEFAULT_HTTP_PORT = 80
_ALLOWED_SITES = frozenset({"none", "same-origin"})
_DATA_HEADERS = (
    # All that is not the page is data: it never becomes a page that could send requests as the server's own.
    ("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)


class Gate:
    """A WSGI application before another one: it refuses what a foreign web page can send.

    Parameters
    ----------
    application
        The application that answers all other requests. Its CORS headers are removed.
    port
        The port that the server listens on.
    """

    def __init__(self, application: Callable[..., Any], port: int) -> None:
        self._application = application
        self._hosts = list_hosts(port)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [(name, value) for name, value in headers if not name.lower().startswith("access-control-")]
            own_headers = PAGE_HEADERS if IS_PAGE in environ else _DATA_HEADERS
            return start_response(status, [*kept, *own_headers], exc_info)

        refusal = find_refusal(environ, self._hosts)
        if refusal is not None:
            return error_response(environ, "AccessDeniedException", refusal, HTTPStatus.FORBIDDEN)(environ, start)
        answer: Iterable[bytes] = self._application(environ, start)
        return answer


def list_hosts(port: int) -> tuple[str, ...]:
    """Return the values of ``Host`` that mean the server, in lower case.

    Examples
    --------
    >>> list_hosts(5000)
    ('127.0.0.1:5000', 'localhost:5000', '[::1]:5000')
    """
    with_port = tuple(f"{name}:{port}" for name in HOST_NAMES)
    return (*with_port, *HOST_NAMES) if port == _DEFAULT_HTTP_PORT else with_port


def find_refusal(environ: dict[str, Any], hosts: tuple[str, ...]) -> str | None:
    """Return why a request is refused, as sentences for its sender; None if it is allowed.

    Parameters
    ----------
    environ
        The request, as WSGI has it. Several ``Host`` headers are one value with commas, which is no host.
    hosts
        The server's own values of ``Host``.
    """
    host = environ.get("HTTP_HOST", "").lower()
    if host not in hosts:
        return f"The request is refused: its Host is not that of this server. Use http://{hosts[0]}."
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin != f"http://{host}":
        return "The request is refused: it comes from a web page that is not this server's (Origin)."
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in _ALLOWED_SITES:
        return "The request is refused: it comes from a web page that is not this server's (Sec-Fetch-Site)."
    return None

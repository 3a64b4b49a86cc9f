"""The HTTP server of `make serve`. Everything is in memory: when the server ends, all of it is lost."""

from __future__ import annotations

import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from local.aws.functions.trusted_code import TrustedCode
from local.aws.quotas import QuotaSettings
from local.cdk.assembly import AssemblyError, assembly, list_asset_folders
from local.cdk.deployment import UNSUPPORTED_TYPE_WARNING, DeploymentError, bootstrap
from local.clock import read_real_time
from local.defaults import IDENTITY_STORE_ID, REGION
from local.environment import Environment
from local.server.gate import Gate
from local.server.local_api import LocalApi
from local.server.settings_file import ServedSettings, create_event_buses, create_organizations, load_settings
from stacks.settings_fields import SettingsError

HOST = "127.0.0.1"
_LISTEN_QUEUE = 128


class _RequestHandler(WSGIRequestHandler):
    """Werkzeug's, which accepts any request target and the last of several hosts."""

    def run_wsgi(self) -> None:
        """Answer one request."""
        try:
            urlsplit(self.path)
        except ValueError:
            self.send_error(400, "The request target is malformed")
        else:
            super().run_wsgi()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time of an answer's ``Date``: the machine's, because SDKs compare it with theirs.

        With the embedded clock's they would correct their own, and try each error again, as one of a wrong signature.
        """
        return super().date_time_string(read_real_time().timestamp() if timestamp is None else timestamp)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log no answers."""

    def make_environ(self) -> dict[str, Any]:
        """Make WSGI's form of the request; ``HTTP_HOST`` has every host that the request names."""
        environ: dict[str, Any] = super().make_environ()
        hosts = self.headers.get_all("Host", [])
        if urlsplit(self.path).scheme and environ.get("HTTP_HOST") not in hosts:
            hosts = [*hosts, environ.get("HTTP_HOST", "")]
        environ["HTTP_HOST"] = ",".join(hosts)
        return environ


class _Server(ThreadedWSGIServer):
    """Werkzeug's, which tells of a failure in a line."""

    daemon_threads = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Print the last line of an error, which has its text; leave out what is no error."""
        if type == "error":
            lines = (message % args if args else message).strip().splitlines()
            print(f"The server could not answer a request: {lines[-1].strip()}.", file=sys.stderr, flush=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a failure outside of the application."""
        self.log("error", repr(sys.exception()))


def make_http_server(
    environment: Environment,
    port: int,
    *,
    identity_store_id: str = IDENTITY_STORE_ID,
    listener: socket.socket | None = None,
) -> BaseWSGIServer:
    """Make the HTTP server on 127.0.0.1, and have the environment run only the code of this checkout's assets.

    The caller runs and closes it.

    Parameters
    ----------
    environment
        An open environment.
    port
        The port; 0 takes a free one.
    identity_store_id
        The identity store of users for which a request names none.
    listener
        The socket to listen on, bound already; then ``port`` has no meaning.

    Raises
    ------
    OSError
        If the port is in use.
    """
    trust_only_assets(environment)
    with listener or bind(port) as bound:
        bound.listen(_LISTEN_QUEUE)
        bound_port = bound.getsockname()[1]
        application = Gate(LocalApi(environment, identity_store_id), bound_port)
        return _Server(HOST, bound_port, application, _RequestHandler, fd=bound.fileno())


def bind(port: int) -> socket.socket:
    """Take a port of 127.0.0.1, on which nothing listens yet.

    Raises
    ------
    OSError
        If the port is in use, or this user may not use it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def trust_only_assets(environment: Environment) -> None:
    """Have an environment run only the code of the assets that it deployed, and of this checkout's ``cdk.out``."""
    environment.runtime.trusted_code = TrustedCode(lambda: list_asset_folders(environment.deployed_assemblies))


def serve(
    port: int, quotas: QuotaSettings | None = None, settings_file: Path | None = None, *, empty: bool = False
) -> int:
    """Serve the embedded AWS until Ctrl-C; return the exit status.

    Parameters
    ----------
    port
        The port; 0 takes a free one.
    quotas
        The quotas of AWS services; none by default.
    settings_file
        A ``cdk.json`` with the settings to deploy; those of `local.defaults` by default.
    empty
        Whether the stack is left out: only what an account has before it is deployed. That is the organizations and
        the event buses of the settings, and the CDK's bootstrap.
    """
    try:
        settings = load_settings(settings_file)
        listener = bind(port)
    except SettingsError as error:
        return _report(f"{error}.")
    except OSError as error:
        return _report(f"Port {port} on {HOST} cannot be used ({error.strerror}): choose PORT=5001 (--port 5001).")
    try:
        with listener, _open_environment(settings, quotas, empty=empty) as environment:
            _serve(environment, settings, listener)
    except SettingsError as error:
        return _report(f"{error}.")
    except (AssemblyError, DeploymentError) as error:
        return _report(str(error))
    except KeyboardInterrupt:
        print("The server has ended.")
    return 0


@contextmanager
def _open_environment(settings: ServedSettings, quotas: QuotaSettings | None, *, empty: bool) -> Iterator[Environment]:
    """Open the embedded AWS, with the stack unless it is to be empty, and say what takes long."""
    assembly_dir = None
    if not empty:
        _report("Synthesizing the stack; after a change this takes about ten seconds …")
        assembly_dir = assembly(settings.context)
    _report("Starting the embedded AWS …")
    with Environment(None, None, schedules=True, alarms=True, quotas=quotas) as environment:
        trust_only_assets(environment)
        create_organizations(environment, settings.parsed)
        bootstrap(region=REGION)
        if assembly_dir is None:
            create_event_buses(settings.parsed)
        else:
            _report("Deploying the stack into it …")
            environment.deploy(assembly_dir)
        yield environment


def _serve(environment: Environment, settings: ServedSettings, listener: socket.socket) -> None:
    # For its readers it is no news: the page about the embedded AWS says what it leaves out.
    warnings.filterwarnings("ignore", UNSUPPORTED_TYPE_WARNING)
    stores = settings.parsed.identity_stores or (IDENTITY_STORE_ID,)
    environment.identity_store.instance_store_id = stores[0]
    http_server = make_http_server(environment, 0, identity_store_id=stores[0], listener=listener)
    try:
        print(f"The embedded AWS listens on http://{HOST}:{http_server.port} (Region {REGION}).")
        print("Everything is in memory: Ctrl-C ends the server, and all of it is lost.")
        for organization in settings.parsed.organizations:
            print(f"Organization {organization.id}")
        machine = environment.outputs.get("StateMachineArn")
        print(f"State machine {machine}" if machine else "No stack is deployed yet.", flush=True)
        http_server.serve_forever()
    finally:
        http_server.server_close()


def _report(text: str) -> int:
    """Print a line on the terminal, beside the output; return the exit status of a failure."""
    print(text, file=sys.stderr, flush=True)
    return 1

"""The HTTP server of `make serve`. Everything is in memory: when the server ends, all of it is lost."""

import socket
import sys

from werkzeug.serving import BaseWSGIServer, make_server

from local.aws.quotas import QuotaSettings
from local.cdk.assembly import assembly
from local.defaults import OFFBOARDING, ORGANIZATION_ID, REGION
from local.environment import Environment
from local.server.local_api import LocalApi

HOST = "127.0.0.1"


def make_http_server(environment: Environment, port: int) -> BaseWSGIServer:
    """Make the HTTP server on 127.0.0.1. The caller runs and closes it.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed.
    port
        The port; 0 takes a free one.

    Raises
    ------
    OSError
        If the port is in use. (Werkzeug itself would end the process.)
    """
    with socket.create_server((HOST, port)) as listener:
        bound_port = listener.getsockname()[1]
        return make_server(HOST, bound_port, LocalApi(environment), threaded=True, fd=listener.fileno())


def serve(port: int, quotas: QuotaSettings | None = None) -> int:
    """Serve the embedded AWS until Ctrl-C; return the exit status.

    Parameters
    ----------
    port
        The port; 0 takes a free one.
    quotas
        The quotas of AWS services; none by default.
    """
    with Environment(assembly(OFFBOARDING), schedules=True, quotas=quotas) as environment:
        try:
            http_server = make_http_server(environment, port)
        except OSError as error:
            print(f"Port {port} on {HOST} cannot be used ({error}). Choose another: --port 5001", file=sys.stderr)
            return 1
        print(f"The embedded AWS listens on http://{HOST}:{http_server.port} (Region {REGION}).")
        print("Everything is in memory: Ctrl-C ends the server, and all of it is lost.")
        print(f"Organization {ORGANIZATION_ID}")
        print(f"State machine {environment.outputs['StateMachineArn']}", flush=True)
        try:
            http_server.serve_forever()
        except KeyboardInterrupt:
            print("The server has ended.")
        finally:
            http_server.server_close()
    return 0

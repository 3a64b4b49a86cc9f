"""A small Lambda Runtime API, and a clean interpreter in which AWS's runtime client calls it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

SET_PATHS_CODE = """
import sys
sys.path[:] = [path for path in sys.path if path.startswith(sys.base_prefix)] + sys.argv[1:3]
"""
LOAD_CODE = f"""{SET_PATHS_CODE}
import importlib
for name in sys.argv[3:]:
    assert callable(importlib.import_module(name).handler)
    print(name)
"""
MAIN_CODE = f"""{SET_PATHS_CODE}
from awslambdaric.__main__ import main
main(["bootstrap", sys.argv[3]])
"""

HEADERS = {
    "Lambda-Runtime-Aws-Request-Id": "00000000-0000-4000-8000-000000000001",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
    "Lambda-Runtime-Deadline-Ms": "99999999999999",
    # The client, which is written in C++, crashes if one of these two headers is missing.
    "Content-Type": "application/json",
    "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
}

ISOLATION_FLAGS = ("-I", "-S")
"""Flags that keep all other packages out of the interpreter."""


def iterate_requirements(*names: str) -> Iterator[str]:
    """Yield the named distributions and everything that they require."""
    pending, seen = list(names), set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        for text in distribution(name).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(requirement.name)


def link_runtime(target: Path) -> Path:
    """Link the packages of the Lambda runtime into a folder: boto3 and the runtime client, nothing else."""
    target.mkdir()
    for name in iterate_requirements("boto3", "awslambdaric"):
        for file in distribution(name).files or []:
            top = file.parts[0]
            if top != ".." and not (target / top).exists():
                (target / top).symlink_to(distribution(name).locate_file(top))
    return target


def load_handlers(asset: Path, runtime: Path, handlers: list[str], environment: dict[str, str]) -> list[str]:
    """Import packaged handlers in one clean interpreter; return the names of the imported modules."""
    completed = subprocess.run(
        [sys.executable, *ISOLATION_FLAGS, "-B", "-c", LOAD_CODE, str(asset), str(runtime), *handlers],
        env={"PATH": os.defpath, "LAMBDA_TASK_ROOT": str(asset), **environment},
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.split()


def invoke(asset: Path, runtime: Path, handler: str, event: object, environment: dict[str, str]) -> tuple[str, Any]:
    """Invoke one packaged handler once, in its own process.

    Returns
    -------
    tuple[str, Any]
        `response` and the returned value, or `error` and its description.
    """
    answers: queue.Queue[tuple[str, Any]] = queue.Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _build_request_handler(event, answers))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    process = _start_client(asset, runtime, handler, server.server_port, environment)
    try:
        return answers.get(timeout=20)
    except queue.Empty:
        process.kill()
        raise AssertionError(f"exit status {process.wait()}: {process.communicate()[0]}") from None
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
        server.shutdown()
        server.server_close()


def _build_request_handler(event: object, answers: queue.Queue[tuple[str, Any]]) -> type[BaseHTTPRequestHandler]:
    """Build a request handler that serves one event and puts the answer into a queue."""

    class RuntimeApi(BaseHTTPRequestHandler):
        served = False

        def do_GET(self) -> None:
            if RuntimeApi.served:
                threading.Event().wait(60)
                return
            RuntimeApi.served = True
            self._answer(200, json.dumps(event).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers.put((self.path.rsplit("/", 1)[-1], json.loads(body)))
            self._answer(202, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return RuntimeApi


def _start_client(
    asset: Path, runtime: Path, handler: str, port: int, environment: dict[str, str]
) -> subprocess.Popen[str]:
    cache = f"pycache_prefix={asset.parent / 'compiled'}"
    return subprocess.Popen(
        [sys.executable, *ISOLATION_FLAGS, "-X", cache, "-c", MAIN_CODE, str(asset), str(runtime), handler],
        env={
            "PATH": os.defpath,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": str(asset),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

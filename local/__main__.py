"""`python -m local demo` and `python -m local serve`: the embedded AWS, from the command line."""

import argparse
import logging
import sys
from dataclasses import fields
from pathlib import Path

from local.aws.quotas import QuotaSettings
from local.demo.command import add_demo_parser, run_demo
from local.server.serve import serve

_MAX_PORT = 65535
_MAX_PORT_DIGITS = 6


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        The exit status: 0 only if every row of the demo ended as expected, or the server was stopped.
    """
    parser = _make_parser()
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    if options.command == "demo":
        return run_demo(options)
    try:
        quotas = QuotaSettings(**{field.name: getattr(options, field.name) for field in fields(QuotaSettings)})
    except ValueError as error:
        parser.error(str(error))
    return serve(options.port, quotas, options.settings, empty=options.empty)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="The embedded AWS, in memory.")
    commands = parser.add_subparsers(dest="command", required=True)
    add_demo_parser(commands)
    server = commands.add_parser("serve", help="serve the embedded AWS over HTTP on 127.0.0.1")
    server.add_argument("--port", type=_parse_port, default=5000, help="the port; 0 takes a free one (default: 5000)")
    server.add_argument(
        "--settings", type=Path, metavar="FILE", help="a cdk.json with the settings to deploy (default: built-in ones)"
    )
    server.add_argument(
        "--empty", action="store_true", help="deploy no stack: `make deploy` does, with AWS_ENDPOINT_URL set"
    )
    for name, kind, text in (
        ("lambda-concurrency", int, "how many invocations of functions can run at once"),
        ("invocation-seconds", float, "how long each invocation takes on the clock"),
        ("get-parameter-per-second", int, "how many calls of Systems Manager's GetParameter succeed in a second"),
        (
            "describe-execution-per-second",
            int,
            "how many calls of Step Functions' DescribeExecution succeed in a second",
        ),
    ):
        default = getattr(QuotaSettings, name.replace("-", "_"))
        note = "no quota" if default is None else default
        server.add_argument(f"--{name}", type=kind, default=default, help=f"{text} (default: {note})")
    return parser


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:_MAX_PORT_DIGITS]) <= _MAX_PORT):
        raise argparse.ArgumentTypeError(f"a port is a whole number from 0 to {_MAX_PORT}, but this is {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

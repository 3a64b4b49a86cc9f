"""`python -m local demo`: runs the scenario, and prints the story with its outcomes, the evidence, or JSON."""

import argparse
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console

from local.cdk.assembly import assembly
from local.defaults import OFFBOARDING
from local.demo.cast import create_cast
from local.demo.console import StoryPrinter, draw_outcomes, print_next_steps, print_result
from local.demo.evidence import draw_proof, draw_window
from local.demo.rows import STARTS_AT, matches
from local.demo.scenario import DemoScenario
from local.environment import Environment
from local.organization import OrganizationBuilder

_SETTINGS = {**OFFBOARDING, "export": {"mode": "OnRequest", "lockDays": 365}}
_ALL = ""


def add_demo_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("demo", help="offboard, approve and restore until WorkMail ends, in seconds")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument(
        "--evidence",
        nargs="?",
        const=_ALL,
        type=_parse_evidence,
        metavar="NAME",
        help="print what proves each outcome too: of all, or of a person, a title or an outcome",
    )
    formats.add_argument("--json", action="store_true", help="print the story, the outcomes and the evidence as JSON")


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo.

    Returns
    -------
    int
        The exit status: 0 only if every row ended as expected.
    """
    console = _open_console(sys.stderr if options.json else sys.stdout)
    with _show_status(console, "Synthesizing the stack, which takes a while if it has changed"):
        stack = assembly(_SETTINGS)
    with Environment(now=STARTS_AT) as environment:
        with _show_status(console, "Deploying the stack into the embedded AWS"):
            environment.deploy(stack)
            scenario = DemoScenario(environment)
        if options.json:
            for _ in scenario.run():
                pass
            print(json.dumps(scenario.to_json(), indent=2))
        else:
            _print_story(scenario, console, options.evidence)
        results = scenario.read_results()
    print_result(results, console)
    if not options.json:
        print_next_steps(console)
    return 0 if all(result.is_as_expected for result in results) else 1


def _print_story(scenario: DemoScenario, console: Console, evidence: str | None) -> None:
    printer = StoryPrinter(console)
    printer.print_opening(scenario.service_ends_on, scenario.retention_days)
    with _show_status(console, "Moving the clock"):
        for line in scenario.run():
            printer.print_line(line)
    if evidence is not None:
        console.print()
        if evidence == _ALL:
            console.print(draw_window(scenario.largest_window))
        for result in scenario.select_results(evidence):
            console.print(draw_proof(result))
    console.print()
    console.print(draw_outcomes(scenario.summarize_outcomes(), console))
    console.print()


def _open_console(stream: TextIO) -> Console:
    """Open a console that never fails on a character that the stream cannot encode."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    # The stream itself: while a function runs, `sys.stdout` is another object, into which a status would print again.
    return Console(file=stream, highlight=False)


@contextmanager
def _show_status(console: Console, text: str) -> Iterator[None]:
    """Say on a terminal what is done meanwhile, as a status that vanishes; its spinner is ASCII."""
    if not console.is_interactive:
        yield
        return
    with console.status(f"{text} ...", spinner="line"):
        yield


def _parse_evidence(words: str) -> str:
    """Refuse a name that no row has, before anything runs."""
    with Environment(now=STARTS_AT) as environment:
        rows = create_cast(OrganizationBuilder(environment.client("workmail"))).rows
    if not any(matches(row, words) for row in rows):
        entities = dict.fromkeys(row.keywords[0] for row in rows if row.keywords)
        outcomes = dict.fromkeys(row.expected for row in rows)
        raise argparse.ArgumentTypeError(
            f"nothing is about {words!r}. Choose an entity ({', '.join(entities)}) "
            f"or an outcome ({', '.join(outcome for outcome in outcomes if ' ' not in outcome)})"
        )
    return words

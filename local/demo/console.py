"""The demo in a terminal: a line for each thing that happens, then how everything ended."""

import textwrap
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.demo.outcomes import OutcomeSummary
from local.demo.rows import STARTS_AT, RowResult
from local.demo.story import StoryLine

_LABEL_WIDTH = 12
_HEADING = ("day date".ljust(_LABEL_WIDTH), "what happens → what comes of it")
_ARROW = " → "
_ASCII = str.maketrans({"→": "->", "·": "-"})
_NEXT_STEPS = (
    ("Try it yourself:", "make serve, then open http://127.0.0.1:5000/"),
    ("See the proof:", "make demo EVIDENCE=robin"),
    ("Deploy it:", "README.md, Deploy in five steps"),
)


class StoryPrinter:
    """Prints the story line by line; a day is named once.

    Parameters
    ----------
    console
        Where it is printed, and how wide that is.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._label = ""

    def print_opening(self, service_ends_on: str, retention_days: int) -> None:
        """Print where the clock starts, and what the story is about."""
        text = (
            f"WorkMail offboarding, four months on a simulated AWS, from {STARTS_AT:%Y-%m-%d} on. A leaver's mailbox "
            f"is disabled and can be restored for {retention_days} days. Then WorkMail removes it, and this product "
            f"verifies the clean-up. WorkMail itself ends on {service_ends_on}."
        )
        for line in textwrap.wrap(text, self._console.width):
            print_plain(self._console, Text(line))
        print_plain(self._console, Text(""))
        print_plain(self._console, Text("".join(_HEADING), style="underline"))

    def print_line(self, line: StoryLine) -> None:
        """Print one line; what does not fit goes on below it, indented."""
        day = f"{line.day:>3} {line.at.day:>2} {line.at:%b}"
        label = "" if day == self._label else day
        self._label = day
        for text in self._lay_out(line):
            print_plain(self._console, Text.assemble((label.ljust(_LABEL_WIDTH), "bold"), text))
            label = ""

    def _lay_out(self, line: StoryLine) -> Iterator[Text]:
        """Yield the rows of text: action and result in one row if they fit."""
        width = self._console.width - _LABEL_WIDTH
        arrow, result = fit_text(_ARROW, self._console), fit_text(line.result, self._console)
        action = fit_text(line.action, self._console)
        if len(action + arrow + result) <= width:
            yield Text.assemble(action, (arrow, "dim"), (result, "bold"))
            return
        yield from map(Text, textwrap.wrap(action, width))
        indent = arrow.lstrip()
        for number, row in enumerate(textwrap.wrap(result, width - len(indent))):
            yield Text.assemble((indent if number == 0 else " " * len(indent), "dim"), (row, "bold"))


def draw_outcomes(summaries: Iterable[OutcomeSummary], console: Console) -> Table:
    """Draw how often everything ended in which way."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
    table.add_column("ended as", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("such as", no_wrap=True)
    table.add_column("what it prevents or proves", no_wrap=True)
    for summary in summaries:
        style = "green" if summary.meaning else "bold red"
        table.add_row(
            Text(summary.outcome, style=style),
            str(summary.count),
            Text(fit_text(summary.example, console)),
            summary.meaning or "unexpected",
        )
    return table


def print_result(results: list[RowResult], console: Console) -> None:
    """Print what did not end as expected, and how many did."""
    for result in results:
        if not result.is_as_expected:
            faults = (f"ended as {result.outcome}, expected {result.expected}.", *result.contradictions)
            text = fit_text(f"! {result.title}: {' '.join(faults)}", console)
            for row in textwrap.wrap(text, console.width, subsequent_indent="  "):
                print_plain(console, Text(row, style="bold red"))
    count = sum(result.is_as_expected for result in results)
    style = "bold green" if count == len(results) else "bold red"
    print_plain(console, Text(f"{count} of {len(results)} checks ended as expected.", style=style))


def print_next_steps(console: Console) -> None:
    """Print what to do next."""
    width = max(len(purpose) for purpose, _ in _NEXT_STEPS)
    for purpose, command in _NEXT_STEPS:
        print_plain(console, Text.assemble(purpose.ljust(width + 1), (command, "bold")))


def print_plain(console: Console, text: Text) -> None:
    """Print a text as it is: its rows are laid out already."""
    text.rstrip()
    text.plain = fit_text(text.plain, console)
    console.print(text, soft_wrap=True, highlight=False)


def fit_text(text: str, console: Console) -> str:
    """Replace the characters that the console's encoding does not have."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(console.encoding, "replace").decode(console.encoding)
    return text

"""The picture of a terminal: the demo as it prints in 120 columns."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

_ROOT = Path(__file__).parents[2]
_COLUMNS = 120
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\n    \}", re.DOTALL)
_COMMENT = re.compile(r"\s*<!--.*?-->")
_FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace'


def run_demo() -> str:
    """Run the demo, and return what it prints, with colours.

    Raises
    ------
    subprocess.CalledProcessError
        If something did not end as expected.
    """
    environment = {
        **os.environ,
        "COLUMNS": str(_COLUMNS),
        "FORCE_COLOR": "1",
        "TTY_INTERACTIVE": "0",
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-m", "local", "demo"]
    return subprocess.run(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True
    ).stdout


def draw_terminal(output: str, title: str) -> str:
    """Draw the output of a command as SVG; the fonts are those of the reader's machine.

    Parameters
    ----------
    output
        What the command printed, with the escape codes of colours.
    title
        The title of the window.
    """
    console = Console(width=_COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(output.strip("\n")), end="")
    drawing = _FONT_FACE.sub("", _COMMENT.sub("", console.export_svg(title=title, unique_id="demo")))
    drawing = drawing.replace("Fira Code, monospace", _FONTS)
    heading = f'role="img" aria-label="{title}"><title>{title}</title>'
    return drawing.replace('xmlns="http://www.w3.org/2000/svg">', f'xmlns="http://www.w3.org/2000/svg" {heading}', 1)

"""Draws lines of text as an SVG image, in a window with a heading."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

WIDTH = 1012
_MARGIN = 32
_LINE_HEIGHT = 18
_STYLE_SHEET = Path(__file__).with_name("window.css")


def draw_window(heading: str, details: Sequence[str], lines: Sequence[str]) -> str:
    """Draw a window with a heading, some details below it, and lines of text.

    Parameters
    ----------
    heading, details
        What the bar of the window says.
    lines
        The text, in lines that fit.
    """
    bar_height = 44 + 20 * len(details)
    height = bar_height + 24 + _LINE_HEIGHT * len(lines) + 14
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="window" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label={quoteattr(heading)}>',
            f"<title>{escape(heading)}</title>",
            f"<style>\n{_STYLE_SHEET.read_text()}</style>",
            f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
            f'<rect class="bar" x="1" y="1" width="{WIDTH - 2}" height="{bar_height}" rx="8"/>',
            f'<path class="rule" d="M1,{bar_height + 1} H{WIDTH - 1}"/>',
            f'<text class="heading" x="{_MARGIN}" y="32">{escape(heading)}</text>',
            *(
                f'<text class="quiet" x="{_MARGIN}" y="{54 + 20 * row}">{escape(detail)}</text>'
                for row, detail in enumerate(details)
            ),
            *(
                f'<text class="line" x="{_MARGIN}" y="{bar_height + 32 + _LINE_HEIGHT * row}">{escape(line)}</text>'
                for row, line in enumerate(lines)
                if line
            ),
            "</svg>",
            "",
        ]
    )

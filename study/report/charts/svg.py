"""Figures as small SVG: text stays text, and what no reader sees is left out."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text

FONTS = ["DejaVu Sans", "Arial"]
# What texts are measured by. The second is a part of matplotlib, with a wide box for every character that the first
# lacks. Texts stay texts, which the viewer draws with fonts of its own.
MEASURED = ["DejaVu Sans", "Last Resort High-Efficiency"]
# The same data gives the same file.
SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "report", "font.family": MEASURED}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
FAMILY = f"font-family: {', '.join(map(repr, MEASURED))}"


def svg(figure: Figure) -> str:
    """The figure as SVG text, with coordinates to a tenth of a point."""
    for each in figure.findobj(Text):
        each.set_fontfamily(MEASURED)
    buffer = io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    text = buffer.getvalue()
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r">\s*\n\s*<", "><", text)
    text = re.sub(r"<[^>]+>", lambda tag: _short(tag[0]), text)
    text = re.sub(r"<g/>", "", text)
    for _ in range(3):  # groups in groups
        text = re.sub(r"<g>((?:<(?:path|use|text)[^>]*>(?:[^<]*</text>)?)*)</g>", r"\1", text)
    # One font for all, stated once.
    return text.replace("<svg", f"<svg font-family='{', '.join(FONTS)}, sans-serif'", 1)


def _short(tag: str) -> str:
    """A tag without identifiers that nothing refers to, without its font, and with rounded numbers."""
    tag = tag.replace(f"{FAMILY}; ", "").replace(f"; {FAMILY}", "").replace(FAMILY, "")
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r' d="([^"]*)"', lambda path: f' d="{_short_path(path[1])}"', tag)
    tag = re.sub(r"-?\d+\.\d{3,}(?![\d.]*[eE])", lambda number: f"{float(number[0]):.2f}", tag)
    tag = re.sub(r'(?<= style=")[^"]*', lambda style: re.sub(r"([:;]) ", r"\1", style[0]), tag)
    tag = re.sub(r"\s+", " ", tag)
    return tag if "'" in tag else tag.replace('"', "'")


def _short_path(path: str) -> str:
    """The path with its numbers rounded; that further points of a line are points of a line is not repeated."""
    path = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), path)
    path = " ".join(path.split())
    return path if re.search("[CQ]", path) else path.replace(" L ", " ")

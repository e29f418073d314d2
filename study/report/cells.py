"""Tables as files for other programs: CSV that no spreadsheet runs, and LaTeX that shows every text as it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

# A spreadsheet reads a text that begins with one of these as a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
DIGITS = 6
# What LaTeX would take for markup, and how it prints it.
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
}


def csv_text(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV: numbers as numbers, None as an empty cell, and no text that a spreadsheet would run."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(map(_cell, heading))
    writer.writerows(map(_cell, row) for row in rows)
    return file.getvalue()


def latex_text(heading: Sequence[str], rows: Iterable[Sequence[str]], texts: int, caption: str) -> str:
    """A table as LaTeX, in a file to `\\input`; its first `texts` columns are aligned left, the others right.

    `caption` is a comment above it.
    """
    columns = "l" * texts + "r" * (len(heading) - texts)
    lines = (" & ".join(map(latex, row)) + r" \\" for row in (heading, *rows))
    first, *others = lines
    body = "\n".join([first, r"\hline", *others])
    comment = " ".join(caption.split())
    return f"% {comment}\n\\begin{{tabular}}{{{columns}}}\n\\hline\n{body}\n\\hline\n\\end{{tabular}}\n"


def latex(text: str) -> str:
    """The text so that LaTeX prints it as it is, on one line."""
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))


def _cell(value: Any) -> Any:
    """The value; a text that a spreadsheet would run as a formula gets a leading apostrophe."""
    if isinstance(value, float):
        return round(value, DIGITS)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value

"""The verb that removes what no study needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from study.app.leftovers import Leftover, leftovers
from study.app.output import plain_table, print_line
from study.errors import FINISHED, UserError
from study.report.formats import format_bytes


def clean(output: Path, weights: bool, yes: bool, console: Console) -> int:
    """List what no study in `output` needs, and remove it once that is agreed to."""
    output = output.absolute()
    found = leftovers(output, weights=weights)
    for sentence in found.kept:
        print_line(console, sentence, style="dim")
    if not found.files:
        print_line(console, f"nothing to remove in {output}")
        return FINISHED
    _print(console, found.files, output)
    total = f"{len(found.files)} file{'s' if len(found.files) > 1 else ''}, {format_bytes(_size(found.files))}"
    if not yes and not sys.stdin.isatty():
        print_line(console, f"\n{total}; nothing is removed without an answer: --yes removes them")
        return FINISHED
    if not yes and console.input(f"\nremove {total}? [y/N] ", markup=False).strip().lower() not in ("y", "yes"):
        print_line(console, "nothing was removed")
        return FINISHED
    # Once more: a study may have begun while the question stood there.
    removed = [each for each in leftovers(output, weights=weights).files if each in found.files]
    for each in removed:
        _remove(each.path)
    print_line(console, f"removed {len(removed)} of {total}: {format_bytes(_size(removed))} are free")
    return FINISHED


def _print(console: Console, files: Sequence[Leftover], output: Path) -> None:
    table = plain_table("size", "file", "what", right=("size",), overflow="fold")
    for each in files:
        table.add_row(format_bytes(each.size), escape(str(each.path.relative_to(output))), escape(each.what))
    console.print(table)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"what no study needs is removed, and {path} cannot be ({error.strerror})") from None


def _size(files: Sequence[Leftover]) -> int:
    return sum(each.size for each in files)

"""Rows of text as lines of aligned columns, for terminals and logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def aligned_lines(rows: Sequence[Sequence[str]], columns: str) -> Iterator[str]:
    """A line for each row; `columns` has "l" for each column that is aligned left, and "r" for one aligned right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, columns, strict=True)
        yield "  ".join(cell.ljust(width) if side == "l" else cell.rjust(width) for cell, width, side in cells).rstrip()

"""Rows of a manifest with separators between its cells: .csv and .tsv."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from study.corpus.quoting import one_line, quoted
from study.corpus.readers.manifest_columns import columns_of, header_faults
from study.corpus.readers.manifest_row import Row
from study.corpus.utterance import Problem

COMMA = ","
SEPARATORS: Mapping[str, str] = {COMMA: "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def csv_rows(path: Path, text: str, required: Sequence[str]) -> Iterator[Row | Problem]:
    """The rows below the header, and a problem for each that cannot be read for certain."""
    lines = list(io.StringIO(text, newline=""))
    separator, remark = _separator(path, lines, required)
    yield from remark
    reader = csv.reader(lines, strict=True, delimiter=separator)
    columns: dict[str, int] | None = None
    header: list[str] = []
    while True:
        first = reader.line_num
        where = f"{path}:{first + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken_row(where, error)
            continue
        if not cells:
            continue
        if columns is None:
            columns, header = columns_of(cells), cells
            faults = header_faults(where, cells, columns, required, _hint(cells))
            yield from faults
            if any(fault.fatal for fault in faults):
                return
        elif len(cells) != len(header):
            law = f"expected {len(header)} cells as in the header"
            hint = f"put texts with {SEPARATORS[separator]} in quotes"
            yield Problem(where, f"{law}; found {len(cells)}; {hint}", True, "broken rows")
        elif swallowed := _swallowed(lines[first + 1 : reader.line_num], separator, len(header), columns, required):
            yield Problem(where, _open_quote(first + 2 + swallowed[0], swallowed[1]), True, "open quotes")
        else:
            names = {name: header[place] for name, place in columns.items()}
            yield Row(where, {name: cells[place].strip() for name, place in columns.items()}, names)


def _separator(path: Path, lines: Sequence[str], required: Sequence[str]) -> tuple[str, list[Problem]]:
    """What is between cells: commas, unless the header makes it certain that something else is."""
    usual = "\t" if path.suffix.lower() == ".tsv" else COMMA
    first = next((line for line in lines if line.strip()), "")
    for separator in (usual, *(each for each in SEPARATORS if each != usual)):
        names = _cells(first, separator)
        faults = header_faults("", names, columns_of(names), required)
        if len(names) > 1 and not any(fault.fatal for fault in faults):
            message = f"columns are separated by {SEPARATORS[separator]}: read so"
            return separator, [] if separator == usual else [Problem(str(path), message, False, "separators")]
    return usual, []


def _hint(names: Sequence[str]) -> str:
    """What to do about a header that is one cell."""
    if len(names) != 1:
        return ""
    most = max(SEPARATORS, key=names[0].count)
    found = f", and here it seems {SEPARATORS[most]}" if names[0].count(most) else ""
    return f"; columns are separated by commas{found}"


def _swallowed(
    lines: Sequence[str], separator: str, width: int, columns: Mapping[str, int], required: Sequence[str]
) -> tuple[int, str] | None:
    """Of the further lines of a row, the first that is a whole row by itself: a quote was not closed before it."""
    for number, line in enumerate(lines):
        cells = _cells(line, separator)
        needed = [columns[column] for column in required if column in columns]
        if len(cells) == width and all(cells[place].strip() for place in needed):
            return number, line
    return None


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a line by itself; none where it cannot be read."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _broken_row(where: str, error: csv.Error) -> Problem:
    if str(error) == "unexpected end of data":
        law = "a quote that opens here is never closed; close it, and double quotes inside texts"
        return Problem(where, law, True, "open quotes")
    return Problem(where, f"the row cannot be read as CSV: {one_line(error)}", True, "broken rows")


def _open_quote(line: int, content: str) -> str:
    return (
        f"a quote that opens here goes on to a later line, and line {line} is a row by itself: "
        f"{quoted(content.strip())}; close the quote, and double quotes inside texts"
    )

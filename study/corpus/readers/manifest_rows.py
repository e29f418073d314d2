"""Parses a manifest into rows with standard column names; a line that cannot be parsed becomes a problem."""

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from study.corpus.quoting import one_line, quoted
from study.corpus.utterance import Problem

# Standard name -> its aliases. Case does not matter. Other columns are not read.
COLUMNS: dict[str, tuple[str, ...]] = {
    "file_name": ("file", "wav", "path"),
    "utterance_id": ("key", "id"),
    "label": ("emo", "emotion"),
    "text": ("transcription", "utterance", "sentence"),
    "speaker": (),
    "group": ("session",),
    "split": (),
    "fold": (),
    "start": (),
    "end": (),
    "script": (),
    "votes": (),
}
REQUIRED = ("file_name", "utterance_id", "label")

# Bytes that are not UTF-8 arrive as lone surrogates (see `_decoded`).
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """One row: its place (file:line) and its cells by standard column name, stripped of white space."""

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """The cell of a column, empty if the row has none."""
        return self.cells.get(column, "")


def read_rows(path: Path, required: Sequence[str] = REQUIRED) -> tuple[list[Row], list[Problem]]:
    """The rows of a .csv or .jsonl manifest that have all `required` cells, and the problems of the others.

    A CSV has commas, a header and as many cells in each row as in the header; a JSONL has one object per line.
    """
    text, problems = _decoded(path)
    if problems:
        return [], problems
    if not text.strip():
        law = f"the manifest is empty: expected rows with {', '.join(required)}"
        return [], [Problem(str(path), law, True, "manifest")]
    rows = []
    read = _json_rows if path.suffix.lower() == ".jsonl" else _csv_rows
    for found in read(path, text, required):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        faults = [*_empty_cells(found, required), *_bad_characters(found)]
        problems += faults
        if not faults:
            rows.append(found)
    if not rows and not any(problem.fatal for problem in problems):
        problems.append(Problem(str(path), "the manifest has no rows below its header", True, "manifest"))
    return rows, problems


def _decoded(path: Path) -> tuple[str, list[Problem]]:
    # Reading a pipe or a device could block or never end, so only a regular file is opened.
    if not os.path.isfile(path):
        return "", [Problem(str(path), "there is no such file", True, "manifest")]
    try:
        data = path.read_bytes()
    except OSError as error:
        return "", [Problem(str(path), f"the file cannot be read: {error.strerror}", True, "manifest")]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "", [Problem(str(path), "expected UTF-8; found UTF-16; save it as UTF-8", True, "manifest")]
    # Invalid bytes are kept as surrogates, so that only the rows that contain them are refused.
    return data.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff"), []


def _csv_rows(path: Path, text: str, required: Sequence[str]) -> Iterator[Row | Problem]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: dict[str, int] | None = None
    width = 0
    while True:
        where = f"{path}:{reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(where, f"the row cannot be read as CSV: {one_line(error)}", True, "broken rows")
            continue
        if not cells:
            continue
        if columns is None:
            columns, width = _columns(cells), len(cells)
            faults = _header_faults(where, cells, columns, required)
            yield from faults
            if any(fault.fatal for fault in faults):
                return
        elif len(cells) != width:
            law = f"expected {width} cells as in the header"
            yield Problem(where, f"{law}; found {len(cells)}; put texts with commas in quotes", True, "broken rows")
        else:
            yield Row(where, {name: cells[place].strip() for name, place in columns.items()})


def _json_rows(path: Path, text: str, required: Sequence[str]) -> Iterator[Row | Problem]:
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of absurd length
            yield Problem(where, f"the line is no valid JSON: {one_line(error)}", True, "broken rows")
            continue
        if not isinstance(found, dict):
            yield Problem(where, f"expected a JSON object; found {quoted(found)}", True, "broken rows")
            continue
        names = list(found)
        columns = _columns(names)
        faults = _header_faults(where, names, columns, required)
        yield from faults
        if not any(fault.fatal for fault in faults):
            yield Row(where, {name: _cell(found[names[place]]) for name, place in columns.items()})


def _cell(value: object) -> str:
    """A JSON value as the text of a CSV cell."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _columns(names: Sequence[str]) -> dict[str, int]:
    """The index of each standard column. A standard name takes precedence over its aliases, in the order of COLUMNS."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(name.strip().casefold(), place)
    columns = {}
    for column, others in COLUMNS.items():
        present = [name for name in (column, *others) if name in places]
        if present:
            columns[column] = places[present[0]]
    return columns


def _header_faults(
    where: str, names: Sequence[str], columns: Mapping[str, int], required: Sequence[str]
) -> list[Problem]:
    faults = []
    for column in required:
        if column not in columns:
            law = f"there is no column {column} (also read as {', '.join(COLUMNS[column])})"
            hint = "; columns are separated by commas" if len(names) == 1 else ""
            # A corpus may consist of text alone: only variants with an audio input need files.
            fatal = column != "file_name" or "text" not in columns
            use = "" if fatal else "; only variants with text input alone can use this corpus"
            faults.append(Problem(where, f"{law}; found {_listed(names)}{hint}{use}", fatal, "columns"))
    meanings = {name: column for column, others in COLUMNS.items() for name in (column, *others)}
    for place, name in enumerate(names):
        column = meanings.get(name.strip().casefold(), "")
        if column and columns[column] != place:
            read = f"column {columns[column] + 1} ({quoted(names[columns[column]])}) is read"
            message = f"column {place + 1} ({quoted(name)}) is also an alias of {column}; {read}"
            faults.append(Problem(where, message, False, "columns"))
    return faults


def _empty_cells(row: Row, required: Sequence[str]) -> list[Problem]:
    return [
        Problem(row.where, f"{column} is empty; fill it in or remove the row", True, "empty cells")
        for column in required
        if column in row.cells and not row[column]
    ]


def _bad_characters(row: Row) -> list[Problem]:
    faults = []
    for column, cell in row.cells.items():
        # Texts may contain line breaks; names may not, since they appear in terminals, tables and file names.
        if (_NOT_TEXT if column in ("text", "votes") else _CONTROL).search(cell):
            law = f"{column} holds bytes that are not UTF-8 text or control characters"
            faults.append(Problem(row.where, f"{law}: {quoted(cell)}", True, "characters"))
    return faults


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(quoted(name) for name in names[:20]) + rest

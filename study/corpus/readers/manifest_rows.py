"""Parses a manifest into rows with standard column names; a line that cannot be parsed becomes a problem."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from study.corpus.names import plain_name
from study.corpus.quoting import quoted
from study.corpus.readers.manifest_columns import NAMES, REQUIRED
from study.corpus.readers.manifest_csv import csv_rows
from study.corpus.readers.manifest_json import json_rows
from study.corpus.readers.manifest_row import Row
from study.corpus.utterance import Problem
from study.plurals import counted

# Bytes that are not UTF-8 arrive as lone surrogates (see `_decoded`).
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def read_rows(path: Path, required: Sequence[str] = REQUIRED) -> tuple[list[Row], list[Problem]]:
    """The rows of a .csv, .tsv or .jsonl manifest that have all `required` cells, and the problems of the others.

    A CSV has a header and as many cells in each row as in the header; a JSONL has one object per line.
    """
    text, problems = _decoded(path)
    if problems:
        return [], problems
    if not text.strip():
        law = f"the manifest is empty: expected rows with {', '.join(required)}"
        return [], [Problem(str(path), law, True, "manifest")]
    rows, changed = [], []
    read = json_rows if path.suffix.lower() == ".jsonl" else csv_rows
    for found in read(path, text, required):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        row = _with_plain_names(found)
        faults = [*_empty_cells(row, required), *_bad_characters(found)]
        problems += faults
        if not faults:
            rows.append(row)
            changed += [(column, found) for column in NAMES if row[column] != found[column]]
    if not rows and not any(problem.fatal for problem in problems):
        problems.append(Problem(str(path), "the manifest has no rows below its header", True, "manifest"))
    return rows, [*problems, *_changed_names(changed)]


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


def _with_plain_names(row: Row) -> Row:
    return replace(row, cells={c: plain_name(cell) if c in NAMES else cell for c, cell in row.cells.items()})


def _changed_names(changed: Sequence[tuple[str, Row]]) -> Iterator[Problem]:
    """A remark for each column of names that were read otherwise than they are written."""
    for column in NAMES:
        rows = [row for name, row in changed if name == column]
        if rows:
            what = f"invisible characters, or spaces or letters of another form, in {counted(len(rows), 'row')}"
            message = f"{column} has {what}, such as {quoted(rows[0][column])}; read as what it looks like"
            yield Problem(rows[0].where, message, False, "invisible characters")

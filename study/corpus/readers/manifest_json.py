"""Rows of a manifest of JSON objects, one a line: .jsonl."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from study.corpus.quoting import one_line, quoted
from study.corpus.readers.manifest_columns import NUMBERS, columns_of, header_faults
from study.corpus.readers.manifest_row import Row
from study.corpus.utterance import Problem


def json_rows(path: Path, text: str, required: Sequence[str]) -> Iterator[Row | Problem]:
    """The rows, and a problem for each line that is none or holds values of another type."""
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of absurd length
            yield Problem(where, f"the line is no valid JSON: {one_line(error)}", True, "broken rows")
            continue
        if not isinstance(found, dict):
            yield Problem(where, f"expected a JSON object; found {quoted(found)}", True, "broken rows")
            continue
        names = list(found)
        columns = columns_of(names)
        values = {column: found[names[place]] for column, place in columns.items()}
        faults = [*header_faults(where, names, columns, required), *_types(where, values)]
        yield from faults
        if not any(fault.fatal for fault in faults):
            cells = {column: _cell(value) for column, value in values.items()}
            yield Row(where, cells, {column: names[place] for column, place in columns.items()})


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {quoted(twice)} occurs twice")
    return found


def _types(where: str, values: dict[str, object]) -> Iterator[Problem]:
    for column, value in values.items():
        if value is None or isinstance(value, str):
            continue
        if column in NUMBERS:
            law, holds = "a number", type(value) in (int, float)
        elif column == "votes":
            law, holds = "an object of counts by label", isinstance(value, dict)
        elif column in ("file_name", "text"):
            law, holds = "a string", False
        else:
            law, holds = "a string or a whole number", type(value) is int  # 1.0 and true are other labels than 1
        if not holds:
            yield Problem(where, f"{column} is {law}; found {quoted(value)}", True, "types")


def _cell(value: object) -> str:
    """A JSON value as the text of a CSV cell."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)

"""The verb that lists the studies of an output folder."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from study.app.output import plain_table, print_line
from study.errors import FINISHED
from study.record.folder import StudyFolder
from study.report.catalogue import State, StudyRow, catalogue
from study.report.formats import NOTHING, format_age, format_bytes, format_score

COLORS = {State.RUNNING: "green", State.INTERRUPTED: "yellow", State.FAILED: "red", State.DAMAGED: "red"}
MOST_VARIANTS = 4  # named in a row


def list_studies(output: Path, as_json: bool, console: Console) -> int:
    """Show the studies in `output`, a row each, and why some cannot be read; or as JSON."""
    rows = catalogue(output.absolute())
    if as_json:
        console.file.write(json.dumps([row.to_json() for row in rows], indent=1, ensure_ascii=False) + "\n")
        return FINISHED
    if not rows:
        print_line(console, f"no studies in {output.absolute() / 'studies'}; --output names another place")
        return FINISHED
    numbers = ("configs", "best validation", "changed", "disk")
    table = plain_table("study", "state", "variants", *numbers, right=numbers, overflow="fold")
    for row in rows:
        state = f"[{COLORS[row.state]}]{row.state}[/]" if row.state in COLORS else str(row.state)
        age = format_age(time.time() - row.changed)
        cells = (_variants(row), _configs(row), _best(row), age, format_bytes(row.disk_bytes))
        table.add_row(escape(row.name), state, *map(escape, cells))
    console.print(table)
    for row in rows:
        if row.reason:
            print_line(console, f"{row.name}: {row.reason}", style="red")
    left = next((row for row in rows if row.state is State.INTERRUPTED), None)
    if left is not None and (options := StudyFolder.of(output, left.name).options).exists():
        command = shlex.join(["ser-study", "run", "--config", str(options)])
        print_line(console, f"what is interrupted goes on with, for example,\n  {command}", style="dim")
    return FINISHED


def _variants(row: StudyRow) -> str:
    more = len(row.variants) - MOST_VARIANTS
    return ", ".join(row.variants[:MOST_VARIANTS]) + (f" and {more} more" if more > 0 else "") or NOTHING


def _configs(row: StudyRow) -> str:
    if row.state is State.DAMAGED:
        return NOTHING
    return str(row.closed) if row.asked is None else f"{row.closed}/{row.asked}"


def _best(row: StudyRow) -> str:
    return NOTHING if row.best is None else f"{row.best_variant} {row.metric} {format_score(row.best)}"

"""What the terminal shows before and after a study: the corpus, extraction under way, the result."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from study.corpus import features
from study.corpus.utterance import Corpus
from study.results.formats import format_value
from study.results.text_page import budget_sentence, nested_sentences, table_rows
from study.results.tracking import TrackingLink
from study.training.metrics import METRICS
from study.tuning.progress import clock


def print_corpus(console: Console, corpus: Corpus) -> None:
    """One paragraph about a corpus: its size, its classes, and what was dropped in reading."""
    counts = ", ".join(f"{name} {count}" for name, count in corpus.counts().items())
    size = f"{len(corpus.utterances)} utterances in {len(corpus.groups())} groups"
    console.print(f"{corpus.name}: {size}; {counts}", highlight=False, markup=False, soft_wrap=True)
    for note in corpus.notes:
        console.print(f"  {note}", style="dim", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def extraction_progress(console: Console, modality: str, encoder: str) -> Iterator[Callable[[features.Progress], None]]:
    """A progress bar with rate and remaining time for feature extraction; nothing where there is none to do."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} utterances · {task.fields[pace]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    tasks: list[TaskID] = []

    def show(progress: features.Progress) -> None:
        if not tasks:  # where there is nothing to extract, nothing is drawn
            bar.start()
            tasks.append(bar.add_task(f"{modality} by {encoder}", total=progress.utterances_total, pace=""))
        unit = "x real time" if modality == "audio" else "per second"
        left = "" if progress.remaining_seconds is None else f", about {clock(progress.remaining_seconds)} left"
        pace = f"{progress.rate:.0f} {unit}{left}"
        bar.update(tasks[0], completed=progress.utterances_done, pace=pace)

    try:
        yield show
    finally:
        if tasks:
            bar.stop()


def print_report(console: Console, data: Mapping[str, Any], folder: Path, link: TrackingLink | None) -> None:
    """The result tables, the best configuration beside the published one, and where to look further."""
    console.print()
    tuned = {name: variant for name, variant in data["variants"].items() if variant["n_configs"]}
    many = len(tuned) > 2
    what = "test scores (validation is in the report)" if many else "mean ± std"
    console.print(f"{data['name']}: {what} over {data['over']}\n", highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))  # narrow enough for 80 columns
    for heading in ("", *([] if many else ["scored on"]), *METRICS):
        table.add_column(heading, justify="right" if heading in METRICS else "left", no_wrap=True)
    for variant, setting, part, *values in table_rows(data):
        style = "bold" if (setting, part) == ("tuned", "test") else None
        if not many:
            table.add_row(f"{variant} {setting}", part, *values, style=style)
        elif part == "test":
            table.add_row(f"{variant} {setting}", *values, style=style)
    if table.row_count:
        console.print(table)
    for name, variant in tuned.items():
        _print_variant(console, name, variant, with_table=not many)
    if data["conclusion"]:
        console.print("\n[bold]compared[/bold]")
    for sentence in data["conclusion"]:
        console.print(f"  {sentence}", highlight=False, soft_wrap=True)
    protocol = f"Protocol {data['protocol']}: chosen by validation {data['metric'].upper()}; {data['protocol_note']}."
    console.print(f"\n{protocol}", style="dim", highlight=False)
    console.print(f"\nreport       {folder / 'report.html'}", highlight=False, soft_wrap=True)
    console.print(f"             {folder / 'report.md'}", highlight=False, soft_wrap=True)
    if link is not None and tuned:  # a guess alone is nothing to compare
        if link.command:
            console.print(f"compare      {link.command}", highlight=False, soft_wrap=True)
        console.print(f"             {link.url}", highlight=False, soft_wrap=True)
        if link.warning:
            console.print(link.warning, style="yellow", highlight=False, soft_wrap=True)


def _print_variant(console: Console, name: str, variant: Mapping[str, Any], with_table: bool) -> None:
    console.print(f"\n[bold]{name}[/bold]: {budget_sentence(variant)}", highlight=False, soft_wrap=True)
    for number, reason in variant["lost"].items():
        console.print(f"  configuration {number} was lost: {reason}", style="red", highlight=False, markup=False)
    if variant["config"] is None:
        console.print("  no configuration was completed, so there is nothing to select", style="red")
        return
    for sentence in nested_sentences(variant):
        console.print(f"  {sentence}", highlight=False, soft_wrap=True, markup=False)
    if variant["selected"] == 0:
        console.print("  the published setting was the best")
        return
    if not with_table:
        console.print(f"  configuration {variant['selected']} was the best", highlight=False)
        return
    console.print(f"  configuration {variant['selected']} was the best, beside the published setting:", highlight=False)
    published = (variant["published"] or {}).get("config", {})
    table = Table(box=None, pad_edge=False, padding=(0, 4, 0, 2))
    for heading in ("parameter", "best", "published"):
        table.add_column(heading, justify="left" if heading == "parameter" else "right")
    for key, value in variant["config"].items():
        before = format_value(published[key]) if key in published else "-"
        table.add_row(key, format_value(value), before, style="dim" if format_value(value) == before else None)
    console.print(table)

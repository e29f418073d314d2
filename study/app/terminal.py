"""What the terminal shows after a study: its result."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.app.output import plain_table, print_line, print_whole
from study.execution.device_words import FALLEN, ON_HOST
from study.record.folder import StudyFolder
from study.report.features import feature_lines
from study.report.formats import capitalise, format_value
from study.report.recognised import recognised_lines, recognised_sentences
from study.report.set_tables import interval_rows
from study.report.tables import (
    budget_sentence,
    comparison_lines,
    comparison_sentences,
    devices_sentence,
    epochs_sentence,
    nested_sentences,
    searches_sentences,
    sets_sentence,
    table_rows,
)
from study.report.variant_view import VariantView
from study.report.view import ReportView
from study.tracking.tracker import TrackingLink
from study.training.metrics import METRICS

# From this many tuned variants on, the terminal shows test scores only.
MANY = 3


def print_report(console: Console, view: ReportView, folder: StudyFolder, link: TrackingLink | None) -> None:
    """The result tables, the best configuration beside the untuned one, and where to look further."""
    tuned = {name: variant for name, variant in view.variants.items() if variant.cost.n_configs}
    many = len(tuned) >= MANY
    console.print()
    if view.unfinished:
        print_line(console, f"{view.unfinished}\n", style="yellow")
    what = "test scores (validation is in the report)" if many else "mean ± std"
    print_line(console, f"{view.name}: {what} over {view.over}\n")
    print_whole(console, _results(view, many))
    if sentence := sets_sentence(view):
        print_line(console, f"\n{sentence}")
    _print_intervals(console, view)
    for name, variant in tuned.items():
        _print_variant(console, name, variant, with_table=not many)
        for line in feature_lines(view, variant):
            print_line(console, f"  {line}")
        if late := epochs_sentence(view, variant):
            print_line(console, f"  {late}")
    for number, sentence in enumerate(searches_sentences(view)):
        print_line(console, sentence if number else f"\n{sentence}")
    if view.recognised is not None:
        console.print("\n[bold]recognised words[/bold]")
        for line in (*recognised_lines(view.recognised), *recognised_sentences(view.recognised)):
            print_line(console, f"  {line}")
    if view.comparisons:
        console.print("\n[bold]compared[/bold]")
    for line in comparison_lines(view):
        print_line(console, f"  {line}")
    for sentence in comparison_sentences(view):
        print_line(console, f"  {sentence}")
    protocol = f"Protocol {view.protocol}: chosen by validation {view.metric}; {view.protocol_note}."
    print_line(console, f"\n{protocol}", style="dim")
    devices = devices_sentence(view)
    if FALLEN in devices or ON_HOST in devices:
        print_line(console, devices, style="yellow")
    if view.probe_note:
        print_line(console, view.probe_note, style="dim")
    if view.warm_start:
        print_line(console, f"{capitalise(view.warm_start)}.", style="dim")
    print_line(console, f"\nreport       {folder.path / 'report.html'}")
    print_line(console, f"             {folder.path / 'report.md'}")
    if link is not None and tuned:  # a guess alone is nothing to compare
        if link.command:
            print_line(console, f"compare      {link.command}")
        print_line(console, f"             {link.url}")
        if link.warning:
            print_line(console, link.warning, style="yellow")


def _results(view: ReportView, many: bool) -> Table:
    # Narrow enough for 80 columns.
    table = plain_table("", *([] if many else ["scored on"]), *METRICS, right=METRICS, no_wrap=True)
    for variant, _, setting, part, *values in table_rows(view):
        style = "bold" if (setting, part) == ("tuned", "test") else None
        if not many:
            table.add_row(f"{variant} {setting}", part, *values, style=style)
        elif part == "test":
            table.add_row(f"{variant} {setting}", *values, style=style)
    return table


def _print_intervals(console: Console, view: ReportView) -> None:
    """The intervals over speakers, a line for each setting and test set; nothing but under protocol split."""
    for number, (variant, setting, which, resampled, *ends) in enumerate(interval_rows(view)):
        if not number:
            print_line(console, "\n95 % intervals over speakers (or groups) and training runs:")
        values = ", ".join(f"{metric} {between}" for metric, between in zip(METRICS, ends, strict=True))
        print_line(console, f"  {variant} {setting} on {which} ({resampled}): {values}")


def _print_variant(console: Console, name: str, variant: VariantView, with_table: bool) -> None:
    console.print(f"\n[bold]{name}[/bold]: {budget_sentence(variant)}", highlight=False, soft_wrap=True)
    for number, reason in variant.cost.lost.items():
        print_line(console, f"  configuration {number} was lost: {reason}", style="red")
    if variant.tuned is None:
        print_line(console, "  no configuration was completed, so there is nothing to select", style="red")
        return
    for sentence in nested_sentences(variant):
        print_line(console, f"  {sentence}")
    if variant.selected == 0:
        print_line(console, f"  the {variant.start_word} setting was the best")
    elif not with_table:
        print_line(console, f"  configuration {variant.selected} was the best")
    else:
        print_line(
            console, f"  configuration {variant.selected} was the best, beside the {variant.start_word} setting:"
        )
        print_whole(console, _parameters(variant))


def _parameters(variant: VariantView) -> Table:
    columns = ("best", variant.start_word)
    table = plain_table("parameter", *columns, right=columns, padding=(0, 4, 0, 2))
    published = (variant.published and variant.published.params) or {}
    for key, value in ((variant.tuned and variant.tuned.params) or {}).items():
        before = format_value(published[key]) if key in published else "-"
        best = format_value(value)
        table.add_row(escape(key), escape(best), escape(before), style="dim" if best == before else None)
    return table

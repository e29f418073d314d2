"""The tables of a report as files: for a paper (LaTeX) and for other programs (CSV)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from study.files import write_file
from study.record.folder import StudyFolder
from study.record.results import PARTS
from study.report.cells import csv_text, latex_text
from study.report.formats import format_spread
from study.report.glance_table import HEADINGS, glance_rows
from study.report.glance_view import GlanceView
from study.report.letter_groups import letters_of
from study.report.metric_view import MetricView, PartsView
from study.report.tables import comparison_row, settings, table_rows
from study.report.view import ComparisonView, ReportView
from study.training.metrics import METRICS

RESULTS, COMPARISONS, GLANCE = "results", "comparisons", "glance"
SETTING = ("variant", "reads", "setting", "scored on")
STATISTICS = tuple(f"{metric}_{what}" for metric in METRICS for what in ("mean", "std"))
# The figures of a comparison, by the names of its fields.
FIGURES = ("mean", "low", "high", "p", "p_holm", "smallest", "worse", "equal", "better")


def tables(view: ReportView) -> dict[str, str]:
    """The text of every file by its name: the four metrics, and comparisons and all systems where there are several."""
    about = f"{view.name}: mean ± std over {view.over}, chosen by validation {view.metric}"
    found = {
        f"{RESULTS}.csv": csv_text([*SETTING, *STATISTICS], _result_rows(view)),
        f"{RESULTS}.tex": latex_text([*SETTING, *METRICS], table_rows(view), len(SETTING), about),
    }
    if view.comparisons:
        where = "each test set" if view.several_sets else "the test set" if view.one_division else "test folds"
        found |= comparison_tables((*view.comparisons, *view.other_metrics), f"{view.name}: comparisons on {where}")
    if view.glance is not None:
        found |= _glance_tables(view.glance, view.metric, f"{view.name}: test {view.metric} of all systems")
    return found


def result_tables(names: Sequence[str], rows: Iterable[tuple[str, str, PartsView]], about: str) -> dict[str, str]:
    """The files of figures, each with two texts that `names` call."""
    every = [(one, other, part, parts[part]) for one, other, parts in rows for part in PARTS]
    heading, texts = [*names, "scored on"], len(names) + 1
    printed = ([*known, *(format_spread(figures[metric]) for metric in METRICS)] for *known, figures in every)
    return {
        f"{RESULTS}.csv": csv_text([*heading, *STATISTICS], ([*known, *_statistics(by)] for *known, by in every)),
        f"{RESULTS}.tex": latex_text([*heading, *METRICS], printed, texts, about),
    }


def comparison_tables(pairs: Sequence[ComparisonView], about: str) -> dict[str, str]:
    """The files of comparisons: those of every metric for programs, those of the first one's for a paper."""
    own = [pair for pair in pairs if pair.metric == pairs[0].metric]
    headings = ["first − second", own[0].metric, "95 % interval", "p, Holm", "could show", "decision"]
    # The decision is a text, and stands last: it is aligned right with the figures.
    return {
        f"{COMPARISONS}.csv": csv_text(
            ["metric", "first", "second", "on", *FIGURES, "decision"], (_comparison(pair) for pair in pairs)
        ),
        f"{COMPARISONS}.tex": latex_text(headings, map(comparison_row, own), 1, about),
    }


def keep_tables(folder: StudyFolder, view: ReportView) -> None:
    """Write the tables into the study's folder, and remove those of an earlier report that are not among them."""
    found = tables(view)
    for name, text in found.items():
        write_file(folder.tables / name, text)
    for kind in (RESULTS, COMPARISONS, GLANCE):
        for name in (f"{kind}.csv", f"{kind}.tex"):
            if name not in found:
                (folder.tables / name).unlink(missing_ok=True)


def _glance_tables(glance: GlanceView, metric: str, about: str) -> dict[str, str]:
    columns = ["system", "reads", "mean", "std", "low", "high", "groups", "parameters", "epoch_seconds", "epochs"]
    rows = (
        [
            row.name,
            row.reads,
            *(getattr(row.test, name) for name in columns[2:6]),
            letters_of(row.name, glance.groups),
            row.n_parameters,
            row.epoch_seconds,
            row.epochs,
        ]
        for row in glance.rows
    )
    headings = ["system", "reads", f"test {metric}", *HEADINGS]
    return {
        f"{GLANCE}.csv": csv_text(columns, rows),
        f"{GLANCE}.tex": latex_text(headings, glance_rows(glance), 2, about),
    }


def _result_rows(view: ReportView) -> Iterator[list[Any]]:
    """As `table_rows`, with figures in full."""
    for name, variant in view.variants.items():
        for setting, parts in settings(variant):
            for part in parts:
                yield [name, variant.reads, setting, part, *_statistics(parts[part])]
        if variant.reference is not None:
            known = [variant.reference.get(metric, (None, None)) for metric in METRICS]
            yield [name, variant.reads, "reference", "test", *(value for pair in known for value in pair)]


def _statistics(figures: Mapping[str, MetricView]) -> list[float | None]:
    values = (value for metric in METRICS for value in (figures[metric].mean, figures[metric].std))
    return [None if math.isnan(value) else value for value in values]


def _comparison(pair: ComparisonView) -> list[Any]:
    return [
        pair.metric,
        pair.first,
        pair.second,
        pair.on or "test",
        *(getattr(pair, name) for name in FIGURES),
        pair.decision,
    ]

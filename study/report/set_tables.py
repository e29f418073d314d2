"""What tables have of single test sets, under protocol split, as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from study.plurals import counted
from study.report.formats import format_range, format_score
from study.report.metric_view import PartsView
from study.report.variant_view import SettingView, VariantView
from study.report.view import ReportView
from study.training.metrics import METRICS


def with_sets(name: str, setting: SettingView) -> Iterator[tuple[str, PartsView]]:
    """The figures of a setting by its name, then those on single test sets where there are several."""
    yield name, setting.figures
    if len(setting.test_sets) > 1:
        yield from ((f"{name} on {which}", {"test": found.scores}) for which, found in setting.test_sets.items())


def interval_rows(view: ReportView) -> Iterator[list[str]]:
    """As text: variant, setting, test set, what its intervals resample, and the 95 % interval of every metric.

    There are some under protocol split alone.
    """
    for name, variant in view.variants.items():
        for setting, found in ((variant.setting, variant.tuned), (variant.start_word, variant.published)):
            for which, own in (found.test_sets if found else {}).items():
                if own.n_units:
                    ends = (format_range(own.scores[metric].low, own.scores[metric].high) for metric in METRICS)
                    yield [name, setting, which, counted(own.n_units, own.unit), *ends]


def recall_rows(variant: VariantView) -> Iterator[list[str]]:
    """As text: each test set, its utterances, and the recall of every class there; nothing for a single set."""
    sets = variant.tuned.test_sets if variant.tuned else {}
    if len(sets) > 1:
        for name, own in sets.items():
            recalls = ", ".join(f"{label} {format_score(recall)}" for label, recall in own.recalls.items())
            yield [name, f"{own.n:,}", recalls]

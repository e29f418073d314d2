"""What each choice reached that a search had: features (encoder, layer, frame rate), losses and modality dropout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from search_spaces.recipe import choices_in
from study.plurals import counted
from study.protocols import PROTOCOLS
from study.record.outcome import Outcome
from study.record.plan import Plan
from study.record.results import ConfigResult
from study.record.search_name import variant_of
from study.report.formats import NOTHING, format_spread
from study.report.metric_view import MetricView
from study.report.variant_view import FeatureView, VariantView
from study.report.view import ReportView
from study.variants import VARIANTS


def feature_views(
    plan: Plan, name: str, configs: Sequence[ConfigResult], outcome: Outcome | None
) -> tuple[FeatureView, ...]:
    """What the features of each modality of which the search `name` had several reached, in their order in the plan.

    Each is selected among its own configurations by the study's protocol. All figures are those of the search, since
    only finalists have confirmation runs.
    """
    searched = [replace(config, n_seeds=0, confirmations={}) for config in configs]
    chosen = _chosen(configs, outcome)
    choices = VARIANTS[variant_of(name)].choosing(plan.choices()).choices
    return tuple(
        _view(plan, modality, label, _with(searched, modality, label), len(_with(chosen, modality, label)))
        for modality, labels in choices.items()
        for label in labels
    )


def feature_rows(variant: VariantView) -> Iterator[list[str]]:
    """As text: modality, features, configurations tried, best validation score, its test score, and what chose them.

    The last is the number of test sessions under protocol nested, else whether the selected configuration has them.
    """
    n_blocks = len(variant.nested.choices) if variant.nested else 0
    for each in variant.features:
        own = "yes" if each.n_selected else ""
        selected = f"{each.n_selected} of {n_blocks}" if n_blocks else own
        scores = (NOTHING if score is None else format_spread(score) for score in (each.validation, each.test))
        yield [each.modality.replace("_", " "), each.label, str(each.n_configs), *scores, selected]


def feature_headings(view: ReportView) -> list[str]:
    """The headings of `feature_rows`."""
    return ["", "choice", "configurations", f"validation {view.metric}", f"test {view.metric}", "selected"]


def feature_lines(view: ReportView, variant: VariantView) -> Iterator[str]:
    """The rows as lines of aligned columns, with a heading, the features at the end; nothing without a choice."""
    rows = [[*row[2:], f"{row[0]}: {row[1]}"] for row in feature_rows(variant)]
    if not rows:
        return
    heading = ["tried", "validation", "test", "selected", f"choice ({view.metric} of the best by validation)"]
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for *cells, features in (heading, *rows):
        shown = (cell.rjust(width) for cell, width in zip(cells, widths[:-1], strict=True))
        yield "  ".join([*shown, features])


def features_sentence(variant: VariantView) -> str:
    """How the table is to be read."""
    n = counted(variant.cost.n_configs, "configuration")
    return (
        f"Of the {n} of the search: for each choice, those that had it, and the best of these by "
        "validation. Figures are those of the search; the more configurations had it, the higher the best."
    )


def _view(plan: Plan, modality: str, label: str, own: Sequence[ConfigResult], n_selected: int) -> FeatureView:
    found = PROTOCOLS[plan.terms.protocol].outcome(plan, own) if own else None
    validation, test = (
        MetricView.of(found.figures[part][plan.metric]) if found else None for part in ("validation", "test")
    )
    return FeatureView(modality, label, len(own), validation, test, n_selected)


def _with(configs: Sequence[ConfigResult], modality: str, label: str) -> list[ConfigResult]:
    return [config for config in configs if choices_in(config.params).get(modality) == (label,)]


def _chosen(configs: Sequence[ConfigResult], outcome: Outcome | None) -> list[ConfigResult]:
    """The selected configuration; under protocol nested, that of every test block."""
    if outcome is None:
        return []
    by_number = {config.number: config for config in configs}
    numbers = outcome.nested.choices.values() if outcome.nested else [outcome.config.number]
    return [by_number[number] for number in numbers if number is not None]

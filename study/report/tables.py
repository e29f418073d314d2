"""The tables and sentences of a report as plain text: pages, terminal and tracker print them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from study.corpus.folds import SPEAKER
from study.plurals import counted
from study.record.incumbents import overtuning
from study.record.results import PARTS
from study.record.search_variance import FEWEST_CONFIGS
from study.record.terms import MAX_EPOCHS
from study.report.aligned import aligned_lines
from study.report.formats import (
    NOTHING,
    format_difference,
    format_duration,
    format_interval,
    format_p,
    format_score,
    format_spread,
)
from study.report.metric_view import PartsView
from study.report.set_tables import with_sets
from study.report.t_model import ROUNDING
from study.report.variant_view import VariantView
from study.report.view import ComparisonView, ReportView
from study.training.metrics import METRICS


@dataclass(frozen=True)
class _Printed:
    """Mean and deviation as the reference table prints them."""

    mean: float
    std: float


def table_rows(view: ReportView) -> Iterator[list[str]]:
    """Variant, what it reads, setting, part and the four metrics as text, for every setting that has figures.

    Settings are "tuned" (of a guess "guess", of the probe "linear"), "shared" (under protocol nested, the one choice
    that has seen every session, where "tuned" are the nested choices), "published" or "untuned" (configuration 0), and
    "reference", the published table's own row. Where a corpus has several test sets, each setting has a row for each,
    "tuned on test2", below that of all.
    """
    for name, variant in view.variants.items():
        for setting, parts in settings(variant):
            for part in parts:
                yield [name, variant.reads, setting, part, *(format_spread(parts[part][metric]) for metric in METRICS)]
        if variant.reference is not None:
            yield [name, variant.reads, "reference", "test", *reference_cells(variant)]


def settings(variant: VariantView) -> Iterator[tuple[str, PartsView]]:
    """The settings of a variant and their figures, by name; after each, those on single test sets."""
    if variant.tuned is not None:
        yield from with_sets(variant.setting, variant.tuned)
    if variant.nested is not None:
        yield "shared", variant.nested.shared
    if variant.published is not None:
        yield from with_sets(variant.start_word, variant.published)


def reference_cells(variant: VariantView) -> list[str]:
    """The published table's row as text, one cell for each metric; empty without one."""
    if variant.reference is None:
        return []
    return [
        format_spread(_Printed(*variant.reference[metric])) if metric in variant.reference else NOTHING
        for metric in METRICS
    ]


def ablation_rows(view: ReportView, parent: str) -> Iterator[list[str]]:
    """The tuned test figures of `parent` and of its ablations, the reference's own below each where known."""
    family = {parent, *ablations(view, parent)}
    for variant, _, setting, part, *values in table_rows(view):
        if variant in family and part == "test" and setting in ("tuned", "reference"):
            yield [f"{variant} ({setting})", *values]


def ablations(view: ReportView, parent: str) -> list[str]:
    """The variants that take one part away from `parent`."""
    return [
        name
        for name, variant in view.variants.items()
        if variant.role == "ablation" and parent in variant.compared_with
    ]


def ablated(view: ReportView) -> list[str]:
    """The variants of the study that others take a part away from."""
    return [name for name in view.variants if ablations(view, name)]


def comparison_row(pair: ComparisonView) -> list[str]:
    """As text: the pair, its difference, 95 % interval, p by Holm, smallest difference to be shown, and decision."""
    interval = format_interval(pair.low, pair.high)
    shown = format_difference(pair.mean), interval, format_p(pair.p_holm), format_score(pair.smallest)
    where = f" on {pair.on}" if pair.on else ""
    return [f"{pair.first} − {pair.second}{where}", *shown, pair.decision]


def comparison_lines(view: ReportView) -> Iterator[str]:
    """The comparisons as lines of aligned columns, with a heading; nothing without comparisons."""
    heading = ["", view.metric, "95 % interval", "Holm p", "could show", ""]
    rows = [heading, *map(comparison_row, view.comparisons)] if view.comparisons else []
    if view.one_division:  # without a test
        rows = [[*row[:3], ""] for row in rows]
    yield from aligned_lines(rows, "lrrl" if view.one_division else "lrrrrl")


def every_metric(view: ReportView) -> Iterator[list[ComparisonView]]:
    """The comparisons pair by pair, each in every metric, the study's own first."""
    for own in view.comparisons:
        same = (own.first, own.second, own.on)
        yield [own, *(pair for pair in view.other_metrics if (pair.first, pair.second, pair.on) == same)]


def model_sentence(view: ReportView) -> str:
    """How intervals come about; with p and probabilities, of which one model."""
    if view.one_division:
        return (
            "There is one division, so nothing can be tested over folds, and there is no p. The 95 % interval is the "
            "bootstrap over the speakers of the test set, the same ones for both systems, and over the training runs "
            "of each. It covers other speakers and other seeds, and not the luck of the searches: another search may "
            "find another configuration."
        )
    if any(pair.n_searches for pair in view.comparisons):
        return (
            "Welch's t over the mean test scores of whole searches: it says what other searches on these folds would "
            "give, and not what other sessions would."
        )
    return (
        "Student's t over folds, whose standard error holds the folds' spread, corrected for shared training data, and "
        "the luck of the searches: the variance of the selected configuration's test score when the configurations of "
        "a search are drawn again from those that it tried."
    )


def comparison_sentences(view: ReportView) -> Iterator[str]:
    """What decisions of this report mean; nothing where all is confirmed."""
    decisions = {pair.decision for pair in view.comparisons}
    if view.one_division and decisions:
        yield (
            "One division allows no test over folds. Intervals cover the speakers of the test set and the training "
            "seeds, not the luck of the searches."
        )
    if "too few configurations" in decisions:
        yield f"Two searches of one variant differ, too: verdicts need {FEWEST_CONFIGS} configurations of each."
    if "not confirmed" in decisions:
        yield "Not confirmed is not equal: what is smaller than the study could show may still be there."


def budget_sentence(variant: VariantView) -> str:
    """What a variant's search cost, in words."""
    cost = variant.cost
    outcomes = ", ".join(f"{count} {name}" for name, count in cost.outcomes.items())
    more = " Then the time was up: the same command with a longer --budget goes on." if cost.out_of_time else ""
    return (
        f"{counted(cost.n_configs, 'configuration')} ({outcomes}), {counted(cost.n_fold_runs, 'fold run')}, "
        f"{counted(cost.epochs, 'epoch')}, {format_duration(cost.seconds)} of training.{more}"
    )


def devices_sentence(view: ReportView) -> str:
    """What trained the study, in words; empty where the ledger does not say."""
    return f"Trained on {'; '.join(view.devices)}." if view.devices else ""


def sets_sentence(view: ReportView) -> str:
    """What figures that name no test set are of; empty where there are not several."""
    if not view.several_sets:
        return ""
    return f"Where no test set is named, figures are of {view.tested}: utterances count, not sets."


def searches_sentences(view: ReportView) -> Iterator[str]:
    """What whole searches of one variant reach on test, each a mean over folds."""
    for each in view.whole_searches:
        found = each.test[view.metric]
        scores = ", ".join(format_score(score) for score in found.folds)
        yield (
            f"{each.variant}: {len(each.searches)} whole searches reach test {view.metric} {scores}; "
            f"{format_spread(found)} over searches."
        )


def epochs_sentence(view: ReportView, variant: VariantView) -> str:
    """That the runs of a variant were still getting better when they ended; empty where that is not so of most."""
    late = variant.late
    if late is None or not late.too_many:
        return ""
    found = f"in {late.n_late} of {counted(late.n_runs, 'run')} the best epoch was the last or the one before"
    if view.term("epochs") == str(MAX_EPOCHS):
        return f"{found}: {MAX_EPOCHS} epochs, the most there are, may be too few"
    return f"{found}: more --epochs would probably help"


def source_rows(variant: VariantView) -> Iterator[list[str]]:
    """As text: what test scores vary by, the standard deviation that it gives, and how many of it were seen."""
    for each in variant.sources:
        yield [each.name, format_score(each.deviation), str(each.levels)]


def overtuning_sentence(variant: VariantView) -> str:
    """That an earlier incumbent is better on test, if one is; the report alone may know."""
    path = variant.incumbents
    if not path or overtuning(path) < ROUNDING:
        return ""
    best = max(path, key=lambda each: each.test)
    return (
        f"An earlier incumbent of the search, configuration {best.number}, is better on test by "
        f"{format_score(overtuning(path))} than its last, {path[-1].number} (overtuning)."
    )


def nested_sentences(variant: VariantView) -> Iterator[str]:
    """What nested selection chose for every test session, and how much better a shared choice would have looked."""
    nested = variant.nested
    if nested is None:
        return
    chosen = ", ".join(f"{block} by {number}" for block, number in nested.choices.items())
    yield f"Test sessions and the configurations that were chosen without them: {chosen}."
    measured = ", ".join(f"{metric} {value:+.3f}" for metric, value in nested.optimism.items())
    yield f"Measured optimism, the test score of one shared choice minus that of the nested ones: {measured}."


def folds_sentence(view: ReportView) -> str:
    """How sessions are held out, with fold 0 for an example."""
    test, validation = ("+".join(view.folds[0][part]) for part in PARTS[::-1])
    if view.one_division:
        return f"One division, which the corpus gives (test {test}, validation {validation})."
    if view.term("folds") == SPEAKER:
        return (
            f"{len(view.folds)} folds; each holds out one speaker as test and another one as validation (fold 0: test "
            f"{test}, validation {validation})."
        )
    if view.score_both_blocks:
        return (
            f"{len(view.folds)} folds, one for every pair of blocks of sessions; each run is scored on both and read "
            f"both ways (fold 0: {test} and {validation})."
        )
    return (
        f"{len(view.folds)} folds; each holds out one block of sessions as test and another whole one as validation "
        f"(fold 0: test {test}, validation {validation})."
    )


def confirmation_sentence(view: ReportView) -> str:
    """Whether figures come from confirmation runs."""
    seeds = view.term("seeds")
    if seeds in ("", "0"):
        return "Figures are those of the search itself."
    n_best = int(view.term("finalists"))
    best = "configuration" if n_best == 1 else f"{n_best} configurations"
    return (
        f"The best {best} of each search and the {view.start_word} setting were trained again with "
        f"{counted(int(seeds), 'new seed')}; the selection and all figures come from these runs."
    )

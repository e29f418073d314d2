"""What the reported models reach on test where a modality is missing, as a report shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from search_spaces.modality_dropout import MODALITY_DROPOUT
from study.features.inputs import input_of
from study.modalities import MODALITIES
from study.record.results import Spread, spread
from study.report.formats import format_spread
from study.report.metric_view import metric_views
from study.report.predictions import TestedFold
from study.report.variant_view import LackView, VariantView
from study.report.view import ReportView
from study.training.metrics import METRICS, score

WHOLE = "nothing left out"


def lack_views(
    without: Mapping[str, Sequence[TestedFold]], params: Mapping[str, Any], n_classes: int, missing: Collection[str]
) -> tuple[LackView, ...]:
    """The views of predictions without each stream, of a configuration with these parameters.

    Some utterances of the corpus lack the modalities that are `missing`.
    """
    dropout = float(params.get(MODALITY_DROPOUT, 0.0))

    def view(modality: str, folds: Sequence[TestedFold]) -> LackView:
        figures, is_learned = metric_views(_figures(folds, n_classes)), dropout > 0 or modality in missing
        return LackView(MODALITIES[modality].noun, dropout, is_learned, figures)

    return tuple(view(input_of(stream).modality, folds) for stream, folds in without.items())


def lack_rows(view: ReportView) -> Iterator[list[str]]:
    """As text: the variant, what is missing on test, and the four metrics; for each variant what it reaches whole."""
    for name, variant in view.variants.items():
        if variant.lacking and variant.tuned is not None:
            yield [name, WHOLE, *(format_spread(variant.tuned.figures["test"][metric]) for metric in METRICS)]
            for each in variant.lacking:
                yield [name, f"without {each.lack}", *(format_spread(each.test[metric]) for metric in METRICS)]


def lack_sentences(view: ReportView) -> Iterator[str]:
    """What the rows are, of which models, and what stands for what is missing."""
    yield (
        "The reported models predict their own test sessions with a modality missing in every utterance. Nothing was "
        "chosen by these scores."
    )
    measured = [each for each in view.variants.values() if each.lacking]
    dropped = [f"{each.name} ({each.lacking[0].dropout:g})" for each in measured if each.lacking[0].dropout]
    plain = [each for each in measured if not each.lacking[0].dropout]
    if dropped:
        yield (
            f"Trained with modality dropout, with this probability: {', '.join(dropped)}. The vector that they learned "
            "stands for what is missing."
        )
    if learned := [_named(each, True) for each in plain if any(lack.learned for lack in each.lacking)]:
        yield (
            f"Trained on utterances some of which lack what is left out: {', '.join(learned)}. The vector that they "
            "learned stands for it."
        )
    if whole := [_named(each, False) for each in plain if not all(lack.learned for lack in each.lacking)]:
        yield (
            f"Trained on whole utterances: {', '.join(whole)}. The mean frame of training, which is zero after "
            "scaling, stands for what is missing, and these models never learned to read it: low scores are no fault "
            "of the modality that is left. --modality-dropout trains for it."
        )
    if unmeasured := [name for name, each in view.variants.items() if _is_unmeasured(each)]:
        yield (
            f"Not measured: {', '.join(unmeasured)}. It is measured in confirmation runs, which end at the epoch that "
            "counts (--seeds 1 or more, and not --epoch-rule best)."
        )


def _named(variant: VariantView, learned: bool) -> str:
    """A variant's name; with those of its rows that are meant, where others are not."""
    nouns = [each.lack for each in variant.lacking if each.learned == learned]
    return variant.name if len(nouns) == len(variant.lacking) else f"{variant.name} without {' or '.join(nouns)}"


def has_rows(view: ReportView) -> bool:
    """Whether there is anything to show."""
    return any(variant.lacking for variant in view.variants.values())


def _is_unmeasured(variant: VariantView) -> bool:
    return variant.trained and variant.tuned is not None and len(variant.modalities) > 1 and not variant.lacking


def _figures(folds: Sequence[TestedFold], n_classes: int) -> dict[str, Spread]:
    """The metrics over test blocks, each the mean over its runs: as the figures of whole utterances are."""
    blocks: dict[str, list[dict[str, float]]] = {}
    for fold in folds:
        blocks.setdefault(fold.block, []).append(score(fold.labels, fold.predictions, n_classes))
    return {name: spread([fmean(each[name] for each in own) for own in blocks.values()]) for name in METRICS}

"""The scores on recognised words beside those on the true ones, as a report shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from study.record.outcome import Outcome
from study.record.recognised_words import RecognisedWords
from study.record.results import Spread
from study.report.aligned import aligned_lines
from study.report.formats import format_percent, format_score, format_spread
from study.report.metric_view import MetricView
from study.training.metrics import METRICS

TRUE, RECOGNISED = "true words", "recognised words"


@dataclass(frozen=True)
class RecognisedView:
    """Test figures on recognised words, and on the true ones, by variant and metric.

    `word_error_rate` is of all utterances together, None without true words; `empty_share` is that of utterances
    without recognised words. `outdated` are the variants whose reported runs are others now.
    """

    manifest: str
    digest: str
    word_error_rate: float | None
    empty_share: float
    true: Mapping[str, Mapping[str, MetricView]]
    recognised: Mapping[str, Mapping[str, MetricView]]
    outdated: tuple[str, ...]


def recognised_view(words: RecognisedWords | None, outcomes: Mapping[str, Outcome]) -> RecognisedView | None:
    """The view of scores on recognised words; None without any."""
    if words is None:
        return None
    own = {name: outcomes[name] for name in words.runs if name in outcomes}
    found = {name: words.figures(name, outcome.uses) for name, outcome in own.items()}
    current = {name: figures for name, figures in found.items() if figures is not None}
    return RecognisedView(
        manifest=words.manifest,
        digest=words.digest,
        word_error_rate=words.n_edits / words.n_words if words.n_words else None,
        empty_share=words.n_empty / max(1, words.n_utterances),
        true={name: _views(own[name].figures["test"]) for name in current},
        recognised={name: _views(figures) for name, figures in current.items()},
        outdated=tuple(name for name in words.runs if name not in current),
    )


def recognised_rows(view: RecognisedView) -> Iterator[list[str]]:
    """As text: the variant, which words, and the four metrics on test; two rows for each variant."""
    for name in view.recognised:
        for words, figures in ((TRUE, view.true[name]), (RECOGNISED, view.recognised[name])):
            yield [name, words, *(format_spread(figures[metric]) for metric in METRICS)]


def recognised_sentences(view: RecognisedView) -> Iterator[str]:
    """Where the recognised words are from, how far they are from the true ones, and what the rows are."""
    rate = "" if view.word_error_rate is None else f"word error rate {format_score(view.word_error_rate)}, "
    yield (
        f"Words of {view.manifest} (digest {view.digest[:12]}): {rate}{format_percent(view.empty_share)} of utterances "
        "without recognised words. The models that learned from true words predict their own test sessions from "
        "recognised ones. Nothing was chosen by these scores."
    )
    if view.outdated:
        names = ", ".join(view.outdated)
        yield f"Of {names}, other runs are reported than were scored on recognised words: score them again."


def recognised_lines(view: RecognisedView) -> Iterator[str]:
    """The rows as lines of aligned columns, with a heading."""
    yield from aligned_lines([["", "test", *METRICS], *recognised_rows(view)], "ll" + "r" * len(METRICS))


def _views(figures: Mapping[str, Spread]) -> dict[str, MetricView]:
    return {metric: MetricView.of(figures[metric]) for metric in METRICS}

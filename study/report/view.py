"""Everything that a report shows, as plain data: pages, `report.json`, the terminal and the tracker read this alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from study.report.glance_view import GlanceView
from study.report.metric_view import MetricView
from study.report.recognised import RecognisedView
from study.report.transfer import TransferView
from study.report.variant_view import VariantView


@dataclass(frozen=True)
class ComparisonView:
    """`first` minus `second` on the test folds; see `report.significance` for each figure. None is not defined.

    `luck` is the variance that the searches add; `n_searches` how many whole searches of each were tested on, 0 where
    folds were. Without a verdict, p and probabilities are not shown. `decision` and
    `sentence` are those of `report.verdict`. Under protocol split, the comparison is one of `report.paired`: `over` is
    what was resampled, and `on` names the test set where there are several.
    """

    first: str
    second: str
    metric: str
    differences: tuple[float, ...]
    mean: float
    luck: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    smallest: float | None
    worse: float | None
    equal: float | None
    better: float | None
    rope: float
    decision: str
    sentence: str
    n_searches: int = 0
    on: str = ""
    over: str = ""


@dataclass(frozen=True)
class SearchesView:
    """The whole searches of one variant: by metric, the mean test score of each, with their mean and deviation."""

    variant: str
    searches: tuple[str, ...]
    test: Mapping[str, MetricView]


@dataclass(frozen=True)
class TermView:
    """A term of the study, as its option and its value."""

    name: str
    value: str


@dataclass(frozen=True)
class ReportView:
    """The report of a study.

    `over` is what figures are means over, for example "5 folds"; `score_both_blocks` whether each fold serves with
    either of its held-out parts as test; `one_division` whether there is one fold, given by the corpus. `metric` is
    what selects, as in METRICS; `comparisons` are in it, and those in the other metrics are `other_metrics`.
    `unfinished` is what is left to do, empty for a finished study; while it is not empty, nothing is compared.
    `epoch_note` says at which epoch runs count.
    `whole_searches` are there for variants that were searched several times; each search is one of `variants`.
    `warm_start` is what the sampler knew of an earlier study, empty without one. `probe_note` says what the linear
    probe among `variants` is, or why it is not there. `recognised` has the scores on recognised words and
    `transfer` those on other corpora, where there are.
    `glance` has all systems in `metric`; None where fewer than two were tuned.
    """

    name: str
    corpus: Mapping[str, Any]
    classes: tuple[str, ...]
    encoders: Mapping[str, str]
    protocol: str
    protocol_note: str
    over: str
    metric: str
    rungs: tuple[int, ...]
    terms: tuple[TermView, ...]
    folds: tuple[Mapping[str, Any], ...]
    environment: Mapping[str, str]
    variants: Mapping[str, VariantView]
    comparisons: tuple[ComparisonView, ...]
    conclusion: tuple[str, ...]
    other_metrics: tuple[ComparisonView, ...] = ()
    score_both_blocks: bool = False
    one_division: bool = False
    unfinished: str = ""
    epoch_note: str = ""
    whole_searches: tuple[SearchesView, ...] = ()
    warm_start: str = ""
    probe_note: str = ""
    recognised: RecognisedView | None = None
    transfer: TransferView | None = None
    glance: GlanceView | None = None
    devices: tuple[str, ...] = ()

    @property
    def start_word(self) -> str:
        """What configuration 0 of all its variants is called."""
        words = {variant.start_word for variant in self.variants.values() if variant.trained}
        return words.pop() if len(words) == 1 else "untuned"

    @property
    def several_sets(self) -> tuple[str, ...]:
        """The test sets of the one division, where there are several: figures of a system are then over all of them."""
        sets = tuple(self.folds[0]["test"]) if self.one_division else ()
        return sets if len(sets) > 1 else ()

    @property
    def tested(self) -> str:
        """What figures over all test predictions are of, in words."""
        if self.several_sets:
            return f"the test sets {', '.join(self.several_sets)} taken together"
        return "the test set" if self.one_division else "the test folds taken together"

    def term(self, name: str) -> str:
        """The value of a term; empty if the study has none of this name."""
        return next((each.value for each in self.terms if each.name == name), "")

    def to_json(self) -> dict[str, Any]:
        """The view as plain values; what is not finite is null. What was not asked for is left out."""
        found: dict[str, Any] = plain(asdict(self))
        asked_for = {"recognised": self.recognised, "transfer": self.transfer}
        return {name: value for name, value in found.items() if asked_for.get(name, value) is not None}


def plain(value: Any) -> Any:
    """A value as JSON has it; what is not finite is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

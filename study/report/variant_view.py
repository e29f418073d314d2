"""What a report shows of one variant, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from study.modalities import MODALITIES
from study.record.incumbents import Incumbent
from study.record.late_epochs import LateRuns
from study.record.variance_sources import Source
from study.report.formats import NOTHING
from study.report.metric_view import MetricView, PartsView

# The name and the role of the linear probe.
PROBE = "probe"
# The roles that no search has part in, and what their one setting is called.
WITHOUT_SEARCH = {"guess": "guess", PROBE: "linear"}


def in_words(modalities: Sequence[str]) -> str:
    """What a system of these modalities reads: "speech, words"; a dash for none."""
    return ", ".join(MODALITIES[name].noun for name in modalities) or NOTHING


@dataclass(frozen=True)
class TestSetView:
    """What a setting reaches on one test set of `n` utterances: scores over runs, and recalls by class over all runs.

    Intervals resample its `unit` ("speaker" or "group"), of which there are `n_units`; 0 where nothing was resampled.
    """

    n: int
    scores: Mapping[str, MetricView]
    recalls: Mapping[str, float] = field(default_factory=dict)
    unit: str = ""
    n_units: int = 0


@dataclass(frozen=True)
class SettingView:
    """A setting of a variant, tuned or published: its parameters (None for a guess) and its figures.

    `test_sets` has them by test set under protocol split, where a corpus may have several.
    """

    params: Mapping[str, Any] | None
    figures: PartsView
    test_sets: Mapping[str, TestSetView] = field(default_factory=dict)


@dataclass(frozen=True)
class NestedView:
    """Under protocol nested: the choice for every test block, one shared choice's figures, and their difference."""

    choices: Mapping[str, int | None]
    shared: PartsView
    optimism: Mapping[str, float]


@dataclass(frozen=True)
class ScriptView:
    """The metrics of scripted or of improvised utterances, over all test folds."""

    n: int
    scores: Mapping[str, float]


@dataclass(frozen=True)
class ChangeView:
    """A mean difference over test folds, with the ends of its 95 % interval; None where nothing measures chance."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PairOfLossView:
    """The figures of a pair, as in `PairView`, for the configuration with this loss that is best by validation.

    The changes are from those of the loss of configuration 0, fold by fold; None for itself.
    """

    loss: str
    confused: MetricView
    f1: MetricView
    confused_change: ChangeView | None = None
    f1_change: ChangeView | None = None


@dataclass(frozen=True)
class PairView:
    """Two classes that are often confused: the share of each that was taken for the other.

    Over test folds, `confused` is the share of both classes' utterances that were taken for the other class, and `f1`
    the mean F1 of both. `by_loss` has them for every loss that the search chose from.
    """

    first: str
    second: str
    first_as_second: float
    second_as_first: float
    confused: MetricView
    f1: MetricView
    by_loss: tuple[PairOfLossView, ...] = ()


@dataclass(frozen=True)
class VotesView:
    """The mean Jensen-Shannon distance of predictions to votes, over `n` test utterances that have any.

    `by_loss` has it for the configuration with each loss that is best by validation, where the search chose from
    several.
    """

    n: int
    distance: MetricView
    by_loss: Mapping[str, MetricView] = field(default_factory=dict)


@dataclass(frozen=True)
class DetailsView:
    """What the stored predictions of the reported runs add.

    `optimism` is validation minus test by metric; `recalls` by class over all test folds; `words_seen` the share
    of test utterances whose words occur in training, None without words. `votes` are there where the study keeps them.
    """

    optimism: Mapping[str, float]
    recalls: Mapping[str, float]
    pairs: tuple[PairView, ...]
    scripts: Mapping[str, ScriptView]
    words_seen: float | None
    votes: VotesView | None = None


@dataclass(frozen=True)
class CostView:
    """What a variant's search took. `outcomes` counts configurations by how they ended.

    `search_seconds` are those of the search, without confirmation runs.
    """

    n_configs: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[int, str] = field(default_factory=dict)
    n_fold_runs: int = 0
    epochs: int = 0
    seconds: float = 0.0
    out_of_time: bool = False
    search_seconds: float = 0.0


@dataclass(frozen=True)
class FeatureView:
    """What the configurations with certain features of a modality reached, in the study's metric.

    `n_configs` had them; `validation` and `test` are those of the best by validation, None while none is complete.
    `n_selected` counts the selected configurations that have them: one or none, under protocol nested of test blocks.
    """

    modality: str
    label: str
    n_configs: int
    validation: MetricView | None
    test: MetricView | None
    n_selected: int


@dataclass(frozen=True)
class LayerWeightsView:
    """What the reported models have learned of a stream's bands of encoder layers: a weight for each, of sum 1.

    `runs` has the weights of every reported run, in the order of `bands`; `means` are over the runs.
    """

    stream: str
    bands: tuple[str, ...]
    means: tuple[float, ...]
    runs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ConfidenceBin:
    """Test utterances whose predicted class has about one probability: their number, its mean, and how many are right.

    `accuracy` is a share.
    """

    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class CalibrationView:
    """Log loss and expected calibration error on test, as trained and with each run scaled by its own temperature.

    `temperature` is that of all validation parts together; above 1, the models are overconfident.
    """

    temperature: float
    log_loss: float
    log_loss_scaled: float
    error: float
    error_scaled: float
    bins: tuple[ConfidenceBin, ...]
    bins_scaled: tuple[ConfidenceBin, ...]


@dataclass(frozen=True)
class LackView:
    """The test figures of the reported models where every test utterance lacks what `lack` names ("words").

    `dropout` is the probability with which the models lost a modality in training. Models have `learned` a vector for
    what is missing by it, or from utterances of the corpus that lack it; for others, the mean frame of training stands
    for it.
    """

    lack: str
    dropout: float
    learned: bool
    test: Mapping[str, MetricView]


@dataclass(frozen=True)
class VariantView:
    """One variant: what was selected and what it reaches.

    `tuned` is None while nothing can be selected; a guess and the probe have one without parameters. `selected` is the
    number of the configuration, `confirmed` whether its figures come from runs with new seeds. `published` is
    configuration 0, and `start_word` what that is called. `reference` is the published table's row (mean and deviation
    by metric), where this is the corpus that it was published for. `role` and `compared_with` are those of the
    variant's row. `late` counts the search's runs of what is reported that were still getting better at their end.
    `features` are those that its search chose from, where there were several; `layer_weights` those that the reported
    models have learned; `calibration` is theirs, and `set_calibrations` that on each test set, where there are several.
    `sources` are what its test scores vary by, and `incumbents` the path of its search. `n_parameters` and
    `epoch_seconds`, the mean over its epochs, are those of the selected configuration; the one is None where its
    features cannot be read, both while nothing is selected.
    `lacking` are its test figures without each of its modalities, where they were measured.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    tuned: SettingView | None
    published: SettingView | None
    selected: int | None
    confirmed: bool
    cost: CostView
    details: DetailsView | None = None
    nested: NestedView | None = None
    reference: Mapping[str, tuple[float, float]] | None = None
    role: str = "fusion"
    compared_with: tuple[str, ...] = ()
    start_word: str = "published"
    late: LateRuns | None = None
    features: tuple[FeatureView, ...] = ()
    layer_weights: tuple[LayerWeightsView, ...] = ()
    calibration: CalibrationView | None = None
    set_calibrations: Mapping[str, CalibrationView] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    incumbents: tuple[Incumbent, ...] = ()
    n_parameters: int | None = None
    epoch_seconds: float | None = None
    lacking: tuple[LackView, ...] = ()

    @property
    def reads(self) -> str:
        """The modalities that it reads, in words."""
        return in_words(self.modalities)

    @property
    def trained(self) -> bool:
        """Whether a search has trained it."""
        return self.role not in WITHOUT_SEARCH

    @property
    def setting(self) -> str:
        """What the setting in `tuned` is called."""
        return WITHOUT_SEARCH.get(self.role, "tuned")

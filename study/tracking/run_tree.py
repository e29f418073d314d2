"""A study as the tree of runs that a tracker shows: study > configuration > fold run. Names and figures only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from study.protocols import PROTOCOLS
from study.record.events import EpochDone, FoldRun, Phase
from study.record.plan import Plan
from study.record.results import PARTS, ConfigResult, FoldResult, metrics_over_folds, reported_metrics
from study.record.search_name import variant_of
from study.report.metric_view import PartsView, parts_view
from study.tracking.arrivals import Arrivals, History
from study.training.metrics import METRICS
from study.variants import VARIANTS

# The tracker's words for how a run ended. A stopped configuration did not finish, and nothing went wrong.
STATUS = {
    Phase.COMPLETE: "FINISHED",
    Phase.STOPPED: "KILLED",
    Phase.DIVERGED: "FAILED",
    Phase.FAILED: "FAILED",
}


@dataclass(frozen=True)
class Key:
    """A run of the tree: a study's has neither config nor fold, a configuration's has no fold and no seed."""

    variant: str
    config: int | None = None
    fold: int | None = None
    seed: int | None = None

    @property
    def parent(self) -> Key | None:
        """The run that this one belongs under."""
        if self.fold is not None:
            return Key(self.variant, self.config)
        return Key(self.variant) if self.config is not None else None

    @property
    def tags(self) -> dict[str, str]:
        """The key as tags: by them a run is found again, even after a reader renamed it."""
        level = "study" if self.config is None else "config" if self.fold is None else "fold"
        named = {"variant": self.variant, "config": self.config, "fold": self.fold, "seed": self.seed}
        return {"level": level, **{name: str(value) for name, value in named.items() if value is not None}}

    @staticmethod
    def from_tags(tags: Mapping[str, str]) -> Key:
        """The key that `tags` hold."""
        return Key(tags["variant"], *(int(tags[name]) if name in tags else None for name in ("config", "fold", "seed")))


@dataclass(frozen=True)
class Point:
    """One value of a metric: at which step, and how many seconds after the start of its run."""

    name: str
    value: float
    step: int
    after: float


@dataclass(frozen=True)
class RunNode:
    """One run of the tree, with all that a tracker shows of it. Times are seconds since 1970."""

    key: Key
    name: str
    status: str
    started: float
    ended: float
    epochs: int = 0
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()


def study_title(plan: Plan, variant: str) -> str:
    """The name of a study's run: the variant, and the study's own name if the user gave it one."""
    by_default = plan.name.startswith(plan.corpus["name"]) and plan.name.endswith("-".join(plan.variants))
    return variant if by_default else f"{variant} ({plan.name})"


def config_title(key: Key, selected: bool = False) -> str:
    """The name of a configuration's run, for example "cross c003" or "cross c000 published, selected"."""
    start = VARIANTS[variant_of(key.variant)].start_word
    marks = [mark for mark, holds in ((start, key.config == 0), ("selected", selected)) if holds]
    return " ".join([f"{key.variant} c{key.config:03d}", ", ".join(marks)]).strip()


def fold_title(run: FoldRun, one_division: bool = False) -> str:
    """The name of a fold run, for example "fold 2 s1 c003 cross" for new seed 1; "split s1 c003 cross" of one division.

    Short, and what distinguishes it from its siblings first: the page cuts longer names at this depth.
    """
    seed = f" s{run.seed}" if run.seed else ""
    return f"{'split' if one_division else f'fold {run.fold}'}{seed} c{run.config:03d} {run.variant}"


def study_node(variant: str, arrivals: Arrivals, plan: Plan) -> RunNode:
    """The run of one variant's study while it is under way: its terms, not yet its figures."""
    histories = [history for run, history in arrivals.runs.items() if run.variant == variant]
    first = min(history.first for history in histories)
    return RunNode(
        key=Key(variant),
        name=study_title(plan, variant),
        status="RUNNING",
        # When a study is continued, its earlier results all arrive now; the work behind them was before.
        started=first - sum(history.result.seconds for history in histories),
        ended=first,
        params={
            "corpus": plan.corpus["name"],
            "folds": str(len(plan.folds)),
            "metric": plan.metric,
            "max_epochs": str(plan.terms.epochs),
            "study_seed": str(plan.terms.seed),
            **({"warm_start": plan.terms.warm_start} if plan.terms.warm_start else {}),
            **{f"{modality}_encoder": spec for modality, spec in plan.encoders.items()},
        },
        tags={"corpus digest": plan.corpus["digest"][:12]},
    )


def config_nodes(config: ConfigResult, arrivals: Arrivals, plan: Plan) -> Iterator[RunNode]:
    """The runs of one closed configuration: its own, then those of its folds that train no more."""
    histories = arrivals.of_config(config)
    confirmation_lost = any(history.lost for run, history in histories.items() if run.seed)
    ended = {
        run: history for run, history in histories.items() if not run.seed or history.result.ended or confirmation_lost
    }
    started = min((history.started for history in ended.values()), default=0.0)
    epochs = sum(len(history.result.epochs) for history in ended.values())
    seconds = sum(history.result.seconds for history in ended.values())
    yield RunNode(
        key=Key(config.variant, config.number),
        name=config_title(Key(config.variant, config.number)),
        status=STATUS[config.outcome],
        started=started,
        ended=max((history.last for history in ended.values()), default=started),
        epochs=epochs,
        params={name: str(value) for name, value in config.params.items()},
        tags={
            "outcome": config.outcome.value,
            "reason": config.reason,
            **({VARIANTS[variant_of(config.variant)].start_word: "true"} if config.number == 0 else {}),
        },
        points=list(_config_points(config, plan, epochs, seconds)),
    )
    counted = {epoch.run: epoch for epoch in _counted(config, plan.metric)}
    for run, history in ended.items():
        yield _fold_node(run, history, config, plan, counted.get(run))


def search_figures(config: ConfigResult, metric: str) -> dict[str, float]:
    """A configuration's figures in the search, by name in the tracker.

    Means over folds are at the epochs that count. A stopped configuration has them on validation, for
    that is what it was stopped by; test scores of shorter training are no result. A configuration that lost a fold
    has none: no mean is taken over fewer folds.
    """
    parts = {Phase.COMPLETE: PARTS, Phase.STOPPED: ("validation",)}.get(config.outcome, ())
    return named_figures(parts_view({part: metrics_over_folds(config, part, metric) for part in parts}))


def confirmed_figures(config: ConfigResult, metric: str) -> dict[str, float]:
    """The means of a configuration's confirmation runs; none before all of them have ended."""
    return {
        f"{part}_confirmed/{name}_mean": over_folds.mean
        for part in (PARTS if config.confirmed else ())
        for name, over_folds in reported_metrics(config, part, metric).items()
    }


def named_figures(parts: PartsView) -> dict[str, float]:
    """Figures by their names in the tracker: means apart from the rest, since each prefix is a section of its page.

    What is not defined, such as the deviation of a single run, is left out.
    """
    figures: dict[str, float] = {}
    for part, by_metric in parts.items():
        for name, figure in by_metric.items():
            figures[f"{part}/{name}_mean"] = figure.mean
            figures[f"{part}_spread/{name}_std"] = figure.std
            figures[f"{part}_spread/{name}_low"] = figure.low
            figures[f"{part}_spread/{name}_high"] = figure.high
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _config_points(config: ConfigResult, plan: Plan, epochs: int, seconds: float) -> Iterator[Point]:
    """The search's figures never change; of the others, the tracker shows the value with the latest time."""
    [viewed] = PROTOCOLS[plan.terms.protocol].viewed(plan, [config])
    for name, value in search_figures(viewed, plan.metric).items():
        yield Point(name, value, 0, 0.0)
    growing = {**confirmed_figures(config, plan.metric), "epochs": epochs, "seconds": seconds}
    for name, value in growing.items():
        yield Point(name, value, 0, seconds)


def _counted(config: ConfigResult, metric: str) -> Iterator[EpochDone]:
    """The epochs at which fold runs count: those of the search, and of the confirmation once it is complete."""
    yield from config.counted(metric).values()
    if config.confirmed:
        yield from (epoch for epochs in config.reported_epochs(metric).values() for epoch in epochs)


def _fold_node(run: FoldRun, history: History, config: ConfigResult, plan: Plan, counted: EpochDone | None) -> RunNode:
    outcome, reason = _fold_outcome(run, history, config)
    parts = ("test", "validation") if PROTOCOLS[plan.terms.protocol].score_both_blocks else ("test",)
    return RunNode(
        key=Key(run.variant, run.config, run.fold, run.seed),
        name=fold_title(run, PROTOCOLS[plan.terms.protocol].one_division),
        status=STATUS[outcome],
        started=history.started,
        ended=history.started + history.result.seconds,
        epochs=len(history.result.epochs),
        tags={
            "outcome": outcome.value,
            **({"reason": reason} if reason else {}),
            "held out": " and ".join("+".join(plan.folds[run.fold][part]) for part in parts),
        },
        points=list(_fold_points(history.result, counted)),
    )


def _fold_outcome(run: FoldRun, history: History, config: ConfigResult) -> tuple[Phase, str]:
    """How a fold run ended, and why it did not train to its end."""
    if history.lost is not None:
        return history.lost.outcome, history.lost.reason
    if history.result.ended:
        return Phase.COMPLETE, ""
    return Phase.STOPPED, "another confirmation run of the configuration was lost" if run.seed else config.reason


def _fold_points(result: FoldResult, counted: EpochDone | None) -> Iterator[Point]:
    after = 0.0
    for epoch in result.epochs:
        after += epoch.seconds
        yield Point("training/loss", epoch.loss, epoch.epoch, after)
        for part in PARTS:
            for name in METRICS:
                yield Point(f"{part}/{name}", getattr(epoch, part)[name], epoch.epoch, after)
    yield Point("epochs", len(result.epochs), 0, after)
    if counted is not None:
        yield Point("selected_epoch", counted.epoch, 0, after)
        for part in PARTS:
            for name in METRICS:
                yield Point(f"{part}_selected/{name}", getattr(counted, part)[name], 0, after)

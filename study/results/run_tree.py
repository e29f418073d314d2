"""A study as the tree of runs that a tracker shows: study > configuration > fold run. Names and figures only."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from study.results.aggregate import ConfigResult, FoldResult, best_by_validation, metrics_over_folds
from study.results.plan import Plan
from study.results.report import table_rows
from study.training.metrics import METRICS

# The tracker's words for how a run ended. A stopped configuration did not finish, and nothing went wrong.
STATUS = {"complete": "FINISHED", "stopped": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
PARTS = ("validation", "test")
METRIC_NOTE = """
- **WA** accuracy, **UWA** balanced accuracy, **WF1** F1 weighted by support, **UWF1** macro F1.
- On fold runs `test/UWA` is the curve over epochs, and `test/UWA_selected` its value at the epoch with the best \
validation score.
- On configurations `test/UWA_mean`, `_std`, `_low` and `_high` are over folds, at each fold's selected epoch; low and \
high bound the 95 % t interval of the mean.
- On this run they are the selected configuration's, and `published/...` those of the published setting.
- A stopped configuration is KILLED, for the `reason` in its tags, and has no test mean: it was not trained to its end.
"""


@dataclass(frozen=True)
class Key:
    """Which run: a study's run has neither config nor fold, a configuration's has no fold."""

    variant: str
    config: int | None = None
    fold: int | None = None

    @property
    def parent(self) -> "Key | None":
        """The run that this one belongs under."""
        if self.fold is not None:
            return Key(self.variant, self.config)
        return Key(self.variant) if self.config is not None else None

    @property
    def tags(self) -> dict[str, str]:
        """The key as tags: the run is found again by them, whatever a reader renames it to."""
        named = {"variant": self.variant, "config": self.config, "fold": self.fold}
        level = "fold" if self.fold is not None else "config" if self.config is not None else "study"
        return {"level": level, **{name: str(value) for name, value in named.items() if value is not None}}

    @staticmethod
    def of(tags: Mapping[str, str]) -> "Key":
        """The key that `tags` hold."""
        numbers = (int(tags[name]) if name in tags else None for name in ("config", "fold"))
        return Key(tags["variant"], *numbers)


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
    epochs: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[Point]


@dataclass
class Timeline:
    """When the results of one fold run came in. A continued study hands its earlier ones in at once."""

    first: float
    last: float

    def started(self, seconds: float) -> float:
        """The start of a run that trained for `seconds`, pauses aside: never so late that it ends in the future."""
        return min(self.first, self.last - seconds)


@dataclass
class Arrivals:
    """Every record so far and when it came.

    `identity` tells this ledger from every other: its first result, which has its seconds in it. It is empty
    until there is one.
    """

    records: list[Mapping[str, Any]] = field(default_factory=list)
    folds: dict[Key, Timeline] = field(default_factory=dict)
    variants: set[str] = field(default_factory=set)
    identity: str = ""

    def add(self, at: float, record: Mapping[str, Any]) -> bool:
        """Take in one ledger record that came at time `at`; says whether there is something new to show."""
        self.records.append(record)
        if record["kind"] not in ("epoch", "lost"):
            return record["kind"] == "closed"
        if not self.identity:
            self.identity = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
        key = Key(record["variant"], record["config"], record["fold"])
        timeline = self.folds.setdefault(key, Timeline(at - record.get("seconds", 0.0), at))
        timeline.last = at
        is_first = record["variant"] not in self.variants
        self.variants.add(record["variant"])
        return is_first


def study_title(plan: Plan, variant: str) -> str:
    """The name of a study's run: the variant, and the study's own name if the user gave it one."""
    by_default = plan.name.startswith(plan.corpus["name"]) and plan.name.endswith("-".join(plan.variants))
    return variant if by_default else f"{variant} ({plan.name})"


def config_title(variant: str, config: int) -> str:
    """The name of a configuration's run, for example "cross c003"."""
    return f"{variant} c{config:03d}"


def study_node(variant: str, configs: Sequence[ConfigResult], arrivals: Arrivals, plan: Plan) -> RunNode:
    """The run of one variant's search, while it is under way: its terms, not yet its figures."""
    first = min(timeline.first for key, timeline in arrivals.folds.items() if key.variant == variant)
    return RunNode(
        key=Key(variant),
        name=study_title(plan, variant),
        status="RUNNING",
        # Results read again on continuation all came just now; the work behind them was before.
        started=first - sum(config.seconds for config in configs),
        ended=first,
        epochs=0,
        params={
            "corpus": plan.corpus["name"],
            "folds": str(len(plan.folds)),
            "metric": plan.metric,
            "max_epochs": str(plan.epochs),
            "study_seed": str(plan.seed),
            **{f"{modality}_encoder": spec for modality, spec in plan.encoders.items()},
        },
        tags={"corpus digest": plan.corpus["digest"][:12]},
        points=(),
    )


def config_nodes(config: ConfigResult, arrivals: Arrivals, plan: Plan) -> Iterator[RunNode]:
    """The runs of one closed configuration: its own, then its folds'."""
    lost = {
        record["fold"]: record
        for record in arrivals.records
        if record["kind"] == "lost" and (record["variant"], record["config"]) == (config.variant, config.number)
    }
    times = {fold: arrivals.folds[Key(config.variant, config.number, fold)] for fold in {*config.folds, *lost}}
    folds = []
    for fold in sorted(times):
        result = config.folds.get(fold)
        outcome, reason = _fold_outcome(config, result, lost.get(fold))
        folds.append(_fold_node(config, fold, result, times[fold], outcome, reason, plan))
    started = min((node.started for node in folds), default=0.0)
    yield RunNode(
        key=Key(config.variant, config.number),
        name=config_title(config.variant, config.number),
        status=STATUS[config.outcome],
        started=started,
        ended=max((time.last for time in times.values()), default=started),
        epochs=config.epochs_run,
        params={name: str(value) for name, value in config.params.items()},
        tags={
            "outcome": config.outcome,
            "reason": config.reason,
            **({"published": "true"} if config.number == 0 else {}),
        },
        points=[Point(name, value, 0, config.seconds) for name, value in config_figures(config, plan.metric).items()],
    )
    yield from folds


def config_figures(config: ConfigResult, metric: str) -> dict[str, float]:
    """What is said of a configuration as a whole, by metric name.

    Means over folds are at each fold's best validation epoch. A stopped configuration has them on validation,
    for that is what it was stopped by; test scores of shorter training are no result. One that lost a fold has
    none: no mean is taken over fewer folds.
    """
    figures = {"epochs": float(config.epochs_run), "seconds": config.seconds}
    parts = {"complete": PARTS, "stopped": PARTS[:1]}.get(config.outcome, ())
    for part in parts:
        for name, over_folds in metrics_over_folds(config, part, metric).items():
            low, high = over_folds.interval()
            figures |= {
                f"{part}/{name}_mean": over_folds.mean,
                f"{part}_spread/{name}_std": over_folds.std,
                f"{part}_spread/{name}_low": low,
                f"{part}_spread/{name}_high": high,
            }
    return figures


def study_figures(configs: Sequence[ConfigResult], metric: str) -> dict[str, float]:
    """What is said of one variant's search: the selected configuration's figures, the published one's, the budget."""
    outcomes = [config.outcome for config in configs]
    selected = best_by_validation(configs, metric)
    figures = config_figures(selected, metric) if selected else {}
    if configs and configs[0].outcome == "complete":
        for part in PARTS:
            means = metrics_over_folds(configs[0], part, metric)
            figures |= {f"{part}_published/{name}_mean": over_folds.mean for name, over_folds in means.items()}
    return figures | {
        "epochs": float(sum(config.epochs_run for config in configs)),
        "seconds": sum(config.seconds for config in configs),
        "configs": float(len(configs)),
        **{f"configs_{outcome}": float(outcomes.count(outcome)) for outcome in STATUS},
    }


def note(plan: Plan, variant: str, configs: Sequence[ConfigResult], report: Mapping[str, Any] | None) -> str:
    """What a reader of the study's run should know first, in markdown: the main table and what its figures are."""
    outcomes = Counter(config.outcome for config in configs)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    selected = best_by_validation(configs, plan.metric)
    choice = f"c{selected.number:03d} is selected" if selected else "None is selected"
    lines = [
        f"{len(configs)} configurations of **{variant}** on {plan.corpus['name']}, {len(plan.folds)} folds: {counts}. "
        f"{choice}: the best complete one by mean validation {plan.metric}. c000 is the published setting.",
        "",
    ]
    if report is not None:
        lines += ["| variant | setting | part | " + " | ".join(METRICS) + " |", "|---|---|---|" + "---|" * len(METRICS)]
        lines += ["| " + " | ".join(row) + " |" for row in table_rows(report)]
        lines += ["", f"Mean ± standard deviation over folds (n - 1). Protocol: {report['protocol_note']}.", ""]
    return "\n".join(lines) + METRIC_NOTE


def _fold_outcome(config: ConfigResult, result: FoldResult | None, lost: Mapping[str, Any] | None) -> tuple[str, str]:
    if lost is not None:
        return lost["outcome"], lost["reason"]
    if result is not None and result.ended:
        return "complete", ""
    return "stopped", config.reason


def _fold_node(
    config: ConfigResult,
    fold: int,
    result: FoldResult | None,
    times: Timeline,
    outcome: str,
    reason: str,
    plan: Plan,
) -> RunNode:
    epochs = result.epochs if result else []
    seconds = sum(epoch["seconds"] for epoch in epochs)
    started = times.started(seconds)
    return RunNode(
        key=Key(config.variant, config.number, fold),
        name=f"{config_title(config.variant, config.number)} fold {fold}",
        status=STATUS[outcome],
        started=started,
        ended=started + seconds,
        epochs=len(epochs),
        params={},
        tags={
            "outcome": outcome,
            **({"reason": reason} if reason else {}),
            **({"seed": str(result.run.seed)} if result else {}),
            "held out": "+".join(plan.folds[fold]["test"]),
        },
        points=list(_fold_points(result, plan.metric)) if result else [],
    )


def _fold_points(result: FoldResult, metric: str) -> Iterator[Point]:
    after = 0.0
    for epoch in result.epochs:
        after += epoch["seconds"]
        yield Point("training/loss", epoch["loss"], epoch["epoch"], after)
        for part in PARTS:
            for name in METRICS:
                yield Point(f"{part}/{name}", epoch[part][name], epoch["epoch"], after)
    best = result.best(metric)
    yield Point("selected_epoch", best["epoch"], 0, after)
    yield Point("epochs", len(result.epochs), 0, after)
    yield Point("seconds", after, 0, after)
    for part in PARTS:
        for name in METRICS:
            yield Point(f"{part}_selected/{name}", best[part][name], 0, after)

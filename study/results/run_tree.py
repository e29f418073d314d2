"""A study as the tree of runs that a tracker shows: study > configuration > fold run. Names and figures only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from study.results.aggregate import ConfigResult, FoldResult, metrics_over_folds, reported_metrics
from study.results.arrivals import Arrivals, History, Key
from study.results.plan import Plan
from study.results.selection import viewed
from study.training.metrics import METRICS

# The tracker's words for how a run ended. A stopped configuration did not finish, and nothing went wrong.
STATUS = {"complete": "FINISHED", "stopped": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
PARTS = ("test", "validation")


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
    marks = [mark for mark, holds in (("published", key.config == 0), ("selected", selected)) if holds]
    return " ".join([f"{key.variant} c{key.config:03d}", ", ".join(marks)]).strip()


def study_node(variant: str, arrivals: Arrivals, plan: Plan) -> RunNode:
    """The run of one variant's study while it is under way: its terms, not yet its figures."""
    histories = [history for key, history in arrivals.runs.items() if key.variant == variant]
    first = min(history.first for history in histories)
    return RunNode(
        key=Key(variant),
        name=study_title(plan, variant),
        status="RUNNING",
        # Results read again on continuation all came just now; the work behind them was before.
        started=first - sum(history.seconds for history in histories),
        ended=first,
        params={
            "corpus": plan.corpus["name"],
            "folds": str(len(plan.folds)),
            "metric": plan.metric,
            "max_epochs": str(plan.epochs),
            "study_seed": str(plan.seed),
            **{f"{modality}_encoder": spec for modality, spec in plan.encoders.items()},
        },
        tags={"corpus digest": plan.corpus["digest"][:12]},
    )


def config_nodes(config: ConfigResult, arrivals: Arrivals, plan: Plan) -> Iterator[RunNode]:
    """The runs of one closed configuration: its own, then those of its folds that train no more."""
    key = Key(config.variant, config.number)
    histories = arrivals.under(key)
    confirming_lost = any(history.lost for run, history in histories.items() if run.seed)
    folds = [
        _fold_node(run, history, config, plan)
        for run, history in histories.items()
        if not run.seed or history.result.ended or confirming_lost
    ]
    started = min((node.started for node in folds), default=0.0)
    seconds = sum(histories[node.key].seconds for node in folds)
    epochs = sum(node.epochs for node in folds)
    # The search's figures never change; of the others, the value with the latest time is the one shown.
    [seen] = viewed(plan, [config])
    points = [Point(name, value, 0, 0.0) for name, value in search_figures(seen, plan.metric).items()]
    growing = {**fresh_figures(config, plan.metric), "epochs": epochs, "seconds": seconds}
    points += [Point(name, value, 0, seconds) for name, value in growing.items()]
    yield RunNode(
        key=key,
        name=config_title(key),
        status=STATUS[config.outcome],
        started=started,
        ended=max((histories[node.key].last for node in folds), default=started),
        epochs=epochs,
        params={name: str(value) for name, value in config.params.items()},
        tags={
            "outcome": config.outcome,
            "reason": config.reason,
            **({"published": "true"} if config.number == 0 else {}),
        },
        points=points,
    )
    yield from folds


def search_figures(config: ConfigResult, metric: str) -> dict[str, float]:
    """What the search says of a configuration as a whole, by metric name.

    Means over folds are at each fold's best validation epoch. A stopped configuration has them on validation,
    for that is what it was stopped by; test scores of shorter training are no result. One that lost a fold has
    none: no mean is taken over fewer folds.
    """
    parts = {"complete": PARTS, "stopped": PARTS[1:]}.get(config.outcome, ())
    spreads = {}
    for part in parts:
        for name, over_folds in metrics_over_folds(config, part, metric).items():
            low, high = over_folds.interval()
            spreads[part, name] = {"mean": over_folds.mean, "std": over_folds.std, "low": low, "high": high}
    return named_figures(spreads)


def fresh_figures(config: ConfigResult, metric: str) -> dict[str, float]:
    """The means of the runs that confirm a configuration with fresh seeds; none before all of them have ended."""
    return {
        f"{part}_fresh/{name}_mean": over_folds.mean
        for part in (PARTS if config.confirmed else ())
        for name, over_folds in reported_metrics(config, part, metric).items()
    }


def named_figures(spreads: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, float]:
    """Spreads by (part, metric) as tracked metrics: means apart from the rest, since each prefix is a page section."""
    means = {f"{part}/{name}_mean": spread["mean"] for (part, name), spread in spreads.items()}
    rest = {
        f"{part}_spread/{name}_{what}": spread[what]
        for (part, name), spread in spreads.items()
        for what in ("std", "low", "high")
    }
    return means | rest


def _fold_node(key: Key, history: History, config: ConfigResult, plan: Plan) -> RunNode:
    if history.lost is not None:
        outcome, reason = history.lost["outcome"], history.lost["reason"]
    elif history.result.ended:
        outcome, reason = "complete", ""
    else:
        outcome, reason = (
            "stopped",
            config.reason if not key.seed else "another fresh run of the configuration was lost",
        )
    seed = f" seed {key.seed}" if key.seed else ""
    held_out = PARTS if plan.protocol == "nested" else PARTS[:1]
    assert key.fold is not None
    return RunNode(
        key=key,
        # What tells it from its siblings comes first: the page cuts names short at this depth.
        name=f"fold {key.fold}{seed} of {key.variant} c{key.config:03d}",
        status=STATUS[outcome],
        started=history.started,
        ended=history.started + history.seconds,
        epochs=len(history.result.epochs),
        tags={
            "outcome": outcome,
            **({"reason": reason} if reason else {}),
            "held out": " and ".join("+".join(plan.folds[key.fold][part]) for part in held_out),
        },
        points=list(_fold_points(history.result, plan.metric)),
    )


def _fold_points(result: FoldResult, metric: str) -> Iterator[Point]:
    after = 0.0
    for epoch in result.epochs:
        after += epoch["seconds"]
        yield Point("training/loss", epoch["loss"], epoch["epoch"], after)
        for part in PARTS:
            for name in METRICS:
                yield Point(f"{part}/{name}", epoch[part][name], epoch["epoch"], after)
    yield Point("epochs", len(result.epochs), 0, after)
    if result.epochs:
        best = result.best(metric)
        yield Point("selected_epoch", best["epoch"], 0, after)
        for part in PARTS:
            for name in METRICS:
                yield Point(f"{part}_selected/{name}", best[part][name], 0, after)

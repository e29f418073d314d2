"""What a variant's search comes to: the selected configuration, its figures, and the runs that they are from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from study.record.divisions import block_name
from study.record.events import FoldRun, Phase
from study.record.plan import Plan
from study.record.results import (
    PARTS,
    ConfigResult,
    Figures,
    candidates,
    metrics_over_runs,
    reported_metrics,
    selected,
)
from study.record.search_variance import Choice


@dataclass(frozen=True)
class Use:
    """The predictions of a run after `epoch` that are reported: of its test part, or `swapped` of the other.

    `block` is what it tests.
    """

    run: FoldRun
    epoch: int
    block: str
    swapped: bool = False


@dataclass(frozen=True)
class NestedFigures:
    """What protocol nested adds: the choice for every test block, by its name, and one shared choice beside them.

    `optimism` is the shared choice's mean test score minus that of the nested choices, by metric.
    """

    choices: dict[str, int | None]
    shared: Figures
    optimism: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """One variant's outcome.

    `config` is the configuration to go on with. `figures` are those of the tuned variant, by part and metric, and
    `published` those of configuration 0. Under protocol nested, `figures` are those of the choices that never saw
    what they are tested on.
    """

    config: ConfigResult
    figures: Figures
    published: Figures | None
    uses: tuple[Use, ...]
    nested: NestedFigures | None = None

    @property
    def is_published(self) -> bool:
        """Whether what was tuned is the published setting itself."""
        return set(self.nested.choices.values() if self.nested else [self.config.number]) == {0}


def shared_outcome(plan: Plan, configs: Sequence[ConfigResult]) -> Outcome | None:
    """The outcome under protocol shared: one configuration for all folds; None while none is complete."""
    best = selected(configs, plan.metric, plan.terms.finalists)
    if best is None:
        return None
    published = _reported(plan, configs[0]) if configs[0].outcome is Phase.COMPLETE else None
    return Outcome(best, _reported(plan, best), published, reported_uses(plan, best))


def split_outcome(plan: Plan, configs: Sequence[ConfigResult]) -> Outcome | None:
    """The outcome under protocol split: as under shared, but of one fold, so figures are over its runs."""
    found = shared_outcome(plan, configs)
    if found is None:
        return None
    published = None if found.published is None else _over_runs(plan, configs[0])
    return replace(found, figures=_over_runs(plan, found.config), published=published)


def reported_uses(plan: Plan, config: ConfigResult) -> tuple[Use, ...]:
    """The runs of a complete configuration that are reported, each at the epoch at which it counts."""
    return tuple(
        Use(epoch.run, epoch.epoch, block_name(plan.folds[fold].get("test", ())))
        for fold, epochs in config.reported_epochs(plan.metric).items()
        for epoch in epochs
    )


def shared_members(plan: Plan, outcome: Outcome) -> tuple[Use, ...]:
    """The runs whose models stand for the variant elsewhere: those that are reported."""
    return outcome.uses


def shared_choices(plan: Plan, configs: Sequence[ConfigResult]) -> list[Choice]:
    """The one choice of protocol shared."""
    return [choice_among(configs, plan.metric)]


def choice_among(configs: Sequence[ConfigResult], metric: str) -> Choice:
    """The choice among complete configurations by all their folds."""
    by_number = {config.number: config for config in configs}
    found = tuple(candidates(configs, metric))
    tests = {each.number: reported_metrics(by_number[each.number], "test", metric) for each in found}
    means = {number: {name: spread.mean for name, spread in test.items()} for number, test in tests.items()}
    return Choice(found, means)


def as_they_are(plan: Plan, configs: Sequence[ConfigResult]) -> list[ConfigResult]:
    """The configurations as pictures and means over folds of protocol shared read them."""
    return list(configs)


def _over_runs(plan: Plan, config: ConfigResult) -> Figures:
    return {part: metrics_over_runs(config, part, plan.metric) for part in PARTS}


def _reported(plan: Plan, config: ConfigResult) -> Figures:
    return {part: reported_metrics(config, part, plan.metric) for part in PARTS}

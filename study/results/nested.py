"""The figures of a study under protocol nested: every block of sessions is tested with a choice of its own.

A run holds out a pair of blocks and is read both ways: tested on the first and judged on the second, and the other
way round. What is tested on a block was chosen without a score on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from study.results.aggregate import ConfigResult, FoldResult, Record, Spread, spread
from study.results.plan import Plan
from study.training.metrics import METRICS

PARTS = ("validation", "test")
Figures = dict[str, dict[str, Spread]]


@dataclass(frozen=True)
class Role:
    """One of the two uses of the run of `fold`: block `outer` is tested, block `judged` judges."""

    outer: int
    judged: int
    fold: int

    @property
    def mirrored(self) -> bool:
        """Whether the fold's parts change places: its test part is the earlier block of the pair."""
        return self.judged < self.outer


@dataclass(frozen=True)
class NestedResult:
    """The choice for every tested block, and the one for all of them together; seen `by_role`."""

    choices: tuple[ConfigResult | None, ...]
    shared: ConfigResult | None

    @property
    def whole(self) -> list[ConfigResult] | None:
        """The choices, if there is one for every block."""
        chosen = [config for config in self.choices if config is not None]
        return chosen if len(chosen) == len(self.choices) else None


def tested_blocks(plan: Plan) -> list[tuple[str, ...]]:
    """The groups of every block that is tested, each block once."""
    parts = ("test", "validation") if plan.protocol == "nested" else ("test",)
    return list(dict.fromkeys(tuple(fold[part]) for part in parts for fold in plan.folds))


def divisions(plan: Plan) -> list[Mapping[str, Any]]:
    """What was tested, judged and trained together: the folds, under protocol nested both ways."""
    if plan.protocol != "nested":
        return list(plan.folds)
    return [*plan.folds, *({**fold, "test": fold["validation"], "validation": fold["test"]} for fold in plan.folds)]


def roles(plan: Plan) -> list[Role]:
    """Both uses of every run, by tested block and judging block."""
    number = {block: place for place, block in enumerate(tested_blocks(plan))}
    found = []
    for fold, division in enumerate(plan.folds):
        first, second = (number[tuple(division[part])] for part in ("test", "validation"))
        found += [Role(first, second, fold), Role(second, first, fold)]
    return sorted(found, key=lambda role: (role.outer, role.judged))


def by_role(config: ConfigResult, plan: Plan) -> ConfigResult:
    """The configuration with a fold for every role in the order of `roles`, so that each session is tested equally."""
    folds = {
        place: _in_role(config.folds[role.fold], role)
        for place, role in enumerate(roles(plan))
        if role.fold in config.folds
    }
    return replace(config, folds=folds)


def nested_result(configs: Sequence[ConfigResult], plan: Plan) -> NestedResult:
    """What the scores select. For a block, only configurations that its own race trained to the end count."""
    viewed = [by_role(config, plan) for config in configs]
    n_blocks = len(tested_blocks(plan))
    choices = tuple(_choice(viewed, outer, plan) for outer in range(n_blocks))
    for_all = [config for config in viewed if complete_for_all(config, plan)]
    shared = max(for_all, key=lambda config: (config.validation_score(plan.metric), -config.number), default=None)
    return NestedResult(choices, shared)


def complete_for_all(config: ConfigResult, plan: Plan) -> bool:
    """Whether every block could select it."""
    return all(config.judged.get(outer) == "complete" for outer in range(len(tested_blocks(plan))))


def figures(choices: Sequence[ConfigResult], plan: Plan) -> Figures:
    """The four metrics by part over tested blocks, given the configuration (seen `by_role`) that each is tested with.

    A block's value is the mean over the runs that hold it out, each at the epoch that its other block judges best.
    """
    best = [[config.folds[at].best(plan.metric) for at in _places(outer, plan)] for outer, config in enumerate(choices)]
    return {
        part: {name: spread([fmean(epoch[part][name] for epoch in epochs) for epochs in best]) for name in METRICS}
        for part in PARTS
    }


def nested_data(result: NestedResult, plan: Plan, as_json: Callable[[Spread], Any]) -> dict[str, Any]:
    """What the report says of it: the choices, both selections' figures, and the difference on test."""
    names = ["+".join(block) for block in tested_blocks(plan)]
    data: dict[str, Any] = {
        "choices": {
            name: None if config is None else config.number for name, config in zip(names, result.choices, strict=True)
        },
        **dict.fromkeys(PARTS),
        "shared": None,
        "optimism": None,
    }
    if result.whole is None or result.shared is None:
        return data
    nested, shared = figures(result.whole, plan), figures([result.shared] * len(names), plan)
    data |= {part: {name: as_json(nested[part][name]) for name in METRICS} for part in PARTS}
    data["shared"] = {part: {name: as_json(shared[part][name]) for name in METRICS} for part in PARTS}
    data["optimism"] = {name: shared["test"][name].mean - nested["test"][name].mean for name in METRICS}
    return data


def _choice(viewed: Sequence[ConfigResult], outer: int, plan: Plan) -> ConfigResult | None:
    places = _places(outer, plan)

    def score(config: ConfigResult) -> float:
        return fmean(config.folds[at].best(plan.metric)["validation"][plan.metric] for at in places)

    complete = [config for config in viewed if config.judged.get(outer) == "complete"]
    return max(complete, key=lambda config: (score(config), -config.number), default=None)


def _places(outer: int, plan: Plan) -> list[int]:
    """The folds of `by_role` in which block `outer` is tested."""
    return [place for place, role in enumerate(roles(plan)) if role.outer == outer]


def _in_role(result: FoldResult, role: Role) -> FoldResult:
    return FoldResult(result.run, [_mirrored(epoch) for epoch in result.epochs]) if role.mirrored else result


def _mirrored(epoch: Record) -> Record:
    return {**epoch, "validation": epoch["test"], "test": epoch["validation"]}

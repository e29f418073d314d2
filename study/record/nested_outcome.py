"""The outcome under protocol nested: every block of sessions is tested with a choice of its own.

A run holds out a pair of blocks and is used twice, once with each as test. What is tested on a block was chosen
without a score on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from study.record.divisions import Role, block_name, blocks_of, folds_and_swapped, roles
from study.record.events import EpochDone, Phase
from study.record.outcome import NestedFigures, Outcome, Use
from study.record.plan import Plan
from study.record.results import PARTS, ConfigResult, Figures, FoldResult, spread
from study.record.search_variance import Choice
from study.record.selection import Candidate, select
from study.training.metrics import METRICS


@dataclass(frozen=True)
class NestedChoices:
    """The choice for every test block, and the one for all of them together; seen `by_role`."""

    blocks: tuple[ConfigResult | None, ...]
    shared: ConfigResult | None


def nested_outcome(plan: Plan, configs: Sequence[ConfigResult]) -> Outcome | None:
    """The outcome of a variant; None while a block has no choice, or no configuration is complete for all."""
    choices = nested_choices(configs, plan)
    chosen = [config for config in choices.blocks if config is not None]
    if choices.shared is None or len(chosen) < len(choices.blocks):
        return None
    first = by_role(configs[0], plan)
    nested, shared = figures(chosen, plan), figures([choices.shared] * len(chosen), plan)
    return Outcome(
        choices.shared,
        nested,
        figures([first] * len(chosen), plan) if complete_for_all(first, plan) else None,
        tuple(_uses(plan, choices)),
        NestedFigures(
            dict(zip(_block_names(plan), (config.number for config in chosen), strict=True)),
            shared,
            {name: shared["test"][name].mean - nested["test"][name].mean for name in METRICS},
        ),
    )


def whole_members(plan: Plan, outcome: Outcome) -> tuple[Use, ...]:
    """The runs whose models stand for the variant elsewhere: those of the one shared choice, each in its first use.

    A run that serves twice is one model; what it does swapped would be that model once more.
    """
    names, counted = _block_names(plan), outcome.config.counted(plan.metric)
    return tuple(
        Use(counted[place].run, counted[place].epoch, names[role.test_block])
        for place, role in enumerate(roles(plan))
        if not role.swapped
    )


def nested_choices(configs: Sequence[ConfigResult], plan: Plan) -> NestedChoices:
    """What the scores select. For a block, only configurations that its own race trained to the end count."""
    viewed = [by_role(config, plan) for config in configs]
    blocks = range(len(_block_names(plan)))
    shared = _selected([config for config in viewed if complete_for_all(config, plan)], blocks, plan)
    return NestedChoices(tuple(_choice(viewed, block, plan) for block in blocks), shared)


def block_choices(plan: Plan, configs: Sequence[ConfigResult]) -> list[Choice]:
    """The choice of every test block: what its own race trained to the end, by scores on other blocks."""
    viewed = [by_role(config, plan) for config in configs]
    return [_block_choice(viewed, block, plan) for block in range(len(_block_names(plan)))]


def seen_by_role(plan: Plan, configs: Sequence[ConfigResult]) -> list[ConfigResult]:
    """The configurations as pictures and means over folds read them: by role, so that all sessions count equally.

    Only what every block could select is complete: means over runs of different lengths are no final scores.
    """
    partly = {c.number for c in configs if c.outcome is Phase.COMPLETE and not complete_for_all(c, plan)}
    viewed = (by_role(config, plan) for config in configs)
    return [replace(c, outcome=Phase.STOPPED) if c.number in partly else c for c in viewed]


def by_role(config: ConfigResult, plan: Plan) -> ConfigResult:
    """The configuration with a fold for every role in the order of `roles`, so that each session is tested equally.

    Those that test one block are read together: no score on that block takes part in the choice of their epoch.
    """
    folds = {
        place: _in_role(config.folds[role.fold], role)
        for place, role in enumerate(roles(plan))
        if role.fold in config.folds
    }
    together = [_places(block, plan) for block in range(len(_block_names(plan)))]
    return replace(config, folds=folds, together=together)


def complete_for_all(config: ConfigResult, plan: Plan) -> bool:
    """Whether every block could select it."""
    return all(config.block_outcomes.get(block) is Phase.COMPLETE for block in range(len(_block_names(plan))))


def figures(choices: Sequence[ConfigResult], plan: Plan) -> Figures:
    """The four metrics by part over test blocks, given the configuration (seen `by_role`) that each is tested with.

    A block's value is the mean over the runs that hold it out, at the epochs that count for it.
    """
    counted = [counted_for(block, config, plan) for block, config in enumerate(choices)]
    return {
        part: {
            name: spread([fmean(getattr(epoch, part)[name] for epoch in epochs.values()) for epochs in counted])
            for name in METRICS
        }
        for part in PARTS
    }


def counted_for(block: int, config: ConfigResult, plan: Plan) -> dict[int, EpochDone]:
    """By place in `by_role`, the epochs at which the runs that test a block count."""
    counted = config.counted(plan.metric)
    return {place: counted[place] for place in _places(block, plan)}


def _block_choice(viewed: Sequence[ConfigResult], block: int, plan: Plan) -> Choice:
    best = {config.number: counted_for(block, config, plan).values() for config in _complete(viewed, block)}
    return Choice(
        tuple(
            Candidate(number, fmean(epoch.validation[plan.metric] for epoch in epochs))
            for number, epochs in best.items()
        ),
        {
            number: {name: fmean(epoch.test[name] for epoch in epochs) for name in METRICS}
            for number, epochs in best.items()
        },
    )


def _choice(viewed: Sequence[ConfigResult], block: int, plan: Plan) -> ConfigResult | None:
    return _selected(_complete(viewed, block), [block], plan)


def _complete(viewed: Sequence[ConfigResult], block: int) -> list[ConfigResult]:
    """The configurations that the race of a block trained to the end."""
    return [config for config in viewed if config.block_outcomes.get(block) is Phase.COMPLETE]


def _selected(complete: Sequence[ConfigResult], blocks: Sequence[int], plan: Plan) -> ConfigResult | None:
    """The best of the `complete` ones by its mean over test `blocks` of the validation scores that count."""

    def score(config: ConfigResult) -> float:
        counted = (counted_for(block, config, plan).values() for block in blocks)
        return fmean(fmean(epoch.validation[plan.metric] for epoch in epochs) for epochs in counted)

    number = select([Candidate(config.number, score(config)) for config in complete])
    return next((config for config in complete if config.number == number), None)


def _uses(plan: Plan, choices: NestedChoices) -> Iterator[Use]:
    """The runs that tested a block with the configuration chosen for it."""
    names = _block_names(plan)
    for place, role in enumerate(roles(plan)):
        config = choices.blocks[role.test_block]
        if config is not None:
            epoch = config.counted(plan.metric)[place]
            yield Use(epoch.run, epoch.epoch, names[role.test_block], role.swapped)


def _block_names(plan: Plan) -> list[str]:
    return [block_name(block) for block in blocks_of(folds_and_swapped(plan))]


def _places(block: int, plan: Plan) -> list[int]:
    """The folds of `by_role` in which a block is tested."""
    return [place for place, role in enumerate(roles(plan)) if role.test_block == block]


def _in_role(result: FoldResult, role: Role) -> FoldResult:
    return result.swapped() if role.swapped else result

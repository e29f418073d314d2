"""What a study selects and with which figures, whatever its protocol."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from study.results.aggregate import ConfigResult, Spread, best_by_validation, reported_metrics
from study.results.ledger import FoldRun
from study.results.nested import (
    PARTS,
    Figures,
    NestedResult,
    by_role,
    complete_for_all,
    figures,
    nested_data,
    nested_result,
    roles,
    tested_blocks,
)
from study.results.plan import Plan


@dataclass(frozen=True)
class Use:
    """A run whose predictions are reported, of its test part or `mirrored` of the other; `block` is what it tests."""

    run: FoldRun
    block: str
    mirrored: bool = False


@dataclass(frozen=True)
class Selection:
    """One variant's outcome.

    `config` is the configuration to go on with. `figures` are those of the tuned variant, by part and metric, and
    `published` those of configuration 0. Under protocol nested, `figures` are those of the choices that never saw
    what they are tested on, and `nested` has more of them.
    """

    config: ConfigResult
    figures: Figures
    published: Figures | None
    uses: tuple[Use, ...]
    nested: dict[str, Any] | None = None


def selection(plan: Plan, configs: Sequence[ConfigResult]) -> Selection | None:
    """What is selected of a variant's configurations; None while nothing can be."""
    if plan.protocol == "nested":
        return _nested(plan, configs)
    best = best_by_validation(configs, plan.metric)
    if best is None:
        return None
    published = _reported(plan, configs[0]) if configs[0].outcome == "complete" else None
    uses = (
        Use(result.run, "+".join(plan.folds[fold].get("test", ())))
        for fold, results in best.reported().items()
        for result in results
    )
    return Selection(best, _reported(plan, best), published, tuple(uses))


def viewed(plan: Plan, configs: Sequence[ConfigResult]) -> list[ConfigResult]:
    """The configurations as pictures and means over folds should see them.

    Under protocol nested they are seen by role, and only what every block could select is complete: means over runs
    of different lengths are no final scores.
    """
    if plan.protocol != "nested":
        return list(configs)
    partly = {c.number for c in configs if c.outcome == "complete" and not complete_for_all(c, plan)}
    roles_of = (by_role(config, plan) for config in configs)
    return [replace(c, outcome="stopped") if c.number in partly else c for c in roles_of]


def as_figures(spreads: Mapping[str, Spread]) -> dict[str, Any]:
    """A part's figures, ready for JSON."""
    return {name: as_figure(value) for name, value in spreads.items()}


def as_figure(value: Spread) -> dict[str, Any]:
    """A metric's mean, deviation, values and interval, ready for JSON."""
    low, high = value.interval()
    return {"mean": value.mean, "std": value.std, "folds": value.folds, "low": low, "high": high}


def _nested(plan: Plan, configs: Sequence[ConfigResult]) -> Selection | None:
    result = nested_result(configs, plan)
    if result.shared is None or result.whole is None:
        return None
    first = by_role(configs[0], plan)
    blocks = len(tested_blocks(plan))
    return Selection(
        result.shared,
        figures(result.whole, plan),
        figures([first] * blocks, plan) if complete_for_all(first, plan) else None,
        tuple(_uses(plan, result)),
        nested_data(result, plan, as_figure),
    )


def _uses(plan: Plan, result: NestedResult) -> Iterator[Use]:
    """The runs that tested a block with the configuration chosen for it."""
    names = ["+".join(block) for block in tested_blocks(plan)]
    for role in roles(plan):
        config = result.choices[role.outer]
        if config is not None:
            yield Use(FoldRun(config.variant, config.number, role.fold), names[role.outer], role.mirrored)


def _reported(plan: Plan, config: ConfigResult) -> Figures:
    return {part: reported_metrics(config, part, plan.metric) for part in PARTS}

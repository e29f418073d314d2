"""The guessing baseline: what each class guessed with equal probability scores, over many draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from study.protocols import PROTOCOLS
from study.record.divisions import blocks_of
from study.record.plan import Plan
from study.record.results import Spread, spread
from study.seeding import derived_seed
from study.training.metrics import METRICS, score_confusion

DRAWS = 2000


def guess_scores(plan: Plan, part: str) -> dict[str, Spread]:
    """The four metrics of a uniform guess on `part` ("validation" or "test") of every fold.

    Where a protocol reads runs both ways, every block is either part, so there are as many values as blocks.

    A fold's value is the mean over many draws, so the deviation over folds is that of the folds' class counts and
    not of one lucky guess.
    """
    generator = np.random.default_rng(derived_seed(plan.terms.seed, "random", part))
    return _guessed(plan, _held_out(plan, part), generator)


def guess_on(plan: Plan, group: str) -> dict[str, Spread]:
    """The four metrics of a uniform guess on one group, such as a test set."""
    return _guessed(plan, [(group,)], np.random.default_rng(derived_seed(plan.terms.seed, "random", "on", group)))


def _guessed(plan: Plan, blocks: Sequence[tuple[str, ...]], generator: np.random.Generator) -> dict[str, Spread]:
    uniform = np.full(len(plan.classes), 1 / len(plan.classes))
    values: dict[str, list[float]] = {name: [] for name in METRICS}
    for held_out in blocks:
        counts = Counter(each["label"] for each in plan.utterances if each["group"] in held_out)
        confusions = np.stack(
            [generator.multinomial(counts[name], uniform, size=DRAWS) for name in plan.classes], axis=1
        )  # [draws, true, predicted]
        scores = score_confusion(confusions)
        for name in METRICS:
            values[name].append(float(scores[name].mean()))
    return {name: spread(folds) for name, folds in values.items()}


def _held_out(plan: Plan, part: str) -> list[tuple[str, ...]]:
    """The groups that are scored as `part`, one entry for each value."""
    protocol = PROTOCOLS[plan.terms.protocol]
    if protocol.score_both_blocks:
        return blocks_of(protocol.divisions(plan))
    return [tuple(division[part]) for division in protocol.divisions(plan)]

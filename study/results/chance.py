"""The random baseline: what guessing each class with the same probability scores, over many draws."""

from collections import Counter

import numpy as np

from study.results.aggregate import Spread, spread
from study.results.nested import tested_blocks
from study.results.plan import Plan
from study.training.metrics import METRICS, score_confusion
from study.training.seeding import derived_seed

DRAWS = 2000


def random_scores(plan: Plan, part: str) -> dict[str, Spread]:
    """The four metrics of a uniform guesser on `part` ("validation" or "test") of every fold.

    Under protocol nested every block is either, so there are as many values as blocks.

    A fold's value is the mean over many draws, so the deviation over folds is that of the folds' class counts and
    not of one lucky guess.
    """
    generator = np.random.default_rng(derived_seed(plan.seed, "random", part))
    values: dict[str, list[float]] = {name: [] for name in METRICS}
    held_out_parts = tested_blocks(plan) if plan.protocol == "nested" else [fold[part] for fold in plan.folds]
    for held_out in held_out_parts:
        counts = Counter(u["label"] for u in plan.utterances if u["group"] in held_out)
        uniform = np.full(len(plan.classes), 1 / len(plan.classes))
        confusions = np.stack(
            [generator.multinomial(counts[name], uniform, size=DRAWS) for name in plan.classes], axis=1
        )  # [draws, true, predicted]
        scores = score_confusion(confusions)
        for name in METRICS:
            values[name].append(float(scores[name].mean()))
    return {name: spread(folds) for name, folds in values.items()}

"""How much of a variant's test score is the luck of its search: the bootstrap of its configurations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

import numpy as np

from study.record.selection import Candidate, select
from study.training.metrics import METRICS

DRAWS = 200
# A search of fewer configurations is no guide to what another one would find; see `python -m benchmarks.inference`.
FEWEST_CONFIGS = 16


@dataclass(frozen=True)
class Choice:
    """One selection of a study: the candidates, and what each would report: its mean test score by number and metric.

    Protocol shared makes one for a variant, protocol nested one for every test block.
    """

    candidates: tuple[Candidate, ...]
    test: Mapping[int, Mapping[str, float]]


def search_variance(
    choices: Sequence[Choice], tried: Iterable[int], n_finalists: int, seed: int, draws: int = DRAWS
) -> dict[str, float]:
    """By metric, the variance of the reported test score over searches that might have been.

    Every draw takes as many of the configurations that were `tried` as there are, with replacement, and the study's
    own rule selects among those of them that are complete. What a draw's finalists would have scored with new seeds is
    known of those that were finalists; where it is not known of one, the rule goes by the search alone. The value of a
    draw is the mean test score of its selections; a draw that leaves nothing to select is left out.

    Two draws select the same configuration about every second time and two searches hardly ever do, so where validation
    scores are unrelated to test scores this is about half of the true variance. Few degrees of freedom make up for it:
    `python -m benchmarks.inference`.

    nan where a choice has fewer than two candidates: nothing measures the luck then.

    Args:
        choices: what was selected among; candidates are among those `tried`.
        tried: numbers of all configurations whose search is over, also the stopped and the lost.
        n_finalists: of the study's confirmation.
        seed: of the draws.
        draws: how many.

    Source: Bouthillier et al., Accounting for variance in machine learning benchmarks, MLSys 2021 (hyperparameter
        optimisation as a source of variance); here bootstrapped from one search.
    """
    numbers = np.array(sorted(tried))
    values: dict[str, list[float]] = {name: [] for name in METRICS}
    if not choices or min(len(choice.candidates) for choice in choices) < 2:
        return dict.fromkeys(METRICS, math.nan)
    for drawn in np.random.default_rng(seed).choice(numbers, (draws, len(numbers))).tolist():
        kept = set(drawn)
        tests = [test for choice in choices if (test := _reported(choice, kept, n_finalists)) is not None]
        if len(tests) == len(choices):
            for name in METRICS:
                values[name].append(fmean(test[name] for test in tests))
    return {name: variance(found) if len(found) > 1 else math.nan for name, found in values.items()}


def _reported(choice: Choice, kept: set[int], n_finalists: int) -> Mapping[str, float] | None:
    """The test scores of what is selected among the candidates that are `kept`."""
    number = select([each for each in choice.candidates if each.number in kept], n_finalists)
    return None if number is None else choice.test[number]

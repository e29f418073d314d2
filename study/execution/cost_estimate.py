"""Estimates the cost of a study from one epoch of each variant's published setting; no results are kept."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from study.execution.fold_runner import data_of_fold
from study.record.plan import Plan
from study.samplers.proposer import configuration, published_params
from study.search.policies import POLICIES
from study.searches import new_search, rules_of
from study.training import checkpoint
from study.training.loop import begin, train_fold
from study.variants import VARIANTS

LEDGER_LINE = 700  # bytes of an epoch's record


@dataclass(frozen=True)
class Cost:
    """The expected cost of one variant: worker `seconds` and bytes on `disk` are totals over its searches."""

    variant: str
    seconds_per_epoch: float
    epochs: float
    seconds: float
    disk: float


def expected_cost(plan: Plan, variant: str) -> Cost:
    """The cost of a variant's searches: an epoch of the published setting on fold 0 times the expected number of them.

    The second epoch is timed, since the first also reads the features from disk.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds, size = _measure(plan, variant)
    finally:
        torch.set_num_threads(threads)
    epochs = plan.terms.n_searches * new_search(plan).expected_epochs()
    policy, rules = POLICIES[plan.terms.policy], rules_of(plan)
    # Checkpoints stay for paused runs and the selected configuration; two thirds of all configurations wait, under a
    # policy that promotes later on their first folds.
    waiting = 1 if policy.in_order else len(policy.stages(rules, 1)[0].folds)
    kept = plan.terms.n_searches * size * waiting * max(1, rules.n_configs * 2 // 3)
    return Cost(variant, seconds, epochs, epochs * seconds, kept + LEDGER_LINE * epochs)


def _measure(plan: Plan, variant: str) -> tuple[float, int]:
    """Seconds of an epoch and bytes of a checkpoint."""
    row = VARIANTS[variant].choosing(plan.choices())
    config, recipe = configuration(row, published_params(row))
    data = data_of_fold(plan, row.inputs, fold=0, device=torch.device("cpu"), features=recipe.features)
    training = begin(row.model, config, recipe, data, seed=0)
    epochs = train_fold(training, data, recipe, epochs=2, metric=plan.metric, seed=0)
    next(epochs)
    started = time.perf_counter()
    next(epochs)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.safetensors"
        checkpoint.save(path, training, owner="probe")
        return seconds, path.stat().st_size

"""What a study will cost, from one epoch of every variant's published setting: nothing is kept."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from study.results.plan import Plan
from study.training import checkpoint
from study.training.loop import begin, train_fold
from study.tuning.entries import Rules
from study.tuning.forecast import expected_of_rules
from study.tuning.proposals import configuration, published_params
from study.tuning.trial import data_of_fold
from study.variants import VARIANTS

LEDGER_LINE = 700  # bytes of an epoch's record


@dataclass(frozen=True)
class Cost:
    """What one variant is expected to take: worker seconds and bytes are for the whole study of it."""

    variant: str
    seconds_per_epoch: float
    epochs: float
    seconds: float
    disk: float


def expected_cost(plan: Plan, rules: Rules, variant: str) -> Cost:
    """Train one epoch of the published setting on fold 0, and count up.

    The second epoch is the one that is timed: the first also pays for reading the features.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds, size = _probe(plan, variant)
    finally:
        torch.set_num_threads(threads)
    epochs = expected_of_rules(rules, plan.policy, plan.protocol)
    # Checkpoints stay for paused runs and the selected configuration; two thirds of all configurations wait.
    kept = size * (2 if plan.policy == "race" else 1) * max(1, rules.n_configs * 2 // 3)
    return Cost(variant, seconds, epochs, epochs * seconds, kept + LEDGER_LINE * epochs)


def _probe(plan: Plan, variant: str) -> tuple[float, int]:
    """Seconds of an epoch and bytes of a checkpoint."""
    row = VARIANTS[variant].at(plan.frame_rates)
    data = data_of_fold(asdict(plan), row.inputs, fold=0, device=torch.device("cpu"))
    config, recipe = configuration(row, published_params(row))
    training = begin(row.model, config, recipe, data, seed=0)
    epochs = train_fold(training, data, recipe, epochs=2, metric=plan.metric, seed=0)
    next(epochs)
    started = time.perf_counter()
    next(epochs)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.pt"
        checkpoint.save(path, training)
        return seconds, path.stat().st_size

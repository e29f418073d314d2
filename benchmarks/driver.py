"""What the driver of a large study costs, without Ray: `python -m benchmarks.driver`.

A study of a thousand configurations has one process that decides. Here it decides on learning curves by a formula, with
so many configurations under way: milliseconds of a proposal by each sampler and of a predicted final score, and epochs
per second through conductor and ledger, each epoch on disk before it is acted on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import machine
from benchmarks.simulator import Memory
from study.record.events import EpochDone, FoldRun
from study.record.ledger import Ledger
from study.record.terms import geometric_rungs
from study.samplers.proposer import propose, proposer
from study.search.conductor import Conductor, Log
from study.search.observation import Observation
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Continue, Rules
from study.training.metrics import METRICS
from study.variants import VARIANTS

VARIANT = "cross"
SIZES = (50, 200, 500, 1000, 2000)
SAMPLERS = ("tpe", "gp", "qmc")
N_FOLDS, EPOCHS, SLOTS = 5, 27, 64
MEASURED_EPOCHS = 400
# What gp fits takes more steps for some proposals than for others.
PROPOSALS = 5
PROPOSAL_MS, EPOCHS_PER_SECOND = 300.0, 500.0


class Study:
    """A study on curves by a formula: configuration, fold and epoch give the score."""

    def __init__(self, log: Log, n_configs: int) -> None:
        """A race that has not begun and whose end, at twice `n_configs`, is far; configurations are drawn at random."""
        rules = Rules(n_configs=2 * n_configs, n_folds=N_FOLDS, epochs=EPOCHS, rungs=geometric_rungs(EPOCHS))
        self.race = Race(rules, POLICIES["race"])
        self.conductor = Conductor({VARIANT: self.race}, log, propose=drawn, slots=SLOTS)
        self._under_way: deque[FoldRun] = deque()
        self._proposers = {name: proposer(0, name) for name in SAMPLERS}

    def grow(self, n_configs: int) -> None:
        """Train until `n_configs` have been proposed."""
        while len(self.race.entries) < n_configs:
            self._next_epoch()

    def train(self, n_epochs: int) -> None:
        """Train so many epochs, of the runs under way in turn."""
        for _ in range(n_epochs):
            self._next_epoch()

    def proposal(self, sampler: str) -> Mapping[str, Any]:
        """What `sampler` proposes now, from what it may know."""
        return self._proposers[sampler](VARIANT, self.conductor.observations(VARIANT))

    def _next_epoch(self) -> None:
        while (begun := self.conductor.next_run()) is not None:
            self.conductor.assign(begun)
            self._under_way.append(begun)
        run = self._under_way.popleft()
        if isinstance(self.conductor.report(epoch_of(run, self.conductor.epochs_known(run) + 1)), Continue):
            self._under_way.append(run)


def drawn(variant: str, observations: Sequence[Observation]) -> dict[str, Any]:
    """Parameters at random: what a sampler takes is measured by itself."""
    return propose(VARIANTS[variant].suggest, (), len(observations), "random")


def epoch_of(run: FoldRun, epoch: int) -> EpochDone:
    """An epoch of a run, with scores that rise and differ."""
    random = np.random.default_rng([run.config, run.fold, epoch])
    end = 0.4 + 0.3 * np.random.default_rng(run.config).random() - 0.05 * run.fold
    score = float(end * (1 - np.exp(-epoch / 6)) + random.normal(0, 0.01))
    scores = dict.fromkeys(METRICS, min(max(score, 0.0), 1.0))
    return EpochDone(run.variant, run.config, run.fold, run.seed, epoch, 1.0, scores, scores, 1.0, epoch == EPOCHS)


def figures_at(n_configs: int, samplers: Sequence[str]) -> dict[str, float]:
    """Milliseconds of CPU time, and epochs per second on the wall and of CPU time, with `n_configs` configurations."""
    memory = Memory()
    Study(memory, n_configs).grow(n_configs)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        ledger.events.extend(memory.events)
        study = Study(ledger, n_configs)
        study.train(SLOTS)  # takes up the runs that were under way
        cpu, begun = time.process_time(), time.perf_counter()
        study.train(MEASURED_EPOCHS)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
        found = {"epochs/s": MEASURED_EPOCHS / wall, "epochs/CPU s": MEASURED_EPOCHS / cpu}
        study.train(1)
        found["prediction, ms"] = milliseconds(
            lambda: study.race.predicted_final(study.race.entries[n_configs // 2 + 1])
        )
        for name in samplers:
            study.proposal(name)  # a study draws each configuration once
            found[f"{name}, ms"] = statistics.median(_proposal_ms(study, name) for _ in range(PROPOSALS))
    return found


def _proposal_ms(study: Study, sampler: str) -> float:
    """Milliseconds of one proposal, before which an epoch was reported."""
    study.train(1)
    return milliseconds(lambda: study.proposal(sampler))


def milliseconds(call: Callable[[], Any]) -> float:
    """CPU time of one call, which other processes do not lengthen."""
    return 1000 * machine.seconds_of(call, time.process_time)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", default=",".join(map(str, SIZES)), help="numbers of configurations, with commas")
    parser.add_argument("--samplers", default=",".join(SAMPLERS), help=f"with commas ({','.join(SAMPLERS)})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    facts = machine.describe()
    machine.print_machine(facts)
    found: dict[int, dict[str, float]] = {}
    for n_configs in map(int, parsed.configs.split(",")):
        begun = time.perf_counter()
        with threadpool_limits(1, user_api="blas"):  # as in a study
            found[n_configs] = figures_at(n_configs, parsed.samplers.split(","))
        cells = "".join(f"{name:>16} {value:7.1f}" for name, value in found[n_configs].items())
        print(f"{n_configs:5}{cells}   ({time.perf_counter() - begun:.0f} s)", flush=True)
    machine.write_json(parsed.json, {"machine": {**facts, "load_at_end": os.getloadavg()[0]}, "driver": found})


if __name__ == "__main__":
    main()

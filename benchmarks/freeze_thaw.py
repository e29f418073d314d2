"""A freeze-thaw rival: one Gaussian process over configuration and log-epoch decides what goes on or begins.

Source: Swersky, Snoek and Adams, Freeze-Thaw Bayesian Optimization, 2014, for the choice between going on and
beginning. Departures: a Matern process over the joint space in the place of their exponential curves, and in the place
of entropy search the expected improvement at full length by cost: that of the next stage for a configuration that
waits, of full length for a new one. With the root of the cost, or that of full length for both, it chose worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.baselines import Eager
from benchmarks.curve_table import CurveTable, Numbers
from benchmarks.simulator import Rows
from study.record.events import Phase
from study.samplers.encoding import UnitCube
from study.samplers.gaussian_process import Belief, conditioned, expected_improvement, fit
from study.search.observation import Observation
from study.search.policy import RaceState, completed
from study.search.state import ConfigDecision, Entry, Promote, Rules, Stage
from study.seeding import derived_seed

RANDOM_CANDIDATES, NEIGHBOURS, PARENTS, STARTUP = 400, 30, 5, 4
# Scales are fitted anew when there is a tenth more to fit them on.
REFIT = 1.1
WORST = -2.5
# Length of the axis of log-epochs: longer than a parameter's, or an early score would pass for the final one.
DURATION = 3.0


@dataclass(frozen=True)
class Choice:
    """What a free slot is best used for: a waiting configuration, or a new one near `params`."""

    waiting: int | None
    params: dict[str, Any]


class FreezeThaw(Eager):
    """Trains all folds of a configuration to an eighth, a quarter, half of the epochs and to the end.

    It is the policy and, as the rows to propose, the sampler too: both come from one comparison.
    """

    def __init__(self, table: CurveTable, seed: int) -> None:
        """A study on `table` that has not begun."""
        self.rows = FrozenRows(table, seed, self)
        self._table, self._seed, self._cube = table, seed, UnitCube(table.distributions())
        self._scales: tuple[int, Numbers, float, float] | None = None
        self._known: tuple[tuple[int, ...], Choice] | None = None

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """All folds, at epochs that double."""
        folds = tuple(range(rules.n_folds))
        epochs = sorted({max(2, round(rules.epochs / 2**halvings)) for halvings in range(4)})
        return tuple(Stage(epoch, folds) for epoch in epochs)

    def first_stage(self, rules: Rules, number: int) -> int:
        """The last stage for the published setting: there is something to improve on."""
        return len(self.stages(rules, number)) - 1 if number == 0 else 0

    def due_decision(self, race: RaceState) -> ConfigDecision | None:
        """Closes an entry at full length."""
        open = (entry for entry in race.entries if entry.phase is Phase.OPEN and entry.at_rest)
        return next((completed(e) for e in open if e.allowed_stage == len(e.stages) - 1), None)

    def promotion(self, race: RaceState) -> Promote | None:
        """A waiting configuration of more worth than all new ones, if there is one."""
        waiting = [entry for entry in race.entries if entry.waiting]
        if not waiting:
            return None
        number = self.choice(race).waiting
        return None if number is None else Promote(number, race.entries[number].allowed_stage + 1, "improvement")

    def may_open(self, race: RaceState) -> bool:
        """Always; what to begin is chosen here, where the race can be read."""
        self.choice(race)
        return True

    def wanted(self) -> dict[str, Any]:
        """The parameters of the configuration to begin."""
        assert self._known is not None
        return self._known[1].params

    def choice(self, race: RaceState) -> Choice:
        """The best use of a free slot, computed once for each state of the race."""
        state = (len(race.entries), *(each.allowed_stage for each in race.entries))
        state += tuple(entry.epochs_spent() for entry in race.entries)
        if self._known is None or self._known[0] != state:
            self._known = state, self._chosen(race)
        return self._known[1]

    def _chosen(self, race: RaceState) -> Choice:
        random = np.random.default_rng(derived_seed(self._seed, "freeze-thaw", len(race.entries)))
        candidates = self._cube.at(random.random((RANDOM_CANDIDATES, self._cube.n_parameters)))
        if len(race.entries) < STARTUP:
            return Choice(None, candidates[0])
        belief, complete, begun, parents = self._belief(race)
        for parent in parents:
            candidates += self._cube.near(self._params(parent), NEIGHBOURS, random)
        waiting = [entry for entry in race.entries if entry.waiting]
        at = [self._params(entry) for entry in waiting] + ([] if race.all_opened() else candidates)
        # A new one has to beat what the waiting ones would bring; these have to beat what is complete.
        beaten = np.where(np.arange(len(at)) < len(waiting), complete, begun)
        gain = expected_improvement(*belief.at(self._at_the_end(at)), beaten)
        step = [entry.stages[entry.allowed_stage + 1].epoch - len(entry.curves[0]) for entry in waiting]
        cost = np.array(step + [race.rules.epochs] * (len(at) - len(waiting)), dtype=float)
        best = int(np.argmax(gain / cost))
        return Choice(waiting[best].number, at[best]) if best < len(waiting) else Choice(None, at[best])

    def _belief(self, race: RaceState) -> tuple[Belief, float, float, list[Entry]]:
        """The process, the best expected final score of a complete configuration and of any, the most promising."""
        entries = [entry for entry in race.entries if entry.phase is not Phase.FAILED]
        epochs = [stage.epoch for stage in entries[0].stages]
        scores = np.array([_scores(entry, epochs) for entry in entries])
        values = scores - _gains(scores)
        last = np.where(np.isfinite(values), np.arange(len(epochs)), -1).max(axis=1)
        known = values[np.isfinite(values)]
        centre, scale = float(np.median(known)), float(known.std()) or 1.0
        which, stage = np.nonzero(np.isfinite(values))
        standard = np.maximum((values[which, stage] - centre) / scale, WORST)
        diverged = np.array([i for i, entry in enumerate(entries) if entry.phase is Phase.DIVERGED], dtype=int)
        which, standard = np.concatenate([which, diverged]), np.concatenate([standard, np.full(len(diverged), WORST)])
        times = np.concatenate([np.log(epochs)[stage], np.full(len(diverged), math.log(epochs[-1]))])
        ends = self._at_the_end([self._params(entry) for entry in entries])
        points = ends[which]
        points[:, -1] = DURATION * (times - math.log(epochs[0])) / math.log(epochs[-1] / epochs[0])
        belief = self._fitted(points, standard)
        fresh = np.array([i for i, each in enumerate(entries) if last[i] < 0 and each.phase is Phase.OPEN], dtype=int)
        if len(fresh):  # believed to reach what is expected of them, so that workers differ
            points, standard = np.concatenate([points, ends[fresh]]), np.append(standard, belief.at(ends[fresh])[0])
            belief = self._fitted(points, standard)
        alive = [entry for entry in entries if entry.phase is not Phase.DIVERGED]
        expected = belief.at(self._at_the_end([self._params(entry) for entry in alive]))[0]
        order = np.argsort(-expected, kind="stable")[:PARENTS]
        complete = [value for value, each in zip(expected, alive, strict=True) if each.phase is Phase.COMPLETE]
        return belief, max(complete, default=WORST), float(expected.max()), [alive[index] for index in order]

    def _fitted(self, points: Numbers, values: Numbers) -> Belief:
        none = np.zeros(len(values))
        if self._scales is None or len(values) >= REFIT * self._scales[0]:
            belief = fit(points, values, none)
            own = math.sqrt(max(float(belief.factor[0, 0]) ** 2 - belief.signal, 1e-6))
            self._scales = len(values), belief.scales, belief.signal, own
            return belief
        _, scales, signal, own = self._scales
        return conditioned(points, values, none + own, scales, signal)

    def _params(self, entry: Entry) -> dict[str, Any]:
        return self.rows.params(self.rows.tried[entry.number])

    def _at_the_end(self, many: Sequence[dict[str, Any]]) -> Numbers:
        return np.column_stack([self._cube.points(many), np.full(len(many), DURATION)])


class FrozenRows(Rows):
    """The rows nearest to what the policy wants to begin."""

    def __init__(self, table: CurveTable, seed: int, policy: FreezeThaw) -> None:
        """None tried yet."""
        super().__init__(table, "random", seed)
        self._policy = policy

    def __call__(self, variant: str, tried: Sequence[Observation]) -> dict[str, Any]:
        """The parameters of the row to try next."""
        row = self.nearest(self._policy.wanted()) if tried else self.first()
        self.take(row)
        return self.params(row)


def _scores(entry: Entry, epochs: Sequence[int]) -> list[float]:
    """The mean over folds at each stage, NaN before it is reached."""
    alive = entry.phase is not Phase.DIVERGED
    return [
        entry.score(epoch) if alive and entry.has_reached(stage) else math.nan for stage, epoch in enumerate(epochs)
    ]


def _gains(scores: Numbers) -> Numbers:
    """What is missing at each stage on average, as a mean curve that ends at 0; a stage seen once by few counts half.

    The gain to the next stage is the mean over configurations that have reached it, with one of no gain added.
    """
    gains = np.zeros(scores.shape[1])
    for stage in range(scores.shape[1] - 1, 0, -1):
        steps = scores[:, stage] - scores[:, stage - 1]
        seen = steps[np.isfinite(steps)]
        gains[stage - 1] = gains[stage] - seen.sum() / (len(seen) + 1)
    return gains

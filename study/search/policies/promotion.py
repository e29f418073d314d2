"""The policy `race`: asynchronous promotion over configurations, folds and epochs, by predicted final score."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from functools import cache
from itertools import combinations

from study.record.events import Phase
from study.search.policy import RaceState, completed
from study.search.state import Close, ConfigDecision, Entry, Promote, Rules, Stage


class PromotionByForecast:
    """ASHA's asynchronous promotion with folds as a second fidelity: a free slot goes to the best waiting entry.

    Stages: `n_initial_folds` folds at the first rung, the same ones at the last rung, all folds there, all folds at
    full length. The initial folds rotate from configuration to configuration. One in eta is promoted from each stage,
    ranked by `ScoreForecast`; the others pause and are stopped only when the search is over. Configuration 0 (the
    published setting) and every `always_full_every`-th one train to full length at once, so that the forecast is
    fitted on configurations that were not selected for a good start. A race of at most `short` configurations is short.

    Source: promotion as in Li et al., "A System for Massively Parallel Hyperparameter Tuning" (ASHA), MLSys 2020.
    Departures: fidelity is (folds, epoch) instead of the epoch alone, and the rank is by predicted final score
    instead of the score at the rung.
    """

    in_order = False
    n_initial_folds = 2
    always_full_every = 20
    short = 30

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """Few folds and epochs first."""
        all_folds = tuple(range(rules.n_folds))
        choices = rotation(rules.n_folds, self.n_initial_folds)
        initial_folds = choices[number % len(choices)]
        stages = [Stage(rung, initial_folds) for rung in rules.rungs]
        if rules.rungs and len(initial_folds) < rules.n_folds:
            stages.append(Stage(rules.rungs[-1], all_folds))
        return (*stages, Stage(rules.epochs, all_folds))

    def first_stage(self, rules: Rules, number: int) -> int:
        """The last stage for every `always_full_every`-th configuration, else the first."""
        return len(self.stages(rules, number)) - 1 if number % self.always_full_every == 0 else 0

    def urgency(self, entry: Entry) -> tuple[int, ...]:
        """Later stages first."""
        return (-entry.allowed_stage, entry.number)

    def may_open(self, race: RaceState) -> bool:
        """Always: a new configuration is what an idle slot is for."""
        return True

    def n_known_to(self, rules: Rules, number: int) -> int:
        """All of them, as far as they are trained."""
        return number

    def due_decision(self, race: RaceState) -> ConfigDecision | None:
        """Closes an entry at full length; once nothing can be promoted any more, stops the entries that wait."""
        for entry in race.entries:
            if entry.phase is Phase.OPEN and entry.allowed_stage == len(entry.stages) - 1 and entry.at_rest:
                return completed(entry)
        if not race.all_opened() or not race.quiet() or self.promotion(race) is not None:
            return None
        return next((self._stopped(race, e) for e in race.entries if e.phase is Phase.OPEN), None)

    def promotion(self, race: RaceState) -> Promote | None:
        """The best of those that wait at the furthest stage where a place is free.

        At the end of a short race the nearest stage comes first, and no entry passes a stage that others are still
        training for: the ranking there changes as they arrive, and every change would promote one more.
        """
        if not race.entries:
            return None
        all_waiting = [entry for entry in race.entries if entry.waiting]
        nearest_first = self._is_short(race) and race.all_opened()
        stages = range(len(race.entries[0].stages) - 1)
        for stage in stages if nearest_first else reversed(stages):
            if nearest_first and any(_training_for(entry, stage) for entry in race.entries):
                return None
            if not any(entry.allowed_stage == stage for entry in all_waiting):
                continue
            ranking = self._ranking(race, stage)
            places = self._places(race, stage, len(ranking))
            for place, (entry, predicted) in enumerate(ranking[:places], start=1):
                if entry.allowed_stage == stage and entry.waiting:
                    standing = f"predicted final score {predicted:.3f}, rank {place} of {len(ranking)}"
                    return Promote(entry.number, stage + 1, f"{described(entry.stages[stage])}: {standing}")
        return None

    def _places(self, race: RaceState, stage: int, peers: int) -> int:
        """How many may be promoted: one in eta; once all are proposed, at least as many as there are finalists.

        In a short race none among fewer than 2 eta peers, and none to full length before all are known: the best
        of three is often a poor one, and the end, when places are filled anyway, is near. In a long race an early
        leader is worth its price.
        """
        if not race.all_opened():
            last = stage == len(race.entries[0].stages) - 2
            return 0 if self._is_short(race) and (last or peers < 2 * race.rules.eta) else round(peers / race.rules.eta)
        return max(math.ceil(peers / race.rules.eta), race.rules.finalists)

    def _is_short(self, race: RaceState) -> bool:
        return race.rules.n_configs <= self.short

    def _ranking(self, race: RaceState, stage: int) -> list[tuple[Entry, float]]:
        """Entries that have reached `stage` by predicted final score, best first, earlier of equals first."""
        epoch = race.entries[0].stages[stage].epoch
        predicted = race.score_forecast.predict(epoch).mean
        reached = [entry for entry in race.entries if not is_lost(entry) and entry.has_reached(stage)]
        scored = [(entry, float(predicted[entry.number])) for entry in reached]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0].number))

    def _stopped(self, race: RaceState, entry: Entry) -> Close:
        ranking = self._ranking(race, entry.allowed_stage)
        place, predicted = next(
            (place, value) for place, (other, value) in enumerate(ranking, start=1) if other is entry
        )
        places = self._places(race, entry.allowed_stage, len(ranking))
        standing = f"predicted final score {predicted:.3f}, rank {place} of {len(ranking)}, {places} promoted"
        return Close(entry.number, Phase.STOPPED, f"{described(entry.stages[entry.allowed_stage])}: {standing}")


def _training_for(entry: Entry, stage: int) -> bool:
    """Whether it trains for `stage` or one before it."""
    return entry.phase is Phase.OPEN and entry.allowed_stage <= stage and not entry.at_rest


def is_lost(entry: Entry) -> bool:
    """Whether it has diverged or failed."""
    return entry.phase in (Phase.DIVERGED, Phase.FAILED)


def described(stage: Stage) -> str:
    """A stage in words, for example "epoch 4 on folds 1, 2"."""
    return f"epoch {stage.epoch} on fold{'s' * (len(stage.folds) > 1)} {', '.join(map(str, stage.folds))}"


@cache
def rotation(n_folds: int, n_chosen: int) -> tuple[tuple[int, ...], ...]:
    """Every choice of `n_chosen` folds, in an order that uses all folds about equally often at any time."""
    if n_chosen >= n_folds:
        return (tuple(range(n_folds)),)
    return tuple(_balanced(n_folds, n_chosen))


def _balanced(n_folds: int, n_chosen: int) -> Iterator[tuple[int, ...]]:
    """The choices, each time the one whose folds are used least so far, the first of equals.

    Uses only grow, so a choice that was queued with fewer than it has by now is queued again, and the others stay.
    """
    used = [0] * n_folds
    queue = [(0, folds) for folds in combinations(range(n_folds), n_chosen)]
    while queue:
        known, folds = heapq.heappop(queue)
        uses = sum(used[fold] for fold in folds)
        if uses > known:
            heapq.heappush(queue, (uses, folds))
            continue
        for fold in folds:
            used[fold] += 1
        yield folds

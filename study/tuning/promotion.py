"""The default policy: whoever is expected to end best goes on, and nobody is stopped before the race is over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from study.tuning.entries import Close, Entry, Phase, Promote, Rules, Stage, Verdict, finished
from study.tuning.racing import Race


class Promotion:
    """Nobody is stopped for good: a free slot goes to the waiting configuration that is expected to end best.

    Stages: two scout folds at the first rung, the same two at the last rung, all folds there, all folds at full
    length. The scouts rotate from configuration to configuration. One in eta goes on from each stage, by the end that
    `Standings` foretells. The published setting and one configuration in `straight` go to the end at once, so that
    the foretelling sees configurations that were not picked for looking good early. A race of at most `short`
    configurations is short.
    """

    scouts = 2
    straight = 20
    short = 30

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """Few folds and epochs first."""
        everyone = tuple(range(rules.n_folds))
        pairs = rotation(rules.n_folds, self.scouts)
        scouts = pairs[number % len(pairs)]
        stages = [Stage(rung, scouts) for rung in rules.rungs]
        if rules.rungs and len(scouts) < rules.n_folds:
            stages.append(Stage(rules.rungs[-1], everyone))
        return (*stages, Stage(rules.epochs, everyone))

    def first_stage(self, rules: Rules, number: int) -> int:
        """The last for the published setting and one in `straight`, else the first."""
        return len(self.stages(rules, number)) - 1 if number % self.straight == 0 else 0

    def urgency(self, entry: Entry) -> tuple[int, ...]:
        """Whoever is furthest first."""
        return (-entry.granted, entry.number)

    def may_open(self, race: Race) -> bool:
        """Always: a new configuration is what an idle slot is for."""
        return True

    def known_to(self, race: Race, number: int) -> Sequence[Entry]:
        """All of them, as far as they have come."""
        return race.entries

    def verdict(self, race: Race) -> Verdict | None:
        """Whoever has come to the end is complete; when nothing can go on, those who wait are closed."""
        for entry in race.entries:
            if entry.phase is Phase.OPEN and entry.granted == len(entry.stages) - 1 and entry.at_rest:
                return finished(entry)
        if not race.all_opened() or not race.quiet() or self.promotion(race) is not None:
            return None
        return next((self._left_behind(race, e) for e in race.entries if e.phase is Phase.OPEN), None)

    def promotion(self, race: Race) -> Promote | None:
        """The best of those that wait at the furthest stage where a place is free.

        At the end of a short race it is the nearest stage, and nobody passes one that others are still on their way
        to: who is best there changes as they come in, and every change would send one more to the end.
        """
        if not race.entries:
            return None
        nearest_first = self._is_short(race) and race.all_opened()
        stages = range(len(race.entries[0].stages) - 1)
        for stage in stages if nearest_first else reversed(stages):
            if nearest_first and any(_on_the_way(entry, stage) for entry in race.entries):
                return None
            waiting = [entry for entry in race.entries if entry.waiting and entry.granted == stage]
            if not waiting:
                continue
            ranking = self._ranking(race, stage)
            places = self._places(race, stage, len(ranking))
            for place, (entry, estimate) in enumerate(ranking[:places], start=1):
                if entry.waiting and entry.granted == stage:
                    reason = (
                        f"{named(entry.stages[stage])}: expected end {estimate:.3f}, place {place} of {len(ranking)}"
                    )
                    return Promote(entry.number, stage + 1, reason)
        return None

    def _places(self, race: Race, stage: int, peers: int) -> int:
        """How many may go on: one in eta; when nobody is to come, at least as many as there are finalists.

        In a short race none among fewer than 2 eta peers, and none to full length before all are known: the best
        of three is often nothing much, and the end, when places are filled anyway, is near. In a long race an early
        winner is worth its price.
        """
        if not race.all_opened():
            last = stage == len(race.entries[0].stages) - 2
            return 0 if self._is_short(race) and (last or peers < 2 * race.rules.eta) else round(peers / race.rules.eta)
        return max(math.ceil(peers / race.rules.eta), race.rules.finalists)

    def _is_short(self, race: Race) -> bool:
        return race.rules.n_configs <= self.short

    def _ranking(self, race: Race, stage: int) -> list[tuple[Entry, float]]:
        """Those that have reached `stage`, best expected end first, earlier of equals first."""
        epoch = race.entries[0].stages[stage].epoch
        estimates = race.standings.outlook(epoch).estimate
        reached = [entry for entry in race.entries if not lost(entry) and entry.has_reached(stage)]
        scored = [(entry, float(estimates[entry.number])) for entry in reached]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0].number))

    def _left_behind(self, race: Race, entry: Entry) -> Close:
        ranking = self._ranking(race, entry.granted)
        place, estimate = next(
            (place, value) for place, (other, value) in enumerate(ranking, start=1) if other is entry
        )
        places = self._places(race, entry.granted, len(ranking))
        return Close(
            entry.number,
            Phase.STOPPED,
            f"{named(entry.stages[entry.granted])}: expected end {estimate:.3f}, place {place} of {len(ranking)} "
            f"with {places} going on",
        )


def _on_the_way(entry: Entry, stage: int) -> bool:
    """Whether it trains for `stage` or one before it."""
    return entry.phase is Phase.OPEN and entry.granted <= stage and not entry.at_rest


def lost(entry: Entry) -> bool:
    """Whether it is out of the race for another reason than its scores."""
    return entry.phase in (Phase.DIVERGED, Phase.FAILED)


def named(stage: Stage) -> str:
    """A stage in words, for example "epoch 4 on folds 1, 2"."""
    return f"epoch {stage.epoch} on fold{'s' * (len(stage.folds) > 1)} {', '.join(map(str, stage.folds))}"


def rotation(n_folds: int, scouts: int) -> list[tuple[int, ...]]:
    """Every choice of `scouts` folds, in an order that uses all folds about equally often at any time."""
    if scouts >= n_folds:
        return [tuple(range(n_folds))]
    return list(_balanced(list(combinations(range(n_folds), scouts)), n_folds))


def _balanced(choices: list[tuple[int, ...]], n_folds: int) -> Iterator[tuple[int, ...]]:
    used = [0] * n_folds
    left = list(choices)
    while left:
        choice = min(left, key=lambda folds: (sum(used[fold] for fold in folds), folds))
        left.remove(choice)
        for fold in choice:
            used[fold] += 1
        yield choice

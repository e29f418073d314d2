"""How configurations get on in a race: named rules, each a reading of the race's state.

`race` promotes whoever is expected to end best, `asha` halves in order of number, `full` stops nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from study.tuning.entries import Close, Entry, Phase, Promote, Rules, Stage, Verdict
from study.tuning.racing import Race


class Policy(Protocol):
    """What a race asks of its policy. No method changes the race."""

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """The stages of configuration `number`; the last is every fold at full length."""

    def first_stage(self, rules: Rules, number: int) -> int:
        """The index of the stage up to which configuration `number` may train from the start."""

    def urgency(self, entry: Entry) -> tuple[int, ...]:
        """The key by which entries with runs to train take turns, smallest first."""

    def may_open(self, race: Race) -> bool:
        """Whether the next configuration may be proposed now."""

    def known_to(self, race: Race, number: int) -> Sequence[Entry]:
        """The configurations whose outcomes may inform the proposal of configuration `number`."""

    def verdict(self, race: Race) -> Verdict | None:
        """A decision that is due now, whatever slots are free."""

    def promotion(self, race: Race) -> Promote | None:
        """The most promising continuation that a free slot could be used for."""


class InOrder:
    """Configuration n is decided on from configurations before it alone, which it waits for.

    So the same scores give the same race with one slot or fifty, whoever is faster.
    """

    def first_stage(self, rules: Rules, number: int) -> int:
        """The published setting goes to the end at once; others to their first rung."""
        return len(self.stages(rules, number)) - 1 if number == 0 else 0

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """All folds at every rung and at full length."""
        folds = tuple(range(rules.n_folds))
        return tuple(Stage(epoch, folds) for epoch in (*rules.rungs, rules.epochs))

    def urgency(self, entry: Entry) -> tuple[int, ...]:
        """Lower numbers first: others wait for them."""
        return (entry.number,)

    def may_open(self, race: Race) -> bool:
        """When all configurations that the proposal may know of are closed."""
        return all(entry.phase is not Phase.OPEN for entry in self.known_to(race, len(race.entries)))

    def known_to(self, race: Race, number: int) -> Sequence[Entry]:
        """All but the `lookahead` - 1 before it."""
        return race.entries[: max(0, number - race.rules.lookahead + 1)]

    def promotion(self, race: Race) -> Promote | None:
        """None: whoever may go on does so at once."""
        return None


class Halving(InOrder):
    """Successive halving on the mean over folds: a configuration below the top 1/eta of those before it stops.

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning (ASHA), MLSys 2020; here a rung
    compares configurations, not single folds, and decides in order of number.
    """

    def verdict(self, race: Race) -> Verdict | None:
        """The lowest-numbered decision that can be taken."""
        for entry in race.entries:
            if entry.phase is Phase.OPEN and entry.at_rest:
                if entry.granted == len(entry.stages) - 1:
                    return finished(entry)
                if verdict := self._judge(race, entry):
                    return verdict
        return None

    def _judge(self, race: Race, entry: Entry) -> Verdict | None:
        rung, earlier = entry.granted, race.entries[: entry.number]
        if any(other.phase is Phase.OPEN and not other.has_reached(rung) for other in earlier):
            return None
        if any(other.phase is Phase.OPEN and other.granted <= rung for other in earlier):
            return None
        epoch, eta = entry.stages[rung].epoch, race.rules.eta
        peers = [other.score(epoch) for other in earlier if other.has_reached(rung)]
        score = entry.score(epoch)
        if not peers:
            return Promote(entry.number, rung + 1, f"epoch {epoch}: mean {score:.3f}, nobody before it")
        cutoff = float(np.quantile(peers, 1 - 1 / eta))
        place = f"{cutoff:.3f}, the top 1/{eta} of {len(peers)} before it"
        if score < cutoff:
            return Close(entry.number, Phase.STOPPED, f"epoch {epoch}: mean {score:.3f} below {place}")
        return Promote(entry.number, rung + 1, f"epoch {epoch}: mean {score:.3f} reaches {place}")


class Full(InOrder):
    """Every configuration is trained on every fold to full length."""

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """One: the end."""
        return (Stage(rules.epochs, tuple(range(rules.n_folds))),)

    def verdict(self, race: Race) -> Verdict | None:
        """Whoever has come to the end is complete."""
        return next((finished(e) for e in race.entries if e.phase is Phase.OPEN and e.at_rest), None)


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
        """The best of those that wait at the furthest stage where a place is free."""
        if not race.entries:
            return None
        for stage in range(len(race.entries[0].stages) - 2, -1, -1):
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
            short = race.rules.n_configs <= self.short
            last = stage == len(race.entries[0].stages) - 2
            return 0 if short and (last or peers < 2 * race.rules.eta) else round(peers / race.rules.eta)
        return max(math.ceil(peers / race.rules.eta), race.rules.finalists)

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


POLICIES: dict[str, Policy] = {"race": Promotion(), "asha": Halving(), "full": Full()}


def finished(entry: Entry) -> Close:
    """The end of an entry whose folds are all at full length."""
    return Close(entry.number, Phase.COMPLETE, "all folds at full length")


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

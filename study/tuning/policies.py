"""How configurations get on in a race: named rules, each a reading of the race's state.

`race` promotes whoever is expected to end best, `asha` halves in order of number, `full` stops nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from study.tuning.entries import Close, Entry, Phase, Promote, Rules, Stage, Verdict, finished
from study.tuning.promotion import Promotion
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


POLICIES: dict[str, Policy] = {"race": Promotion(), "asha": Halving(), "full": Full()}

"""The policy `asha`: successive halving on the mean over folds, in order of configuration number."""

from __future__ import annotations

import numpy as np

from study.record.events import Phase
from study.search.policies.in_order import InOrder
from study.search.policy import RaceState, completed
from study.search.state import Close, ConfigDecision, Entry, Promote


class Halving(InOrder):
    """Stops a configuration that is below the top 1/eta of those before it.

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning (ASHA), MLSys 2020. Two departures: a
    rung compares configurations by their mean over folds, not single folds, and decides in order of number.
    """

    def due_decision(self, race: RaceState) -> ConfigDecision | None:
        """The lowest-numbered decision that can be taken."""
        for entry in race.entries:
            if entry.phase is Phase.OPEN and entry.at_rest:
                if entry.allowed_stage == len(entry.stages) - 1:
                    return completed(entry)
                if decision := self._compared(race, entry):
                    return decision
        return None

    def _compared(self, race: RaceState, entry: Entry) -> ConfigDecision | None:
        rung, earlier = entry.allowed_stage, race.entries[: entry.number]
        if any(other.phase is Phase.OPEN and not other.has_reached(rung) for other in earlier):
            return None
        if any(other.phase is Phase.OPEN and other.allowed_stage <= rung for other in earlier):
            return None
        epoch, eta = entry.stages[rung].epoch, race.rules.eta
        peers = [other.score(epoch) for other in earlier if other.has_reached(rung)]
        score = entry.score(epoch)
        if not peers:
            return Promote(entry.number, rung + 1, f"epoch {epoch}: mean {score:.3f}, the first to arrive")
        cutoff = float(np.quantile(peers, 1 - 1 / eta))
        place = f"{cutoff:.3f}, the top 1/{eta} of {len(peers)} before it"
        if score < cutoff:
            return Close(entry.number, Phase.STOPPED, f"epoch {epoch}: mean {score:.3f} below {place}")
        return Promote(entry.number, rung + 1, f"epoch {epoch}: mean {score:.3f} reaches {place}")

"""The policy `full`: no configuration is stopped by comparison."""

from __future__ import annotations

from study.record.events import Phase
from study.search.policies.in_order import InOrder
from study.search.policy import RaceState, completed
from study.search.state import ConfigDecision, Rules, Stage


class Full(InOrder):
    """Trains every configuration on every fold to full length."""

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """One: all folds at full length."""
        return (Stage(rules.epochs, tuple(range(rules.n_folds))),)

    def due_decision(self, race: RaceState) -> ConfigDecision | None:
        """Closes a configuration that has reached full length."""
        return next((completed(e) for e in race.entries if e.phase is Phase.OPEN and e.at_rest), None)

"""What policies share that decide in order of configuration number."""

from __future__ import annotations

from study.record.events import Phase
from study.search.policy import RaceState
from study.search.state import Entry, Promote, Rules, Stage


class InOrder:
    """Decides on configuration n from configurations before it alone, and waits for them.

    So the same scores give the same race with one slot or fifty.
    """

    in_order = True

    def first_stage(self, rules: Rules, number: int) -> int:
        """The last stage for the published setting, which is never stopped; the first rung for all others."""
        return len(self.stages(rules, number)) - 1 if number == 0 else 0

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """All folds at every rung and at full length."""
        folds = tuple(range(rules.n_folds))
        return tuple(Stage(epoch, folds) for epoch in (*rules.rungs, rules.epochs))

    def urgency(self, entry: Entry) -> tuple[int, ...]:
        """Lower numbers first: others wait for them."""
        return (entry.number,)

    def may_open(self, race: RaceState) -> bool:
        """Once all configurations that may inform the proposal are closed."""
        n_known = self.n_known_to(race.rules, len(race.entries))
        # From the last to the first: the open ones are mostly among the latest.
        return all(race.entries[number].phase is not Phase.OPEN for number in reversed(range(n_known)))

    def n_known_to(self, rules: Rules, number: int) -> int:
        """All but the `lookahead` - 1 before it."""
        return max(0, number - max(1, rules.lookahead) + 1)

    def promotion(self, race: RaceState) -> Promote | None:
        """None: promotions are decided as soon as they are due."""
        return None

"""How many epochs a race is still expected to take: the basis of the remaining time and of a dry run."""

from __future__ import annotations

from typing import Protocol

from study.record.events import Phase
from study.search.confirmation import Confirmation
from study.search.policy import Policy, RaceState
from study.search.state import Entry, Rules, Stage


class RaceUnderWay(RaceState, Protocol):
    """What the expectation reads of a race."""

    policy: Policy
    confirmation: Confirmation
    out_of_time: bool

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been recorded."""

    def last_epoch(self, number: int, seed: int) -> int:
        """The epoch at which a run ends at the latest."""


def epochs_left(race: RaceUnderWay) -> float:
    """Epochs that `race`, which is not closed, is likely to take from now to its end, confirmation runs included."""
    return _left_of_search(race) + _left_to_confirm(race)


def _left_of_search(race: RaceUnderWay) -> float:
    """Epochs of open configurations up to their allowed stage, of those to come, and of promotions to come.

    Counted stage by stage: of all configurations that reach a stage, one in eta reaches the next. Configurations that
    were stopped or lost early need no more; those that always train to full length are counted separately.
    """
    rules, policy = race.rules, race.policy
    n_configs = _expected_configs(race)
    allowed = sum(_to_target(entry) for entry in race.entries if entry.phase is Phase.OPEN)
    to_come = sum(_first_stage(policy, rules, number) for number in range(len(race.entries), n_configs))
    always_full = sum(policy.first_stage(rules, number) > 0 for number in range(n_configs))
    reaching = float(n_configs - always_full)
    stages = policy.stages(rules, 1)
    promoted = 0.0
    for stage in range(len(stages) - 1):
        going_on = max(reaching / rules.eta, float(min(rules.finalists, reaching)))
        already = sum(
            entry.allowed_stage > stage for entry in race.entries if policy.first_stage(rules, entry.number) == 0
        )
        promoted += max(0.0, going_on - already) * _between(stages, stage)
        reaching = max(going_on, float(already))
    return allowed + to_come + promoted


def _expected_configs(race: RaceUnderWay) -> int:
    if race.out_of_time:
        return len(race.entries)
    return max(race.rules.n_configs, len(race.entries))


def _to_target(entry: Entry) -> int:
    return sum(
        max(0, entry.target(fold) - len(curve)) for fold, curve in enumerate(entry.curves) if not entry.ended[fold]
    )


def _first_stage(policy: Policy, rules: Rules, number: int) -> int:
    stages = policy.stages(rules, number)[: policy.first_stage(rules, number) + 1]
    return sum(_folds_at(stages).values())


def _between(stages: tuple[Stage, ...], stage: int) -> int:
    """Epochs from `stage` to the next stage, over all folds."""
    return sum(_folds_at(stages[: stage + 2]).values()) - sum(_folds_at(stages[: stage + 1]).values())


def _folds_at(stages: tuple[Stage, ...]) -> dict[int, int]:
    """Epochs by fold that `stages` take together."""
    epochs: dict[int, int] = {}
    for stage in stages:
        for fold in stage.folds:
            epochs[fold] = max(epochs.get(fold, 0), stage.epoch)
    return epochs


def _left_to_confirm(race: RaceUnderWay) -> float:
    if race.confirmation.begun:
        runs = race.confirmation.runnable()
        return sum(race.last_epoch(run[0], run[2]) - race.epochs_known(*run) for run in runs)
    return min(race.rules.finalists + 1, race.rules.n_configs) * race.rules.seeds * race.rules.full

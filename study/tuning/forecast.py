"""How much of a race is still to come: what the expected time to the end, and a dry run, are made of."""

from study.tuning.contest import Contest, contest
from study.tuning.entries import Entry, Phase, Rules, Stage
from study.tuning.nesting import NestedRace
from study.tuning.policies import POLICIES, Policy
from study.tuning.racing import Race


def expected_of_race(race: Contest) -> float:
    """Epochs that `race` is likely to take from its beginning to its end, fresh runs included."""
    if isinstance(race, NestedRace):
        return _expected_of_nested(race)
    assert isinstance(race, Race)
    spent = race.epochs_spent
    if race.hopeless():
        return spent
    return spent + _left_of_search(race) + _left_to_confirm(race)


def expected_of_rules(rules: Rules, policy: str, protocol: str = "shared") -> float:
    """The same for a race that has not begun."""
    return expected_of_race(contest(rules, POLICIES[policy], protocol))


def _expected_of_nested(nested: NestedRace) -> float:
    """What its races are likely to want, by how often two of them have wanted the same epoch so far."""
    wanted = sum(race.epochs_spent for race in nested.races)
    overlap = nested.epochs_spent / wanted if wanted else 0.5
    return max(nested.epochs_spent, overlap * sum(expected_of_race(race) for race in nested.races))


def _left_of_search(race: Race) -> float:
    """Open configurations up to where they may train, those to come, and whoever is promoted in the end.

    Counted stage by stage: of all configurations that will reach a stage, one in eta reaches the next. What was
    stopped or lost early shortens this; what went straight to the end is counted by itself.
    """
    rules, policy = race.rules, race.policy
    n_configs = _expected_configs(race)
    granted = sum(_to_target(entry) for entry in race.entries if entry.phase is Phase.OPEN)
    to_come = sum(_first_stage(policy, rules, number) for number in range(len(race.entries), n_configs))
    straight = sum(policy.first_stage(rules, number) > 0 for number in range(n_configs))
    reaching = float(n_configs - straight)
    stages = policy.stages(rules, 1)
    promoted = 0.0
    for stage in range(len(stages) - 1):
        going_on = max(reaching / rules.eta, float(min(rules.finalists, reaching)))
        already = sum(entry.granted > stage for entry in race.entries if policy.first_stage(rules, entry.number) == 0)
        promoted += max(0.0, going_on - already) * _between(stages, stage)
        reaching = max(going_on, float(already))
    return granted + to_come + promoted


def _expected_configs(race: Race) -> int:
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
    """Epochs from having reached `stage` to the next, over all folds."""
    return sum(_folds_at(stages[: stage + 2]).values()) - sum(_folds_at(stages[: stage + 1]).values())


def _folds_at(stages: tuple[Stage, ...]) -> dict[int, int]:
    """Epochs by fold that `stages` take together."""
    epochs: dict[int, int] = {}
    for stage in stages:
        for fold in stage.folds:
            epochs[fold] = max(epochs.get(fold, 0), stage.epoch)
    return epochs


def _left_to_confirm(race: Race) -> float:
    if race.confirmation.begun:
        return sum(race.rules.epochs - race.epochs_known(*run) for run in race.confirmation.runnable())
    return min(race.rules.finalists + 1, race.rules.n_configs) * race.rules.seeds * race.rules.full

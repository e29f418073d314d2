"""One rule of selection: the search and the report pick the same configuration from the same events."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.simulator import Memory
from study.record.events import EpochDone, Event, FoldRun, Phase
from study.record.results import configurations, selected
from study.record.selection import Candidate, finalists, ranked, select
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Continue, Rules
from study.training.metrics import METRICS

VARIANT, METRIC, N_FOLDS, EPOCHS = "cross", "UWA", 2, 3


@dataclass
class Outcomes:
    """What training gives: a score for every run, configuration, fold and epoch, and which runs are lost."""

    seed: int
    p_lost: float = 0.0

    def score(self, run: FoldRun, epoch: int) -> float:
        """A score of one decimal, so that equals are frequent."""
        return random.Random(f"{self.seed} {run} {epoch}").randrange(11) / 10

    def is_lost(self, run: FoldRun, epoch: int) -> Phase | None:
        """How the run is lost in this epoch, if it is."""
        chance = random.Random(f"lost {self.seed} {run} {epoch}")
        return chance.choice([Phase.DIVERGED, Phase.FAILED]) if chance.random() < self.p_lost else None


def epoch_of(run: FoldRun, epoch: int, score: float, ended: bool) -> EpochDone:
    scores = dict.fromkeys(METRICS, score)
    return EpochDone(run.variant, run.config, run.fold, run.seed, epoch, 1.0, scores, scores, 1.0, ended)


@dataclass
class Study:
    """A search over a log in memory, which goes on with other terms as a continued study does."""

    outcomes: Outcomes
    policy: str = "asha"
    slots: int = 1
    log: Memory | None = None

    def run(self, rules: Rules, steps: int = 10**6) -> Race:
        """Train up to `steps` epochs under `rules`; after every event, search and report have to agree."""
        self.log = self.log or Memory()
        race = Race(rules, POLICIES[self.policy])
        conductor = Conductor({VARIANT: race}, self.log, propose=lambda variant, tried: {}, slots=self.slots)
        under_way: list[FoldRun] = []
        order = random.Random(self.outcomes.seed)
        check(race, self.log.events)
        for _ in range(steps):
            while (run := conductor.next_run()) is not None:
                conductor.assign(run)
                under_way.append(run)
            if not under_way:
                break
            run = order.choice(under_way)
            epoch = conductor.epochs_known(run) + 1
            if phase := self.outcomes.is_lost(run, epoch):
                conductor.mark_lost(run, phase, "lost")
                under_way.remove(run)
            elif not isinstance(
                conductor.report(epoch_of(run, epoch, self.outcomes.score(run, epoch), epoch == EPOCHS)), Continue
            ):
                under_way.remove(run)
            check(race, self.log.events)
        return race


def check(race: Race, events: list[Event]) -> None:
    """The law: the search's choice is the report's."""
    best = race.best()
    rules = race.rules
    reported = selected(configurations(events, rules.seeds).get(VARIANT, []), METRIC, rules.finalists)
    assert (best and best.number) == (reported and reported.number)


def rules_of(n_configs: int, n_finalists: int, seeds: int) -> Rules:
    return Rules(
        n_configs=n_configs, finalists=n_finalists, seeds=seeds, n_folds=N_FOLDS, epochs=EPOCHS, rungs=(2,), lookahead=2
    )


@dataclass(frozen=True)
class Leg:
    """One call of the study: what it adds to the terms, and after how many epochs it is killed, if it is."""

    n_configs: int
    finalists: int
    seeds: int
    steps: int = 10**6


legs = st.lists(
    st.builds(Leg, st.integers(0, 4), st.integers(0, 1), st.integers(0, 1), st.just(10**6) | st.integers(0, 40)),
    max_size=3,
)


@settings(deadline=None)
@given(
    outcomes=st.builds(Outcomes, st.integers(0, 10**6), st.sampled_from([0.0, 0.02, 0.1])),
    policy=st.sampled_from(sorted(POLICIES)),
    slots=st.integers(1, 4),
    first=st.builds(Leg, st.integers(1, 5), st.just(1), st.integers(1, 2), st.just(10**6) | st.integers(0, 60)),
    more=legs,
)
# Extended with more configurations only: a new one leads the search before it can be confirmed.
@example(Outcomes(1), "full", 1, Leg(3, 1, 1), [Leg(3, 0, 0)])
@example(Outcomes(2), "race", 2, Leg(3, 1, 1), [Leg(3, 0, 1)])
def test_search_and_report_select_the_same_configuration_whatever_happens(
    outcomes: Outcomes, policy: str, slots: int, first: Leg, more: list[Leg]
) -> None:
    """Runs are lost, the study is killed and goes on, with more configurations, finalists and seeds."""
    study, terms = Study(outcomes, policy, slots), Leg(0, 0, 0)
    for leg in (first, *more):
        terms = Leg(terms.n_configs + leg.n_configs, terms.finalists + leg.finalists, terms.seeds + leg.seeds)
        study.run(rules_of(terms.n_configs, terms.finalists, terms.seeds), leg.steps)


class BySeed(Outcomes):
    """Scores of the search and of the confirmation runs by configuration."""

    searched = (0.5, 0.6, 0.7, 0.9, 0.8)
    confirmed = (0.5, 0.6, 0.8, 0.7, 0.2)

    def score(self, run: FoldRun, epoch: int) -> float:
        return (self.confirmed if run.seed else self.searched)[run.config]


def test_after_more_configurations_and_seeds_no_old_confirmation_decides() -> None:
    """The defect: `--configs 3 --seeds 1`, then `--configs 5 --seeds 2`. Configuration 2 had been confirmed once."""
    study = Study(BySeed(0), policy="full")
    first = study.run(rules_of(3, 1, 1)).best()
    assert first is not None
    assert first.number == 2
    race = study.run(rules_of(5, 1, 2))
    best = race.best()
    assert best is not None
    # Configuration 3 is the finalist now, and confirmed with both seeds; 2 has the better score, with one seed only.
    assert best.number == 3
    assert race.confirmation.score_of(2) is None
    reported = selected(configurations(study.log.events if study.log else [], 2)[VARIANT], METRIC, 1)
    assert reported is not None
    assert reported.number == 3


def test_while_the_search_goes_on_a_new_leader_is_not_passed_over_for_an_old_confirmed_one() -> None:
    """More configurations only: configuration 3 leads the search and is not confirmed yet, 2 was a finalist before."""
    study = Study(BySeed(0), policy="full")
    study.run(rules_of(3, 1, 1))
    best = study.run(rules_of(5, 1, 1), steps=N_FOLDS * EPOCHS).best()
    assert best is not None
    assert best.number == 3


def candidates() -> st.SearchStrategy[list[Candidate]]:
    score = st.integers(0, 4).map(lambda tenth: tenth / 10)
    each = st.tuples(score, st.none() | score, st.booleans())
    return st.lists(each, max_size=8).map(lambda found: [Candidate(number, *one) for number, one in enumerate(found)])


@given(candidates(), st.integers(0, 3))
def test_the_selected_one_is_never_worse_than_another_by_the_score_that_decides(
    every: list[Candidate], n_finalists: int
) -> None:
    number = select(every, n_finalists)
    if number is None:
        assert not every
        return
    confirmed = [each for each in every if each.confirmed is not None]
    entered = [each for each in every if each.number in finalists(every, n_finalists)]
    if confirmed and all(each in confirmed or each.lost for each in entered):
        best = max(each.confirmed or 0.0 for each in confirmed)
        assert number == min(each.number for each in confirmed if each.confirmed == best)
    else:
        best = max(each.searched for each in every)
        assert number == min(each.number for each in every if each.searched == best)


@given(candidates(), st.integers(0, 9), st.randoms(use_true_random=False))
def test_neither_finalists_nor_selection_depend_on_the_order_of_the_candidates(
    every: list[Candidate], n_finalists: int, rng: random.Random
) -> None:
    shuffled = rng.sample(every, len(every))
    assert finalists(shuffled, n_finalists) == finalists(every, n_finalists)
    assert select(shuffled, n_finalists) == select(every, n_finalists)
    assert ranked(shuffled) == ranked(every)


@pytest.mark.parametrize(("n_finalists", "numbers"), [(0, {0}), (1, {0, 2}), (2, {0, 1, 2}), (9, {0, 1, 2, 3})])
def test_finalists_are_the_best_of_the_search_and_the_published_setting(n_finalists: int, numbers: set[int]) -> None:
    every = [Candidate(0, 0.1), Candidate(1, 0.5), Candidate(2, 0.7), Candidate(3, 0.2)]
    assert finalists(every, n_finalists) == numbers

"""The sampler that learns from unfinished trials, in plain Optuna studies."""

import math
from statistics import fmean

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState, create_trial

from study.samplers.encoding import UnitCube
from study.samplers.gp import (
    DIVERGED,
    LABELS_OF_A_KIND,
    PREDICTED,
    PREDICTED_ERROR,
    Estimate,
    ForecastGPSampler,
    Known,
    diverged,
    estimates,
    pending,
    ranked,
    tried,
)
from study.samplers.sobol import EARLIER


@pytest.mark.filterwarnings("ignore")
class TestOptunasContract(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """The cases that Optuna gives to authors of samplers."""

    @pytest.fixture
    def sampler(self):
        return lambda: ForecastGPSampler(seed=0, n_startup_trials=2)


def bowl(trial):
    """0 at the best point, rising with the distance from it."""
    x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", 1e-3, 1e1, log=True)
    kind = trial.suggest_categorical("kind", ["good", "bad", "worse"])
    return (x - 1) ** 2 + math.log10(y) ** 2 + {"good": 0, "bad": 1, "worse": 2}[kind]


def best(sampler, direction="minimize", n_trials=30, sign=1):
    study = optuna.create_study(direction=direction, sampler=sampler)
    study.optimize(lambda trial: sign * bowl(trial), n_trials=n_trials)
    return sign * study.best_value


def test_it_finds_what_random_draws_do_not():
    random = fmean(best(optuna.samplers.RandomSampler(seed=seed)) for seed in range(4))
    assert fmean(best(ForecastGPSampler(seed=seed)) for seed in range(4)) < 0.3 * random


def test_maximising_the_negative_is_minimising():
    assert best(ForecastGPSampler(seed=1), "maximize", 12, sign=-1) == best(ForecastGPSampler(seed=1), "minimize", 12)


@pytest.mark.parametrize("where", ["user attributes", "intermediate values"])
def test_it_learns_from_trials_none_of_which_was_finished(where):
    study = optuna.create_study(direction="minimize", sampler=ForecastGPSampler(seed=0))
    found = []
    for _ in range(30):
        trial = study.ask()
        found.append(bowl(trial))
        if where == "user attributes":
            trial.set_user_attr(PREDICTED, found[-1])
            trial.set_user_attr(PREDICTED_ERROR, 0.05)
            study.tell(trial, state=TrialState.FAIL if math.isnan(found[-1]) else TrialState.PRUNED)
        else:
            trial.report(found[-1], step=3)  # and it runs on
    assert fmean(found[-10:]) < 0.3 * fmean(found[:7])


SPACE = {"x": optuna.distributions.FloatDistribution(0, 1)}


def trial_of(state, x=0.5, value=None, intermediate=None, **attributes):
    return create_trial(
        state=state, params={"x": x}, distributions=SPACE, value=value, intermediate_values=intermediate,
        user_attrs=attributes,
    )  # fmt: skip


def known(*trials):
    return [(each.score, each.error) for each in estimates(trials, 1.0)]


def test_a_prediction_counts_before_a_value_and_a_value_before_what_came_on_the_way():
    complete = trial_of(TrialState.COMPLETE, value=0.7, intermediate={1: 0.2})
    assert known(complete) == [(0.7, 0.0)]
    predicted = {PREDICTED: 0.6, PREDICTED_ERROR: 0.1}
    assert known(trial_of(TrialState.COMPLETE, value=0.7, **predicted)) == [(0.6, 0.1)]
    assert known(trial_of(TrialState.RUNNING, intermediate={1: 0.2}, **predicted)) == [(0.6, 0.1)]
    assert known(trial_of(TrialState.PRUNED)) == []


def test_the_last_intermediate_value_gains_what_complete_trials_gained_since():
    first = trial_of(TrialState.COMPLETE, value=0.7, intermediate={1: 0.2, 2: 0.4})
    second = trial_of(TrialState.COMPLETE, value=0.9, intermediate={1: 0.3, 2: 0.4})
    score, error = known(trial_of(TrialState.PRUNED, intermediate={1: 0.1, 2: 0.3}), first, second)[0]
    assert score == pytest.approx(0.3 + 0.4)
    assert error == pytest.approx(0.1 * math.sqrt(2))


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_teaches_nothing(number):
    assert known(trial_of(TrialState.RUNNING, intermediate={1: number})) == []
    assert known(trial_of(TrialState.RUNNING, **{PREDICTED: number})) == []


def test_running_trials_of_which_nothing_is_known_are_pending():
    running = trial_of(TrialState.RUNNING, x=0.25)
    others = [
        trial_of(TrialState.RUNNING, intermediate={1: 0.5}),
        trial_of(TrialState.RUNNING, **{PREDICTED: 0.5}),
        trial_of(TrialState.PRUNED),
        trial_of(TrialState.FAIL),
    ]
    assert pending([running, *others]) == [{"x": 0.25}]


def test_trials_that_run_at_once_are_not_alike():
    study = optuna.create_study(direction="minimize", sampler=ForecastGPSampler(seed=0))
    study.optimize(bowl, n_trials=12)
    at_once = [study.ask() for _ in range(4)]
    for trial in at_once:
        bowl(trial)
    xs = sorted(trial.params["x"] for trial in at_once)
    assert max(xs) - min(xs) > 0.2


AXES = st.one_of(
    st.integers(1, 4).map(lambda high: optuna.distributions.IntDistribution(1, high)),
    st.integers(1, 4).map(lambda high: optuna.distributions.IntDistribution(1, high, log=True)),
    st.integers(0, 3).map(lambda last: optuna.distributions.FloatDistribution(0.1, 0.1 + 0.3 * last, step=0.3)),
    st.sampled_from([(1, 2, 4), ("gru", "linear", None), (True, False)]).map(
        optuna.distributions.CategoricalDistribution
    ),
)
ENDS = ["complete", "pruned", "diverged", "failed", "running"]


def tried_in(space, n_trials, seed, ends):
    """The parameters of `n_trials` proposals, which come to the `ends` in turn."""
    study = optuna.create_study(direction="maximize", sampler=ForecastGPSampler(seed=seed, n_startup_trials=3))
    found = []
    for number in range(n_trials):
        trial, end = study.ask(space), ends[number % len(ends)]
        found.append(tuple(trial.params.items()))
        trial.set_user_attr(DIVERGED, end == "diverged")
        if end == "complete":
            study.tell(trial, sum(hash(value) % 7 for value in trial.params.values()))
        elif end != "running":
            study.tell(trial, state=TrialState.FAIL if end == "failed" else TrialState.PRUNED)
    return found


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=10, deadline=None)
@given(
    st.lists(AXES, min_size=1, max_size=3),
    st.lists(st.sampled_from(ENDS), min_size=1, max_size=5),
    st.integers(0, 10**6),
)
def test_nothing_is_proposed_twice_before_everything_was_once(axes, ends, seed):
    space = {f"p{index}": each for index, each in enumerate(axes)}
    n_cells = math.prod(
        len(each.choices)
        if isinstance(each, optuna.distributions.CategoricalDistribution)
        else round((each.high - each.low) / each.step) + 1
        for each in axes
    )
    first = tried_in(space, n_cells, seed, ends)
    assert len(set(first)) == n_cells
    assert tried_in(space, n_cells + 1, seed, ends)[:-1] == first  # and one more is any


@pytest.mark.parametrize("seed", range(3))
def test_thirty_proposals_in_81_cells_are_thirty(seed):
    space = {f"p{index}": optuna.distributions.IntDistribution(1, 3) for index in range(4)}
    assert len(set(tried_in(space, 30, seed, ["complete"]))) == 30


def test_a_trial_of_an_earlier_study_may_be_tried_once_more():
    cube = UnitCube(SPACE)
    assert tried(cube, [trial_of(TrialState.COMPLETE, 0.25, value=1.0, **{EARLIER: True})]) == set()
    assert tried(cube, [trial_of(TrialState.FAIL, 0.25)]) == {(0.25,)}


def test_the_start_is_what_the_independent_sampler_draws():
    ours = optuna.create_study(sampler=ForecastGPSampler(seed=5))
    theirs = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
    for study in (ours, theirs):
        study.optimize(bowl, n_trials=7)
    assert [trial.params for trial in ours.trials] == [trial.params for trial in theirs.trials]


def test_a_trial_that_is_marked_has_diverged_and_has_no_score():
    marked = [
        trial_of(TrialState.PRUNED, 0.1, intermediate={1: 0.5}, **{DIVERGED: True}),
        trial_of(TrialState.FAIL, 0.2, **{DIVERGED: True}),
        trial_of(TrialState.RUNNING, 0.3, **{DIVERGED: True}),
    ]
    others = [trial_of(TrialState.PRUNED, 0.4), trial_of(TrialState.FAIL, 0.5, **{DIVERGED: False})]
    assert diverged([*marked, *others]) == [{"x": 0.1}, {"x": 0.2}, {"x": 0.3}]
    assert known(*marked, *others) == []
    assert pending([*marked, *others]) == []


def overshoot(seed, sees_divergence):
    """How far beyond the edge of a diverging half-space the best candidate lies; scores rise towards the edge."""
    cube = UnitCube({name: optuna.distributions.FloatDistribution(0, 1) for name in "xyz"})
    random = np.random.default_rng(seed)
    name, sign, edge = "xyz"[random.integers(3)], random.choice([-1, 1]), random.uniform(0.35, 0.65)
    finite, beyond = [], []
    for params in cube.at(random.random((40, 3))):
        ahead = sign * (params[name] - edge)
        if ahead > 0:
            beyond.append(params)
        else:
            finite.append(Estimate(params, ahead, 0.01))
    known = Known(finite, [], beyond if sees_divergence else [], set())
    return sign * (ranked(cube, known, cube.at(random.random((400, 3))))[0][name] - edge)


def test_a_half_space_that_diverges_is_avoided():
    """Over 15 cases and against a blind sampler, because 40 labels may leave a corner unknown."""
    seeing, blind = ([overshoot(seed, sees) for seed in range(15)] for sees in (True, False))
    assert fmean(seeing) < 0.05
    assert sum(ahead < 0.2 for ahead in seeing) >= 14
    assert fmean(blind) > 0.2


def test_time_is_bounded_by_the_number_of_labels():
    """Of many trials of a kind, so many teach what diverges; the first of them among these."""
    cube, random = UnitCube(SPACE), np.random.default_rng(0)
    many = [{"x": x} for x in np.linspace(0.5, 1.0, 10 * LABELS_OF_A_KIND)]
    scores = estimates([trial_of(TrialState.COMPLETE, x, value=x) for x in (0.1, 0.2, 0.3)], 1.0)
    candidates = cube.at(random.random((40, 1)))
    few = many[::10]
    with_many = ranked(cube, Known(scores, [], many, set()), candidates)
    assert with_many == ranked(cube, Known(scores, [], few, set()), candidates)
    assert with_many[0]["x"] < 0.5

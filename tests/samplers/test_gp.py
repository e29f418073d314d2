"""The sampler that learns from unfinished trials, in plain Optuna studies."""

import math
from statistics import fmean

import optuna
import pytest
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState, create_trial

from study.samplers.gp import PREDICTED, PREDICTED_ERROR, ForecastGPSampler, estimates, pending


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

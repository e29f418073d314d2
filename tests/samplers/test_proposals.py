"""Proposals: pure functions of observations and seed, from samplers that learn what they should."""

import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import create_trial

from study.record.events import Phase
from study.samplers.gp import DIVERGED
from study.samplers.optuna_own import tpe
from study.samplers.proposer import STATES, Space, as_optuna_trial, propose, proposer, published_params
from study.search.observation import Observation
from study.variants import VARIANTS

SAMPLERS = ("gp", "tpe", "random", "qmc")


def test_a_stopped_config_is_pruned_to_optuna_and_never_complete():
    assert STATES[Phase.STOPPED] is optuna.trial.TrialState.PRUNED
    assert STATES[Phase.DIVERGED] is optuna.trial.TrialState.PRUNED
    assert STATES[Phase.FAILED] is optuna.trial.TrialState.FAIL


@pytest.mark.parametrize("phase", Phase)
def test_a_diverged_config_is_marked_and_no_other(phase):
    variant = VARIANTS["cross"]
    trial = as_optuna_trial(variant.suggest, Observation(published_params(variant), phase, 0.5, 4))
    assert trial.user_attrs.get(DIVERGED, False) == (phase is Phase.DIVERGED)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_proposal_depends_on_the_observations_and_on_the_seed_and_on_nothing_else(sampler):
    suggest = VARIANTS["cross"].suggest
    tried = [Observation(published_params(VARIANTS["cross"]), Phase.COMPLETE, 0.5, 4, 0.5)]
    for _ in range(7):
        value = 0.1 * len(tried)
        tried.append(Observation(propose(suggest, tried, 1, sampler), Phase.COMPLETE, value, 4, value))
    assert propose(suggest, tried, 1, sampler) == propose(suggest, tried, 1, sampler)
    assert propose(suggest, tried, 1, sampler) != propose(suggest, tried, 2, sampler)


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_the_sampler_learns_from_complete_configs(sampler):
    """Learning rates near 1e-3 score high: after thirty of them, proposals gather there."""
    suggest = VARIANTS["cross"].suggest
    tried = [Observation(published_params(VARIANTS["cross"]), Phase.COMPLETE, 1.0, 4, 1.0)]
    for number in range(30):
        params = propose(suggest, tried, number, sampler)
        score = 1.0 - abs(math.log10(params["learning_rate"]) + 3)
        tried.append(Observation(params, Phase.COMPLETE, score, 4, score))
    late = [entry.params["learning_rate"] for entry in tried[-10:]]
    assert sum(3e-4 < rate < 3e-3 for rate in late) >= 7


def test_the_gaussian_process_learns_from_unfinished_configs_too():
    """Thirty configurations that only ever waited, with predicted final scores that favour a high rate."""
    suggest = VARIANTS["cross"].suggest
    tried = [Observation(published_params(VARIANTS["cross"]), Phase.COMPLETE, 0.0, 4, 0.0)]
    for number in range(30):
        params = propose(suggest, tried, number, "gp")
        predicted = math.log10(params["learning_rate"])
        tried.append(Observation(params, Phase.STOPPED, predicted, 2, predicted, 0.1))
    assert sum(entry.params["learning_rate"] > 4e-3 for entry in tried[-10:]) >= 7


def test_the_points_of_the_quasi_random_sampler_depend_on_their_number_alone():
    suggest = VARIANTS["cross"].suggest

    def sequence(score):
        tried = [Observation(published_params(VARIANTS["cross"]), Phase.COMPLETE, score, 4, score)]
        for _ in range(6):
            tried.append(Observation(propose(suggest, tried, 1, "qmc"), Phase.COMPLETE, score * len(tried), 4))
        return [entry.params for entry in tried]

    assert sequence(0.1) == sequence(-3.0)
    assert len({params["learning_rate"] for params in sequence(0.1)[1:]}) == 6


def test_a_configuration_that_was_drawn_before_is_as_if_it_were_drawn_now():
    """A study proposes from configurations that it remembers; one that goes on draws them all anew."""
    remembering, observations = proposer(3, "tpe"), []
    for number in range(12):
        params = remembering("cross", observations)
        assert params == proposer(3, "tpe")("cross", observations)
        observations.append(Observation(params, Phase.COMPLETE, 0.4 + 0.01 * number, 4))


def test_a_space_keeps_values_apart_that_are_equal_and_no_others():
    space = Space(lambda trial: trial.suggest_categorical("x", [0, 1, 2]))
    (one, _), (true, _) = space.at({"x": 1}), space.at({"x": True})
    assert [type(each["x"]) for each in (one, true)] == [int, bool]
    assert space.at({"x": 1})[1]["x"] is space.at({"x": 2})[1]["x"]


def test_the_space_of_tpe_is_optunas_where_trials_differ_in_what_they_have():
    """Optuna's sampler is the oracle, on trials that share one space, lack a parameter, or have another range."""
    x, y, single = FloatDistribution(0, 1), CategoricalDistribution(["a", "b"]), IntDistribution(3, 3)
    shared = {"y": y, "x": x, "single": single}
    for other in (shared, {"x": x, "y": y}, {"x": FloatDistribution(0, 1), "y": y}, {"x": FloatDistribution(0, 2)}, {}):
        study = optuna.create_study()
        for own in (shared, other, shared):
            values = {"x": 0.5, "y": "a", "single": 3}
            study.add_trial(create_trial(value=1.0, params={n: values[n] for n in own}, distributions=own))
        theirs = TPESampler(multivariate=True, constant_liar=True)
        trial = study.trials[-1]
        expected = theirs.infer_relative_search_space(study, trial)
        assert list(tpe(0).infer_relative_search_space(study, trial).items()) == list(expected.items())

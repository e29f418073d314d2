"""The quasi-random sampler: a point by the number of its trial."""

import numpy as np
import optuna
import pytest
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase
from scipy.stats.qmc import discrepancy

from study.record.events import Phase
from study.samplers.proposer import propose
from study.samplers.sobol import SobolSampler, sobol_point
from study.search.observation import Observation


@pytest.mark.filterwarnings("ignore")
class TestOptunasContract(BasicSamplerTestCase, RelativeSamplerTestCase):
    """The cases that Optuna gives to authors of samplers."""

    @pytest.fixture
    def sampler(self):
        return lambda: SobolSampler(seed=0)


def suggest(trial):
    return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)


def test_a_study_fills_its_space_more_evenly_than_random_draws():
    def unevenness(sampler):
        study = optuna.create_study(sampler=sampler)
        study.optimize(suggest, n_trials=65)
        return discrepancy(np.array([[trial.params["x"], trial.params["y"]] for trial in study.trials[1:]]))

    assert unevenness(SobolSampler(seed=1)) < 0.2 * unevenness(optuna.samplers.RandomSampler(seed=1))


def test_trial_n_has_point_n_whatever_was_found_and_in_every_process():
    study = optuna.create_study(sampler=SobolSampler(seed=1))
    study.optimize(suggest, n_trials=6)
    again = optuna.create_study()
    for _ in range(6):
        again.sampler = SobolSampler(seed=1)  # as another process would
        again.optimize(lambda trial: -suggest(trial), n_trials=1)
    points = [sobol_point(1, number, 2)[0].tolist() for number in range(1, 6)]
    for found in (study, again):
        assert [[trial.params["x"], trial.params["y"]] for trial in found.trials[1:]] == points


def test_configurations_of_an_earlier_study_are_not_counted():
    observations = [Observation({"x": 0.5, "y": 0.5}, Phase.COMPLETE, 0.5, 9, 0.5)] * 3
    assert propose(suggest, observations, 1, "qmc", observations) == propose(suggest, observations, 1, "qmc")

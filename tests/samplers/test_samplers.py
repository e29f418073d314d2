"""One contract that every row of the table keeps."""

from importlib.util import find_spec

import optuna
import pytest

from study.errors import UserError
from study.protocols import PROTOCOLS
from study.record.events import Phase
from study.samplers import SAMPLERS, Sampler
from study.samplers.proposer import as_optuna_trial, propose
from study.search.observation import Observation

INSTALLED = [name for name, row in SAMPLERS.items() if not row.package or find_spec(row.package)]
every_sampler = pytest.mark.parametrize("sampler", INSTALLED)

FIRST = {"rate": 1e-2, "dropout": 0.1, "layers": 2, "units": 64, "heads": 4, "pooling": "mean"}


def suggest(trial):
    return {
        "rate": trial.suggest_float("rate", 1e-4, 1e-1, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "layers": trial.suggest_int("layers", 1, 4),
        "units": trial.suggest_int("units", 8, 512, log=True),
        "heads": trial.suggest_categorical("heads", [1, 2, 4, 8]),
        "pooling": trial.suggest_categorical("pooling", ["mean", "max", "attention"]),
    }


def observed(params, score):
    return Observation(params, Phase.COMPLETE, score, 9, score)


def observations(n, score=lambda number: 0.4 + 0.01 * number):
    """The first configuration and others that were drawn at random, all complete."""
    found = [observed(FIRST, score(0))]
    while len(found) < n:
        found.append(observed(propose(suggest, found, 5, "random"), score(len(found))))
    return found


@every_sampler
@pytest.mark.parametrize("n", [1, 2, 6, 7, 12])
def test_a_proposal_is_in_the_space_and_follows_from_seed_number_and_observations(sampler, n):
    known = observations(n)
    params = propose(suggest, known, 1, sampler)
    assert params == propose(suggest, known, 1, sampler)
    assert any(params != propose(suggest, known, seed, sampler) for seed in range(2, 6))
    fixed = optuna.trial.FixedTrial(params)
    suggest(fixed)
    assert params == fixed.params
    for name, distribution in fixed.distributions.items():
        assert distribution._contains(distribution.to_internal_repr(params[name]))


@every_sampler
def test_successive_proposals_differ(sampler):
    found = observations(1)
    for _ in range(9):
        found.append(observed(propose(suggest, found, 1, sampler), 0.5))
    assert len({tuple(each.params.items()) for each in found}) == 10


@every_sampler
def test_whether_scores_matter_is_as_the_row_has_it(sampler):
    rising, falling = observations(14), observations(14, lambda number: 0.6 - 0.01 * number)
    differ = propose(suggest, rising, 1, sampler) != propose(suggest, falling, 1, sampler)
    assert differ == SAMPLERS[sampler].reads_scores


@every_sampler
@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.STOPPED, Phase.DIVERGED, Phase.FAILED])
def test_nothing_but_the_first_configuration_needs_to_be_complete(sampler, phase):
    known = [observed(FIRST, 0.5)] + [Observation(each.params, phase) for each in observations(9)[1:]]
    assert set(propose(suggest, known, 1, sampler)) == set(FIRST)
    assert set(propose(suggest, [Observation(FIRST, phase)], 1, sampler)) == set(FIRST)


@every_sampler
def test_a_failed_trial_teaches_nothing(sampler):
    def asked(failed):
        study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](1, 13))
        study.add_trials([as_optuna_trial(suggest, each) for each in observations(12)])
        study.add_trial(failed)
        trial = study.ask()
        suggest(trial)
        return trial.params

    params = propose(suggest, observations(12), 8, "random")
    one = as_optuna_trial(suggest, Observation(params, Phase.FAILED))
    other = as_optuna_trial(suggest, Observation(FIRST, Phase.FAILED), {"predicted_final_score": 0.9})
    other.intermediate_values = {1: 0.8, 2: 0.9}
    assert asked(one) == asked(other)


@every_sampler
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_it_serves_a_plain_optuna_study(sampler, direction):
    study = optuna.create_study(direction=direction, sampler=SAMPLERS[sampler](0, 0))
    study.optimize(lambda trial: suggest(trial)["dropout"], n_trials=12)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 12


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", [name for name in ("cmaes", "optuna-qmc") if name in INSTALLED])
def test_a_sampler_that_keeps_its_state_in_the_study_goes_on_from_trials_alone(sampler):
    """Its proposals over a study are those that Optuna's own sampler makes when it is used in the usual way."""
    sort = {"cmaes": optuna.samplers.CmaEsSampler, "optuna-qmc": optuna.samplers.QMCSampler}[sampler]
    scrambled = {"scramble": True} if sampler == "optuna-qmc" else {}

    def space(trial):
        return trial.suggest_float("x", -5, 5) ** 2 + trial.suggest_float("y", -5, 5) ** 2

    theirs = optuna.create_study(sampler=sort(seed=3, **scrambled))
    theirs.enqueue_trial({"x": 1.0, "y": 2.0})
    theirs.optimize(space, n_trials=15)
    study = optuna.create_study()
    study.enqueue_trial({"x": 1.0, "y": 2.0})
    for number in range(15):
        study.sampler = SAMPLERS[sampler](3, number)
        study.optimize(space, n_trials=1)
    assert [trial.params for trial in study.trials] == [trial.params for trial in theirs.trials]


def test_a_package_that_is_missing_is_named_in_one_line():
    row = Sampler("of another world", lambda seed, number: None, package="no_such_package")
    with pytest.raises(UserError, match=r"no_such_package.*pip install no_such_package.*--sampler"):
        row(0, 1)


def test_every_row_has_a_description_of_one_line():
    assert all(
        row.description and len(row.description) < 80 and "\n" not in row.description for row in SAMPLERS.values()
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_report_on_protocol_nested_names_a_sampler_that_reads_scores(sampler):
    row = SAMPLERS[sampler]
    named = f"the sampler {sampler} proposed the configurations"
    assert (named in PROTOCOLS["nested"].sentence(sampler, row.reads_scores)) == row.reads_scores
    assert named not in PROTOCOLS["shared"].sentence(sampler, row.reads_scores)

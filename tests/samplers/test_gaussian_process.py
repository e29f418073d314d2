"""The process against scikit-learn's, and the cube that it lives in."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.optimize import check_grad
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from study.samplers.encoding import UnitCube
from study.samplers.gaussian_process import (
    _negative_log_posterior,
    conditioned,
    distances,
    evenly_spaced,
    expected_improvement,
    fit,
    probability_of_one,
    scaled_distances,
)

random = np.random.default_rng(0)
POINTS, VALUES, ERRORS = random.random((25, 3)), random.normal(size=25), random.uniform(0.05, 0.4, 25)


def test_predictions_are_those_of_scikit_learn_with_the_same_scales():
    scales, signal = np.array([0.3, 0.8, 1.5]), 1.7
    theirs = GaussianProcessRegressor(
        ConstantKernel(signal) * Matern(scales, nu=2.5), alpha=ERRORS**2 + 1e-8, optimizer=None
    ).fit(POINTS, VALUES)
    at = random.random((40, 3))
    mean, error = theirs.predict(at, return_std=True)
    found = conditioned(POINTS, VALUES, ERRORS, scales, signal).at(at)
    assert found[0] == pytest.approx(mean, abs=1e-6)
    assert found[1] == pytest.approx(error, abs=1e-6)


def test_of_many_points_some_give_the_scales_and_all_are_believed():
    """Four hundred precise values of a smooth function: those that the scales were not fitted on are known as well."""
    points = np.random.default_rng(1).random((400, 2))
    values = np.sin(5 * points[:, 0]) + points[:, 1]
    belief = fit(points, values, np.full(400, 1e-3))
    left_out = sorted(set(range(400)) - set(evenly_spaced(400, 300)))
    mean, error = belief.at(points[left_out])
    assert len(left_out) == 100
    assert mean == pytest.approx(values[left_out], abs=0.02)
    assert error.max() < 0.05
    assert belief.means[left_out] == pytest.approx(mean, abs=1e-9)


def test_what_is_seen_later_is_believed_as_if_all_had_been_seen_at_once():
    scales, more = np.array([0.3, 0.8, 1.5]), random.random((4, 3))
    values, errors = np.concatenate([VALUES, np.zeros(4)]), np.full(29, 0.2)
    first = conditioned(POINTS, VALUES, ERRORS, scales, 1.7)
    later = first.seeing(more, values, errors)
    at_once = conditioned(np.concatenate([POINTS, more]), values, errors, scales, 1.7)
    at = random.random((10, 3))
    for mine, theirs in zip((*later.at(at), later.means), (*at_once.at(at), at_once.means), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("n", "most"), [(0, 3), (2, 3), (3, 3), (10, 3), (1000, 300)])
def test_evenly_spaced_numbers_are_as_many_as_may_be_and_differ(n, most):
    found = evenly_spaced(n, most)
    assert len(set(found)) == len(found) == min(n, most)
    assert all(0 <= each < n for each in found)


@pytest.mark.parametrize("n", [0, 1, 64, 65, 130])
def test_distances_of_some_rows_at_a_time_are_those_of_all_to_the_last_bit(n):
    left, scales = np.random.default_rng(2).random((n, 3)), np.array([0.3, 0.8, 1.5])
    assert np.array_equal(scaled_distances(left, POINTS, scales), distances(left, POINTS) @ scales**-2)


def test_the_gradient_is_that_of_the_loss():
    apart, centre, spread = distances(POINTS, POINTS), np.zeros(5), np.ones(5)

    def loss(logs):
        return _negative_log_posterior(logs, apart, VALUES, ERRORS, centre, spread)

    at = np.array([-1.0, 0.2, 0.5, 0.3, -2.0])
    assert check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], at) < 1e-4


def test_an_inert_dimension_is_found_out():
    values = np.sin(6 * POINTS[:, 0])
    belief = fit(POINTS, (values - values.mean()) / values.std(), np.full(25, 0.05))
    assert belief.scales[0] < 0.5 * min(belief.scales[1:])


def test_a_point_with_a_large_error_is_not_believed():
    points, values = np.array([[0.2], [0.5], [0.8]]), np.array([0.0, 5.0, 0.0])
    sure = conditioned(points, values, np.array([0.1, 0.1, 0.1]), np.array([0.3]), 1.0).at(points)[0][1]
    unsure = conditioned(points, values, np.array([0.1, 10.0, 0.1]), np.array([0.3]), 1.0).at(points)[0][1]
    assert sure > 4.5
    assert unsure < 1.0


def test_expected_improvement_is_the_mean_of_the_gain():
    draws = norm.ppf((np.arange(200_000) + 0.5) / 200_000) * 0.7 + 0.2
    assert expected_improvement(np.array([0.2]), np.array([0.7]), 0.5)[0] == pytest.approx(
        np.maximum(draws - 0.5, 0).mean(), abs=1e-4
    )


SPACE = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "layers": IntDistribution(1, 4),
    "units": IntDistribution(8, 512, log=True),
    "heads": CategoricalDistribution([1, 2, 4, 8]),
    "pooling": CategoricalDistribution(["mean", "max", "attention"]),
}


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=6, max_size=6))
def test_every_point_of_the_cube_is_a_configuration_of_the_space(fractions):
    params = UnitCube(SPACE).at(np.array([fractions]))[0]
    for name, distribution in SPACE.items():
        assert distribution._contains(distribution.to_internal_repr(params[name]))


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=6, max_size=6), st.integers(0, 1000))
def test_neighbours_are_configurations_and_differ_in_at_most_three_parameters(fractions, seed):
    cube = UnitCube(SPACE)
    params = cube.at(np.array([fractions]))[0]
    for near in cube.near(params, 5, np.random.default_rng(seed)):
        assert sum(near[name] != params[name] for name in SPACE) <= 3
        for name, distribution in SPACE.items():
            assert distribution._contains(distribution.to_internal_repr(near[name]))


def test_names_are_equally_far_apart_and_numbers_by_their_order():
    cube = UnitCube({"pooling": SPACE["pooling"], "heads": SPACE["heads"]})
    names = cube.points([{"pooling": name, "heads": 1} for name in ("mean", "max", "attention")])
    assert cube.dims == 4
    assert distances(names, names).sum(axis=2)[np.triu_indices(3, 1)] == pytest.approx(1.0)
    heads = cube.points([{"pooling": "mean", "heads": n} for n in (1, 2, 4, 8)])[:, -1]
    assert np.diff(heads) == pytest.approx(1 / 3)


def test_whole_numbers_have_equal_shares():
    cube = UnitCube({"layers": SPACE["layers"]})
    drawn = [params["layers"] for params in cube.at(np.linspace(0, 1, 4000, endpoint=False)[:, None])]
    assert [drawn.count(n) for n in (1, 2, 3, 4)] == pytest.approx([1000] * 4, abs=2)


@settings(max_examples=15, deadline=None)
@given(axis=st.integers(0, 2), edge=st.floats(0.3, 0.7), seed=st.integers(0, 10**6))
def test_labels_divided_by_a_plane_are_learned(axis, edge, seed):
    points, at = np.random.default_rng(seed).random((2, 30, 3))
    labels = (points[:, axis] < edge).astype(float)
    probable = probability_of_one(points, labels, at)
    far = np.abs(at[:, axis] - edge) > 0.2
    assert ((probable > 0.5) == (at[:, axis] < edge))[far].mean() > 0.8
    assert np.all((probable > 0) & (probable < 1))


def test_where_all_labels_are_zero_points_far_from_them_are_more_probable():
    points = np.full((6, 2), 0.1) + 0.05 * np.arange(6)[:, None]
    near, far = probability_of_one(points, np.zeros(6), np.array([[0.2, 0.2], [1.0, 1.0]]))
    assert near < far


@given(st.sets(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(0, 2))), st.integers(0, 10**6))
def test_the_untried_configurations_are_all_that_were_not_tried(done, seed):
    steps, names = [0.0, 0.1, 0.2, 0.3, 0.4], ["gru", None, "linear"]
    cube = UnitCube(
        {
            "whole": IntDistribution(1, 3, log=True),
            "stepped": FloatDistribution(0.0, 0.4, step=0.1),
            "name": CategoricalDistribution(names),
        }
    )
    every = set(itertools.product([1, 2, 3], range(5), range(3)))
    tried = {cube.cell({"whole": w, "stepped": steps[s], "name": names[n]}) for w, s, n in done}
    found = cube.untried(tried, 100, np.random.default_rng(seed))
    assert len(found) == 45 - len(done)
    assert {(f["whole"], round(10 * f["stepped"]), names.index(f["name"])) for f in found} == every - done
    assert len(cube.untried(tried, 2, np.random.default_rng(seed))) == min(2, 45 - len(done))


def test_a_continuous_space_has_no_list_of_what_was_not_tried():
    assert UnitCube({"x": FloatDistribution(0, 1)}).untried(set(), 5, np.random.default_rng(0)) == []

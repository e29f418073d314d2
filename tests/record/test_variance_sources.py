"""Where test scores differ, and the path of a search: against simulated scores, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase
from study.record.incumbents import incumbents, overtuning
from study.record.results import configurations
from study.record.variance_sources import variance_sources
from study.training.metrics import METRICS

DEVIATIONS = {"configuration": 0.05, "fold": 0.08, "configuration x fold": 0.03, "seed": 0.02}


def epoch(config: int, fold: int, seed: int, validation: float, test: float, seconds: float = 1.0) -> EpochDone:
    scores = dict.fromkeys(METRICS, validation), dict.fromkeys(METRICS, test)
    return EpochDone("cross", config, fold, seed, 1, 1.0, *scores, seconds, ended=True)


def simulated(n_configs: int, n_folds: int, n_seeds: int) -> list[Event]:
    """Scores with sources of known size."""
    random = np.random.default_rng(0)
    drawn = {
        "configuration": random.normal(size=(n_configs, 1, 1)),
        "fold": random.normal(size=(1, n_folds, 1)),
        "configuration x fold": random.normal(size=(n_configs, n_folds, 1)),
        "seed": random.normal(size=(n_configs, n_folds, n_seeds + 1)),
    }
    scores = 0.5 + sum(DEVIATIONS[name] * each for name, each in drawn.items())
    events: list[Event] = []
    for config in range(n_configs):
        events.append(ConfigAdded("cross", config, {}))
        for fold in range(n_folds):
            events += [epoch(config, fold, seed, 0.5, scores[config, fold, seed]) for seed in range(n_seeds + 1)]
        events.append(Closed("cross", config, Phase.COMPLETE, ""))
    return events


def test_each_source_is_found_as_large_as_it_is() -> None:
    found = variance_sources(configurations(simulated(120, 40, 3), 3)["cross"], "UWA")
    assert {each.name: each.levels for each in found} == {
        "configuration": 120, "fold": 40, "configuration x fold": 4800, "seed": 3,
    }  # fmt: skip
    for each in found:
        assert each.deviation == pytest.approx(DEVIATIONS[each.name], rel=0.25)


def test_without_new_seeds_their_variance_stays_in_the_rest() -> None:
    found = {each.name: each for each in variance_sources(configurations(simulated(120, 40, 0), 0)["cross"], "UWA")}
    assert found["configuration x fold and seed"].deviation == pytest.approx(np.hypot(0.03, 0.02), rel=0.1)
    assert "seed" not in found


def test_one_configuration_or_one_fold_tells_nothing_apart() -> None:
    assert variance_sources(configurations(simulated(1, 5, 0), 0)["cross"], "UWA") == []
    assert variance_sources(configurations(simulated(5, 1, 0), 0)["cross"], "UWA") == []


def test_incumbents_are_those_that_were_best_so_far_and_overtuning_is_what_the_last_lacks() -> None:
    scores = [(0.40, 0.30), (0.50, 0.45), (0.45, 0.60), (0.60, 0.41)]
    events: list[Event] = []
    for config, (validation, test) in enumerate(scores):
        events.append(ConfigAdded("cross", config, {}))
        events += [epoch(config, fold, 0, validation, test, seconds=10.0) for fold in (0, 1)]
        events.append(Closed("cross", config, Phase.COMPLETE, ""))
    events += [epoch(3, 0, 1, 0.9, 0.9)]  # a confirmation run is no part of the search
    path = incumbents(events, configurations(events, 0)["cross"], "UWA")
    assert [(each.number, each.seconds) for each in path] == [(0, 20.0), (1, 40.0), (3, 80.0)]
    assert overtuning(path) == pytest.approx(0.45 - 0.41)
    assert overtuning(path[:2]) == 0
    assert overtuning([]) == 0

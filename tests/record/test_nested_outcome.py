"""Nested figures from events: they follow the races' choices, an oracle by hand, and the law."""

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.record.divisions import blocks_of, folds_and_swapped, roles
from study.record.events import EpochDone, Phase
from study.record.nested_outcome import block_choices, by_role, figures, nested_choices, nested_outcome, seen_by_role
from study.record.results import configurations
from study.record.selection import select
from study.record.terms import Terms
from study.report.baselines import guess_scores
from study.report.systems import share_tested
from study.training.metrics import METRICS
from tests.report.toy import toy_plan
from tests.search.test_nested import BLOCKS, CONFIGS, EPOCHS, PAIRS, Table, study


@pytest.fixture(scope="module")
def plan():
    return toy_plan(sessions=BLOCKS, terms=Terms(n_configs=CONFIGS, epochs=EPOCHS, protocol="nested"))


def groups(plan):
    return list(plan.corpus["groups"])


def configs_of(conductor):
    """The configurations on record, with the one score in the place of all four."""
    events = [
        replace(
            event,
            validation=dict.fromkeys(METRICS, event.validation["UWA"]),
            test=dict.fromkeys(METRICS, event.test["UWA"]),
        )
        if isinstance(event, EpochDone)
        else event
        for event in conductor._log.events
    ]
    return configurations(events, 0)["cross"]


def by_hand(table, config, block):
    """The validation and test score of a configuration for a tested block, straight from the table.

    The epoch is the one with the best mean over the runs that hold the block out, scored on the others.
    """
    places = [(pair, sum(blocks) - block) for pair, blocks in enumerate(PAIRS) if block in blocks]
    best = np.mean([table.scores[config, pair, :, partner] for pair, partner in places], axis=0).argmax()
    found = [[table.scores[config, pair, best, each] for each in (partner, block)] for pair, partner in places]
    return [fmean(column) for column in zip(*found, strict=True)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_choices_and_figures_are_those_of_the_races_and_of_the_table(plan, seed):
    table = Table.drawn(seed)
    conductor = study(table, slots=3)
    configs = configs_of(conductor)
    result = nested_choices(configs, plan)
    race = conductor.searches["cross"]
    assert [config.number for config in result.blocks] == race.choices()
    assert result.shared.number == race.best().number
    assert {config.number for config in [*result.blocks, result.shared]} == race.chosen()
    found = nested_outcome(plan, configs)
    for block, number in enumerate(race.choices()):
        here = [found.figures[part]["UWA"].folds[block] for part in ("validation", "test")]
        assert here == pytest.approx(by_hand(table, number, block))
    shared = [by_hand(table, result.shared.number, block)[1] for block in range(BLOCKS)]
    assert found.nested.shared["test"]["UWA"].folds == pytest.approx(shared)
    difference = fmean(shared) - found.figures["test"]["UWA"].mean
    assert found.nested.optimism == pytest.approx(dict.fromkeys(METRICS, difference))
    assert dict(zip(groups(plan), race.choices(), strict=True)) == found.nested.choices


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_what_the_luck_of_the_search_draws_from_are_the_choices_that_are_reported(plan, seed):
    table = Table.drawn(seed)
    conductor = study(table)
    choices = block_choices(plan, configs_of(conductor))
    assert [select(choice.candidates) for choice in choices] == conductor.searches["cross"].choices()
    for block, choice in enumerate(choices):
        assert {each.number for each in choice.candidates} == set(choice.test)
        for each in choice.candidates:
            found = [each.searched, choice.test[each.number]["WF1"]]
            assert found == pytest.approx(by_hand(table, each.number, block))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, BLOCKS - 1))
def test_scores_on_a_block_change_its_test_figure_and_neither_its_choice_nor_its_validation(plan, seed, block):
    table = Table.drawn(seed)
    one, two = (nested_choices(configs_of(study(t)), plan) for t in (table, table.perturbed(block, seed)))
    assert one.blocks[block].number == two.blocks[block].number
    before, after = (figures([r.blocks[block]] * BLOCKS, plan) for r in (one, two))
    assert before["validation"]["UWA"].folds[block] == after["validation"]["UWA"].folds[block]
    assert before["test"]["UWA"].folds[block] != after["test"]["UWA"].folds[block]


def test_a_block_without_a_complete_configuration_has_no_choice_and_the_study_no_figures(plan):
    table = Table.drawn(1)
    table.diverging = {(number, 0): 1 for number in range(CONFIGS)}  # every run that holds out the first two blocks
    configs = configs_of(study(table))
    assert [config is None for config in nested_choices(configs, plan).blocks] == [True, True, False, False]
    assert nested_outcome(plan, configs) is None


def test_only_what_is_complete_for_every_block_is_shown_as_complete(plan):
    configs = configs_of(study(Table.drawn(8)))
    shown = {config.number for config in seen_by_role(plan, configs) if config.outcome is Phase.COMPLETE}
    assert 0 in shown < {config.number for config in configs if config.outcome is Phase.COMPLETE}
    assert all(len(run.epochs) == EPOCHS for number in shown for run in configs[number].folds.values())


def test_every_block_is_tested_with_every_other_one_and_trains_on_neither(plan):
    assert [block for (block,) in blocks_of(folds_and_swapped(plan))] == groups(plan)
    assert [(role.test_block, role.validation_block) for role in roles(plan)] == [
        (test, validation) for test in range(BLOCKS) for validation in range(BLOCKS) if validation != test
    ]
    for division in folds_and_swapped(plan):
        assert sorted([*division["test"], *division["validation"], *division["training"]]) == groups(plan)
    assert sorted(division["test"][0] for division in folds_and_swapped(plan)) == sorted(groups(plan) * (BLOCKS - 1))
    assert share_tested(plan) == pytest.approx(1 / 2)  # one block tests, two train
    assert len(guess_scores(plan, "test")["WA"].folds) == BLOCKS


def test_seen_by_role_a_run_counts_once_for_either_block(plan):
    config = configs_of(study(Table.drawn(2)))[0]
    seen = by_role(config, plan)
    assert len(seen.folds) == 2 * len(config.folds)
    assert (seen.folds[0].epochs[0].test, seen.folds[3].epochs[0].test) == (
        config.folds[0].epochs[0].test,
        config.folds[0].epochs[0].validation,
    )

"""Nested figures from a ledger: they follow the races' choices, an oracle by hand, and the law."""

from dataclasses import asdict
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.corpus.folds import group_pairs
from study.results.aggregate import configurations
from study.results.chance import random_scores
from study.results.conclusions import share_tested
from study.results.nested import by_role, divisions, figures, nested_result, roles
from study.results.nested import tested_blocks as blocks_of
from study.results.selection import selection, viewed
from study.training.metrics import METRICS
from tests.tuning.test_nesting import BLOCKS, CONFIGS, EPOCHS, PAIRS, Table, study

GROUPS = [f"Session{number}" for number in range(BLOCKS)]


@pytest.fixture(scope="module")
def plan(make_plan):
    sizes = dict.fromkeys(GROUPS, 10)
    return make_plan(
        folds=[asdict(fold) for fold in group_pairs(sizes)],
        protocol="nested",
        corpus={"name": "toy", "groups": sizes},
        utterances=[{"id": f"{g}{i}", "label": "calm", "group": g} for g in GROUPS for i in range(10)],
    )


def configs_of(conductor):
    """The configurations on record, with the one score in the place of all four."""
    records = []
    for record in conductor._ledger.records:
        if record["kind"] == "epoch":
            parts = {part: dict.fromkeys(METRICS, record[part]["UWA"]) for part in ("validation", "test")}
            record = {**record, **parts}
        records.append(record)
    return configurations(records)["cross"]


def by_hand(table, config, outer):
    """The validation and test score of a configuration for a tested block, straight from the table."""
    found = []
    for pair, blocks in enumerate(PAIRS):
        if outer in blocks:
            partner = sum(blocks) - outer
            best = table.scores[config, pair, :, partner].argmax()
            found.append([table.scores[config, pair, best, block] for block in (partner, outer)])
    return [fmean(column) for column in zip(*found, strict=True)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_choices_and_figures_are_those_of_the_races_and_of_the_table(plan, seed):
    table = Table.drawn(seed)
    conductor = study(table, slots=3)
    configs = configs_of(conductor)
    result = nested_result(configs, plan)
    race = conductor.races["cross"]
    assert [config.number for config in result.choices] == race.choices()
    assert result.shared.number == race.best().number
    assert {config.number for config in [*result.choices, result.shared]} == race.chosen()
    found = selection(plan, configs)
    for outer, number in enumerate(race.choices()):
        here = [found.figures[part]["UWA"].folds[outer] for part in ("validation", "test")]
        assert here == pytest.approx(by_hand(table, number, outer))
    shared = [by_hand(table, result.shared.number, outer)[1] for outer in range(BLOCKS)]
    assert found.nested["shared"]["test"]["UWA"]["folds"] == pytest.approx(shared)
    difference = fmean(shared) - found.figures["test"]["UWA"].mean
    assert found.nested["optimism"] == pytest.approx(dict.fromkeys(METRICS, difference))
    assert dict(zip(GROUPS, race.choices(), strict=True)) == found.nested["choices"]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, BLOCKS - 1))
def test_scores_on_a_block_change_its_test_figure_and_neither_its_choice_nor_its_validation(plan, seed, block):
    table = Table.drawn(seed)
    one, two = (nested_result(configs_of(study(t)), plan) for t in (table, table.perturbed(block, seed)))
    assert one.choices[block].number == two.choices[block].number
    before, after = (figures([r.choices[block]] * BLOCKS, plan) for r in (one, two))
    assert before["validation"]["UWA"].folds[block] == after["validation"]["UWA"].folds[block]
    assert before["test"]["UWA"].folds[block] != after["test"]["UWA"].folds[block]


def test_a_block_without_a_complete_configuration_has_no_choice_and_the_study_no_figures(plan):
    table = Table.drawn(1)
    table.diverging = {(number, 0): 1 for number in range(CONFIGS)}  # every run that holds out the first two blocks
    configs = configs_of(study(table))
    assert [config is None for config in nested_result(configs, plan).choices] == [True, True, False, False]
    assert selection(plan, configs) is None


def test_only_what_is_complete_for_every_block_is_shown_as_complete(plan):
    configs = configs_of(study(Table.drawn(8)))
    shown = {config.number for config in viewed(plan, configs) if config.outcome == "complete"}
    assert 0 in shown < {config.number for config in configs if config.outcome == "complete"}
    assert all(len(run.epochs) == EPOCHS for number in shown for run in configs[number].folds.values())


def test_every_block_is_tested_with_every_other_one_and_trains_on_neither(plan):
    assert [block for (block,) in blocks_of(plan)] == GROUPS
    assert [(role.outer, role.judged) for role in roles(plan)] == [
        (outer, judged) for outer in range(BLOCKS) for judged in range(BLOCKS) if judged != outer
    ]
    for division in divisions(plan):
        assert sorted([*division["test"], *division["validation"], *division["training"]]) == GROUPS
    assert sorted(division["test"][0] for division in divisions(plan)) == sorted(GROUPS * (BLOCKS - 1))
    assert share_tested(plan) == pytest.approx(1 / 2)  # one block tests, two train
    assert len(random_scores(plan, "test")["WA"].folds) == BLOCKS


def test_seen_by_role_a_run_counts_once_for_either_block(plan):
    config = configs_of(study(Table.drawn(2)))[0]
    seen = by_role(config, plan)
    assert len(seen.folds) == 2 * len(config.folds)
    assert (seen.folds[0].epochs[0]["test"], seen.folds[3].epochs[0]["test"]) == (
        config.folds[0].epochs[0]["test"],
        config.folds[0].epochs[0]["validation"],
    )

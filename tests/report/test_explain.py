"""A configuration's life in words."""

import pytest

from study.errors import UserError
from study.record.events import BlockClosed, Closed, ConfigAdded, EpochDone, Phase, Promoted
from study.record.terms import Terms
from study.report.explain import history, overview
from tests.report.toy import toy_plan

PLAN = toy_plan(terms=Terms(n_configs=4, epochs=4))


def test_the_overview_has_a_line_for_every_configuration(search_events):
    assert list(overview(PLAN, search_events)) == [
        ("cross", "0", "12 of 12", "complete", "all folds at full length"),
        ("cross", "1", "12 of 12", "complete", "all folds at full length"),
        ("cross", "2", "6 of 12", "stopped", "epoch 2: mean 0.4 below 0.5"),
        ("cross", "3", "4 of 12", "diverged", "fold 1: the training loss is not a finite number"),
    ]


def test_the_overview_counts_the_epochs_of_the_search_alone(search_events, make_epoch):
    confirming = [*search_events, make_epoch("cross", 0, 1, 1, seed=1)]
    assert list(overview(PLAN, confirming)) == list(overview(PLAN, search_events))


def test_a_life_is_told_in_its_order(search_events):
    lines = list(history(PLAN, search_events, "cross", 3))
    assert lines == [
        "cross configuration 3: diverged",
        "  heads 8, learning_rate 0.0004",
        "  fold 0, epoch 1: validation UWA 0.551, best of these 0.551",
        "  fold 1, epoch 1: validation UWA 0.591, best of these 0.591",
        "  fold 2, epoch 1: validation UWA 0.631, best of these 0.631",
        "  fold 1 diverged: the training loss is not a finite number",
        "  diverged: fold 1: the training loss is not a finite number",
        "  fold 0, epoch 2: validation UWA 0.651, best of these 0.651",
    ]


def test_promotions_new_seeds_and_test_blocks_are_named(make_epoch):
    epochs: list[EpochDone] = [make_epoch("cross", 0, 1, number, seed=2) for number in (1, 2, 3, 4)]
    events = [
        ConfigAdded("cross", 0, {}),
        Promoted("cross", 0, 1, "best of three"),
        Promoted("cross", 0, 1, "best of its block", test_block=4),
        *epochs,
        BlockClosed("cross", 0, 4, Phase.COMPLETE, "at full length"),
        BlockClosed("cross", 0, 0, Phase.STOPPED, "below"),
    ]
    lines = list(history(PLAN, events, "cross", 0))
    assert lines[0] == "cross configuration 0 (the published setting): open"
    assert lines[2:] == [
        "  goes on: best of three",
        "  goes on for test block 4: best of its block",
        "  fold 1, new seed 2, epochs 1 to 4: validation UWA 0.641, best of these 0.671",
        "  complete for test block 4: at full length",
        "  stopped for test block 0: below",
        "  under way, or waiting to be promoted",
    ]
    closed = [*events, Closed("cross", 0, Phase.COMPLETE, "at full length")]
    assert list(history(PLAN, closed, "cross", 0))[-1] == "  complete: at full length"


@pytest.mark.parametrize(("variant", "known"), [("cross", "cross has 0 to 3"), ("self", "it has none of self")])
def test_a_configuration_that_does_not_exist_is_refused(search_events, variant, known):
    with pytest.raises(UserError, match=f"has no configuration 9 of {variant}; {known}"):
        list(history(PLAN, search_events, variant, 9))

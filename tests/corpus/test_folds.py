"""Who is held out: partitions, disjoint groups, and every group tested exactly once."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.corpus.folds import group_pairs, leave_one_group_out, merged_blocks
from study.errors import UserError

sizes = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), st.integers(1, 500), min_size=3, max_size=12)


@given(sizes)
def test_every_fold_divides_the_groups_without_rest_or_overlap(sizes):
    for fold in leave_one_group_out(sizes):
        together = [*fold.test, *fold.validation, *fold.training]
        assert sorted(together) == sorted(sizes)
        assert fold.test
        assert fold.validation
        assert fold.training


@given(sizes)
def test_every_group_is_tested_once_and_validates_once(sizes):
    folds = leave_one_group_out(sizes)
    assert sorted(group for fold in folds for group in fold.test) == sorted(sizes)
    assert sorted(group for fold in folds for group in fold.validation) == sorted(sizes)


def test_five_sessions_make_five_folds_with_the_next_session_as_validation():
    folds = leave_one_group_out({f"Ses0{i}": 100 for i in range(1, 6)})
    assert [(fold.test, fold.validation) for fold in folds] == [
        (("Ses01",), ("Ses02",)),
        (("Ses02",), ("Ses03",)),
        (("Ses03",), ("Ses04",)),
        (("Ses04",), ("Ses05",)),
        (("Ses05",), ("Ses01",)),
    ]


@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.just(10), min_size=6, max_size=30))
def test_many_equal_groups_are_merged_into_five_blocks_that_differ_by_one_group_at_most(sizes):
    blocks = merged_blocks(sizes, 5)
    assert len(blocks) == 5
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


@given(sizes)
def test_pairs_hold_out_every_two_blocks_of_leave_one_group_out_once(sizes):
    blocks = [fold.test for fold in leave_one_group_out(sizes)]
    pairs = group_pairs(sizes)
    assert [(pair.test, pair.validation) for pair in pairs] == list(combinations(blocks, 2))
    for number, pair in enumerate(pairs):
        assert pair.number == number
        assert sorted([*pair.test, *pair.validation, *pair.training]) == sorted(sizes)
        assert pair.training


def test_five_sessions_make_ten_pairs():
    assert len(group_pairs({f"Ses0{i}": 100 for i in range(1, 6)})) == 10


def test_two_groups_are_too_few_and_the_message_says_what_to_do():
    with pytest.raises(UserError, match=r"at least 3 groups .* found 2: a, b; give the utterances a `group` column"):
        leave_one_group_out({"a": 10, "b": 10})

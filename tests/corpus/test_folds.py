"""Who is held out: partitions, disjoint groups, and every group tested exactly once."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.corpus.folds import (
    SPEAKER,
    Groups,
    cross_validation,
    cross_validation_by_pairs,
    group_pairs,
    leave_one_group_out,
    merged_blocks,
)
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


def speakers_of(sessions: dict[str, int]) -> Groups:
    """`sessions` by name, with so many speakers each: "a0", "a1" ... of "a"."""
    return Groups.of((f"{session}{n}", session) for session, count in sessions.items() for n in range(count))


@given(sizes, st.integers(3, 12))
def test_so_many_folds_as_are_asked_for_test_every_group_once(sizes, k):
    groups = Groups.of((name, name) for name, n in sizes.items() for _ in range(n))
    if k > len(sizes):
        with pytest.raises(UserError, match=f"--folds expects at most the number of groups .* {len(sizes)}; found {k}"):
            cross_validation(groups, k)
        return
    folds = cross_validation(groups, k)
    assert len(folds) == k
    assert sorted(group for fold in folds for group in fold.test) == sorted(sizes)
    assert [fold.validation for fold in folds] == [folds[(number + 1) % k].test for number in range(k)]
    assert all(sorted([*fold.test, *fold.validation, *fold.training]) == sorted(sizes) for fold in folds)
    assert len(cross_validation_by_pairs(groups, k)) == k * (k - 1) // 2


def test_without_a_number_there_are_five_folds_at_most():
    assert cross_validation(Groups.of((name, name) for name in "abcdefgh"), None) == leave_one_group_out(
        dict.fromkeys("abcdefgh", 1), 5
    )


@given(st.integers(2, 8))
def test_the_partner_of_the_session_validates_and_the_session_is_not_trained_on(n_sessions):
    sessions = dict.fromkeys("abcdefgh"[:n_sessions], 2)
    folds = cross_validation(speakers_of(sessions), SPEAKER)
    assert len(folds) == 2 * n_sessions
    for fold in folds:
        (tested,), (validating,) = fold.test, fold.validation
        assert tested[0] == validating[0]
        assert tested != validating
        assert {each[0] for each in fold.training} == set(sessions) - {tested[0]}


def test_a_speaker_without_one_partner_is_validated_by_the_next_in_order_of_name():
    folds = cross_validation(speakers_of({"a": 2, "b": 3, "c": 1}), SPEAKER)
    assert {fold.test[0]: fold.validation[0] for fold in folds} == {
        "a0": "a1", "a1": "a0", "b0": "b1", "b1": "b2", "b2": "c0", "c0": "a0"
    }  # fmt: skip


def test_a_speaker_of_two_sessions_has_no_partner():
    groups = Groups.of([("x", "a"), ("y", "a"), ("x", "b"), ("z", "b")])
    assert [groups.partner(speaker) for speaker in "xyz"] == [None, None, None]


def test_two_speakers_are_too_few():
    with pytest.raises(UserError, match=r"--folds speaker needs at least 3 speakers .* found 2: a0, a1"):
        cross_validation(speakers_of({"a": 2}), SPEAKER)

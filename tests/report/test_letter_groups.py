"""Letters of groups against their definition."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from study.report.letter_groups import letter_groups, letters_of

NAMES = ("f", "b", "d", "a", "e", "c")
PAIRS = tuple(frozenset(pair) for pair in combinations(NAMES, 2))


@given(st.sets(st.sampled_from(PAIRS)))
def test_two_systems_share_a_letter_exactly_if_they_are_not_told_apart(apart: set[frozenset[str]]) -> None:
    groups = letter_groups(NAMES, apart)
    for pair in PAIRS:
        one, other = (set(letters_of(name, groups)) for name in pair)
        assert bool(one & other) == (pair not in apart)
    members = [set(own) for own in groups.values()]
    assert not any(one < other for one in members for other in members)
    assert all(letters_of(name, groups) for name in NAMES)


def test_letters_follow_the_order_of_the_systems() -> None:
    assert letter_groups(("x", "y", "z"), {frozenset("xz")}) == {"a": ("x", "y"), "b": ("y", "z")}
    assert letter_groups(("x", "y"), set()) == {"a": ("x", "y")}
    assert letter_groups(("x", "y"), {frozenset("xy")}) == {"a": ("x",), "b": ("y",)}


def test_more_groups_than_letters_have_names_of_their_own() -> None:
    names = [str(number) for number in range(30)]
    groups = letter_groups(names, [frozenset(pair) for pair in combinations(names, 2)])
    assert len(groups) == 30
    assert list(groups)[24:28] == ["y", "z", "A1", "A2"]

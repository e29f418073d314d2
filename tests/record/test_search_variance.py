"""The luck of a search: resamples by hand, under both protocols and with confirmation."""

import math

import pytest

from study.record.search_variance import Choice, search_variance
from study.record.selection import Candidate
from study.training.metrics import METRICS


def choice(*candidates, test=lambda number: number / 100):
    return Choice(
        candidates, {each.number: {m: test(each.number) + n for n, m in enumerate(METRICS)} for each in candidates}
    )


def complete(numbers, **known):
    """Candidates of which the later are better in the search."""
    return [Candidate(number, number / 100, **known) for number in numbers]


def luck(choices, n, n_finalists=0, seed=0, draws=8000):
    return search_variance(choices, range(n), n_finalists, seed, draws)


def of_maximum(values, n):
    """The variance of the value at the largest of n draws with replacement from n places, exactly."""
    places = len(values)
    chances = [((place + 1) / n) ** n - (place / n) ** n for place in range(n - places, n)]
    total = sum(chances)
    mean = sum(c * v for c, v in zip(chances, values, strict=True)) / total
    return sum(c * (v - mean) ** 2 for c, v in zip(chances, values, strict=True)) / total


def test_of_a_full_search_it_is_the_variance_of_the_best_of_a_resample():
    found = luck([choice(*complete(range(10)))], 10)
    assert found["WA"] == pytest.approx(of_maximum([n / 100 for n in range(10)], 10), rel=0.08)
    assert list(found) == list(METRICS)
    assert found["UWF1"] == pytest.approx(found["WA"])  # its scores are those of WA, moved


def test_what_was_stopped_is_drawn_and_never_selected():
    # Of ten, only the last three are complete: draws without any of them select nothing and are left out.
    found = luck([choice(*complete(range(7, 10)))], 10)
    assert found["WA"] == pytest.approx(of_maximum([0.07, 0.08, 0.09], 10), rel=0.08)


def test_new_seeds_decide_where_they_are_known_of_every_finalist():
    # In the search 3 is best, with new seeds 2: of all draws that hold both, 2 is selected.
    known = [Candidate(2, 0.5, confirmed=0.6), Candidate(3, 0.6, confirmed=0.5)]
    first, other = choice(*known, test=lambda number: float(number == 2)), choice(*complete([2, 3]))
    # Exactly: both of four are in a draw of four with chance 1 - 2 (3/4)^4 + (1/2)^4.
    both, either = 1 - 2 * 0.75**4 + 0.5**4, 1 - 0.5**4
    p = (both + (either - both) / 2) / either
    assert luck([first], 4, n_finalists=2)["WA"] == pytest.approx(p * (1 - p), rel=0.08)
    q = (either - both) / 2 / either  # without new seeds 2 is selected only where 3 is not drawn
    alone = choice(*other.candidates, test=lambda number: float(number == 2))
    assert luck([alone], 4)["WA"] == pytest.approx(q * (1 - q), rel=0.08)


def test_a_finalist_that_was_never_trained_again_lets_the_search_decide():
    # 1 is no finalist of the study, but one of every draw without 2 or 3; then the search alone decides.
    found = [Candidate(1, 0.4), Candidate(2, 0.5, confirmed=0.7), Candidate(3, 0.6, confirmed=0.6)]
    tests = search_variance([choice(*found, test=lambda n: float(n == 3))], range(4), 2, 0, 8000)
    both = 1 - 2 * 0.75**4 + 0.5**4
    # 3 is reported where it is drawn without 2, be it with 1 or without.
    with_three = 1 - 0.75**4 - both
    any_of_three = 1 - 0.25**4
    p = with_three / any_of_three
    assert tests["WA"] == pytest.approx(p * (1 - p), rel=0.08)


def test_of_several_choices_it_is_that_of_their_mean():
    blocks = [choice(*complete(range(8))), choice(*complete(range(8)), test=lambda number: -number / 100)]
    assert luck(blocks, 8)["WA"] == pytest.approx(0, abs=1e-12)  # what one gains the other loses
    same = luck(blocks[:1] * 3, 8)["WA"]
    assert same == pytest.approx(luck(blocks[:1], 8)["WA"])


def test_one_candidate_or_none_measures_nothing():
    full, one = choice(*complete(range(4))), choice(*complete([2]))
    for choices in ([one], [full, one], [choice()], []):
        assert all(math.isnan(value) for value in luck(choices, 4).values())


def test_the_seed_decides_the_draws_and_configurations_need_no_order():
    found = [choice(*complete(range(6)))]
    assert luck(found, 6, seed=1, draws=200) == luck(found, 6, seed=1, draws=200) != luck(found, 6, seed=2, draws=200)
    assert search_variance(found, [5, 0, 4, 1, 3, 2], 0, 1, 200) == luck(found, 6, seed=1, draws=200)

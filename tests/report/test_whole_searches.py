"""Several whole searches of a variant: each is searched anew, and comparisons test on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from study.record.events import ConfigAdded, EpochDone
from study.record.ledger import read
from study.record.search_name import number_of, search_name, variant_of
from study.report.build import build
from study.report.pages import html_page, markdown_page
from study.report.significance import System, Tuning, compare, is_confirmed
from study.report.tables import searches_sentences
from study.report.verdict import decision, sentence
from study.samplers.proposer import proposer
from study.searches import searches_of
from study.variants import VARIANTS
from tests.plugins.tiny_study import TinyStudy, run_study, write_study

FEW = Tuning(8, 0.0004)


def system(name: str, searches: Sequence[float]) -> System:
    """Three folds around the mean of its searches."""
    mean = float(np.mean(searches))
    return System(name, (mean - 0.03 * len(name), mean, mean + 0.03 * len(name)), FEW, tuple(searches))


def test_the_test_on_whole_searches_is_welchs_test() -> None:
    """The oracle: scipy on two independent samples of unequal variance."""
    one, other = (0.52, 0.55, 0.53, 0.56), (0.50, 0.51, 0.47)
    found = compare(system("a", one), system("bb", other), "UWA", 1 / 3)
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert (found.test.t, found.test.p, found.degrees) == pytest.approx(
        (expected.statistic, expected.pvalue, expected.df)
    )
    interval = expected.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert found.n_searches == 3


def test_three_searches_allow_a_verdict_with_few_configurations_and_two_do_not() -> None:
    apart = system("a", (0.60, 0.61, 0.62)), system("bb", (0.40, 0.41, 0.42))
    found = compare(*apart, "UWA", 1 / 3)
    assert (found.has_verdict, is_confirmed(found), decision(found)) == (True, True, "confirmed")
    assert "over 3 whole searches of each; confirmed" in sentence(found)
    fewer = [replace(each, searches=each.searches[:2]) for each in apart]
    by_folds = compare(*fewer, "UWA", 1 / 3)
    assert (by_folds.n_searches, by_folds.too_few, decision(by_folds)) == (0, 8, "too few configurations")


def test_searches_without_spread_give_no_verdict() -> None:
    found = compare(system("a", (0.5, 0.5, 0.5)), system("bb", (0.4, 0.4, 0.4)), "UWA", 1 / 3)
    assert math.isnan(found.error)
    assert decision(found) == "no spread"


def test_equal_systems_are_declared_different_in_at_most_one_of_twenty_pairs() -> None:
    random = np.random.default_rng(0)
    draws = 0.5 + 0.02 * random.normal(size=(2000, 2, 3))
    different = [compare(system("a", one), system("bb", two), "UWA", 1 / 3).test.p < 0.05 for one, two in draws]
    assert np.mean(different) <= 0.05


def test_no_variant_is_named_like_a_further_search() -> None:
    assert all(variant_of(name) == name and number_of(name) == 1 for name in VARIANTS)
    assert [variant_of(search_name("cross-cls", number)) for number in (1, 2, 12)] == ["cross-cls"] * 3


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> TinyStudy:
    """A study of one search that went on to three, by real workers' code. Read only."""
    study = write_study(tmp_path_factory.mktemp("output"), n_configs=3, policy="full", epochs=2, sampler="random")
    run_study(study, proposer(study.plan.terms.seed, "random"))
    first = list(read(study.folder.ledger))
    plan = replace(study.plan, terms=replace(study.plan.terms, n_searches=3))
    plan.write(study.folder)
    study = TinyStudy(study.folder, plan)
    run_study(study, proposer(plan.terms.seed, "random"))
    assert list(read(study.folder.ledger))[: len(first)] == first
    return study


def test_every_search_proposes_and_trains_anew(finished: TinyStudy) -> None:
    events = list(read(finished.folder.ledger))
    assert searches_of(finished.plan) == ["text", "text~2", "text~3"]
    proposed = {
        name: [dict(e.params) for e in events if isinstance(e, ConfigAdded) and e.variant == name]
        for name in searches_of(finished.plan)
    }
    assert len({str(each[0]) for each in proposed.values()}) == 1, "each has the published setting"
    assert len({str(each[1:]) for each in proposed.values()}) == 3
    losses = [e.loss for e in events if isinstance(e, EpochDone) and (e.config, e.fold, e.epoch) == (0, 0, 1)]
    assert len(set(losses)) == 3, "with other random numbers"


def test_the_report_shows_every_search_and_compares_whole_ones(finished: TinyStudy) -> None:
    view = build(finished.folder)
    assert list(view.variants) == ["text", "text~2", "text~3", "probe"]
    [whole] = view.whole_searches
    tests = [view.variants[name].tuned for name in whole.searches]
    assert whole.test["WA"].folds == tuple(each.figures["test"]["WA"].mean for each in tests if each)
    [shown] = searches_sentences(view)
    assert shown.startswith("text: 3 whole searches reach test UWA ")
    for page in (html_page(view, {}), markdown_page(view, {})):
        assert shown in page
    for pair in view.comparisons:
        assert (pair.first, pair.second, pair.n_searches) == ("text", "text published", 3)
        published = [view.variants[name].published for name in whole.searches]
        expected = np.mean(whole.test["UWA"].folds) - np.mean(
            [each.figures["test"]["UWA"].mean for each in published if each]
        )
        assert pair.mean == pytest.approx(expected)


def test_fewer_searches_than_before_are_refused(finished: TinyStudy, tmp_path: Path) -> None:
    from study.errors import UserError

    plan = replace(finished.plan, terms=replace(finished.plan.terms, n_searches=2))
    plan.write(finished.folder)
    try:
        with pytest.raises(UserError, match="a smaller n_searches"):
            build(finished.folder)
    finally:
        finished.plan.write(finished.folder)

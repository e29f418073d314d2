"""All systems at a glance: their order, groups and costs, from a study's folder to table, picture and page."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from study.features.pack import write_pack
from study.features.spec import EncoderSpec, FeatureChoice
from study.record.folder import StudyFolder
from study.report.build import build
from study.report.charts.glance import glance_chart
from study.report.charts.svg import svg
from study.report.export import tables
from study.report.glance import glance
from study.report.glance_table import glance_rows, glance_sentence
from study.report.glance_view import GlanceRow, GlanceView
from study.report.model_size import n_parameters
from study.report.pages import html_page, markdown_page
from study.report.systems import share_tested, systems_of
from study.report.t_model import ROUNDING
from study.report.view import ReportView
from study.samplers.proposer import published_params
from study.variants import TRAINED, VARIANTS
from tests.report.test_pairs import outcome, searched
from tests.report.toy import settings_of, spread, toy_plan, toy_variant, toy_view, write_study

NAMES = ("text", "self", "concat")
# Test scores on three folds: two close to each other, and one far above both.
SCORES = {"text": (0.40, 0.50, 0.61), "self": (0.41, 0.505, 0.60), "cross": (0.80, 0.905, 1.0)}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    folder = StudyFolder(tmp_path_factory.mktemp("study"))
    write_study(folder, toy_plan(variants=["random", *NAMES]), {name: settings_of(name) for name in NAMES})
    return build(folder)


def seen(n_configs: int) -> GlanceView:
    """The glance of SCORES, of searches of so many configurations that are hardly lucky."""
    plan = toy_plan(variants=list(SCORES))
    outcomes = {name: outcome(name, 0.5, scores) for name, scores in SCORES.items()}
    systems = systems_of(plan, outcomes, {name: searched(name, n_configs) for name in SCORES})
    found = glance(plan, outcomes, systems, {name: toy_variant(name) for name in SCORES})
    assert found is not None
    return found


def of_many(n: int = 17) -> GlanceView:
    rows = [
        GlanceRow(
            f"system-{k}",
            ("audio", "text", "video")[: 1 + k % 3],
            "fusion",
            spread(0.6 - 0.01 * k, 0.02),
            10**k,
            epochs=k,
        )
        for k in range(n)
    ]
    guess = GlanceRow("random", (), "guess", spread(0.143, 0.0))
    return GlanceView((*rows, guess), {"a": ("system-0", "system-2"), "b": ("system-1",)}, 136, 3)


def test_systems_stand_in_the_order_of_their_test_scores_with_the_guess_among_them(view: ReportView) -> None:
    assert view.glance is not None
    means = [row.test.mean for row in view.glance.rows]
    assert means == sorted(means, reverse=True)
    assert {row.name for row in view.glance.rows} == {"random", *NAMES}
    for row in view.glance.rows:
        tuned = view.variants[row.name].tuned
        assert tuned is not None
        assert row.test == tuned.figures["test"]["UWA"]


def test_costs_are_those_of_the_selected_configuration_and_of_its_search(view: ReportView) -> None:
    assert view.glance is not None
    rows = {row.name: row for row in view.glance.rows}
    assert rows["self"].epochs == view.variants["self"].cost.epochs == 2 * 3 * 4 + 3 * 2
    assert rows["self"].epoch_seconds == pytest.approx(0.5)
    assert rows["self"].n_parameters is None  # its features are not there
    assert (rows["random"].epochs, rows["random"].epoch_seconds, rows["random"].is_trained) == (0, None, False)


def test_without_a_verdict_there_are_no_groups(view: ReportView) -> None:
    assert view.glance is not None
    assert view.glance.groups == {}
    assert glance_sentence(view.glance).startswith("No group is drawn: no pair has a verdict, which needs 16")


def test_systems_that_differ_after_holm_share_no_letter() -> None:
    found = seen(n_configs=16)
    assert [row.name for row in found.rows] == ["cross", "self", "text"]
    assert (found.n_pairs, found.n_confirmed) == (3, 2)
    assert found.groups == {"a": ("cross",), "b": ("self", "text")}
    assert [row[4] for row in glance_rows(found)] == ["a", "b", "b"]
    assert "Of 3 pairs of tuned systems, 2 differ" in glance_sentence(found)
    assert seen(n_configs=3).groups == {}


def test_seventeen_equal_systems_are_hardly_ever_told_apart() -> None:
    """An A/A run of the whole table: scores differ by what overlapping training sets and sessions make them differ."""
    rng, plan = np.random.default_rng(1), toy_plan(sessions=5, variants=list(TRAINED[:17]))
    rho = share_tested(plan) / (1 + share_tested(plan))
    configs, tables = {name: searched(name, 16) for name in TRAINED[:17]}, []
    for _ in range(25):
        own = 0.02 * (rho**0.5 * rng.normal(size=(17, 1)) + (1 - rho) ** 0.5 * rng.normal(size=(17, 5)))
        scores = 0.5 + 0.03 * rng.normal(size=5) + own
        outcomes = {name: outcome(name, 0.5, tuple(row)) for name, row in zip(configs, scores.tolist(), strict=True)}
        systems = systems_of(plan, outcomes, configs)
        found = glance(plan, outcomes, systems, {name: toy_variant(name) for name in configs})
        assert found is not None
        assert found.n_pairs == 136
        tables.append(found)
    assert sum(each.n_confirmed > 0 for each in tables) <= 1  # 5 % of 25
    assert all(set(each.groups) == {"a"} for each in tables if not each.n_confirmed)


def test_one_system_is_no_comparison() -> None:
    plan, found = toy_plan(), {"cross": outcome("cross", 0.5)}
    assert glance(plan, found, {}, {"cross": toy_variant()}) is None


def test_whole_searches_of_a_variant_are_one_system() -> None:
    plan = toy_plan(variants=["text", "cross"])
    names = ("text", "cross", "cross~2")
    outcomes = {name: outcome(name, 0.5, (0.4, 0.5, 0.6 + ROUNDING * k)) for k, name in enumerate(names)}
    systems = systems_of(plan, outcomes, {name: searched(name, 16) for name in names})
    variants = {name: toy_variant(name, n_parameters=size) for name, size in zip(names, (5, 7, 9), strict=True)}
    found = glance(plan, outcomes, systems, variants)
    assert found is not None
    rows = {row.name: row for row in found.rows}
    assert set(rows) == {"text", "cross"}
    assert (rows["cross"].n_parameters, rows["cross"].epochs) == (9, 2 * 398)


def test_parameters_are_those_of_the_module_counted_by_hand(tmp_path: Path) -> None:
    packs = {}
    for modality, dim in (("audio", 7), ("text", 5)):
        write_pack(tmp_path / modality, ["u"], [torch.ones(2, dim).half()], None, {})
        packs[modality] = [FeatureChoice(EncoderSpec("logmel"), str(tmp_path / modality))]
    plan = toy_plan(features=packs)
    hidden = 2 * (7 + 5) * 128 + 128
    assert n_parameters(plan, "concat", published_params(VARIANTS["concat"])) == hidden + 128 * 3 + 3


def test_the_picture_has_every_system_in_order_and_the_guess_as_a_number() -> None:
    figure = glance_chart(of_many(), "UWA")
    read, scores, bars, costs = figure.axes
    assert [text.get_text() for text in read.texts] == ["speech", "words", "film"]
    assert [list(line.get_ydata()) for line in read.lines] == [
        list(range(17)), [k for k in range(17) if k % 3], list(range(2, 17, 3))
    ]  # fmt: skip
    assert [tick.get_text() for tick in read.get_yticklabels()] == [f"system-{k}" for k in range(17)]
    assert "a guess: .143" in scores.get_xlabel()
    assert [text.get_text() for text in bars.texts] == ["a", "b"]
    assert list(bars.lines[1].get_ydata()) == [0, 2]
    assert "1.0 M" in {text.get_text() for text in costs.texts}
    figure.draw_without_rendering()
    ends = [each.get_window_extent() for each in (*read.texts, *bars.texts, *costs.texts)]
    assert not any(one.overlaps(other) for place, one in enumerate(ends) for other in ends[:place])


@pytest.mark.parametrize("page", [html_page, markdown_page])
def test_pages_have_table_and_picture(page: Callable[..., str]) -> None:
    seen_by_reader = page(toy_view(glance=of_many()), {"glance": svg(glance_chart(of_many(), "UWA"))})
    assert "At a glance" in seen_by_reader
    assert "share a letter are not told apart" in seen_by_reader
    assert "epochs in all" in seen_by_reader
    assert ".600 ± .020" in seen_by_reader
    assert "At a glance" not in page(toy_view(), {})


def test_the_table_for_programs_has_figures_in_full() -> None:
    rows = list(csv.DictReader(io.StringIO(tables(toy_view(glance=of_many()))["glance.csv"])))
    assert [row["system"] for row in rows] == [row.name for row in of_many().rows]
    assert (float(rows[0]["mean"]), rows[0]["groups"], rows[3]["parameters"]) == (0.6, "a", "1000")
    assert rows[0]["epoch_seconds"] == ""

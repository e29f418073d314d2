"""The tables and sentences that pages, terminal and tracker share."""

import csv
import math
from dataclasses import replace

import pytest

from study.record.late_epochs import LateRuns
from study.record.results import spread
from study.report.export import tables
from study.report.metric_view import MetricView
from study.report.pages import html_page, markdown_page
from study.report.tables import (
    ablated,
    ablation_rows,
    budget_sentence,
    comparison_lines,
    comparison_sentences,
    confirmation_sentence,
    epochs_sentence,
    folds_sentence,
    nested_sentences,
    table_rows,
)
from study.report.variant_view import CostView, NestedView, SettingView
from study.report.view import TermView
from study.training.metrics import METRICS
from tests.report.toy import figures, full_variant, full_view, toy_variant, toy_view


def test_every_setting_has_a_row_for_each_part():
    guess = toy_variant("dice", role="guess", tuned=SettingView(None, figures(0.1, 0.2)), published=None)
    nested = NestedView({"Ses01": 3}, figures(0.5, 0.6), dict.fromkeys(METRICS, 0.01))
    rows = list(
        table_rows(toy_view(guess, full_variant(nested=nested), toy_variant("text", tuned=None, published=None)))
    )
    assert [tuple(row[:1] + row[2:4]) for row in rows] == [
        ("dice", "guess", "validation"), ("dice", "guess", "test"),
        ("cross", "tuned", "validation"), ("cross", "tuned", "test"),
        ("cross", "shared", "validation"), ("cross", "shared", "test"),
        ("cross", "published", "validation"), ("cross", "published", "test"),
        ("cross", "reference", "test"),
    ]  # fmt: skip
    assert rows[3][4:] == [".410 ± .010", ".421 ± .011", ".432 ± .012", ".443 ± .013"]


def test_every_row_says_which_modalities_it_reads_in_every_form_of_the_report():
    read = {"dice": (), "cross": ("audio", "text"), "cross+video": ("audio", "text", "video")}
    said = {"dice": "–", "cross": "speech, words", "cross+video": "speech, words, film"}
    view = toy_view(*(replace(full_variant(name), modalities=own) for name, own in read.items()))
    assert {row[0]: row[1] for row in table_rows(view)} == said
    html, markdown, files = html_page(view, {}), markdown_page(view, {}), tables(view)
    for name, words in said.items():
        assert f'>{name}</td><td class="reads">{words}</td>' in html
        assert f"| {name} | {words} | tuned |" in markdown
        assert f"{name} & {words.replace('–', '--')} & tuned" in files["results.tex"]
    assert {row["variant"]: row["reads"] for row in csv.DictReader(files["results.csv"].splitlines())} == said


def test_ablations_follow_from_their_rows_and_not_from_their_names():
    small = toy_variant("small", role="ablation", compared_with=("cross",))
    fusion = toy_variant("cross-else", compared_with=("cross",))
    view = toy_view(full_variant(), small, fusion)
    assert ablated(view) == ["cross"]
    assert [row[0] for row in ablation_rows(view, "cross")] == ["cross (tuned)", "cross (reference)", "small (tuned)"]
    assert "What cross loses without its parts" in html_page(view, {})
    assert "loses without its parts" not in html_page(toy_view(full_variant(), fusion), {})
    assert ablated(toy_view(small)) == []  # what it takes a part away from is not in the study


def test_costs_in_words():
    cost = CostView(12, {"complete": 5, "stopped": 7}, {}, 60, 398, 404.48)
    sentence = "12 configurations (5 complete, 7 stopped), 60 fold runs, 398 epochs, 404 s of training."
    assert budget_sentence(toy_variant(cost=cost)) == sentence
    late = budget_sentence(toy_variant(cost=replace(cost, out_of_time=True)))
    assert late == f"{sentence} Then the time was up: the same command with a longer --budget goes on."


def test_nested_choices_in_words():
    nested = NestedView({"Ses01": 3, "Ses02": 0}, figures(0.5, 0.6), {"WA": 0.0123, "UWA": -0.004})
    assert list(nested_sentences(toy_variant(nested=nested))) == [
        "Test sessions and the configurations that were chosen without them: Ses01 by 3, Ses02 by 0.",
        "Measured optimism, the test score of one shared choice minus that of the nested ones: WA +0.012, UWA -0.004.",
    ]
    assert list(nested_sentences(toy_variant())) == []


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ("0", "those of the search itself"),
        ("1", "again with 1 new seed;"),
        ("3", "The best 2 configurations of each search"),
    ],
)
def test_where_figures_come_from(seeds, words):
    terms = (TermView("finalists", "2"), TermView("seeds", seeds))
    assert words in confirmation_sentence(toy_view(terms=terms))


def test_how_sessions_are_held_out():
    assert "test Ses01, validation Ses02" in folds_sentence(toy_view())
    assert "read both ways (fold 0: Ses01 and Ses02)" in folds_sentence(toy_view(score_both_blocks=True))


def test_comparisons_are_aligned_and_fit_a_hundred_columns():
    (pair,) = full_view().comparisons
    long = replace(pair, first="cross-nosp", second="cross-nosp published", p_holm=0.0412, decision="not confirmed")
    heading, *rows = comparison_lines(full_view(comparisons=(pair, long)))
    assert heading.split() == ["UWA", "95", "%", "interval", "Holm", "p", "could", "show"]
    assert [row.index("−.034 to +.015") for row in rows] == [rows[0].index("−.034 to +.015")] * 2
    assert rows[0].endswith("< .001        .027  confirmed")
    assert max(map(len, rows)) <= 98  # and two for the indentation
    assert list(comparison_lines(toy_view())) == []


def test_what_a_decision_means_is_said_once():
    (pair,) = full_view().comparisons
    assert list(comparison_sentences(full_view())) == []
    few, not_confirmed = (replace(pair, decision=name) for name in ("too few configurations", "not confirmed"))
    found = list(comparison_sentences(full_view(comparisons=(few, few, not_confirmed, not_confirmed))))
    assert [words in sentence for words, sentence in zip(("need 16", "not equal"), found, strict=True)] == [True] * 2


def test_too_few_epochs_are_said_in_words():
    late = toy_variant(late=LateRuns(8, 15))
    words = "in 8 of 15 runs the best epoch was the last or the one before"
    view = toy_view(late, terms=(TermView("epochs", "12"),))
    assert epochs_sentence(view, late) == f"{words}: more --epochs would probably help"
    for page in (html_page(view, {}), markdown_page(view, {})):
        assert f"I{words[1:]}: more --epochs would probably help." in page
    longest = toy_view(late, terms=(TermView("epochs", "50"),))
    assert epochs_sentence(longest, late) == f"{words}: 50 epochs, the most there are, may be too few"
    for enough in (None, LateRuns(7, 15), LateRuns(0, 0)):
        assert epochs_sentence(view, toy_variant(late=enough)) == ""
    assert words not in html_page(toy_view(toy_variant(late=LateRuns(7, 15))), {})


def test_the_interval_of_a_score_ends_where_scores_end() -> None:
    near_one, undefined = MetricView.of(spread([0.9, 1.0, 1.0])), MetricView.of(spread([0.9]))
    assert near_one.low < 0.95
    assert near_one.high == 1.0
    assert math.isnan(undefined.low)
    assert math.isnan(undefined.high)

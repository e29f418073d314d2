"""The report as Markdown: what the page has, as text that is never markup of its own."""

from dataclasses import replace

import pytest

from study.report.pages import markdown_page
from study.report.variant_view import NestedView, SettingView
from study.training.metrics import METRICS
from tests.report.toy import figures, full_variant, full_view, toy_variant, toy_view


def lines(view, pictures=None):
    return markdown_page(view, pictures or {}).splitlines()


def test_test_figures_come_before_validation_figures_and_the_conclusion_before_both():
    text = markdown_page(full_view(), {})
    order = [
        "# toy-cross",
        "- Nothing is certain.",
        "| cross | speech, words | tuned | .410",
        "## Validation figures",
        "| cross | speech, words | tuned | .310",
    ]
    places = [text.index(each) for each in order]
    assert places == sorted(places)


def test_every_table_has_as_many_cells_in_each_row_as_in_its_heading():
    nested = NestedView({"Ses01": 1}, figures(0.1, 0.2), dict.fromkeys(METRICS, 0.1))
    ablation = full_variant("cross-small", role="ablation", compared_with=("cross",))
    for view in (toy_view(), full_view(variants={"cross": full_variant(nested=nested), "cross-small": ablation})):
        rows = lines(view)
        tables = [number for number, line in enumerate(rows) if line.startswith("|---")]
        assert len(tables) >= 3
        for start in tables:
            width, number = rows[start - 1].count("|"), start
            while number < len(rows) and rows[number].startswith("|"):
                assert rows[number].count("|") == width, rows[number]
                number += 1
            assert number > start + 1
            assert rows[number] == ""


def test_paragraphs_are_one_blank_line_apart():
    views = (toy_view(), full_view(), replace(full_view(), rungs=()), replace(full_view(), warm_start="begun by other"))
    for view in views:
        assert "\n\n\n" not in markdown_page(view, {})


def test_the_details_of_a_variant_are_there():
    text = markdown_page(full_view(), {"confusion-cross": "", "metric": ""})
    for expected in (
        "719 utterances of toy", "angry 102.", "| epochs | 12 |", "after epoch 2, 4, by validation UWA",
        "Selected configuration 4, by the search alone:", "- learning_rate: 0.0004256", "WA +.018", "angry .812",
        "Of angry, 23 % taken for frustrated", "Scripted (331): WA .901", "occur in training: 87 %",
        "- Configuration 3 was lost: the training loss is not a finite number",
        "](pictures/confusion-cross.svg)", "](pictures/metric.svg)", "fold 0: test Ses01, validation Ses02",
    ):  # fmt: skip
        assert expected in text


def test_comparisons_are_there_in_all_four_metrics():
    rows = lines(full_view())
    assert rows.count("| self − cross | UWA | −.012 | −.034 to +.015 | < .001 | .027 | confirmed |") == 1
    assert rows.count("| self − cross | UWF1 | +2.032 | −.034 to +.015 | < .001 | .027 | confirmed |") == 1


def test_what_is_not_defined_is_a_dash():
    view = full_view()
    undefined = dict.fromkeys(("p", "p_holm", "low", "high", "smallest", "worse", "equal", "better"))
    text = markdown_page(replace(view, comparisons=(replace(view.comparisons[0], **undefined),)), {})
    assert "| self − cross | −.012 | – | – | – | confirmed | – / – / – |" in text


def test_a_variant_without_a_complete_configuration_says_so():
    text = markdown_page(toy_view(toy_variant(tuned=None, published=None, selected=None)), {})
    assert "Of cross, no configuration was trained to the end." in text
    assert "there is nothing to select" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("two\r\n\r\n# lines", "two  # lines"),
        ("*bold* `code`", r"\*bold\* \`code\`"),
        ("![x](https://evil.example)", r"!\[x](https://evil.example)"),
        ("<script>", r"\<script>"),
        ("&lt;", r"\&lt;"),
        ("_so_", r"\_so\_"),
        ("learning_rate", "learning_rate"),
        ("p < .001", "p < .001"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_text_of_users_is_no_markup(text, shown):
    variant = toy_variant(tuned=SettingView({text: 1}, figures(0.1, 0.2)))
    assert f"- {shown}: 1" in lines(toy_view(variant))
    assert f"- {shown}" in lines(full_view(conclusion=(text,)))

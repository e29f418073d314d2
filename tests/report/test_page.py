"""The report as a page: whole, closed in itself, readable from its top, and safe to open."""

import math
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase
from study.record.results import configurations
from study.report.charts.confusion import confusion, fold_confusions
from study.report.charts.curves import learning_curves, optimisation_history
from study.report.charts.layer_weights import layer_weights
from study.report.charts.parameters import parallel_coordinates, parameter_importance
from study.report.charts.reliability import reliability
from study.report.charts.svg import svg
from study.report.charts.variants import metric_per_variant
from study.report.formats import (
    format_difference,
    format_duration,
    format_interval,
    format_p,
    format_percent,
    format_score,
    format_spread,
)
from study.report.metric_view import MetricView
from study.report.pages import VARIANT_PICTURES, html_page
from study.report.variant_view import (
    CalibrationView,
    ConfidenceBin,
    CostView,
    LayerWeightsView,
    NestedView,
    SettingView,
)
from study.report.view import ComparisonView, ReportView, TermView
from study.training.metrics import METRICS
from tests.report.toy import CLASSES, figures, full_variant, full_view, toy_variant, toy_view

VOID = {"meta", "img", "br", "link", "hr", "input"}
HOSTILE = '"><script src="https://evil.example/x.js"></script><img src=x onerror=alert(1)>{{ 7 * 7 }}'


class Page(HTMLParser):
    """The tags of a page, checked for balance, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open:
            self.text.append(data.strip())

    def whole_text(self) -> str:
        """Its text, with single spaces."""
        return " ".join(" ".join(self.text).split())

    def details(self) -> list[bool]:
        """Of each part that can be folded, whether it is open."""
        return ["open" in attributes for tag, attributes in self.tags if tag == "details"]


def nested_view() -> ReportView:
    """A study under protocol nested."""
    nested = NestedView({"Ses01": 4, "Ses02": None}, figures(0.72, 0.82), dict.fromkeys(METRICS, 0.0123))
    return toy_view(toy_variant(nested=nested), protocol="nested", over="5 test sessions", score_both_blocks=True)


def test_page_is_balanced_with_and_without_what_is_optional() -> None:
    for view in (toy_view(), full_view(), nested_view()):
        assert Page(html_page(view, {})).tags


def test_page_shows_every_figure_of_every_setting() -> None:
    view = full_view()
    text = Page(html_page(view, {})).text
    variant = view.variants["cross"]
    assert variant.tuned is not None
    assert variant.published is not None
    for setting, parts in (("tuned", variant.tuned.figures), ("published", variant.published.figures)):
        for part in ("validation", "test"):
            for metric in METRICS:
                # Test figures stand in the first table, and all of them in the one on demand.
                times = 1 if part == "validation" else 2
                # The tuned one's selecting metric is in its section's heading, too, after the metric's name.
                assert text.count(format_spread(parts[part][metric])) == times, (setting, part, metric)
    assert [text.count(f".{710 + 11 * n} ± .021") for n in range(4)] == [1, 2, 1, 1]


def test_page_shows_protocol_comparisons_and_details() -> None:
    text = Page(html_page(full_view(), {})).whole_text()
    for expected in (
        "719 utterances", "angry 102", "Ses01 135", "audio: logmel", "torch 2.11.0", "57b3eaf", "Ses03, Ses04", "2, 4",
        "epochs 12", "seed 17", "self − cross −.012 −.034 to +.015 < .001 .027 confirmed",
        "Every metric", "UWF1 +2.032", "WA +.032", "56 %", "33 %", "11 %",
        "Nothing is certain.", "12 configurations (5 complete, 7 stopped)", "0.0004256", "+.018", "−.027", ".812",
        ".234", ".346", ".901", "331", "87 %", "Configuration 3 was lost: the training loss",
        "cross-attention between the modalities",
    ):  # fmt: skip
        assert expected in text


def test_page_shows_the_nested_choices_beside_the_shared_one() -> None:
    text = Page(html_page(nested_view(), {})).whole_text()
    for expected in (
        "Ses01 Ses02 4 None",
        "chosen without",
        "measured optimism +.012",
        ".820 ± .010",
        "5 test sessions",
    ):
        assert expected in text


def test_optional_parts_are_left_out_with_their_headings() -> None:
    text = Page(html_page(toy_view(), {})).text
    headings = {
        "Comparisons",
        "Optimism",
        "Recall by class",
        "Close pairs",
        "Scripted and improvised",
        "reference table",
    }
    assert not headings & set(text)


def test_what_an_interval_or_a_test_does_not_define_is_a_dash() -> None:
    undefined = dict.fromkeys(("p", "p_holm", "low", "high", "smallest", "worse", "equal", "better"))
    view = full_view()
    text = Page(html_page(replace(view, comparisons=(replace(view.comparisons[0], **undefined),)), {})).whole_text()
    assert "self − cross −.012 – – – confirmed – – –" in text


def test_parameter_that_differs_from_the_published_one_is_marked() -> None:
    variant = toy_variant(published=SettingView({"heads": 2, "learning_rate": 0.001}, figures(0.51, 0.61)))
    tags = Page(html_page(toy_view(variant), {})).tags
    assert sum("changed" in (attributes.get("class") or "") for _, attributes in tags) == 1


def test_variant_without_a_complete_configuration_says_so() -> None:
    view = toy_view(toy_variant(tuned=None, published=None, selected=None))
    assert "no configuration was trained to the end" in Page(html_page(view, {})).whole_text()


def test_a_guess_has_a_row_and_no_section() -> None:
    guess = toy_variant(
        "dice", role="guess", tuned=SettingView(None, figures(0.1, 0.2)), published=None, cost=CostView()
    )
    text = Page(html_page(toy_view(guess, toy_variant()), {})).text
    assert text.count("dice") == 2  # in the two tables of figures
    assert ".211 ± .011" in text


def test_conclusion_and_test_figures_come_first_and_the_rest_on_demand() -> None:
    text = Page(html_page(full_view(), {})).whole_text()
    order = [
        "Nothing is certain.",
        "test, tuned",
        ".421 ± .011",
        "Validation figures",
        "Comparisons",
        "Protocol",
        "Variants",
    ]
    places = [text.index(each, text.index("Results Comparisons") + 40) for each in order]
    assert places == sorted(places)
    assert text.index(".321 ± .011") > text.index("Validation figures")


@pytest.mark.parametrize(("n_variants", "is_open"), [(1, True), (3, True), (4, False), (10, False)])
def test_sections_of_many_variants_are_folded(n_variants: int, is_open: bool) -> None:
    page = Page(html_page(toy_view(*(toy_variant(f"v{n}") for n in range(n_variants))), {}))
    assert page.details() == [False, *[is_open] * n_variants]


@pytest.mark.parametrize(("n_sentences", "folded"), [(1, []), (20, []), (21, [False])])
def test_many_comparisons_in_words_are_folded(n_sentences: int, folded: list[bool]) -> None:
    view = replace(toy_view(), conclusion=tuple(f"{n} trails." for n in range(n_sentences)))
    page = Page(html_page(view, {}))
    assert page.details() == [*folded, False, True]
    assert ("21 comparisons in words" in page.whole_text()) is bool(folded)


def test_everything_is_unfolded_for_printing() -> None:
    html = html_page(toy_view(), {})
    script = html[html.index("<script>") : html.index("</script>")]
    assert 'addEventListener("beforeprint"' in script
    assert "details" in script


PLACES = ["name", "class", "variant", "parameter", "value", "reason", "sentence", "version", "term", "note", "picture"]


def hostile_view(place: str) -> ReportView:
    """A view with a hostile text in one place."""
    view, variant = full_view(), full_variant()
    assert variant.details is not None
    changes: dict[str, Any] = {
        "name": {"name": HOSTILE},
        "sentence": {"conclusion": (HOSTILE,)},
        "version": {"environment": {"torch": HOSTILE}},
        "term": {"terms": (TermView("epochs", HOSTILE),)},
        "note": {"corpus": {**view.corpus, "notes": [HOSTILE]}},
    }
    variants = {
        "class": replace(variant, details=replace(variant.details, recalls={HOSTILE: 0.5})),
        "variant": replace(variant, name=HOSTILE),
        "parameter": replace(variant, tuned=SettingView({HOSTILE: 1}, figures(0.1, 0.2))),
        "value": replace(variant, tuned=SettingView({"heads": HOSTILE}, figures(0.1, 0.2))),
        "reason": replace(variant, cost=replace(variant.cost, lost={3: HOSTILE})),
    }
    if place in variants:
        return full_view(variants={variants[place].name: variants[place]})
    return replace(view, **changes.get(place, {}))


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_is_shown_and_never_obeyed(place: str) -> None:
    html = html_page(hostile_view(place), {"metric": HOSTILE} if place == "picture" else {})
    page = Page(html)
    if place != "picture":
        assert HOSTILE in " ".join(page.text)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert scripts == [{}]  # the page's own
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == (place == "picture")
    assert not [tag for tag, attributes in page.tags if "onerror" in attributes]


def test_page_refers_to_nothing_outside_itself() -> None:
    html = html_page(full_view(), {"metric": "<svg/>", "curves-cross": "<svg/>"})
    references = [attributes[key] for _, attributes in Page(html).tags for key in ("src", "href") if key in attributes]
    assert references
    assert all(str(reference).startswith(("data:image/svg+xml,", "#")) for reference in references)
    assert "url(" not in html
    assert "@import" not in html


def test_links_lead_to_sections_of_the_page() -> None:
    tags = Page(html_page(full_view(), {})).tags
    targets = {f"#{attributes['id']}" for _, attributes in tags if "id" in attributes}
    assert {attributes["href"] for tag, attributes in tags if tag == "a"} == targets


def test_pictures_are_inside_the_page_once_each_and_described() -> None:
    texts = {
        key: f"<svg>{key} &amp; 100 % '#\"</svg>" for key in ("metric", *(f"{kind}-cross" for kind in VARIANT_PICTURES))
    }
    images = [attributes for tag, attributes in Page(html_page(toy_view(), texts)).tags if tag == "img"]
    inside = [unquote(str(image["src"]).partition(",")[2]) for image in images]
    assert sorted(inside) == sorted(texts.values())
    assert all(image["alt"] for image in images)


def long_search(n_configs: int = 16, n_folds: int = 5, n_epochs: int = 50) -> list[Event]:
    """A search whose curves go up and down."""
    rng = np.random.default_rng(0)
    events: list[Event] = []
    for number in range(n_configs):
        params = {f"parameter_{n}": float(rng.random()) for n in range(9)}
        events.append(ConfigAdded("v", number, params))
        for fold in range(n_folds):
            for epoch in range(1, n_epochs + 1):
                scores = dict.fromkeys(METRICS, 0.5 * epoch / n_epochs + 0.1 * float(rng.random()))
                events.append(EpochDone("v", number, fold, 0, epoch, 1.0, scores, scores, 1.0, epoch == n_epochs))
        events.append(Closed("v", number, Phase.COMPLETE, ""))
    return events


BINS = tuple(ConfidenceBin(40, 0.05 + n / 10, n / 10) for n in range(10))
CALIBRATION = CalibrationView(1.8, 1.5, 1.3, 0.2, 0.05, BINS, BINS)


def test_the_report_of_ten_variants_is_small_enough_to_send() -> None:
    """Of ten variants with 16 configurations, five folds, 50 epochs and seven classes, with every picture."""
    configs = configurations(long_search(), 0)["v"]
    matrix = np.random.default_rng(0).integers(10, 300, (7, 7))

    def suggest(trial: Any) -> None:
        for n in range(9):
            trial.suggest_float(f"parameter_{n}", 0, 1)

    importance = parameter_importance(configs, suggest, "UWA")
    assert importance is not None
    drawn = {
        "curves": learning_curves(configs, 1, "UWA", "learning curves"),
        "history": optimisation_history(configs, "UWA", 1),
        "coordinates": parallel_coordinates(configs, "UWA"),
        "layers": layer_weights([LayerWeightsView("audio", ("0-3", "4-6"), (0.4, 0.6), ((0.4, 0.6),) * 15)], "layers"),
        "reliability": reliability(CALIBRATION, "probabilities"),
        "importance": importance,
        "confusion": confusion(matrix, CLASSES, "all test folds"),
        "folds": fold_confusions({f"test Ses0{n}": matrix for n in range(1, 6)}, CLASSES, "every test fold"),
    }
    assert drawn.keys() == VARIANT_PICTURES.keys()
    names = [f"variant-{n}" for n in range(10)]
    view = full_view(variants={name: full_variant(name) for name in names})
    pair: ComparisonView = view.comparisons[0]
    view = replace(view, comparisons=(pair,) * 10, conclusion=(pair.sentence,) * 10)
    pictures = {f"{kind}-{name}": svg(figure) for kind, figure in drawn.items() for name in names[:1]}
    pictures |= {key.replace(names[0], name): text for key, text in list(pictures.items()) for name in names}
    html = html_page(view, {"metric": svg(metric_per_variant(view)), **pictures})
    assert sum(tag == "img" for tag, _ in Page(html).tags) == 81
    assert len(html.encode()) < 1_500_000


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (format_score(0.5124), ".512"),
        (format_score(0.9999), "1.000"),
        (format_score(None), "–"),
        (format_difference(-0.0124), "−.012"),
        (format_difference(0.0), "+.000"),
        (format_p(0.00049), "< .001"),
        (format_p(0.041), ".041"),
        (format_spread(MetricView(0.512, 0.014, (), 0, 0)), ".512 ± .014"),
        (format_score(math.nan), "–"),
        (format_difference(None), "–"),
        (format_difference(math.nan), "–"),
        (format_interval(-0.034, 0.015), "−.034 to +.015"),
        (format_interval(None, None), "–"),
        (format_percent(None), "–"),
        (format_percent(0.556), "56 %"),
        (format_duration(404.48), "404 s"),
        (format_duration(720), "12 min"),
        (format_duration(12240), "3.4 h"),
    ],
)
def test_figures_are_printed_as_the_field_does(shown: str, expected: str) -> None:
    assert shown == expected

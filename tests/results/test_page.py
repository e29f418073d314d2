"""The report as a page: whole, closed in itself, and safe to open."""

import base64
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from study.results.formats import format_difference, format_duration, format_p, format_score, format_spread
from study.results.page import html_page

Record = dict[str, Any]
METRICS = ("WA", "UWA", "WF1", "UWF1")
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
        self.text.append(data.strip())


def figures(first: float) -> Record:
    """Four spreads of made-up figures, all different."""
    return {name: {"mean": first + 0.011 * n, "std": 0.01 + 0.001 * n} for n, name in enumerate(METRICS)}


def report(**changes: Any) -> Record:
    """A report with one variant and nothing that is optional."""
    variant = {
        "config": {"heads": 2, "learning_rate": 0.00042558},
        "selected": 4,
        "validation": figures(0.31),
        "test": figures(0.41),
        "published": {
            "config": {"heads": 6, "learning_rate": 0.001},
            "validation": figures(0.51),
            "test": figures(0.61),
        },
        "n_configs": 12,
        "outcomes": {"complete": 5, "stopped": 7},
        "n_fold_runs": 60,
        "epochs_run": 398,
        "seconds": 404.48,
    }
    return {
        "name": "toy-cross",
        "corpus": {"name": "toy", "utterances": 719, "classes": {"angry": 102}, "groups": {"Ses01": 135}},
        "classes": ["angry"],
        "encoders": {"audio": "logmel"},
        "protocol": "shared",
        "protocol_note": "not nested",
        "metric": "uwa",
        "epochs": 12,
        "rungs": [2, 4],
        "seed": 17,
        "folds": [{"number": 0, "test": ["Ses01"], "validation": ["Ses02"], "training": ["Ses03", "Ses04"]}],
        "environment": {"torch": "2.11.0", "revision": "57b3eaf"},
        "variants": {"cross": variant},
    } | changes


def full_report() -> Record:
    """The same with everything that is optional."""
    data = report(
        comparisons=[
            {
                "first": "self",
                "second": "cross",
                "metric": "UWA",
                "mean": -0.0123,
                "p": 0.0001,
                "p_holm": None,
                "interval": {"low": -0.034, "high": 0.015},
                "equivalence": {"worse": 0.56, "equal": 0.33, "better": 0.11, "rope": 0.01},
                "verdict": "no difference shown between self and cross",
            }
        ],
        conclusion=["Nothing is certain."],
    )
    data["variants"]["cross"] |= {
        "reference": {name: [0.71 + 0.011 * n, 0.021] for n, name in enumerate(METRICS)},
        "optimism": {"WA": 0.0181, "UWA": -0.0272, "WF1": 0.0363, "UWF1": 0.0454},
        "recalls": {"angry": 0.8123},
        "pairs": {"angry/frustrated": {"first_as_second": 0.2345, "second_as_first": 0.3456}},
        "by_script": {"scripted": {**dict.fromkeys(METRICS, 0.9012), "n": 331}, "words_seen": 0.87},
        "lost": {"3": "the training loss is not a finite number"},
    }
    return data


def test_page_is_balanced_with_and_without_what_is_optional() -> None:
    for data in (report(), full_report()):
        assert Page(html_page(data, {})).tags


def test_page_shows_every_figure_of_the_main_table() -> None:
    data = full_report()
    text = Page(html_page(data, {})).text
    variant = data["variants"]["cross"]
    for setting, source in (("tuned", variant), ("published", variant["published"])):
        for part in ("validation", "test"):
            for metric in METRICS:
                # What was tuned stands in the table of ablations again.
                times = 2 if (setting, part) == ("tuned", "test") else 1
                assert text.count(format_spread(source[part][metric])) == times
    assert [text.count(f".{710 + 11 * n} ± .021") for n in range(4)] == [2] * 4


def test_page_shows_protocol_comparisons_and_details() -> None:
    text = " ".join(" ".join(Page(html_page(full_report(), {})).text).split())
    for expected in (
        "719 utterances", "angry 102", "Ses01 135", "audio: logmel", "torch 2.11.0", "57b3eaf", "Ses03, Ses04", "2, 4",
        "self − cross", "−.012", "−.034 to +.015", "< .001", "56 %", "33 %", "11 %", "no difference shown",
        "Nothing is certain.", "12 configurations (complete 5, stopped 7)", "0.0004256", "+.018", "−.027", ".812",
        ".234", ".346", ".901", "331", "87 %", "Configuration 3 was lost: the training loss",
    ):  # fmt: skip
        assert expected in text


def test_optional_parts_are_left_out_with_their_headings() -> None:
    text = Page(html_page(report(), {})).text
    assert not {"Comparisons", "Optimism", "Recall by class", "Close pairs", "Scripted and improvised"} & set(text)


def test_parameter_that_differs_from_the_published_one_is_marked() -> None:
    data = report()
    data["variants"]["cross"]["published"]["config"]["heads"] = 2
    tags = Page(html_page(data, {})).tags
    assert sum("changed" in (attributes.get("class") or "") for _, attributes in tags) == 1


def test_variant_without_a_complete_configuration_says_so() -> None:
    data = report()
    data["variants"]["cross"] |= {"config": None, "validation": None, "test": None, "published": None}
    assert "no configuration was trained to the end" in Page(html_page(data, {})).text


@pytest.mark.parametrize("place", ["name", "class", "variant", "parameter", "value", "reason", "verdict", "version"])
def test_hostile_text_is_shown_and_never_obeyed(place: str) -> None:
    data = full_report()
    variant = data["variants"]["cross"]
    if place == "name":
        data["name"] = HOSTILE
    elif place == "class":
        variant["recalls"] = {HOSTILE: 0.5}
    elif place == "variant":
        data["variants"] = {HOSTILE: variant}
    elif place == "parameter":
        variant["config"][HOSTILE] = 1
    elif place == "value":
        variant["config"]["heads"] = HOSTILE
    elif place == "reason":
        variant["lost"] = {"3": HOSTILE}
    elif place == "verdict":
        data["comparisons"][0]["verdict"] = HOSTILE
    else:
        data["environment"]["torch"] = HOSTILE
    page = Page(html_page(data, {}))
    assert HOSTILE in " ".join(page.text)
    assert not [tag for tag, attributes in page.tags if tag in ("script", "img") or "onerror" in attributes]


def test_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    html = html_page(full_report(), {"metric": tmp_path / "a.png", "curves-cross": tmp_path / "a.png"})
    references = [attributes[key] for _, attributes in Page(html).tags for key in ("src", "href") if key in attributes]
    assert references
    assert all(str(reference).startswith(("data:image/png;base64,", "#")) for reference in references)
    assert "url(" not in html
    assert "@import" not in html


def test_links_lead_to_sections_of_the_page() -> None:
    tags = Page(html_page(full_report(), {})).tags
    targets = {f"#{attributes['id']}" for _, attributes in tags if "id" in attributes}
    assert {attributes["href"] for tag, attributes in tags if tag == "a"} == targets


def test_pictures_are_inside_the_page_once_each_and_described(tmp_path: Path) -> None:
    keys = ["metric", *(f"{kind}-cross" for kind in ("curves", "history", "coordinates", "importance", "confusion"))]
    paths = {key: tmp_path / f"{key}.png" for key in keys}
    for key, path in paths.items():
        path.write_bytes(key.encode())
    images = [attributes for tag, attributes in Page(html_page(report(), paths)).tags if tag == "img"]
    inside = [base64.b64decode(str(image["src"]).partition(",")[2]).decode() for image in images]
    assert sorted(inside) == sorted(keys)
    assert all(image["alt"] for image in images)


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
        (format_spread({"mean": 0.512, "std": 0.014}), ".512 ± .014"),
        (format_duration(404.48), "404 s"),
        (format_duration(720), "12 min"),
        (format_duration(12240), "3.4 h"),
    ],
)
def test_figures_are_printed_as_the_field_does(shown: str, expected: str) -> None:
    assert shown == expected

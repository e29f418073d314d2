"""Names in charts: of any script, however many and long, they are there, fit, and cost no warning."""

import itertools

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from study.report.charts.confusion import confusion, fold_confusions
from study.report.charts.style import fitting
from study.report.charts.svg import SETTINGS, svg

IDEOGRAPHS = ["愤怒", "高兴", "中性的情绪", "惊讶😀ไทย"]


def even(size: int) -> np.ndarray:
    return np.ones((size, size), dtype=int)


def drawn(figure: Figure) -> Figure:
    """The figure after its layout, as `svg` makes it."""
    svg(figure)
    with matplotlib.rc_context(SETTINGS):
        figure.draw_without_rendering()
    return figure


def test_names_of_any_script_are_in_the_picture_and_have_their_room() -> None:
    """Warnings are errors here; a font that lacks a character would give it less room than it takes."""
    figure = confusion(even(4), IDEOGRAPHS, "text")
    text = svg(figure)
    assert all(name in text for name in IDEOGRAPHS)
    assert "Resort" not in text
    (axes,) = drawn(figure).axes
    labels = axes.get_yticklabels()
    ems = [label.get_window_extent().width / figure.dpi * 72 / label.get_fontsize() for label in labels]
    assert ems[0] >= 2, "an ideograph is as wide as its font is high"
    assert ems[2] >= 5
    assert min(label.get_window_extent().x0 for label in labels) >= 0


@pytest.mark.parametrize(
    ("classes", "blocks"),
    [
        (["calm", "tense"], ["+".join(f"Recording_day_{n:03d}" for n in range(b, b + 18)) for b in range(0, 90, 18)]),
        ([f"emotion_of_kind_{number:03d}" for number in range(40)], ["a", "b", "c"]),
        (["x" * 100, "y" * 100], ["a" * 300, "愤怒" * 100]),
    ],
)
def test_many_and_long_names_do_not_overlap(classes: list[str], blocks: list[str]) -> None:
    figure = drawn(
        fold_confusions({f"test {name}": np.eye(len(classes), dtype=int) for name in blocks}, classes, "text")
    )
    titles = [axes.title.get_window_extent() for axes in figure.axes]
    assert not [pair for pair in itertools.combinations(titles, 2) if pair[0].overlaps(pair[1])]
    for axes in figure.axes:
        extents = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(one.x1 <= other.x0 + 1 for one, other in itertools.pairwise(extents))
        assert axes.get_window_extent().height > 0.5 * axes.get_window_extent().width


def width(text: str) -> float:
    return sum(1.0 if character in "愤怒" else 0.6 for character in text)


@given(text=st.text("ab愤怒", max_size=60), ems=st.floats(2, 30))
def test_a_name_is_cut_in_its_middle_and_only_where_it_has_to_be(text: str, ems: float) -> None:
    cut = fitting(text, ems)
    assert width(cut) <= ems or cut == "…"
    assert (cut == text) == (width(text) <= ems)
    if cut != text:
        first, last = cut.split("…")
        assert text.startswith(first)
        assert text.endswith(last)
        assert len(first) == len(last)

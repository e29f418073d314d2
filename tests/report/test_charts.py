"""Charts of a study: SVG that shows the data it was given, and no more than they support."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase
from study.record.incumbents import Incumbent
from study.record.results import ConfigResult, configurations
from study.report.charts.budget import incumbent_paths
from study.report.charts.curves import learning_curves, mean_curve, optimisation_history, scored
from study.report.charts.parameters import parallel_coordinates, parameter_importance
from study.report.charts.style import GREY
from study.report.charts.svg import svg
from study.report.charts.variants import metric_per_variant
from study.report.variant_view import CostView, SettingView
from study.report.view import ReportView
from study.variants import TRAINED
from tests.report.toy import spread, toy_variant, toy_view

MakeEpoch = Callable[..., EpochDone]


@pytest.fixture
def configs(search_events: list[Event]) -> list[ConfigResult]:
    """Two complete configurations, one stopped at epoch 2 and one diverged."""
    return configurations(search_events, 0)["cross"]


def search(scores: Sequence[float], outcomes: Sequence[str], make_epoch: MakeEpoch) -> list[ConfigResult]:
    """Configurations with these best validation scores; `rate` rises with the number, `kind` takes turns."""
    events: list[Event] = []
    for number, (score, outcome) in enumerate(zip(scores, outcomes, strict=True)):
        events.append(ConfigAdded("v", number, {"rate": 0.001 * (number + 1), "kind": ["gru", "linear"][number % 2]}))
        events.append(replace(make_epoch("v", number, 0, 1), validation={"UWA": score}, ended=True))
        events.append(Closed("v", number, Phase(outcome), ""))
    return configurations(events, 0).get("v", [])


def suggest(trial: Any) -> None:
    """The space of `search`."""
    trial.suggest_float("rate", 1e-4, 1.0, log=True)
    trial.suggest_categorical("kind", ["gru", "linear"])


def grey(lines: Sequence[Line2D]) -> list[Line2D]:
    return [line for line in lines if same_color(line.get_color(), GREY)]


def setting(mean: float) -> SettingView:
    return SettingView({}, {"test": {"UWA": spread(mean)}})


def report() -> ReportView:
    """Two trained variants, one with a reference, a guess, and one variant without a result."""
    guess = SettingView(None, setting(0.14).figures)
    published = setting(0.4)
    return toy_view(
        toy_variant("cross", tuned=setting(0.5), published=published, reference={"UWA": (0.477, 0.027)}),
        toy_variant("self", tuned=setting(0.6), published=published),
        toy_variant("dice", tuned=guess, published=None, role="guess"),
        toy_variant("text", tuned=None, published=None),
    )


def report_with_paths(*names: str) -> ReportView:
    """Variants whose searches found a better configuration once."""
    path = (Incumbent(0, 60.0, 0.4, 0.3), Incumbent(2, 180.0, 0.5, 0.35))
    return toy_view(*(toy_variant(name, incumbents=path, cost=CostView(3, search_seconds=300.0)) for name in names))


def paths(view: ReportView) -> Figure:
    """The chart of the incumbents, which there is."""
    figure = incumbent_paths(view)
    assert figure is not None
    return figure


def test_incumbents_stand_at_the_minute_at_which_they_were_complete_until_the_search_ended() -> None:
    [line, _] = paths(report_with_paths("cross")).axes[0].get_lines()
    assert line.get_xydata().tolist() == [[1.0, 0.4], [3.0, 0.5], [5.0, 0.5]]
    assert incumbent_paths(report()) is None


@pytest.mark.parametrize("names", [("cross", "self"), TRAINED, [f"a_system_with_a_long_name_{n}" for n in range(30)]])
def test_lines_of_many_searches_are_told_apart_and_their_names_have_room(names: Sequence[str]) -> None:
    figure = paths(report_with_paths(*names))
    looks = {style for style in re.findall(r"style='([^']*)'", svg(figure)) if "stroke-width:1.8" in style}
    assert len(looks) == len(names)
    figure.draw_without_rendering()
    whole = figure.get_window_extent()
    for text in figure.legends[0].get_texts():
        extent = text.get_window_extent()
        assert whole.x0 <= extent.x0 < extent.x1 <= whole.x1
        assert whole.y0 <= extent.y0
    assert figure.axes[0].get_window_extent().height > 200  # of points, at 72 of them an inch or more


def texts(picture: str) -> list[str]:
    """The texts of an SVG, which must be whole."""
    return [each.text or "" for each in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_every_chart_is_a_small_svg_of_the_common_width_whose_text_is_text(
    configs: list[ConfigResult], make_epoch: MakeEpoch
) -> None:
    six = search([0.1, 0.3, 0.2, 0.5, 0.4, 0.6], ["complete"] * 6, make_epoch)
    importance = parameter_importance(six, suggest, "UWA")
    assert importance is not None
    drawn = {
        "cross: learning curves": learning_curves(configs, 1, "UWA", "cross: learning curves"),
        "Test UWA of each variant": metric_per_variant(report()),
        "Best validation UWA by training spent": paths(report_with_paths("cross", "self")),
        "configuration": optimisation_history(configs, "UWA", 1),
        "learning_rate": parallel_coordinates(configs, "UWA"),
        "kind": importance,
    }
    for text, figure in drawn.items():
        picture = svg(figure)
        assert text in texts(picture)
        assert ElementTree.fromstring(picture).get("width") == "576pt"
        assert len(picture) < 25_000


def test_coordinates_are_kept_to_a_tenth_of_a_point(configs: list[ConfigResult]) -> None:
    figure = learning_curves(configs, 1, "UWA", "t")
    picture = svg(figure)
    axes = figure.axes[0]
    line = axes.get_lines()[1]
    expected = axes.transData.transform(line.get_xydata())
    height = figure.get_figheight() * 72
    path = " ".join(f"{x:.1f} {height - y:.1f}".replace(".0 ", " ") for x, y in expected * 72 / figure.dpi)
    assert path.removesuffix(".0") in picture


def test_the_same_data_give_the_same_picture(configs: list[ConfigResult]) -> None:
    first, second = (svg(learning_curves(configs, 1, "UWA", "t")) for _ in range(2))
    assert first == second


def test_one_grey_line_for_each_configuration_that_did_not_complete(configs: list[ConfigResult]) -> None:
    lines = learning_curves(configs, 1, "UWA", "t").axes[0].get_lines()
    assert len(lines) == len(configs)
    assert len(grey(lines)) == sum(config.outcome is not Phase.COMPLETE for config in configs) == 2
    assert [len(line.get_ydata()) for line in lines] == [4, 4, 2, 1]


def test_selected_curve_is_the_thickest_and_published_the_dashed_one(configs: list[ConfigResult]) -> None:
    lines = learning_curves(configs, 1, "UWA", "t").axes[0].get_lines()
    assert max(lines, key=lambda line: line.get_linewidth()) is lines[1]
    assert [line.get_linestyle() for line in lines] == ["--", "-", "-", "-"]


def test_curve_is_the_mean_over_folds_of_each_epoch(configs: list[ConfigResult], make_epoch: MakeEpoch) -> None:
    curve = mean_curve(configs[0], "WF1")
    by_hand = [fmean(make_epoch("cross", 0, f, e).validation["WF1"] for f in range(3)) for e in range(1, 5)]
    assert curve == pytest.approx(by_hand)


def test_fold_that_ended_early_stays_at_its_last_score(configs: list[ConfigResult]) -> None:
    early = configs[0].folds[0]
    del early.epochs[2:]
    early.epochs[-1] = replace(early.epochs[-1], ended=True)
    curve = mean_curve(configs[0], "WA")
    kept = early.epochs[-1].validation["WA"]
    others = [configs[0].folds[fold].epochs[3].validation["WA"] for fold in (1, 2)]
    assert curve[3] == pytest.approx(fmean([kept, *others]))


def test_every_variant_with_a_result_shows_its_folds_its_mean_and_its_reference() -> None:
    axes = metric_per_variant(report()).axes[0]
    drawn = [sorted(map(float, line.get_xdata())) for line in axes.get_lines()]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "cross\nspeech, words",
        "self\nspeech, words",
        "dice\nspeech, words",
    ]
    for mean, times in ((0.5, 1), (0.6, 1), (0.14, 1), (0.4, 2)):
        assert drawn.count(sorted(spread(mean).folds)) == times
        assert drawn.count([max(0.0, mean - 0.2), mean + 0.2]) == times
        assert drawn.count([mean]) == times
    assert drawn.count([0.477]) == 1


def test_only_a_published_mean_is_hollow() -> None:
    axes = metric_per_variant(report()).axes[0]
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert {line.get_label() for line in hollow} == {"published"}


def test_best_so_far_never_falls_and_ignores_stopped_configurations(make_epoch: MakeEpoch) -> None:
    found = search([0.3, 0.9, 0.2, 0.5, 0.4], ["complete", "stopped", "complete", "complete", "stopped"], make_epoch)
    lines = optimisation_history(found, "UWA", 3).axes[0].get_lines()
    best = next(line for line in lines if line.get_label() == "best so far")
    assert list(best.get_xdata()) == [0, 2, 3, 4]
    assert list(best.get_ydata()) == [0.3, 0.3, 0.5, 0.5]
    assert [line.get_ydata()[0] for line in grey(lines)] == [0.9, 0.4]


def test_configuration_without_a_score_on_every_fold_is_not_placed_among_the_others(
    configs: list[ConfigResult],
) -> None:
    del configs[3].folds[2]
    assert [config.number for config in scored(configs)] == [0, 1, 2]


def test_parameter_that_sets_the_score_is_the_most_important(make_epoch: MakeEpoch) -> None:
    found = search([0.1 + 0.4 * (n % 2) + 0.001 * n for n in range(12)], ["complete"] * 12, make_epoch)
    figure = parameter_importance(found, suggest, "UWA")
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_yticklabels()[-1].get_text() == "kind"
    assert axes.patches[-1].get_width() == max(bar.get_width() for bar in axes.patches)
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(1)


@pytest.mark.parametrize(
    ("n_complete", "words"), [(6, "from 6 complete"), (5, "5 complete configurations and 3 stopped")]
)
def test_importance_says_what_it_was_computed_from(n_complete: int, words: str, make_epoch: MakeEpoch) -> None:
    outcomes = ["complete"] * n_complete + ["stopped"] * 3
    found = search([0.1 * (n % 4) for n in range(len(outcomes))], outcomes, make_epoch)
    figure = parameter_importance(found, suggest, "UWA")
    assert figure is not None
    assert words in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.3], [0.3] * 8], ids=["too few", "all equal"])
def test_importance_is_not_drawn_from_too_little(scores: list[float], make_epoch: MakeEpoch) -> None:
    assert parameter_importance(search(scores, ["complete"] * len(scores), make_epoch), suggest, "UWA") is None


def test_coordinates_end_in_the_score_for_complete_configurations_alone(configs: list[ConfigResult]) -> None:
    axes = parallel_coordinates(configs, "UWA").axes[0]
    lines = [line for line in axes.get_lines() if line.get_linewidth() >= 2 or line in grey(axes.get_lines())]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["heads", "learning_rate", "UWA"]
    assert [len(line.get_xdata()) for line in lines] == [3, 3, 2, 2]
    assert len(grey(lines)) == 2


def test_coordinates_name_every_level_of_a_choice(make_epoch: MakeEpoch) -> None:
    found = search([0.1, 0.2, 0.3], ["complete"] * 3, make_epoch)
    axes = parallel_coordinates(found, "UWA").axes[0]
    assert {"gru", "linear", "0.001", "0.002", "0.003"} <= {text.get_text() for text in axes.texts}


@pytest.mark.parametrize("outcomes", [[], ["open"], ["stopped"], ["complete"]])
def test_search_that_has_hardly_begun_can_be_drawn(outcomes: list[str], make_epoch: MakeEpoch) -> None:
    found = search([0.2] * len(outcomes), outcomes, make_epoch)
    for figure in (
        learning_curves(found, None, "UWA", "t"),
        optimisation_history(found, "UWA", None),
        parallel_coordinates(found, "UWA"),
    ):
        assert texts(svg(figure))


@pytest.mark.parametrize(
    "hostile", [r"$\frac{$ <b> _^", "$x$", "</text><script>alert(1)</script>", "1.23456 M 0 0 L 1 1"]
)
def test_names_are_drawn_as_they_are(configs: list[ConfigResult], hostile: str) -> None:
    configs[0].params[hostile] = hostile
    view = toy_view(toy_variant(hostile, tuned=setting(0.5), published=None))
    for figure in (
        learning_curves(configs, 0, "UWA", hostile),
        parallel_coordinates(configs, "UWA"),
        metric_per_variant(view),
        paths(report_with_paths(hostile)),
    ):
        assert hostile in texts(svg(figure))

"""Charts of a study: valid pictures that show the data they were given, and no more than it supports."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from matplotlib.colors import same_color
from matplotlib.lines import Line2D

from study.results import charts, parameter_charts
from study.results.aggregate import ConfigResult, configurations
from study.results.charts import GREY

Record = dict[str, Any]


@pytest.fixture
def configs(make_ledger: Callable[..., list[Record]]) -> list[ConfigResult]:
    """Two complete configurations, one stopped at epoch 2 and one diverged."""
    return configurations(make_ledger())["cross"]


def search(scores: Sequence[float], outcomes: Sequence[str], make_epoch: Callable[..., Record]) -> list[ConfigResult]:
    """Configurations with these best validation scores; `rate` rises with the number, `kind` takes turns."""
    records: list[Record] = []
    for number, (score, outcome) in enumerate(zip(scores, outcomes, strict=True)):
        params = {"rate": 0.001 * (number + 1), "kind": ["gru", "linear"][number % 2]}
        records.append({"kind": "config", "variant": "v", "config": number, "params": params})
        records.append(make_epoch("v", number, 0, 1) | {"validation": {"UWA": score}, "ended": True})
        records.append({"kind": "closed", "variant": "v", "config": number, "outcome": outcome, "reason": ""})
    return configurations(records).get("v", [])


def suggest(trial: Any) -> None:
    """The space of `search`."""
    trial.suggest_float("rate", 1e-4, 1.0, log=True)
    trial.suggest_categorical("kind", ["gru", "linear"])


def grey(lines: Sequence[Line2D]) -> list[Line2D]:
    return [line for line in lines if same_color(line.get_color(), GREY)]


def spread(mean: float) -> Record:
    return {"mean": mean, "std": 0.1, "folds": [mean - 0.1, mean, mean + 0.1], "low": mean - 0.2, "high": mean + 0.2}


def report() -> Record:
    """Two trained variants, one with a reference, a guess, and one variant without a result."""
    tuned = {"config": {}, "test": {"UWA": spread(0.5)}, "published": {"test": {"UWA": spread(0.4)}}}
    return {
        "variants": {
            "cross": {**tuned, "reference": {"UWA": [0.477, 0.027]}},
            "self": {**tuned, "test": {"UWA": spread(0.6)}, "reference": None},
            "random": {"config": None, "test": {"UWA": spread(0.14)}, "published": None},
            "text": {"config": None, "test": None, "published": None},
        }
    }


def test_every_chart_is_a_png_of_the_common_width(
    configs: list[ConfigResult], make_epoch: Callable[..., Record], tmp_path: Path
) -> None:
    charts.learning_curves(tmp_path / "a.png", configs, 1, "UWA", "cross: learning curves")
    charts.metric_per_variant(tmp_path / "b.png", report(), "UWA")
    charts.optimisation_history(tmp_path / "c.png", configs, "UWA", 1)
    parameter_charts.parallel_coordinates(tmp_path / "d.png", configs, "UWA")
    six = search([0.1, 0.3, 0.2, 0.5, 0.4, 0.6], ["complete"] * 6, make_epoch)
    assert parameter_charts.parameter_importance(tmp_path / "e.png", six, suggest, "UWA")
    for name in "abcde":
        head = (tmp_path / f"{name}.png").read_bytes()[:24]
        width, height = struct.unpack(">II", head[16:])
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert (width, 200 < height < 1200) == (960, True)


def test_one_grey_line_for_each_configuration_that_did_not_complete(configs: list[ConfigResult]) -> None:
    lines = charts.learning_curves_figure(configs, 1, "UWA", "t").axes[0].get_lines()
    assert len(lines) == len(configs)
    assert len(grey(lines)) == sum(config.outcome != "complete" for config in configs) == 2
    assert [len(line.get_ydata()) for line in lines] == [4, 4, 2, 1]


def test_selected_curve_is_the_thickest_and_published_the_dashed_one(configs: list[ConfigResult]) -> None:
    lines = charts.learning_curves_figure(configs, 1, "UWA", "t").axes[0].get_lines()
    assert max(lines, key=lambda line: line.get_linewidth()) is lines[1]
    assert [line.get_linestyle() for line in lines] == ["--", "-", "-", "-"]


def test_curve_is_the_mean_over_folds_of_each_epoch(
    configs: list[ConfigResult], make_epoch: Callable[..., Record]
) -> None:
    curve = charts.mean_curve(configs[0], "WF1")
    by_hand = [fmean(make_epoch("cross", 0, f, e)["validation"]["WF1"] for f in range(3)) for e in range(1, 5)]
    assert curve == pytest.approx(by_hand)


def test_fold_that_ended_early_stays_at_its_last_score(configs: list[ConfigResult]) -> None:
    early = configs[0].folds[0]
    del early.epochs[2:]
    early.epochs[-1] = early.epochs[-1] | {"ended": True}
    curve = charts.mean_curve(configs[0], "WA")
    kept = early.epochs[-1]["validation"]["WA"]
    others = [configs[0].folds[fold].epochs[3]["validation"]["WA"] for fold in (1, 2)]
    assert curve[3] == pytest.approx(fmean([kept, *others]))


def test_every_variant_with_a_result_shows_its_folds_its_mean_and_its_reference() -> None:
    axes = charts.metric_per_variant_figure(report(), "UWA").axes[0]
    drawn = [sorted(map(float, line.get_xdata())) for line in axes.get_lines()]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cross", "self", "random"]
    for mean, times in ((0.5, 1), (0.6, 1), (0.14, 1), (0.4, 2)):
        assert drawn.count(sorted(spread(mean)["folds"])) == times
        assert drawn.count([mean - 0.2, mean + 0.2]) == times
        assert drawn.count([mean]) == times
    assert drawn.count([0.477]) == 1


def test_only_a_published_mean_is_hollow() -> None:
    axes = charts.metric_per_variant_figure(report(), "UWA").axes[0]
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert {line.get_label() for line in hollow} == {"published"}


def test_best_so_far_never_falls_and_ignores_stopped_configurations(make_epoch: Callable[..., Record]) -> None:
    found = search([0.3, 0.9, 0.2, 0.5, 0.4], ["complete", "stopped", "complete", "complete", "stopped"], make_epoch)
    lines = charts.optimisation_history_figure(found, "UWA", 3).axes[0].get_lines()
    best = next(line for line in lines if line.get_label() == "best so far")
    assert list(best.get_xdata()) == [0, 2, 3, 4]
    assert list(best.get_ydata()) == [0.3, 0.3, 0.5, 0.5]
    assert [line.get_ydata()[0] for line in grey(lines)] == [0.9, 0.4]


def test_configuration_without_a_score_on_every_fold_is_not_placed_among_the_others(
    configs: list[ConfigResult],
) -> None:
    del configs[3].folds[2]
    assert [config.number for config in charts.scored(configs)] == [0, 1, 2]


def test_parameter_that_sets_the_score_is_the_most_important(make_epoch: Callable[..., Record]) -> None:
    found = search([0.1 + 0.4 * (n % 2) + 0.001 * n for n in range(12)], ["complete"] * 12, make_epoch)
    figure = parameter_charts.parameter_importance_figure(found, suggest, "UWA")
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_yticklabels()[-1].get_text() == "kind"
    assert axes.patches[-1].get_width() == max(bar.get_width() for bar in axes.patches)
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(1)


@pytest.mark.parametrize(
    ("n_complete", "words"), [(6, "from 6 complete"), (5, "5 complete configurations and 3 stopped")]
)
def test_importance_says_what_it_was_computed_from(
    n_complete: int, words: str, make_epoch: Callable[..., Record]
) -> None:
    outcomes = ["complete"] * n_complete + ["stopped"] * 3
    found = search([0.1 * (n % 4) for n in range(len(outcomes))], outcomes, make_epoch)
    figure = parameter_charts.parameter_importance_figure(found, suggest, "UWA")
    assert figure is not None
    assert words in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.3], [0.3] * 8], ids=["too few", "all equal"])
def test_importance_is_not_drawn_from_too_little(
    scores: list[float], make_epoch: Callable[..., Record], tmp_path: Path
) -> None:
    found = search(scores, ["complete"] * len(scores), make_epoch)
    assert not parameter_charts.parameter_importance(tmp_path / "none.png", found, suggest, "UWA")
    assert not (tmp_path / "none.png").exists()


def test_coordinates_end_in_the_score_for_complete_configurations_alone(configs: list[ConfigResult]) -> None:
    axes = parameter_charts.parallel_coordinates_figure(configs, "UWA").axes[0]
    lines = [line for line in axes.get_lines() if line.get_linewidth() >= 2 or line in grey(axes.get_lines())]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["heads", "learning_rate", "UWA"]
    assert [len(line.get_xdata()) for line in lines] == [3, 3, 2, 2]
    assert len(grey(lines)) == 2


def test_coordinates_name_every_level_of_a_choice(make_epoch: Callable[..., Record]) -> None:
    found = search([0.1, 0.2, 0.3], ["complete"] * 3, make_epoch)
    axes = parameter_charts.parallel_coordinates_figure(found, "UWA").axes[0]
    assert {"gru", "linear", "0.001", "0.002", "0.003"} <= {text.get_text() for text in axes.texts}


@pytest.mark.parametrize("outcomes", [[], ["open"], ["stopped"], ["complete"]])
def test_search_that_has_hardly_begun_can_be_drawn(
    outcomes: list[str], make_epoch: Callable[..., Record], tmp_path: Path
) -> None:
    found = search([0.2] * len(outcomes), outcomes, make_epoch)
    charts.learning_curves(tmp_path / "a.png", found, None, "UWA", "t")
    charts.optimisation_history(tmp_path / "b.png", found, "UWA", None)
    parameter_charts.parallel_coordinates(tmp_path / "c.png", found, "UWA")
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_names_are_drawn_as_they_are(configs: list[ConfigResult], tmp_path: Path) -> None:
    hostile = r"$\frac{$ <b> _^"
    configs[0].params[hostile] = hostile
    charts.learning_curves(tmp_path / "a.png", configs, 0, "UWA", hostile)
    parameter_charts.parallel_coordinates(tmp_path / "b.png", configs, "UWA")
    data = {"variants": {hostile: report()["variants"]["cross"]}}
    assert charts.metric_per_variant_figure(data, "UWA").axes[0].get_yticklabels()[0].get_text() == hostile

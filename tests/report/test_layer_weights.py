"""Learned weights of encoder layers in the report: averaged here again, from the ledger's lines."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from study.record.folder import StudyFolder
from study.record.terms import Terms
from study.report.build import report_view
from study.report.charts.layer_weights import layer_weights
from study.report.charts.svg import svg
from study.report.evidence import gather
from study.report.pages import html_page, markdown_page
from study.report.variant_view import LayerWeightsView
from tests.report.toy import settings_of, toy_plan, write_study

BANDS = ("0-1", "2-2", "3-3")


def with_weights(path: Path) -> list[dict[str, object]]:
    """Give every epoch of a ledger weights that follow from configuration, fold and epoch; the lines."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for record in records:
        if record["kind"] == "epoch":
            first = 0.1 + 0.01 * record["fold"] + 0.02 * record["epoch"] + 0.05 * record["config"]
            record["layer_weights"] = {"audio": dict(zip(BANDS, (first, 0.2, 0.8 - first), strict=True))}
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return records


@pytest.mark.parametrize("protocol", ["shared", "nested"])
def test_weights_are_those_of_the_reported_runs_at_the_epochs_that_count(tmp_path: Path, protocol: str) -> None:
    folder = StudyFolder(tmp_path)
    terms = Terms(n_configs=3, epochs=4, policy="asha", sampler="qmc", protocol=protocol, seeds=0)
    write_study(folder, toy_plan(terms=terms), {"cross": settings_of("cross")})
    records = with_weights(folder.ledger)
    evidence = gather(folder)
    uses = evidence.outcomes["cross"].uses
    own = [
        record["layer_weights"]["audio"]  # type: ignore[index]
        for use in uses
        for record in records
        if record["kind"] == "epoch"
        and (record["config"], record["fold"], record["epoch"]) == (use.run.config, use.run.fold, use.epoch)
    ]
    view = report_view(evidence)
    [found] = view.variants["cross"].layer_weights
    assert (found.stream, found.bands) == ("audio", BANDS)
    assert len(own) == len(uses) == len(found.runs)
    assert found.means == pytest.approx([fmean(each[band] for each in own) for band in BANDS])
    line = f"2 .200, 3 {found.means[2]:.3f}".replace("0.", ".")
    assert line in markdown_page(view, {})
    assert line in html_page(view, {})


def test_studies_without_weighted_layers_have_no_picture_and_no_words_about_them(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    write_study(folder, toy_plan(), {"cross": settings_of("cross")})
    view = report_view(gather(folder))
    assert view.variants["cross"].layer_weights == ()
    assert layer_weights((), "toy") is None
    assert "Learned weights" not in markdown_page(view, {})


def test_the_picture_has_a_bar_for_every_band_under_its_layers() -> None:
    view = LayerWeightsView("audio", BANDS, (0.5, 0.2, 0.3), ((0.6, 0.1, 0.3), (0.4, 0.3, 0.3)))
    figure = layer_weights([view, replace(view, stream="text")], "toy")
    assert figure is not None
    assert [[bar.get_height() for bar in axes.patches] for axes in figure.axes] == [[0.5, 0.2, 0.3]] * 2
    text = svg(figure)
    assert all(f">{word}<" in text for word in ("0-1", "2", "3", "layers of the text encoder", "equal"))

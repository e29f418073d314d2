"""Draws the pictures of a report, each once, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from study.files import write_file
from study.protocols import PROTOCOLS
from study.record.folder import StudyFolder
from study.record.search_name import variant_of
from study.report.charts.budget import incumbent_paths
from study.report.charts.close_pairs import close_pairs
from study.report.charts.confusion import confusion, fold_confusions
from study.report.charts.curves import learning_curves, optimisation_history
from study.report.charts.glance import glance_chart
from study.report.charts.layer_weights import layer_weights
from study.report.charts.parameters import parallel_coordinates, parameter_importance
from study.report.charts.reliability import reliability
from study.report.charts.svg import svg
from study.report.charts.variants import metric_per_variant
from study.report.evidence import Evidence
from study.report.predictions import confusions_by_block, pooled_confusion
from study.report.test_sets import apart
from study.report.view import ReportView

Spaces = Mapping[str, Callable[[Any], object]]


def draw(evidence: Evidence, view: ReportView, spaces: Spaces) -> dict[str, str]:
    """The SVG text of every picture by name: "glance", "metric", "budget", and "curves-cross" and so on.

    `spaces` has the function that draws a configuration, by variant: for the parameters' importance, which is left
    out where there is too little to go by.
    """
    figures: dict[str, Figure | None] = {}
    if evidence.tested:
        if view.glance is not None:
            figures["glance"] = glance_chart(view.glance, view.metric)
        figures |= {"metric": metric_per_variant(view), "budget": incumbent_paths(view), "pairs": close_pairs(view)}
    for name in evidence.tested:
        figures |= {
            f"{kind}-{name}": figure
            for kind, figure in _of_variant(evidence, view, name, spaces[variant_of(name)]).items()
        }
    return {name: svg(figure) for name, figure in figures.items() if figure is not None}


def keep(folder: StudyFolder, pictures: Mapping[str, str]) -> None:
    """Write the pictures into the study's folder, and remove those of an earlier report that are not among them."""
    for name, text in pictures.items():
        write_file(folder.pictures / f"{name}.svg", text)
    for path in folder.pictures.glob("*.svg"):
        if path.stem not in pictures:
            path.unlink()


def _of_variant(
    evidence: Evidence, view: ReportView, name: str, suggest: Callable[[Any], object]
) -> dict[str, Figure | None]:
    plan, folds = evidence.plan, evidence.tested[name]
    configs = PROTOCOLS[plan.terms.protocol].viewed(plan, evidence.configs[name])
    number, size = evidence.outcomes[name].config.number, len(plan.classes)
    by_block = confusions_by_block(apart(plan, folds), size)
    each, whole = (
        ("test set", view.tested.removeprefix("the ")) if view.one_division else ("test fold", "all test folds")
    )
    return {
        "curves": learning_curves(configs, number, plan.metric, f"{name}: learning curves"),
        "history": optimisation_history(configs, plan.metric, number),
        "coordinates": parallel_coordinates(configs, plan.metric),
        "layers": layer_weights(view.variants[name].layer_weights, f"{name}: learned weights of encoder layers"),
        "reliability": reliability(view.variants[name].calibration, f"{name}: probabilities on {whole}"),
        "importance": parameter_importance(configs, suggest, plan.metric),
        "confusion": confusion(pooled_confusion(folds, size), plan.classes, f"{name}: {whole}"),
        "folds": fold_confusions(
            {block if view.one_division else f"test {block}": found for block, found in by_block.items()},
            plan.classes,
            f"{name}: every {each}",
        ),
    }

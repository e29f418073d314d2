"""The report as one HTML file that needs nothing else: no network, no other file, and it prints."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from study.results.formats import (
    NOTHING,
    format_difference,
    format_duration,
    format_p,
    format_score,
    format_spread,
    format_value,
)
from study.results.text_page import ABLATED, ablation_rows
from study.training.metrics import METRICS

# What may be drawn for a variant: the first half of the picture's key, and its caption, in the order shown.
VARIANT_PICTURES = {
    "curves": "Validation score by epoch, mean over folds. Stopping compares configurations at the same epoch.",
    "history": "The search in its order. Only complete configurations are comparable.",
    "coordinates": "Every configuration's parameters and its validation score.",
    "importance": "What the score depended on among the configurations of this search (fANOVA).",
    "confusion": "Test folds taken together: percent of each true class.",
    "folds": "Every test fold by itself: sessions differ.",
}


def html_page(data: Mapping[str, Any], pictures: Mapping[str, Path]) -> str:
    """The report `data`, as in `report.json`, as a page with its pictures inside.

    `pictures` are PNG files by key: "metric" for the whole study, and "curves-cross" and so on per variant, see
    VARIANT_PICTURES. What `data` or `pictures` lack is left out. Every text of `data` is escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "spread": format_spread,
        "score": format_score,
        "p": format_p,
        "difference": format_difference,
        "duration": format_duration,
        "value": format_value,
        "percent": lambda share: NOTHING if share is None else f"{100 * share:.0f} %",
    }
    return environment.get_template("page.html.j2").render(
        data=data,
        metrics=METRICS,
        metric=data["metric"].upper(),
        pictures={key: _data_uri(path) for key, path in pictures.items()},
        captions=VARIANT_PICTURES,
        ablations={parent: list(ablation_rows(data, parent)) for parent in ABLATED},
        settings=_settings,
        scripts=_scripts,
    )


def _settings(variant: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """The rows of a variant in the main table: setting, part, and each metric's mean and deviation."""
    rows = []
    shared = (variant.get("nested") or {}).get("shared")
    for setting, source in (("tuned", variant), ("shared", shared), ("published", variant.get("published"))):
        for part in ("validation", "test"):
            if source and source.get(part):
                name = "guess" if variant["config"] is None else setting
                rows.append((name, part, source[part]))
    if variant.get("reference"):
        printed = {
            metric: dict(zip(("mean", "std"), pair, strict=True)) for metric, pair in variant["reference"].items()
        }
        rows.append(("reference table", "test", printed))
    return rows


def _scripts(variant: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The metrics of scripted and improvised utterances, without what else is said of them."""
    return {kind: scores for kind, scores in variant.get("by_script", {}).items() if isinstance(scores, Mapping)}


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")

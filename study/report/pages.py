"""The report as pages: one HTML file that needs nothing else and prints, and one of Markdown.

Text that comes from users is shown as it is and never read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from study.plurals import counted
from study.report import features, glance_table, missing, recognised, set_tables, tables, transfer
from study.report.calibration import calibration_rows, calibration_sentence
from study.report.formats import (
    capitalise,
    format_difference,
    format_duration,
    format_interval,
    format_p,
    format_percent,
    format_score,
    format_spread,
    format_value,
)
from study.report.layer_weights import layer_weight_lines
from study.report.view import ReportView
from study.report.votes import votes_sentence
from study.training.metrics import LEGEND, METRICS

TEMPLATES = Path(__file__).parent / "templates"
FILTERS = {
    "counted": counted,
    "spread": format_spread,
    "score": format_score,
    "capitalise": capitalise,
    "p": format_p,
    "difference": format_difference,
    "percent": format_percent,
    "duration": format_duration,
    "value": format_value,
}
# What may be drawn for a variant: the first half of the picture's name, and its caption, in the order shown.
VARIANT_PICTURES = {
    "curves": "Validation score by epoch{over_folds}. Stopping compares configurations at the same epoch.",
    "history": "The search in its order. Only complete configurations are comparable.",
    "coordinates": "Every configuration's parameters and its validation score.",
    "importance": "What the score depended on among the configurations of this search (fANOVA).",
    "layers": "What the reported models read of the encoder: bars are means, dots reported runs.",
    "confusion": "{tested}: percent of each true class.",
    "reliability": "How often predictions of a certain probability are right on {on}; dots are as large as their bins.",
    "folds": "{each} by itself{differ}.",
}
# The sections of variants are open on a page of at most so many.
OPEN_VARIANTS = 3
# More comparisons in words are folded: they would stand between all systems at a glance and the table of scores.
OPEN_SENTENCES = 20


def html_page(view: ReportView, pictures: Mapping[str, str]) -> str:
    """The report as a page with its pictures inside.

    `pictures` has SVG text by name: "glance" and "metric" for the whole study, and "curves-cross" and so on per
    variant, see VARIANT_PICTURES. What `view` or `pictures` lack is left out.
    """
    environment = _environment(autoescape=True)
    inside = {name: _data_uri(text) for name, text in pictures.items()}
    opened = {"open_variants": OPEN_VARIANTS, "open_sentences": OPEN_SENTENCES}
    return _render(environment, "report.html.j2", view, pictures=inside, **opened)


def markdown_page(view: ReportView, pictures: Mapping[str, str]) -> str:
    """The report as a page of text, which refers to the `pictures` beside it."""
    environment = _environment(autoescape=False, finalize=_as_markdown)
    return _render(environment, "report.md.j2", view, pictures=pictures)


def captions(view: ReportView) -> dict[str, str]:
    """The caption of every picture of a variant, in the words of the study's protocol."""
    words = {
        "over_folds": "" if view.one_division else ", mean over folds",
        "tested": capitalise(view.tested.removeprefix("the ")),
        "on": view.tested,
        "each": "Every test set" if view.one_division else "Every test fold",
        "differ": "" if view.one_division else ": sessions differ",
    }
    return {kind: caption.format(**words) for kind, caption in VARIANT_PICTURES.items()}


def _environment(**options: Any) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters |= FILTERS
    return environment


def _render(environment: jinja2.Environment, name: str, view: ReportView, **more: Any) -> str:
    return environment.get_template(name).render(
        view=view,
        metrics=METRICS,
        legend=LEGEND,
        captions=captions(view),
        tables=tables,
        features=features,
        missing=missing,
        has_losses=any(pair.by_loss for each in view.variants.values() if each.details for pair in each.details.pairs),
        recognised=recognised,
        transfer=transfer,
        glance_table=glance_table,
        set_tables=set_tables,
        layer_weight_lines=layer_weight_lines,
        calibration_sentence=calibration_sentence,
        calibration_rows=calibration_rows,
        votes_sentence=votes_sentence,
        interval=format_interval,
        **more,
    )


def _as_markdown(value: Any) -> Any:
    """The value so that Markdown shows a text as it is: on one line, within its cell, without markup of its own."""
    if not isinstance(value, str):
        return value
    text = re.sub(r"([\\`*\[|~])", r"\\\1", " ".join(value.splitlines()))
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # within a word it is no markup
    return re.sub(r"[<&](?=[A-Za-z/!?#])", r"\\\g<0>", text)


def _data_uri(svg: str) -> Markup:
    """The picture as an address, without a character that could end an attribute in double quotes."""
    return Markup("data:image/svg+xml," + quote(svg, safe=" !$()*+,-./:;=?@[]_~{}|^'"))

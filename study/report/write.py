"""Writes the report of a study, computed from its folder alone: plan, ledger and stored predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from study.files import write_file
from study.record.folder import StudyFolder
from study.report.build import report_view
from study.report.evidence import gather
from study.report.export import keep_tables
from study.report.pages import html_page, markdown_page
from study.report.pictures import Spaces, draw, keep
from study.report.predictions import write_predictions
from study.report.view import ReportView


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written: its view, and its files."""

    view: ReportView
    files: tuple[Path, ...]


def write(folder: StudyFolder, spaces: Spaces) -> WrittenReport:
    """Compute and write the report: `report.html`, `.json` and `.md`, `predictions.csv`, tables and pictures.

    `spaces` has the function that draws a configuration, by variant: for the parameters' importance.

    Raises:
        UserError: there is no study in `folder`, or its ledger or predictions are broken.
    """
    evidence = gather(folder)
    view = report_view(evidence)
    pictures = draw(evidence, view, spaces)
    keep(folder, pictures)
    texts = {
        "report.json": json.dumps(view.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": markdown_page(view, pictures),
        "report.html": html_page(view, pictures),
    }
    for name, text in texts.items():
        write_file(folder.path / name, text)
    tested = (fold for folds in evidence.tested.values() for fold in folds)
    write_predictions(folder.path / "predictions.csv", tested, evidence.plan.classes)
    keep_tables(folder, view)
    files = [folder.path / name for name in (*texts, "predictions.csv")]
    return WrittenReport(view, (*files, *(folder.pictures / f"{name}.svg" for name in pictures)))

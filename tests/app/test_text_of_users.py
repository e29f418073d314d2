"""Text of the user is shown as it is, and is never markup: on the terminal, in charts, pages and cells."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from study.app.cli import main
from study.record.plan import Plan
from tests.plugins.tiny_study import TinyStudy, run_study, write_study

LABEL = r"=$\frac{$ [/red] <b>_x_</b> | `c`"


def test_labels_groups_and_folders_of_any_text_are_reported_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "[/red] $x$ [bold]"
    study = write_study(output, n_configs=2, epochs=2, policy="full")
    text = study.folder.plan.read_text(encoding="utf-8")
    for plain in ("calm", "g0"):
        text = text.replace(f'"{plain}"', json.dumps(f"{LABEL} {plain}", ensure_ascii=False))
    study.folder.plan.write_text(text, encoding="utf-8")
    run_study(TinyStudy(study.folder, Plan.read(study.folder)))
    assert main(["report", "tiny", "--output", str(output)]) == 0
    assert str(study.folder.path / "report.html") in capsys.readouterr().out
    assert main(["explain", "tiny", "--output", str(output), "--config", "0"]) == 0
    folder = study.folder.path
    page, markdown = ((folder / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    assert "<b>_x_" not in page
    assert "<b>_x_" not in markdown.replace("\\<", "")
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{LABEL} calm" in cells
    assert not [cell for cell in cells if cell.startswith("=")]

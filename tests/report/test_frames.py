"""`study.results`: the report's evidence as tables, equal to ledger and predictions, and cheap to import."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

import study
from study.errors import UserError
from study.record.events import Phase
from study.record.folder import StudyFolder
from study.record.terms import Terms
from study.report.build import build
from study.report.evidence import gather
from study.report.predictions import write_predictions
from tests.plugins.tiny_study import run_study
from tests.plugins.tiny_study import write_study as write_tiny
from tests.report.toy import settings_of, toy_plan, write_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with a study of two variants and its predictions."""
    output = tmp_path_factory.mktemp("frames")
    folder = StudyFolder.of(output, "toy")
    plan = toy_plan(variants=["cross", "self"], terms=Terms(n_configs=3, epochs=4, policy="asha"))
    write_study(folder, plan, {name: settings_of(name) for name in ("cross", "self")})
    evidence = gather(folder)
    tested = (fold for folds in evidence.tested.values() for fold in folds)
    write_predictions(folder.path / "predictions.csv", tested, evidence.plan.classes)
    return output


def test_the_tables_are_those_of_ledger_report_and_predictions(output: Path) -> None:
    found, folder = study.results("toy", output=output), StudyFolder.of(output, "toy")
    lines = [json.loads(line) for line in folder.ledger.read_text(encoding="utf-8").splitlines()]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    assert len(found.epochs) == len(epochs)
    one = found.epochs.query("variant == 'self' and config == 1 and fold == 2 and epoch == 4").iloc[0]
    (line,) = (e for e in epochs if (e["variant"], e["config"], e["fold"], e["epoch"]) == ("self", 1, 2, 4))
    assert (one.validation_WA, one.test_UWF1, one.loss) == (
        line["validation"]["WA"],
        line["test"]["UWF1"],
        line["loss"],
    )

    configurations = found.configurations.set_index(["variant", "config"])
    closed = {(e["variant"], e["config"]): e["outcome"] for e in lines if e["kind"] == "closed"}
    assert configurations.outcome.to_dict() == closed
    assert configurations.validation_UWA.isna().to_dict() == {
        key: outcome != "complete" for key, outcome in closed.items()
    }
    view = build(folder)
    for name, variant in view.variants.items():
        assert variant.tuned is not None
        row = configurations.loc[name, variant.selected]
        assert row.selected
        assert row.test_UWA == pytest.approx(variant.tuned.figures["test"]["UWA"].mean)
        assert {key: row[f"params_{key}"] for key in variant.tuned.params} == variant.tuned.params
    assert configurations.selected.sum() == 2

    written = pd.read_csv(folder.path / "predictions.csv")
    pd.testing.assert_frame_equal(found.predictions, written, check_dtype=False, atol=1e-6)
    assert found.unfinished == ""


def test_the_means_of_a_table_are_those_of_its_epochs(output: Path) -> None:
    found = study.results("toy", output)
    search = found.epochs.query("seed == 0")
    best = search.loc[search.groupby(["variant", "config", "fold"]).validation_UWA.idxmax()]
    means = best.groupby(["variant", "config"]).test_WF1.mean()
    complete = found.configurations.query(f"outcome == '{Phase.COMPLETE}'").set_index(["variant", "config"])
    pd.testing.assert_series_equal(complete.test_WF1, means.loc[complete.index])


def test_an_unfinished_study_has_what_there_is_so_far(tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path, n_configs=3, policy="full")
    empty = study.results("tiny", tmp_path)
    assert [len(table) for table in (empty.configurations, empty.epochs, empty.predictions)] == [0, 0, 0]
    assert "validation_UWA" in empty.configurations
    assert "p_calm" in empty.predictions
    assert empty.unfinished == "not begun"
    run_study(tiny, n_epochs=20)
    found = study.results("tiny", str(tmp_path))
    assert (len(found.configurations), len(found.epochs)) == (2, 20)
    assert sorted(found.predictions.utterance_id) == [f"u{number:02d}" for number in range(36)]
    assert found.unfinished.startswith("2 of 3 configurations open")


def test_under_protocol_nested_every_choice_is_selected_and_has_its_predictions(tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path, n_configs=2, policy="full", protocol="nested")
    run_study(tiny)
    found = study.results("tiny", tmp_path)
    nested = build(tiny.folder).variants["text"].nested
    assert nested is not None
    chosen = found.configurations.query("selected").config
    assert set(chosen) == set(nested.choices.values())
    assert set(found.predictions.utterance_id) == {f"u{number:02d}" for number in range(36)}


@pytest.mark.parametrize("name", ["nothing", "../toy", ""])
def test_a_name_that_is_no_study_is_refused(output: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"no study at|a study is named by"):
        study.results(name, output)


def test_the_lines_of_the_readme_run_as_they_stand(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import study\n.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(output)
    (output / "mlruns").symlink_to(output)
    exec(block.replace('"demo-cross"', '"toy"'), {})

"""`ser-study list`: a row for every study, whatever state it is in, and nothing is started to find out."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from study.app.cli import main
from study.record.folder import StudyFolder
from study.record.terms import Terms
from study.report.build import build
from study.report.catalogue import State, catalogue
from study.report.formats import format_age, format_bytes
from tests.plugins.tiny_study import run_study
from tests.plugins.tiny_study import write_study as write_tiny
from tests.report.toy import settings_of, toy_plan, write_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study with a report, of two variants with three configurations each."""
    folder = StudyFolder.of(tmp_path_factory.mktemp("catalogue"), "toy")
    plan = toy_plan(variants=["cross", "self", "random"], terms=Terms(n_configs=3, epochs=4, policy="asha"))
    write_study(folder, plan, {"cross": settings_of("cross"), "self": settings_of("self")})
    (folder.path / "report.json").write_text(json.dumps(build(folder).to_json()), encoding="utf-8")
    return folder


@pytest.fixture
def finished(made: StudyFolder, tmp_path: Path) -> StudyFolder:
    """A copy of it."""
    folder = StudyFolder.of(tmp_path, "toy")
    shutil.copytree(made.path, folder.path)
    return folder


def test_a_finished_study_has_the_figures_of_its_report(finished: StudyFolder, tmp_path: Path) -> None:
    (row,) = catalogue(tmp_path)
    figures = json.loads((finished.path / "report.json").read_text(encoding="utf-8"))["variants"]
    means = {name: figures[name]["tuned"]["figures"]["validation"]["UWA"]["mean"] for name in ("cross", "self")}
    assert (row.name, row.state, row.variants) == ("toy", State.FINISHED, ("cross", "self", "random"))
    assert (row.closed, row.asked) == (6, 6), "a guess has no configurations"
    assert (row.best, row.best_variant) == (max(means.values()), max(means, key=means.__getitem__))
    files = [path for path in finished.path.rglob("*") if path.is_file()]
    assert row.disk_bytes == sum(path.stat().st_size for path in files)
    assert row.changed == finished.ledger.stat().st_mtime


def test_a_study_without_a_report_of_all_that_it_has_done_is_interrupted(finished: StudyFolder, tmp_path: Path) -> None:
    lines = finished.ledger.read_bytes().splitlines(keepends=True)
    finished.ledger.write_bytes(b"".join(lines) + lines[0].replace(b'"n_configs": 3', b'"n_configs": 5'))
    assert catalogue(tmp_path)[0].state is State.INTERRUPTED, "it goes on with larger terms"
    finished.ledger.write_bytes(b"".join(lines[:-20]))
    (row,) = catalogue(tmp_path)
    assert row.state is State.INTERRUPTED
    assert row.closed < 6
    finished.ledger.unlink()
    assert [(row.state, row.closed, row.best) for row in catalogue(tmp_path)] == [(State.INTERRUPTED, 0, None)]


def test_a_study_that_is_interrupted_has_the_best_of_what_is_complete(tmp_path: Path) -> None:
    study = write_tiny(tmp_path, n_configs=3, policy="full")
    run_study(study, n_epochs=20)  # one configuration of 3 folds and 4 epochs, and a part of the next
    (row,) = catalogue(tmp_path)
    epochs = [json.loads(line) for line in study.folder.ledger.read_text(encoding="utf-8").splitlines()]
    best = [
        max(e["validation"]["UWA"] for e in epochs if e["kind"] == "epoch" and (e["config"], e["fold"]) == (0, fold))
        for fold in range(3)
    ]
    assert (row.state, row.closed, row.asked) == (State.INTERRUPTED, 1, 3)
    assert row.best == pytest.approx(sum(best) / 3)


def test_a_finished_study_with_a_variant_that_has_nothing_to_select_has_failed(finished: StudyFolder) -> None:
    path = finished.path / "report.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    found["variants"]["self"]["tuned"] = None
    path.write_text(json.dumps(found), encoding="utf-8")
    (row,) = catalogue(finished.path.parent.parent)
    assert (row.state, row.best_variant) == (State.FAILED, "self" if row.best_variant == "self" else "cross")


def test_a_study_is_running_while_a_process_holds_it_and_looking_does_not_hold_it(
    finished: StudyFolder, tmp_path: Path
) -> None:
    assert not finished.is_held()
    with finished.held():
        assert catalogue(tmp_path)[0].state is State.RUNNING
    with finished.held():  # looked at, and free again
        pass
    assert catalogue(tmp_path)[0].state is State.FINISHED


DAMAGE = {
    "no plan": lambda folder: folder.plan.unlink(),
    "plan cut": lambda folder: folder.plan.write_bytes(folder.plan.read_bytes()[:100]),
    "plan of another kind": lambda folder: folder.plan.write_text("[1]", encoding="utf-8"),
    "ledger line": lambda folder: folder.ledger.write_bytes(folder.ledger.read_bytes().replace(b"epoch", b"epoc", 1)),
    "ledger folder": lambda folder: (folder.ledger.unlink(), folder.ledger.mkdir()),
    "terms": lambda folder: folder.plan.write_text(
        folder.plan.read_text(encoding="utf-8").replace('"metric": "UWA"', '"metric": "X"'), encoding="utf-8"
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_study_has_a_row_with_the_reason_and_hides_no_other(
    finished: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    shutil.copytree(finished.path, finished.path.with_name("sound"))
    DAMAGE[damage](finished)
    states = {row.name: (row.state, bool(row.reason)) for row in catalogue(tmp_path)}
    assert states == {"sound": (State.FINISHED, False), "toy": (State.DAMAGED, True)}
    assert main(["list", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "damaged" in printed
    assert "\ntoy: " in printed


def test_any_report_that_is_no_report_makes_its_study_interrupted(finished: StudyFolder, tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"variants": {"cross": 1}}', '{"variants": []}'):
        (finished.path / "report.json").write_text(text, encoding="utf-8")
        assert catalogue(tmp_path)[0].state is State.INTERRUPTED


def test_rows_are_printed_latest_first_and_as_json(
    finished: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished.path, finished.path.with_name("[old]"))
    hour = time.time() - 3700
    os.utime(finished.path.with_name("[old]") / "ledger.jsonl", (hour, hour))
    assert main(["list", "--output", str(tmp_path)]) == 0
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == "study state variants configs best validation changed disk".split()
    assert first.split()[:6] == ["toy", "finished", "cross,", "self,", "random", "6/6"]
    assert second.startswith("[old]")
    assert "1 h ago" in second
    assert main(["list", "--output", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["toy", "[old]"]
    assert rows[0] == json.loads(json.dumps(catalogue(tmp_path)[0].to_json()))


def test_an_interrupted_study_has_the_command_that_goes_on(
    finished: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished.options.write_text("configs: 3\n", encoding="utf-8")
    assert main(["list", "--output", str(tmp_path)]) == 0
    assert "--config" not in capsys.readouterr().out
    (finished.path / "report.json").unlink()
    assert main(["list", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith(f"\n  ser-study run --config {finished.options}\n")


def test_a_folder_without_studies_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--output", str(tmp_path / "none")]) == 0
    assert f"no studies in {tmp_path / 'none' / 'studies'}" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_ages_and_sizes_are_in_the_unit_that_reads_best() -> None:
    assert [format_age(s) for s in (0, 59, 60, 3599, 3600, 90000)] == [
        "now",
        "now",
        "1 min ago",
        "59 min ago",
        "1 h ago",
        "1 d ago",
    ]
    assert [format_bytes(b) for b in (0, 12_345, 3_400_000, 2_500_000_000)] == ["0 kB", "12 kB", "3 MB", "2.5 GB"]


def test_a_study_with_a_limit_of_time_is_asked_for_no_number(tmp_path: Path) -> None:
    folder = StudyFolder.of(tmp_path, "timed")
    folder.path.mkdir(parents=True)
    replace(toy_plan(), seconds=60.0).write(folder)
    assert catalogue(tmp_path)[0].asked is None


def test_the_best_of_a_nested_study_is_a_validation_score_of_its_report(tmp_path: Path) -> None:
    """Each run is read both ways: its test part, too, serves as validation."""
    study = write_tiny(tmp_path, "nest", n_configs=2, policy="asha", protocol="nested", epochs=2, epoch_rule="best")
    run_study(study)
    (row,) = catalogue(tmp_path)
    tuned = build(study.folder).variants["text"].tuned
    assert tuned is not None
    assert row.best == pytest.approx(tuned.figures["validation"]["UWA"].mean)

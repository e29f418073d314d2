"""`ser-study clean`: what no study needs goes after an answer, and all else stays whatever state studies are in."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from study.app.cli import main
from study.app.leftovers import leftovers
from study.execution.checkpoint_cleanup import sweep_checkpoints
from study.features.pack import write_pack
from study.record.events import FoldRun
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.searches import conductor_of
from tests.plugins.study_process import ledger_facts
from tests.plugins.tiny_study import TinyStudy, published, run_study, write_study


def pack(path: Path) -> Path:
    """A pack as an extraction leaves it."""
    path.parent.mkdir(exist_ok=True)
    metadata = {"modality": "audio", "encoder": {"name": "x"}, "contents": ["c"], "corpus": "0"}
    write_pack(path, ["u"], [torch.zeros(2, 3).half()], None, metadata)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with a finished study, the features that it uses, and features that none uses."""
    output = tmp_path_factory.mktemp("clean")
    study = write_study(output, n_configs=3, policy="full")
    text = study.folder.plan.read_text(encoding="utf-8")
    used = pack(output / "features" / "text-used.safetensors")
    study.folder.plan.write_text(text.replace(str(output / "audio.safetensors"), str(used)), encoding="utf-8")
    plan = Plan.read(study.folder)
    run_study(TinyStudy(study.folder, plan))
    sweep_checkpoints(study.folder, conductor_of(plan, Ledger(study.folder.ledger), published, slots=1))
    pack(output / "features" / "audio-unused.safetensors")
    return output


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Path:
    """A copy of it: its plan names the features where they were before."""
    return Path(shutil.copytree(made, tmp_path / "moved"))


@pytest.fixture
def folder(output: Path) -> StudyFolder:
    return StudyFolder.of(output, "tiny")


def names(output: Path, **options: bool) -> set[str]:
    return {each.path.name for each in leftovers(output, **options).files}


def everything(output: Path) -> set[Path]:
    return {path for path in output.rglob("*") if path.is_file()}


def chosen(folder: StudyFolder) -> set[str]:
    return {path.name for path in folder.checkpoints.iterdir()}


def test_features_that_no_plan_names_go_and_weights_when_they_are_asked_for(output: Path, folder: StudyFolder) -> None:
    before, unused = everything(output), output / "features" / "audio-unused.safetensors"
    assert names(output) == {"audio-unused.safetensors"}
    assert main(["clean", "--yes", "--output", str(output)]) == 0
    assert before - everything(output) == {unused}
    weights = chosen(folder)
    assert weights
    assert names(output, weights=True) == weights
    assert main(["clean", "--yes", "--weights", "--output", str(output)]) == 0
    assert before - everything(output) == {unused, *(folder.checkpoints / name for name in weights)}


def test_a_checkpoint_that_a_killed_sweep_has_left_goes(output: Path, folder: StudyFolder) -> None:
    kept = next(folder.checkpoints.iterdir())
    selected = FoldRun.named(kept.stem).config
    stray = folder.checkpoint_of(FoldRun("text", (selected + 1) % 3, 0))
    shutil.copy(kept, stray)
    assert names(output) == {"audio-unused.safetensors", stray.name}


def test_a_study_that_was_cleaned_goes_on_as_one_that_was_not(output: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(output, tmp_path / "other"))
    assert main(["clean", "--yes", "--weights", "--output", str(output)]) == 0
    for place in (output, other):
        folder = StudyFolder.of(place, "tiny")
        plan = folder.plan.read_text(encoding="utf-8")
        folder.plan.write_text(plan.replace('"n_configs": 3', '"n_configs": 5'), encoding="utf-8")
        run_study(TinyStudy(folder, Plan.read(folder)))
    assert ledger_facts(StudyFolder.of(output, "tiny").path) == ledger_facts(StudyFolder.of(other, "tiny").path)


@pytest.mark.parametrize("typed", ["", "n\n", "\n", "yess\n"])
def test_without_a_yes_nothing_goes(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    before = everything(output)
    if typed:
        monkeypatch.setattr("sys.stdin", answer(typed))
    assert main(["clean", "--weights", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "audio-unused.safetensors" in printed
    assert ("nothing was removed" if typed else "--yes removes them") in printed
    assert everything(output) == before


def test_a_yes_removes_what_was_listed(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", answer("y\n"))
    assert main(["clean", "--output", str(output)]) == 0
    assert "removed 1 of 1 file" in capsys.readouterr().out
    assert not (output / "features" / "audio-unused.safetensors").exists()


def answer(text: str) -> io.StringIO:
    """What is typed at a terminal."""
    typed = io.StringIO(text)
    typed.isatty = lambda: True  # type: ignore[method-assign]
    return typed


def interrupted(output: Path) -> None:
    """The ledger without its last third."""
    ledger = StudyFolder.of(output, "tiny").ledger
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[: len(lines) * 2 // 3]))


KEEPS_FEATURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a plan that cannot be read": (
        lambda output: StudyFolder.of(output, "tiny").plan.write_text("{", encoding="utf-8"),
        "those that tiny uses are not known",
    ),
    "a study without a plan": (
        lambda output: (output / "studies" / "new").mkdir(),
        "those that new uses are not known",
    ),
    "a study that has only been begun": (
        lambda output: (output / "studies" / ".new.lock").touch(),
        "new was begun and has trained nothing yet",
    ),
    "an extraction that was interrupted": (
        lambda output: (output / "features" / "audio-x-0.parts").mkdir(),
        "was interrupted, and a study may go on with it",
    ),
}


@pytest.mark.parametrize("what", KEEPS_FEATURES)
def test_features_are_kept_while_it_is_not_known_which_are_needed(
    output: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    change, reason = KEEPS_FEATURES[what]
    change(output)
    before = everything(output)
    assert main(["clean", "--yes", "--output", str(output)]) == 0
    assert everything(output) == before
    assert reason in capsys.readouterr().out


def test_nothing_of_a_study_that_runs_goes(output: Path, folder: StudyFolder) -> None:
    with folder.held():
        found = leftovers(output, weights=True)
    assert found.files == ()
    assert found.kept == (
        "features are kept: study tiny is running",
        "the checkpoints of tiny are kept: it is running",
    )
    with FileLock(output / "features" / "audio-x-0.lock"):
        assert leftovers(output).kept == ("features are kept: some are being extracted",)


def test_checkpoints_of_an_unfinished_study_stay(output: Path) -> None:
    interrupted(output)
    found = leftovers(output, weights=True)
    assert {each.path.name for each in found.files} == {"audio-unused.safetensors"}
    assert "the checkpoints of tiny are kept: it is not finished (" in found.kept[0]


def test_checkpoints_of_a_study_whose_ledger_is_damaged_stay(output: Path, folder: StudyFolder) -> None:
    folder.ledger.write_bytes(folder.ledger.read_bytes().replace(b'"epoch"', b'"epoc"', 1))
    assert names(output, weights=True) == {"audio-unused.safetensors"}


def test_files_of_others_stay(output: Path, folder: StudyFolder) -> None:
    foreign = [
        output / "features" / "mine.safetensors",
        output / "features" / "notes.txt",
        folder.checkpoints / "mine.safetensors",
        folder.checkpoints / "text-c001-f0-s7.safetensors",
        folder.checkpoints / "README",
    ]
    from safetensors.torch import save_file

    for path in foreign:
        save_file({"x": torch.zeros(1)}, path)
    cut = output / "features" / "audio-cut.safetensors"
    cut.write_bytes((output / "features" / "audio-unused.safetensors").read_bytes()[:50])
    elsewhere = pack(output / "elsewhere.safetensors")
    (output / "features" / "audio-link.safetensors").symlink_to(elsewhere)
    assert names(output, weights=True) == {"audio-unused.safetensors", *chosen(folder)} - {
        path.name for path in foreign
    }


def test_a_file_that_cannot_be_removed_is_one_line(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert main(["clean", "--yes", "--output", str(output)]) == 2
    assert capsys.readouterr().err.endswith("audio-unused.safetensors cannot be (Permission denied)\n")


def test_an_empty_output_has_nothing_to_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--output", str(tmp_path / "none")]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()

"""A worker: which result it gives of a run that ends as it should, and of one that does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from study.errors import UserError
from study.execution.fold_runner import FoldRunner
from study.execution.job import Job
from study.execution.trainable import FoldTrainable, cause, memory_fraction
from study.execution.worker_result import (
    EpochsTrained,
    EpochTrained,
    RunDiverged,
    RunFailed,
    StorageIsFull,
    WorkerResult,
    from_tune,
)
from study.record.events import FoldRun
from study.record.folder import StudyFolder
from study.tensor_file import sealed_metadata
from study.training.loop import Diverged
from tests.plugins.small_disk import small_files
from tests.plugins.tiny_study import EPOCHS, TinyStudy


def worker(folder: StudyFolder, job: Job) -> FoldTrainable:
    """A worker as Ray makes it, at the start of a run."""
    begun = FoldTrainable.__new__(FoldTrainable)
    begun.setup({"job": job}, study=str(folder.path), gpu_share=0.0, fetch=False)
    return begun


def step(begun: FoldTrainable) -> WorkerResult:
    return from_tune(begun.step())


def epochs_of(result: WorkerResult) -> list[EpochTrained]:
    assert isinstance(result, EpochsTrained)
    return [replace(epoch, seconds=0.0) for epoch in result.epochs]


def saved_epochs(study: TinyStudy, job: Job) -> int:
    """How many epochs the checkpoint of a run has: a run that is taken up with it gives so many at once."""
    path = study.folder.checkpoint_of(job.run)
    return len(json.loads(sealed_metadata(path.read_bytes())["checkpoint"])["history"]) if path.exists() else 0


@pytest.mark.parametrize("target", [0, 1, 3, 4])
def test_a_step_trains_up_to_the_epoch_at_which_a_decision_is_due(tiny_study: TinyStudy, target: int) -> None:
    """Beyond it, and where no epoch is named, each epoch is a step; the epochs are those of a run by itself."""
    alone, job = tiny_study.job(FoldRun("text", 2, 1)), replace(tiny_study.job(), target_epoch=target)
    one_by_one = FoldRunner(tiny_study.folder, alone, torch.device("cpu"), fetch=False)
    expected = [replace(one_by_one.next_epoch(), seconds=0.0, device="CPU") for _ in range(EPOCHS)]
    begun, found = worker(tiny_study.folder, job), list[EpochTrained]()
    while len(found) < EPOCHS:
        epochs = epochs_of(step(begun))
        assert len(epochs) == (max(1, target) if not found else 1)
        found += epochs
        assert saved_epochs(tiny_study, job) == len(found), "what is reported is saved"
    assert found == expected
    assert [each.ended for each in found] == [False, False, False, True]
    assert not list(tiny_study.folder.hangs.iterdir()), "the watch over each step leaves nothing behind"


def test_a_step_reports_after_two_seconds_at_the_latest(tiny_study: TinyStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.execution.trainable.REPORT_SECONDS", 0.0)
    begun = worker(tiny_study.folder, replace(tiny_study.job(), target_epoch=EPOCHS))
    assert [len(epochs_of(step(begun))) for _ in range(EPOCHS)] == [1] * EPOCHS


@pytest.mark.parametrize(
    ("error", "result"),
    [(Diverged("a prediction is not a finite number"), RunDiverged), (MemoryError("no more"), None)],
)
def test_epochs_before_an_error_are_reported_before_it(
    tiny_study: TinyStudy, monkeypatch: pytest.MonkeyPatch, error: Exception, result: type | None
) -> None:
    """A fault in the third epoch: two are on record, as they would be if each were reported by itself."""
    train_epoch, trained = FoldRunner.train_epoch, list[int]()

    def failing(runner: FoldRunner) -> EpochTrained:
        trained.append(1)
        if len(trained) == 3:
            raise error
        return train_epoch(runner)

    monkeypatch.setattr(FoldRunner, "train_epoch", failing)
    begun = worker(tiny_study.folder, replace(tiny_study.job(), target_epoch=EPOCHS))
    assert [each.epoch for each in epochs_of(step(begun))] == [1, 2]
    if result is None:
        with pytest.raises(MemoryError):
            begun.step()
    else:
        assert isinstance(step(begun), result)


def test_a_worker_that_is_reused_takes_up_another_run(tiny_study: TinyStudy) -> None:
    """Paused and resumed among others, a run's epochs are those of a worker of its own."""
    one, two = (tiny_study.job(FoldRun("text", config, 0)) for config in (1, 2))
    begun = worker(tiny_study.folder, one)
    first = step(begun)
    assert begun.reset_config({"job": two})
    step(begun)
    assert begun.reset_config({"job": replace(one, epochs_known=1)})
    second = step(begun)
    alone = worker(tiny_study.folder, replace(one, run=FoldRun("text", 3, 0)))
    for mine, expected in zip((first, second), (step(alone), step(alone)), strict=True):
        assert epochs_of(mine) == epochs_of(expected)


def test_a_run_that_diverges_says_so(tiny_study: TinyStudy) -> None:
    job = tiny_study.job()
    diverging = replace(job, recipe={**job.recipe, "learning_rate": 1e30, "gradient_norm": 1e30})
    result = step(worker(tiny_study.folder, diverging))
    assert isinstance(result, RunDiverged)
    assert "not a finite number" in result.reason


def test_an_error_of_the_model_is_raised_once_and_reported_the_second_time(tiny_study: TinyStudy) -> None:
    job = replace(tiny_study.job(), recipe={"no": "recipe"})
    with pytest.raises(TypeError):
        worker(tiny_study.folder, job).step()
    result = step(worker(tiny_study.folder, job))
    assert isinstance(result, RunFailed)
    assert result.reason.startswith("TypeError: ")
    assert "\n" not in result.reason
    assert tiny_study.folder.failure_of(job.run).read_text(encoding="utf-8").count("Traceback") == 2


def test_a_mistake_of_the_user_is_reported_in_its_own_words(tiny_study: TinyStudy, tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_bytes(b"no pack")
    with pytest.raises(UserError) as first:
        worker(tiny_study.folder, tiny_study.job()).step()
    assert step(worker(tiny_study.folder, tiny_study.job())) == RunFailed(str(first.value))


def test_memory_that_a_whole_gpu_lacks_is_explained() -> None:
    line = cause(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB.\nmore"))
    assert line.startswith("the GPU's memory is too small for it, with the whole of it to itself (OutOfMemoryError: ")
    assert "\n" not in line


def test_storage_that_is_away_never_counts_as_the_run_s_failure(
    tiny_study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.execution.trainable.STORAGE_PAUSE_SECONDS", 0.0)
    for _ in range(3):
        with pytest.raises(OSError, match="away"):
            worker(StudyFolder(tmp_path / "away"), tiny_study.job()).step()


def test_a_run_that_hung_twice_has_failed_and_what_it_was_doing_is_kept(tiny_study: TinyStudy) -> None:
    job = tiny_study.job()
    tiny_study.folder.hangs.mkdir()
    hang = tiny_study.folder.hangs / f"{job.run.name}.txt"
    hang.write_text("Timeout (0:30:00)!\nThread 1\n", encoding="utf-8")
    assert isinstance(step(worker(tiny_study.folder, job)), EpochsTrained), "once may be the machine's fault"
    hang.write_text("Timeout (0:30:00)!\nThread 1\nTimeout (0:30:00)!\nThread 2\n", encoding="utf-8")
    result = step(worker(tiny_study.folder, job))
    assert result == RunFailed("an epoch took longer than the 1800 s of --epoch-timeout, 2 times")
    assert "Thread 2" in tiny_study.folder.failure_of(job.run).read_text(encoding="utf-8")


def test_a_checkpoint_that_has_no_room_pauses_the_study_and_is_no_failure(tiny_study: TinyStudy) -> None:
    job = tiny_study.job()
    begun = worker(tiny_study.folder, job)
    with small_files(1000):
        result = step(begun)
    assert isinstance(result, StorageIsFull)
    assert tiny_study.folder.checkpoint_of(job.run).name in result.reason
    assert "free some space" in result.reason
    assert list(tiny_study.folder.checkpoints.iterdir()) == []
    assert not tiny_study.folder.failure_of(job.run).exists()


@pytest.mark.parametrize("gigabytes", [8, 16, 80])
@pytest.mark.parametrize("runs", [2, 3, 4, 8])
def test_runs_that_share_a_gpu_fit_it_with_what_each_process_takes_beside_its_tensors(
    gigabytes: int, runs: int
) -> None:
    total = gigabytes * 1e9
    fraction = memory_fraction(1 / runs, total)
    assert 0 < fraction < 1 / runs
    beside = (1 - runs * fraction) * total / runs
    assert beside >= min(600e6, total / runs / 2) * 0.999

"""What a Ray worker does: some epochs of a fold run per step, and what to report when a step goes wrong."""

import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from study.errors import UserError, type_and_line
from study.execution.device_words import device_words
from study.execution.fold_runner import FoldRunner
from study.execution.job import Job
from study.execution.places import GPU_CONTEXT_BYTES
from study.execution.watchdog import EPOCH_SECONDS, Watchdog
from study.execution.worker_result import (
    EpochsTrained,
    EpochTrained,
    RunDiverged,
    RunFailed,
    ShareOutgrown,
    StorageIsFull,
    WorkerResult,
    to_tune,
)
from study.files import StorageFull, append_durably, is_full, storage_full
from study.precision import fix_precision, grow_segments
from study.record.folder import StudyFolder
from study.training.loop import Diverged

# Epochs up to the next decision are saved and reported together, if they take no longer. A kill repeats as much.
REPORT_SECONDS = 2.0
STORAGE_PAUSE_SECONDS = 10.0


class FoldTrainable(tune.Trainable):
    """One fold run. The actor is reused for the next one, and keeps its packs and its folds' data.

    `config` is {"job": a Job}. An error that the run itself raises reaches Tune once, which tries again in a new
    process; when it comes again, the result is RunFailed. Whatever else ends a worker is its machine's fault, and
    Tune's to repair.
    """

    def setup(
        self,
        config: dict[str, Any],
        study: str,
        gpu_share: float,
        fetch: bool,
        epoch_seconds: float = EPOCH_SECONDS,
    ) -> None:
        """Begin the first run of this actor, on `gpu_share` of a GPU; `fetch` copies packs to this machine first.

        An epoch that takes longer than `epoch_seconds` hangs.
        """
        torch.set_num_threads(1)
        fix_precision()
        self._folder = StudyFolder(Path(study))
        self._watchdog = Watchdog(self._folder.hangs, epoch_seconds)
        self._fetch = fetch
        # Tune keeps workers with other resources apart, so this holds for every run of this actor.
        self._shares = gpu_share < 1 and not config["job"].whole_gpu
        self._wants_gpu = gpu_share > 0 and not config["job"].on_cpu
        self._device = torch.device("cuda" if self._wants_gpu and torch.cuda.is_available() else "cpu")
        if self._device.type == "cuda":
            grow_segments()
        if self._device.type == "cuda" and self._shares:
            total = torch.cuda.get_device_properties(self._device).total_memory
            torch.cuda.set_per_process_memory_fraction(memory_fraction(gpu_share, total))
        self._begin(config["job"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin or take up another run in the same process."""
        self._begin(new_config["job"])
        return True

    def step(self) -> dict[str, Any]:
        """Train up to the next decision, or for two seconds; save that, and report it."""
        return to_tune(self._result())

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: every step writes a checkpoint of its own into the study folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a run finds its checkpoint in the study folder."""

    def _begin(self, job: Job) -> None:
        """Turn to another run. Everything that may go wrong waits for its first step."""
        self._job = job
        self._runner: FoldRunner | None = None
        self._raised: Exception | None = None
        self._watchdog.watch(job.run.name)

    def _result(self) -> WorkerResult:
        if hung := self._watchdog.gives_up():
            self._keep(hung)
            return RunFailed(hung.splitlines()[0])
        try:
            return EpochsTrained(tuple(self._epochs()))
        except Diverged as diverged:
            return RunDiverged(str(diverged))
        except StorageFull as full:
            return StorageIsFull(str(full))
        except OSError as error:
            if is_full(error):
                return StorageIsFull(str(storage_full(error.filename or self._folder.path, error)))
            # Storage that is away for a moment is no fault of the run's: wait, and be tried again.
            time.sleep(STORAGE_PAUSE_SECONDS)
            raise
        except Exception as error:
            if self._shares and isinstance(error, torch.OutOfMemoryError):
                return ShareOutgrown(ray.get_runtime_context().get_node_id() if ray.is_initialized() else "")
            if self._has_failed_before():
                return RunFailed(cause(error))
            raise

    def _epochs(self) -> list[EpochTrained]:
        """Train and save one epoch at least; more until a decision is due or REPORT_SECONDS are over.

        An error after the first of them is raised by the next step, when those before it have been reported.
        """
        if self._raised is not None:
            raise self._raised
        begun, epochs = time.monotonic(), [self._epoch()]
        while not self._is_due(epochs[-1]) and time.monotonic() - begun < REPORT_SECONDS:
            try:
                epochs.append(self._epoch())
            except Exception as error:
                self._raised = error
                return epochs
        assert self._runner is not None
        with self._watchdog:
            self._runner.save()
        return epochs

    def _epoch(self) -> EpochTrained:
        with self._watchdog:
            if self._runner is None:
                self._runner = FoldRunner(self._folder, self._job, self._device, self._fetch)
            epoch = self._runner.train_epoch()
            return replace(epoch, device=device_words(self._device, self._wants_gpu, self._runner.on_host))

    def _is_due(self, epoch: EpochTrained) -> bool:
        """Whether the search may decide something about the run after this epoch."""
        return epoch.ended or epoch.epoch >= self._job.target_epoch

    def _has_failed_before(self) -> bool:
        """Whether this run raised an error before; keeps the traceback of this one."""
        before = self._folder.failure_of(self._job.run).exists()
        self._keep(traceback.format_exc())
        return before

    def _keep(self, text: str) -> None:
        path = self._folder.failure_of(self._job.run)
        path.parent.mkdir(exist_ok=True)
        append_durably(path, f"{text}\n".encode())


def cause(error: Exception) -> str:
    """An error in one line, with what helps against it where that is known."""
    line = type_and_line(error)
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return f"the GPU's memory is too small for it, with the whole of it to itself ({line})"
    return line


def memory_fraction(gpu_share: float, total_bytes: float) -> float:
    """The fraction of a GPU's memory that tensors of a run with `gpu_share` of it may take.

    PyTorch counts tensors only; what each process takes beside them has to fit its share as well.
    """
    return max(gpu_share - GPU_CONTEXT_BYTES / total_bytes, gpu_share / 2)

"""A study's folder: the one place that names what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from study.errors import UserError
from study.files import is_locked, sweep_temporary
from study.record.events import FoldRun

LOOK_SECONDS = 0.5  # longer than another process takes to see whether a study is held


@dataclass(frozen=True)
class StudyFolder:
    """The paths of one study, in OUTPUT/studies/NAME."""

    path: Path

    @staticmethod
    def of(output: Path, name: str) -> StudyFolder:
        """The folder of the study `name` in `output`."""
        return StudyFolder(output.absolute() / "studies" / name)

    @property
    def plan(self) -> Path:
        """What the study is, fixed before its first epoch."""
        return self.path / "plan.json"

    @property
    def options(self) -> Path:
        """The options that repeat it, as a config file."""
        return self.path / "study.yaml"

    @property
    def ledger(self) -> Path:
        """What has happened in it."""
        return self.path / "ledger.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The states of runs that may be trained again."""
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        """The predictions of every run that ended."""
        return self.path / "predictions"

    @property
    def recognised_words(self) -> Path:
        """What its reported models score on recognised words; there once that was asked for."""
        return self.path / "recognised_words.json"

    @property
    def transfers(self) -> Path:
        """What its models reach on other corpora; there once one was evaluated."""
        return self.path / "transfers.json"

    @property
    def pictures(self) -> Path:
        """The report's pictures."""
        return self.path / "pictures"

    @property
    def tables(self) -> Path:
        """The report's tables as CSV and LaTeX."""
        return self.path / "tables"

    @property
    def models(self) -> Path:
        """The model folders that were made of it."""
        return self.path / "models"

    def model_of(self, search: str, weights: str) -> Path:
        """The model folder of a variant's search, of this kind of weights ("folds" or "refit")."""
        return self.models / (search if weights == "folds" else f"{search}-{weights}")

    @property
    def features(self) -> Path:
        """Where the packs of all studies of its output folder are."""
        return self.path.parent.parent / "features"

    @property
    def hangs(self) -> Path:
        """What runs were doing whose epochs took too long; there as long as the study runs."""
        return self.path / "hangs"

    @property
    def scratch(self) -> Path:
        """Ray Tune's own files; there as long as the study runs."""
        return self.path / "ray"

    def checkpoint_of(self, run: FoldRun) -> Path:
        """The state of `run` after its last epoch."""
        return self.checkpoints / f"{run.name}.safetensors"

    def predictions_of(self, run: FoldRun) -> Path:
        """The predictions of `run` after each of its epochs."""
        return self.predictions / f"{run.name}.safetensors"

    def failure_of(self, run: FoldRun) -> Path:
        """The traceback of a run that failed."""
        return self.path / "failures" / f"{run.name}.txt"

    def runs_with_checkpoint(self) -> dict[FoldRun, Path]:
        """The checkpoints that are there, by run."""
        return {FoldRun.named(path.stem): path for path in self.checkpoints.glob("*.safetensors")}

    @property
    def lock(self) -> Path:
        """The file that the process which runs the study locks; beside the folder, which --fresh removes."""
        return self.path.parent / f".{self.path.name}.lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the study for this process alone.

        Raises:
            UserError: another process holds it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock)
        try:
            lock.acquire(timeout=LOOK_SECONDS)
        except Timeout:
            raise UserError(
                f"one process at a time runs a study, and another one is running {self.path.name} in "
                f"{self.path.parent}; wait for it, or choose another --name"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def is_held(self) -> bool:
        """Whether a process holds the study now; it is not kept from what it does."""
        return is_locked(self.lock)

    def sweep(self) -> None:
        """Remove what writers that were killed left behind; no other process may be writing here."""
        for place in (self.path, self.checkpoints, self.predictions):
            sweep_temporary(place)

"""What a Ray worker does: train one configuration on one fold, an epoch per step."""

import json
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune

from search_spaces.recipe import Recipe
from study.corpus.batches import FoldData, fold_data
from study.corpus.pack import Pack
from study.errors import UserError
from study.results.ledger import FoldRun
from study.storage import StorageFull, append, is_full, no_room
from study.training import checkpoint
from study.training.loop import Diverged, Epoch, begin, train_fold
from study.tuning.node_packs import on_this_node
from study.tuning.watchdog import EPOCH_SECONDS, HANGS, Watchdog
from study.variants import INPUTS, VARIANTS

STORAGE_PAUSE_SECONDS = 10.0
# What a process takes of a GPU beside its tensors: the driver's context and the libraries' kernels.
GPU_CONTEXT_BYTES = 600e6


class FoldTrial(tune.Trainable):
    """One fold run. The actor is reused for the next one, and keeps the packs and what it knows of each fold.

    `config` is {"job": what the conductor's `take` gives}, with "whole_gpu" for a run that outgrew its share. A result
    has one of the keys "record", "diverged", "outgrew", "full" and "failed". An error that the run itself raises
    reaches Tune once, which tries again in a fresh process; when it comes again, the result says so. Whatever else
    ends a worker is its machine's fault, and Tune's to repair.
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
        self._study = Path(study)
        self._watchdog = Watchdog(self._study / HANGS, epoch_seconds)
        self._fetch = fetch
        self._device = torch.device("cuda" if gpu_share and torch.cuda.is_available() else "cpu")
        # Tune keeps workers with a whole GPU apart from the others, so this holds for every run of this actor.
        self._shares = gpu_share < 1 and not config["job"].get("whole_gpu")
        if self._device.type == "cuda" and self._shares:
            total = torch.cuda.get_device_properties(self._device).total_memory
            torch.cuda.set_per_process_memory_fraction(memory_fraction(gpu_share, total))
        self._begin(config["job"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin or take up another run in the same process."""
        self._begin(new_config["job"])
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch, save it, and report it."""
        if hung := self._watchdog.gives_up():
            self._keep(hung)
            return {"failed": hung.splitlines()[0]}
        try:
            with self._watchdog:
                return self._next_result()
        except Diverged as diverged:
            return {"diverged": str(diverged)}
        except StorageFull as full:
            return {"full": str(full)}
        except OSError as error:
            if is_full(error):
                return {"full": str(no_room(error.filename or self._study, error))}
            # Storage that is away for a moment is no fault of the run's: wait, and be tried again.
            time.sleep(STORAGE_PAUSE_SECONDS)
            raise
        except Exception as error:
            if self._shares and isinstance(error, torch.OutOfMemoryError):
                return {"outgrew": True}
            if self._has_failed_before():
                return {"failed": cause(error)}
            raise

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: every epoch writes a checkpoint of its own into the study folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a run finds its checkpoint in the study folder."""

    def _begin(self, job: dict[str, Any]) -> None:
        """Turn to another run. Everything that may go wrong waits for its first step."""
        self._job = job
        self._run = FoldRun(job["variant"], job["config"], job["fold"], job["seed"])
        self._epochs: Iterator[Epoch] | None = None
        self._watchdog.watch(self._run.name)

    def _next_result(self) -> dict[str, Any]:
        if self._epochs is None:
            self._load()
            self._epochs = self._remaining(self._job)
        epoch = next(self._epochs)
        ended = epoch.number == len(self._training.history) and self._ended()
        if ended:
            self._save_predictions()
        # As text, because Ray flattens nested results on their way to the scheduler.
        return {"record": json.dumps(epoch_record(epoch, ended))}

    def _load(self) -> None:
        job = self._job
        self._plan = json.loads((self._study / "plan.json").read_text())
        variant = VARIANTS[job["variant"]]
        self._both_ways = self._plan.get("protocol") == "nested"
        self._recipe = Recipe(**job["recipe"])
        if self._both_ways:
            # A stop that suits one of the held-out parts would tell the race of the other about its scores.
            self._recipe = replace(self._recipe, patience=self._plan["epochs"])
        rate = self._recipe.frame_rate
        self._data = _fold(self._study, variant.inputs, rate, job["fold"], self._device, self._fetch)
        self._training = begin(
            variant.model, variant.rebuilt(job["model"]), self._recipe, self._data, job["torch_seed"]
        )
        # What a loss of power damaged is trained again from its first epoch, to the same scores.
        checkpoint.load_into(self._training, self._checkpoint)

    def _has_failed_before(self) -> bool:
        """Whether this run raised an error before; keeps the traceback of this one for whoever wants to know."""
        before = (self._study / "failures" / f"{self._run.name}.txt").exists()
        self._keep(traceback.format_exc())
        return before

    def _keep(self, text: str) -> None:
        path = self._study / "failures" / f"{self._run.name}.txt"
        path.parent.mkdir(exist_ok=True)
        append(path, f"{text}\n".encode())

    @property
    def _checkpoint(self) -> Path:
        return self._study / "checkpoints" / f"{self._run.name}.pt"

    def _remaining(self, job: dict[str, Any]) -> Iterator[Epoch]:
        """Epochs that the checkpoint has and the ledger has not, then new ones, each saved before it is told."""
        yield from self._training.history[job["epochs_known"] :]
        for epoch in train_fold(
            self._training,
            self._data,
            self._recipe,
            epochs=self._plan["epochs"],
            metric=self._plan["metric"],
            seed=job["torch_seed"],
            both_ways=self._both_ways,
        ):
            checkpoint.save(self._checkpoint, self._training)
            yield epoch

    def _ended(self) -> bool:
        return self._training.finished(self._plan["epochs"], self._recipe.patience)

    def _save_predictions(self) -> None:
        assert self._training.best is not None
        checkpoint.save_predictions(
            self._study / "predictions" / f"{self._run.name}.safetensors",
            self._training.best,
            self._data.validation.ids,
            self._data.test.ids,
        )
        if self._training.mirrored is not None:
            checkpoint.save_predictions(
                self._study / "predictions" / f"{self._run.name}-mirrored.safetensors",
                self._training.mirrored,
                self._data.test.ids,
                self._data.validation.ids,
            )


def cause(error: Exception) -> str:
    """An error in one line, with what helps against it where that is known."""
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return f"the GPU's memory is too small for it, with the whole of it to itself ({line})"
    return line


def epoch_record(epoch: Epoch, ended: bool) -> dict[str, Any]:
    """An epoch as the ledger has it."""
    return {
        "epoch": epoch.number,
        "loss": epoch.loss,
        "validation": epoch.validation,
        "test": epoch.test,
        "seconds": round(epoch.seconds, 4),
        "ended": ended,
    }


def parts_of_fold(plan: Mapping[str, Any], fold: int) -> dict[str, list[tuple[str, int]]]:
    """(utterance id, class index) pairs of the fold's training, validation and test parts."""
    classes = {name: index for index, name in enumerate(plan["classes"])}
    part_of = {group: part for part in ("training", "validation", "test") for group in plan["folds"][fold][part]}
    parts: dict[str, list[tuple[str, int]]] = {"training": [], "validation": [], "test": []}
    for utterance in plan["utterances"]:
        parts[part_of[utterance["group"]]].append((utterance["id"], classes[utterance["label"]]))
    return parts


def data_of_fold(
    plan: Mapping[str, Any],
    inputs: Sequence[str],
    fold: int,
    device: torch.device,
    fetch: bool = False,
    frame_rate: str = "",
) -> FoldData:
    """What a variant with these `inputs` trains on and is tested with; `fetch` copies packs to this machine first."""
    paths = {**plan["packs"], "audio": plan["packs"].get(f"audio@{frame_rate}", plan["packs"].get("audio"))}
    packs = {name: _pack(Path(paths[INPUTS[name]]), fetch) for name in inputs}
    if "sentence" in packs:
        packs["sentence"] = packs["sentence"].as_single_frames()
    return fold_data(packs, parts_of_fold(plan, fold), len(plan["classes"]), device)


def memory_fraction(gpu_share: float, total_bytes: float) -> float:
    """The fraction of a GPU's memory that tensors of a run with `gpu_share` of it may take.

    PyTorch counts tensors only; what each process takes beside them has to fit its share as well.
    """
    return max(gpu_share - GPU_CONTEXT_BYTES / total_bytes, gpu_share / 2)


# As many folds as a protocol has, and few bytes each: their frames stay in the packs.
@lru_cache(maxsize=16)
def _fold(
    study: Path, inputs: tuple[str, ...], frame_rate: str, fold: int, device: torch.device, fetch: bool
) -> FoldData:
    return data_of_fold(json.loads((study / "plan.json").read_text()), inputs, fold, device, fetch, frame_rate)


@lru_cache(maxsize=4)
def _pack(path: Path, fetch: bool) -> Pack:
    return Pack.open(on_this_node(path) if fetch else path)

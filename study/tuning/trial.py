"""What a Ray worker does: train one configuration on one fold, an epoch per step."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune

from search_spaces.recipe import Recipe
from study.corpus.batches import FoldData, fold_data
from study.corpus.pack import Pack
from study.results.ledger import FoldRun
from study.training import checkpoint
from study.training.loop import Diverged, Epoch, begin, train_fold
from study.variants import INPUTS, VARIANTS


class FoldTrial(tune.Trainable):
    """One fold run. The actor is reused for the next one, and keeps the packs and the last fold's data open.

    `config` is {"job": what the conductor's `take` gives, "study": path of the study folder, "gpu": bool}.
    """

    def setup(self, config: dict[str, Any], study: str, gpu: bool) -> None:
        """Begin the first run of this actor."""
        torch.set_num_threads(1)
        self._study = Path(study)
        self._device = torch.device("cuda" if gpu and torch.cuda.is_available() else "cpu")
        self._begin(config["job"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin or take up another run in the same process."""
        self._begin(new_config["job"])
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch, save it, and report it."""
        try:
            epoch = next(self._epochs)
        except Diverged as diverged:
            return {"diverged": str(diverged)}
        ended = epoch.number == len(self._training.history) and self._ended()
        if ended:
            self._save_predictions()
        # As text, because Ray flattens nested results on their way to the scheduler.
        return {"record": json.dumps(epoch_record(epoch, ended))}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: every epoch writes a checkpoint of its own into the study folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a run finds its checkpoint in the study folder."""

    def _begin(self, job: dict[str, Any]) -> None:
        self._plan = json.loads((self._study / "plan.json").read_text())
        self._run = FoldRun(job["variant"], job["config"], job["fold"], job["seed"])
        variant = VARIANTS[job["variant"]]
        self._recipe = Recipe(**job["recipe"])
        self._data = _fold(self._study, variant.inputs, job["fold"], self._device)
        self._training = begin(
            variant.model, variant.rebuilt(job["model"]), self._recipe, self._data, job["torch_seed"]
        )
        if self._checkpoint.exists():
            checkpoint.load_into(self._training, self._checkpoint)
        self._epochs = self._remaining(job)

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


@lru_cache(maxsize=1)
def _fold(study: Path, inputs: tuple[str, ...], fold: int, device: torch.device) -> FoldData:
    plan = json.loads((study / "plan.json").read_text())
    packs = {name: _pack(Path(plan["packs"][INPUTS[name]])) for name in inputs}
    if "sentence" in packs:
        packs["sentence"] = packs["sentence"].as_single_frames()
    return fold_data(packs, parts_of_fold(plan, fold), len(plan["classes"]), device)


@lru_cache(maxsize=4)
def _pack(path: Path) -> Pack:
    return Pack.open(path)

"""A fold run on disk: enough to go on from its last epoch, and what it predicted at its best one."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from study.training.loop import Best, Epoch, Training


def save(path: Path, training: Training) -> None:
    """Replace the checkpoint at `path` in one step: a reader sees the old one or the new one."""
    state = {
        "model": training.model.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "history": json.dumps([asdict(epoch) for epoch in training.history]),
        "best": None if training.best is None else asdict(training.best),
        "mirrored": None if training.mirrored is None else asdict(training.mirrored),
    }
    _write(path, lambda temporary: torch.save(state, temporary))


def load_into(training: Training, path: Path) -> None:
    """Set `training` to what `save` wrote at `path`. Only tensors and plain values are read, never code."""
    device = next(training.model.parameters()).device
    state = torch.load(path, weights_only=True, map_location=device)
    training.model.load_state_dict(state["model"])
    training.optimizer.load_state_dict(state["optimizer"])
    training.history = [Epoch(**epoch) for epoch in json.loads(state["history"])]
    training.best = None if state["best"] is None else Best(**state["best"])
    mirrored = state.get("mirrored")  # which checkpoints of older studies do not have
    training.mirrored = None if mirrored is None else Best(**mirrored)


def save_predictions(path: Path, best: Best, validation: tuple[str, ...], test: tuple[str, ...]) -> None:
    """Write the class probabilities of the best epoch, with the ids of the utterances that they are for."""
    metadata = {"validation": json.dumps(validation), "test": json.dumps(test), "epoch": str(best.epoch)}
    tensors = {"validation": best.validation.cpu(), "test": best.test.cpu()}
    _write(path, lambda temporary: save_file(tensors, temporary, metadata))


def load_predictions(path: Path, part: str) -> tuple[list[str], Float[Tensor, "utterances classes"]]:
    """Utterance ids and class probabilities that `save_predictions` wrote; `part` is "validation" or "test"."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()[part]), file.get_tensor(part)


def _write(path: Path, writer: Callable[[str], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    writer(str(temporary))
    os.replace(temporary, path)

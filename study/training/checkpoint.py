"""Saves a fold run: its state after the last epoch, to go on from, and its predictions at the best epoch."""

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from study.files import write_file
from study.training.loop import Best, Epoch, Training


def save(path: Path, training: Training) -> None:
    """Replace the checkpoint at `path` in one step: a reader finds the old one or the new one."""
    state = {
        "model": training.model.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "history": json.dumps([asdict(epoch) for epoch in training.history]),
        "best": None if training.best is None else asdict(training.best),
        "swapped": None if training.swapped is None else asdict(training.swapped),
    }
    # Through memory: PyTorch's own writer hides the reason why a file could not be written.
    buffer = BytesIO()
    torch.save(state, buffer)
    write_file(path, buffer.getvalue())


def load_into(training: Training, path: Path) -> bool:
    """Set `training` to the checkpoint at `path`; return False, and set nothing, if it is missing or damaged.

    Only tensors and plain values are read, never code.
    """
    device = next(training.model.parameters()).device
    try:
        state = torch.load(path, weights_only=True, map_location=device)
    except OSError:
        if path.exists():
            raise
        return False
    except Exception:  # a damaged file can raise anything anywhere in the reader; its epochs can be trained again
        return False
    training.model.load_state_dict(state["model"])
    training.optimizer.load_state_dict(state["optimizer"])
    training.history = [Epoch(**epoch) for epoch in json.loads(state["history"])]
    training.best = None if state["best"] is None else Best(**state["best"])
    swapped = state["swapped"]
    training.swapped = None if swapped is None else Best(**swapped)
    return True


def save_predictions(path: Path, best: Best, validation: tuple[str, ...], test: tuple[str, ...]) -> None:
    """Write the class probabilities of the best epoch, with the ids of their utterances."""
    metadata = {"validation": json.dumps(validation), "test": json.dumps(test), "epoch": str(best.epoch)}
    write_file(path, as_bytes({"validation": best.validation.cpu(), "test": best.test.cpu()}, metadata))


def load_predictions(path: Path, part: str) -> tuple[list[str], Float[Tensor, "utterances classes"]]:
    """Utterance ids and class probabilities that `save_predictions` wrote; `part` is "validation" or "test"."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()[part]), file.get_tensor(part)

"""Saves the state of a fold run after its last epoch, to go on from.

A checkpoint is a sealed safetensors file: tensors, and one JSON object beside them that names its owner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor

from study.files import write_file
from study.tensor_file import sealed_metadata, sealed_pieces
from study.training.loop import Epoch, Predictions, Training

FORMAT = "ser-study checkpoint 2"
# The one key under which safetensors' string-to-string metadata carries our JSON.
METADATA_KEY = "checkpoint"
PREDICTIONS = "predictions/{part}"


def save(path: Path, training: Training, owner: str) -> None:
    """Replace the checkpoint at `path` in one step: a reader finds the old one or the new one.

    `owner` names the run and all that its numbers depend on; for no other owner it is loaded again.
    """
    optimizer = training.optimizer.state_dict()
    facts = {
        "format": FORMAT,
        "owner": owner,
        "history": [asdict(epoch) for epoch in training.history],
        "groups": optimizer["param_groups"],
    }
    tensors = dict(_tensors(training, optimizer["state"]))
    write_file(path, sealed_pieces(tensors, {METADATA_KEY: json.dumps(facts)}))


def load_into(training: Training, path: Path, owner: str) -> bool:
    """Set `training` to the checkpoint at `path`; return False, and set nothing, if it is missing or cannot be used.

    It cannot if a bit of it changed, if it was cut, or if its owner is another: its epochs can be trained again. Only
    tensors and plain values are read, never code.

    Raises:
        OSError: the storage cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    device = next(training.model.parameters()).device
    try:
        facts = json.loads(sealed_metadata(content)[METADATA_KEY])
        if (facts["format"], facts["owner"]) != (FORMAT, owner):
            return False
        tensors = {name: value.to(device) for name, value in from_bytes(content).items()}
    except (ValueError, KeyError, TypeError, SafetensorError):  # Damaged is a ValueError
        return False
    if not _fits(training, weights := _below("model", tensors)):
        return False
    training.model.load_state_dict(weights)
    training.optimizer.load_state_dict({"state": _moments(tensors), "param_groups": facts["groups"]})
    training.history = [Epoch(**epoch) for epoch in facts["history"]]
    parts = (tensors[PREDICTIONS.format(part=part)].cpu() for part in ("validation", "test"))
    training.predictions = [Predictions(*after) for after in zip(*parts, strict=True)]
    return True


def keep_weights(path: Path) -> None:
    """Leave the optimiser's state out of the checkpoint of a run that has ended: two thirds of it, read no more.

    A file that is missing or damaged stays as it is.

    Raises:
        OSError: the storage cannot be read or written.
    """
    try:
        content = path.read_bytes()
        metadata, tensors = sealed_metadata(content), from_bytes(content)
    except (FileNotFoundError, ValueError, KeyError, TypeError, SafetensorError):  # Damaged is a ValueError
        return
    kept = {name: value for name, value in tensors.items() if not name.startswith("optimizer/")}
    if len(kept) < len(tensors) and METADATA_KEY in metadata:
        write_file(path, sealed_pieces(kept, {METADATA_KEY: metadata[METADATA_KEY]}))


def _tensors(training: Training, moments: Mapping[int, Mapping[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a training by their names in the file."""
    for name, value in training.model.state_dict().items():
        yield f"model/{name}", value
    for number, own in moments.items():
        for name, value in own.items():
            yield f"optimizer/{number}/{name}", value
    for part in ("validation", "test"):
        yield PREDICTIONS.format(part=part), torch.stack([getattr(after, part) for after in training.predictions])


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The state of the optimiser, by number of the parameter."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in _below("optimizer", tensors).items():
        number, _, what = name.partition("/")
        found.setdefault(int(number), {})[what] = value
    return found


def _fits(training: Training, weights: Mapping[str, Tensor]) -> bool:
    """Whether the weights are those of the model: its code may have changed since they were saved."""
    shapes = {name: value.shape for name, value in training.model.state_dict().items()}
    return shapes == {name: value.shape for name, value in weights.items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}

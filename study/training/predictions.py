"""The predictions of a fold run on disk: of every epoch the classes, of the epochs that may be reported all of them.

A safetensors file: tensors by part, and beside them the ids of the utterances and where the predictions are from. Of
confirmation runs it also has what their models predict after the last epoch where a stream is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from study.files import write_file
from study.training.loop import Predictions

PARTS = ("validation", "test")
CLASSES = "{part} classes"
WITHOUT = "test without {stream}"
NOTHING_WITHOUT: Mapping[str, Tensor] = {}


def origin_of(run: str, params: Mapping[str, Any]) -> dict[str, str]:
    """What predictions say about where they are from: the name of their run, and its configuration's parameters."""
    return {"run": run, "params": json.dumps(dict(params), sort_keys=True)}


def save_predictions(
    path: Path,
    predictions: Sequence[Predictions],
    epochs: Sequence[int],
    ids: Mapping[str, Sequence[str]],
    origin: Mapping[str, str],
    without: Mapping[str, Float[Tensor, "utterances classes"]] = NOTHING_WITHOUT,
) -> None:
    """Write the predictions of a run after each of its epochs.

    The most probable classes are kept of every epoch, so that all scores of the run can be computed again; class
    probabilities of `epochs` (counted from 1) alone. `ids` are those of the utterances of each part. `without` are the
    probabilities of the test part after the last epoch, by the stream that is missing in them.
    """
    tensors = {WITHOUT.format(stream=stream): each.cpu() for stream, each in without.items()}
    for part in PARTS:
        probabilities = torch.stack([getattr(each, part).cpu() for each in predictions])
        tensors[part] = probabilities[[epoch - 1 for epoch in epochs]]
        tensors[CLASSES.format(part=part)] = probabilities.argmax(2).to(torch.int16)
    texts = {part: json.dumps(list(ids[part])) for part in PARTS}
    write_file(path, as_bytes(tensors, {**origin, **texts, "epochs": json.dumps(list(epochs))}))


def keep_epochs(path: Path, epochs: Sequence[int]) -> None:
    """Leave out the class probabilities of all epochs but `epochs`, where the file at `path` has others."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        held = json.loads(metadata["epochs"])
        if set(held) <= set(epochs):
            return
        kept = [epoch for epoch in held if epoch in epochs]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for part in PARTS:
        tensors[part] = tensors[part][[held.index(epoch) for epoch in kept]].clone()
    write_file(path, as_bytes(tensors, {**metadata, "epochs": json.dumps(kept)}))


def load_probabilities(path: Path, part: str, epoch: int) -> Float[Tensor, "utterances classes"]:
    """Class probabilities of `part` ("validation" or "test") after `epoch`.

    Raises:
        LookupError: the file has none of that epoch.
    """
    with safe_open(path, "pt") as file:
        held = json.loads(file.metadata()["epochs"])
        if epoch not in held:
            raise LookupError(f"it has the probabilities of epochs {', '.join(map(str, held))} and not of {epoch}")
        found: Tensor = file.get_slice(part)[held.index(epoch)]
        return found


def load_without(path: Path, epoch: int) -> dict[str, Float[Tensor, "utterances classes"]]:
    """Class probabilities of the test part without each stream after `epoch`; empty where the file has none of it."""
    with safe_open(path, "pt") as file:
        n_epochs, _ = file.get_slice(CLASSES.format(part="test")).get_shape()
        start = WITHOUT.format(stream="")
        names = [name for name in file.keys() if name.startswith(start)]  # noqa: SIM118
        return {name.removeprefix(start): file.get_tensor(name) for name in names} if epoch == n_epochs else {}


def load_classes(path: Path, part: str) -> Int[Tensor, "epochs utterances"]:
    """The most probable classes of `part` after every epoch."""
    with safe_open(path, "pt") as file:
        found: Tensor = file.get_tensor(CLASSES.format(part=part))
        return found


def load_ids(path: Path, part: str) -> list[str]:
    """The ids of the utterances of `part`, in the order of its predictions."""
    with safe_open(path, "pt") as file:
        ids: list[str] = json.loads(file.metadata()[part])
        return ids


def load_origin(path: Path) -> dict[str, str]:
    """Where predictions are from: `origin_of` their run."""
    with safe_open(path, "pt") as file:
        return {name: file.metadata()[name] for name in ("run", "params")}

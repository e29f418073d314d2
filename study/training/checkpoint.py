"""Saves a fold run: its state after the last epoch, to go on from, and its predictions at the best epoch.

A checkpoint is a sealed safetensors file: tensors, and one JSON object beside them that names its owner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as from_bytes
from safetensors.torch import save as as_bytes
from torch import Tensor

from study.files import write_file
from study.tensor_file import sealed_metadata, sealed_pieces
from study.training.loop import Best, Epoch, Training

FORMAT = "ser-study checkpoint 1"
# The one key under which safetensors' string-to-string metadata carries our JSON.
METADATA_KEY = "checkpoint"
BESTS = ("best", "swapped")


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
        **{name: [best.epoch, best.score] for name in BESTS if (best := getattr(training, name)) is not None},
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
    training.best, training.swapped = (_best(name, facts, tensors) for name in BESTS)
    return True


def origin_of(run: str, params: Mapping[str, Any]) -> dict[str, str]:
    """What predictions say about where they are from: the name of their run, and its configuration's parameters."""
    return {"run": run, "params": json.dumps(dict(params), sort_keys=True)}


def save_predictions(
    path: Path, best: Best, validation: tuple[str, ...], test: tuple[str, ...], origin: Mapping[str, str]
) -> None:
    """Write the class probabilities of the best epoch, with the ids of their utterances and their `origin_of`."""
    ids = {"validation": json.dumps(validation), "test": json.dumps(test)}
    metadata = {**origin, **ids, "epoch": str(best.epoch)}
    write_file(path, as_bytes({"validation": best.validation.cpu(), "test": best.test.cpu()}, metadata))


def load_predictions(path: Path, part: str) -> tuple[list[str], Float[Tensor, "utterances classes"]]:
    """Utterance ids and class probabilities that `save_predictions` wrote; `part` is "validation" or "test"."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()[part]), file.get_tensor(part)


def load_origin(path: Path) -> dict[str, str]:
    """Where predictions are from: `origin_of` their run, and the "epoch" that they were made at."""
    with safe_open(path, "pt") as file:
        return {name: file.metadata()[name] for name in ("run", "params", "epoch")}


def _tensors(training: Training, moments: Mapping[int, Mapping[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a training by their names in the file."""
    for name, value in training.model.state_dict().items():
        yield f"model/{name}", value
    for number, own in moments.items():
        for name, value in own.items():
            yield f"optimizer/{number}/{name}", value
    for name in BESTS:
        best: Best | None = getattr(training, name)
        if best is not None:
            yield f"{name}/validation", best.validation
            yield f"{name}/test", best.test
            for weight, value in best.weights.items():
                yield f"{name}/weights/{weight}", value


def _best(name: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Best | None:
    if name not in facts:
        return None
    epoch, score = facts[name]
    validation, test = (tensors[f"{name}/{part}"].cpu() for part in ("validation", "test"))
    return Best(epoch, score, validation, test, _below(f"{name}/weights", tensors))


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

"""A model folder, written and read in one place: config, weights, figures, training digests and the card.

No file of it is a pickle, and none holds audio or words. The weights are sealed (`study.tensor_file`): their header has
a checksum of every byte, and the digest of the config.json that they belong to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor

from study.corpus.quoting import one_line, path_text
from study.errors import UserError
from study.files import write_file
from study.inference.model_config import ModalityConfig, ModelConfig, config_of
from study.inference.trained_on import TrainedOn, trained_on_of
from study.tensor_file import sealed_metadata, sealed_pieces

CONFIG, WEIGHTS, METRICS, CARD = "config.json", "model.safetensors", "metrics.json", "README.md"
TRAINED_ON = "trained_on.json"
# In the order in which a folder is filled: the config comes last, and says that the others are there.
FILES = (WEIGHTS, METRICS, TRAINED_ON, CARD, CONFIG)
# What a folder must hold to predict; figures and card are for readers, training digests for `evaluate`.
NEEDED = (CONFIG, WEIGHTS)
FORMAT = "ser-study model 1"
# The one key under which safetensors' string-to-string metadata carries our JSON.
METADATA_KEY = "model"
LARGEST_TEXT = 16 << 20
LARGEST_DIGESTS = 1 << 30  # those of some ten millions of utterances
AGAIN = "copy the folder again, or write it with `ser-study export`"


@dataclass(frozen=True)
class Model:
    """The content of a model folder.

    `tensors` are the members' weights and scalings, named as in `study.inference.ensemble`. `metrics` are the report's
    figures, and `card` is the text of README.md. `trained_on` is None where a folder does not say it.
    """

    config: ModelConfig
    tensors: Mapping[str, Tensor]
    metrics: Mapping[str, Any]
    card: str
    trained_on: TrainedOn | None = None

    @property
    def digest(self) -> str:
        """sha256 of what predictions depend on: config and weights."""
        state = hashlib.sha256(self.config.to_text().encode())
        for piece in self._weights():
            state.update(piece)
        return state.hexdigest()

    def without_places(self) -> Model:
        """The model with the names of local encoder folders in the place of their paths, for others to have."""

        def named(own: ModalityConfig) -> ModalityConfig:
            return replace(own, spec=replace(own.spec, name=Path(own.spec.name).name)) if _is_place(own) else own

        modalities = {name: named(own) for name, own in self.config.modalities.items()}
        return replace(self, config=replace(self.config, modalities=modalities))

    def write(self, folder: Path) -> None:
        """Write the folder; files of these names are replaced, others stay."""
        write_file(folder / WEIGHTS, self._weights())
        write_file(folder / METRICS, json.dumps(self.metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        if self.trained_on is not None:
            write_file(folder / TRAINED_ON, self.trained_on.to_text())
        write_file(folder / CARD, self.card)
        write_file(folder / CONFIG, self.config.to_text())

    def _weights(self) -> list[bytes | memoryview]:
        facts = {"format": FORMAT, "config": _digest(self.config.to_text().encode())}
        # By name: a reader gives them in any order, and equal models are equal files.
        return sealed_pieces(dict(sorted(self.tensors.items())), {METADATA_KEY: json.dumps(facts), "format": "pt"})


def _is_place(own: ModalityConfig) -> bool:
    return own.spec.name.startswith(("/", "~", ".")) or Path(own.spec.name).is_dir()


def is_model_folder(path: Path) -> bool:
    """Whether a path is a folder that looks like a model's."""
    return all((path / name).is_file() for name in NEEDED)


def read(folder: Path) -> Model:
    """The model in `folder`; only tensors and plain values are read, never code.

    Raises:
        UserError: a file is missing, cut, changed, of another version, or belongs to another; the line names it.
    """
    text = _content(folder / CONFIG)
    try:
        config = config_of(text)
    except ValueError as error:
        raise _unusable(folder / CONFIG, one_line(error)) from None
    weights = folder / WEIGHTS
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise _unusable(weights, error.strerror or one_line(error)) from None
    try:
        facts = json.loads(sealed_metadata(content)[METADATA_KEY])
        is_of_format = facts["format"] == FORMAT
        tensors = from_bytes(content)
        belongs = facts["config"] == _digest(text)
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:  # Damaged is a ValueError
        raise _unusable(weights, one_line(error) or "no model's weights") from None
    if not is_of_format:
        raise _unusable(weights, f"no {FORMAT!r} in its metadata")
    if not belongs:
        raise _unusable(folder / CONFIG, f"it is not the one that {WEIGHTS} was written with")
    return Model(config, tensors, _metrics(folder), _card(folder), _trained_on(folder, config))


def _content(path: Path, largest: int = LARGEST_TEXT) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(largest + 1)
    except OSError as error:
        raise _unusable(path, error.strerror or one_line(error)) from None
    if len(found) > largest:
        raise _unusable(path, f"it is longer than {largest:,} bytes")
    return found


def _metrics(folder: Path) -> dict[str, Any]:
    """The figures; a folder may be without them."""
    if not (folder / METRICS).is_file():
        return {}
    try:
        found = json.loads(_content(folder / METRICS))
    except (ValueError, RecursionError) as error:
        raise _unusable(folder / METRICS, one_line(error)) from None
    if not isinstance(found, dict):
        raise _unusable(folder / METRICS, "no object of figures")
    return found


def _trained_on(folder: Path, config: ModelConfig) -> TrainedOn | None:
    """What the model was trained on; a folder may be without it."""
    if not (folder / TRAINED_ON).is_file():
        return None
    text = _content(folder / TRAINED_ON, LARGEST_DIGESTS)
    if config.corpus.get("trained_on") != _digest(text):
        raise _unusable(folder / TRAINED_ON, f"it is not the one that {CONFIG} was written with")
    try:
        return trained_on_of(text)
    except ValueError as error:
        raise _unusable(folder / TRAINED_ON, one_line(error)) from None


def _card(folder: Path) -> str:
    """The card's text; a folder may be without it."""
    if not (folder / CARD).is_file():
        return ""
    return _content(folder / CARD).decode(errors="replace")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unusable(path: Path, fault: str) -> UserError:
    return UserError(
        f"a model folder holds {' and '.join(NEEDED)}, and {path_text(path)} cannot be used ({fault}); {AGAIN}"
    )

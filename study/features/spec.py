"""Which features a study asks for, and which it has: typed once, where the options are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FULL, HALF = "float32", "bfloat16"
ENCODER_DTYPES = (FULL, HALF)
OUTPUT = "last"
WEIGHTED = "weighted"
USUAL_BANDS = 4
CONTENT = 12  # characters of a digest of features from elsewhere
LAYER = r"last|\d{1,4}|mean:\d{1,4}-\d{1,4}|weighted(?::\d{1,4})?"


@dataclass(frozen=True)
class EncoderSpec:
    """One way to make features: an encoder, and what of it.

    Attributes:
        name: a built-in encoder ("logmel"), a local model folder or a hub id.
        layer: "last" (the model's output), a number (0 is the input of the first layer, 1 its output; some large
            models normalise the output of their last layer once more), "mean:a-b" or "weighted:K": all layers as means
            of K bands of consecutive ones, whose weights each model learns ("weighted" is "weighted:4").
        dtype: the precision of the encoder's matrix products, "float32" or "bfloat16".
        rate_hz: frames per second, by averaging the encoder's own; None leaves them as they are. Of features from
            elsewhere, their own or a lower one, where it is known.
        content: a digest of features that come from elsewhere, from the path `name`; empty until they are read. None
            for features of an encoder.
    """

    name: str
    layer: str = OUTPUT
    dtype: str = FULL
    rate_hz: float | None = None
    content: str | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether these are features from a path instead of an encoder's."""
        return self.content is not None

    @property
    def n_bands(self) -> int:
        """How many bands a model learns weights for; 0 of a layer, or of a mean of layers."""
        if not self.layer.startswith(WEIGHTED):
            return 0
        return int(self.layer.partition(":")[2] or USUAL_BANDS)

    def with_content(self, digest: str) -> EncoderSpec:
        """The spec of features from elsewhere once they are read; that of an encoder is as it was."""
        return replace(self, content=digest[:CONTENT]) if self.is_elsewhere else self

    @property
    def label(self) -> str:
        """Its name for people and for the search: what differs from the defaults follows the encoder's name.

        Features from elsewhere are named by what they are: the same ones in another place or form are the same.
        """
        if self.content:
            return f"features {self.content}" + (f", {self.rate_hz:g} Hz" if self.rate_hz is not None else "")
        parts = [
            self.name,
            f"layer {self.layer}" if self.layer != OUTPUT else "",
            f"{self.rate_hz:g} Hz" if self.rate_hz is not None else "",
            self.dtype if self.dtype != FULL else "",
        ]
        return ", ".join(part for part in parts if part)


def label_of_layers(specs: Sequence[EncoderSpec]) -> str:
    """The name for people of specs that differ in the layer alone."""
    if len(specs) == 1:
        return specs[0].label
    return f"{replace(specs[0], layer=OUTPUT).label}, layers {', '.join(spec.layer for spec in specs)}"


def canonical_layer(text: str) -> str:
    """The one way to write a layer: "06" and "mean:6-6" are "6", "weighted:4" is "weighted".

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(LAYER, text):
        raise ValueError(text)
    numbers = [str(int(number)) for number in re.findall(r"\d+", text)]
    if text.startswith(WEIGHTED):
        return WEIGHTED if numbers in ([], [str(USUAL_BANDS)]) else f"{WEIGHTED}:{numbers[0]}"
    if len(set(numbers)) < 2:
        return numbers[0] if numbers else text
    return f"mean:{'-'.join(numbers)}"


def bands_of(layer: object) -> tuple[str, ...]:
    """The names of the bands that frames hold side by side, from the `layer` of an encoder's identity.

    Frames of anything but weighted layers have none.
    """
    if not isinstance(layer, str) or not layer.startswith(f"{WEIGHTED}:"):
        return ()
    return tuple(layer.removeprefix(f"{WEIGHTED}:").split(","))


@dataclass(frozen=True)
class FeatureChoice:
    """Features that a modality's frames may come from: how they were made, and the path of the pack."""

    spec: EncoderSpec
    path: str

    @property
    def label(self) -> str:
        """Their name in the search and in reports."""
        return self.spec.label

    @property
    def pack_name(self) -> str:
        """The name of the pack without its ending: equal for equal features, wherever the pack is kept.

        It holds a digest of the encoder and of all that it has read.
        """
        return Path(self.path).stem

    def found_in(self, folder: Path) -> FeatureChoice:
        """These features in the pack of this name in `folder`, if there is one."""
        here = folder / Path(self.path).name
        return replace(self, path=str(here)) if self.path and here.is_file() else self

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> FeatureChoice:
        """The choice whose `dataclasses.asdict` is `found`.

        Raises:
            TypeError: fields that a choice or its spec does not have.
        """
        return cls(**{**found, "spec": EncoderSpec(**found["spec"])})

"""Pretrained encoders of pictures: whatever AutoModel opens that gives hidden states for what an image processor makes.

Each picture of a film is encoded by itself, to one vector: ViT, CLIP, SigLIP, DINOv2, convolutional networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor

from study.errors import UserError, type_and_line
from study.features.huggingface import configured, frozen_encoder, loaded, model_folder, model_identity, tried
from study.features.layers import Layers
from study.features.model_faults import LONGEST_CAUSE, encoding_fault

KIND = "an encoder of pictures"
# What models of several modalities call the part that reads pictures.
PICTURE_PARTS = ("vision_model", "vision_tower", "vision_encoder", "visual")
# What the vector is called that stands for the whole picture, before those of its patches.
CLASS_TOKENS = ("cls_token", "class_embedding")
BATCH = 8
TRIED_SIDE = 64


def open_vision_model(spec: str, layers: Sequence[str], trust_remote_code: bool) -> VisionModel:
    """The encoder of pictures in the folder, or of the hub id, `spec`; its weights are read at first use.

    Its frames are `layers` side by side.

    Raises:
        UserError: no such model, files that are not an encoder of pictures, or no such layer.
    """
    folder = model_folder(spec)
    processor = _opened(spec, folder, trust_remote_code)[1]
    n_layers = trial(spec, folder, trust_remote_code).n_layers
    return VisionModel(spec, folder, processor, Layers.chosen(layers, n_layers), trust_remote_code)


@dataclass(frozen=True)
class States:
    """The hidden states of a model for some pictures, each with one vector for a picture."""

    last_hidden_state: Float[Tensor, "pictures dim"]
    hidden_states: tuple[Float[Tensor, "pictures _dim"], ...]

    @property
    def n_layers(self) -> int:
        """How many layers there are; layer 0 is the input of the first."""
        return max(0, len(self.hidden_states) - 1)


class VisionModel:
    """Hidden states of a frozen encoder of pictures: a frame for each picture.

    A picture's vector is that of the classification token where the model puts one first, else the mean over its
    patches.
    """

    def __init__(self, spec: str, folder: Path, processor: Any, layers: Layers, trust_remote_code: bool) -> None:
        """Takes what is in `folder`."""
        self._spec, self._folder, self._trust = spec, folder, trust_remote_code
        self._processor, self._layers = processor, layers

    @cached_property
    def identity(self) -> Mapping[str, object]:
        """The model by name and by the digest of its files, the layers, and the arithmetic."""
        return model_identity(self._spec, self._folder, self._layers.identity)

    @property
    def dim(self) -> int:
        """Dimensions of a frame, measured."""
        return int(self._layers.of(trial(self._spec, self._folder, self._trust)).shape[1])

    def load(self) -> None:
        """Reads the weights, and encodes a picture.

        Raises:
            UserError: the folder's weights are not those of its configuration, or its code fails.
        """
        try:
            self.encode(_noise())
        except UserError:
            raise
        except Exception as error:  # of the model's code, for whatever its files have
            raise encoding_fault(repr(self._spec), "a picture of noise", error) from error

    @cached_property
    def _model(self) -> torch.nn.Module:
        return frozen_encoder(self._spec, self._folder, KIND, self._trust, PICTURE_PARTS)

    def encode(self, pictures: UInt8[Tensor, "time height width 3"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance, one for each picture."""
        states = (_states(self._model, self._processor, some) for some in pictures.split(BATCH))
        return torch.cat([self._layers.of(each) for each in states]).cpu()


def trial(spec: str, folder: Path, trust_remote_code: bool) -> States:
    """What the encoder in `folder` makes of a picture of noise. A command asks for it once for every layer.

    Raises:
        UserError: the model gives no hidden states for what its image processor makes of a picture.
    """
    return _trial_as_of(spec, folder, trust_remote_code, configured(folder))


@lru_cache(16)
def _trial_as_of(spec: str, folder: Path, trust_remote_code: bool, state: object) -> States:
    config, processor = _opened(spec, folder, trust_remote_code)
    try:
        return tried(
            lambda model: _states(model, processor, _noise()),
            *(spec, folder, KIND, config, trust_remote_code, PICTURE_PARTS),
        )
    except UserError:
        raise
    except Exception as error:  # of the model's code and the processor's, for whatever the folder has
        raise UserError(
            f"{KIND} gives hidden states for what its image processor makes of a picture; {spec!r}, a "
            f"{config.model_type} model with a {type(processor).__name__}, does not "
            f"({type_and_line(error)[:LONGEST_CAUSE]}); pass another video encoder, or the part that reads pictures, "
            "saved as a model of its own"
        ) from error


def _opened(spec: str, folder: Path, trust_remote_code: bool) -> tuple[Any, Any]:
    """The configuration and the image processor in a folder.

    By Pillow on every machine: other backends, where they are installed, resize to other values.
    """
    how: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    return loaded(
        spec,
        folder,
        KIND,
        lambda: (
            AutoConfig.from_pretrained(folder, **how),
            AutoImageProcessor.from_pretrained(folder, backend="pil", **how),
        ),
    )


@torch.inference_mode()
def _states(model: Any, processor: Any, pictures: UInt8[Tensor, "pictures height width 3"]) -> States:
    # Values in bfloat16 would lose more than the model does, and NumPy knows no such numbers.
    with torch.autocast("cpu", enabled=False):
        inputs = processor(images=list(pictures.numpy()), return_tensors="pt")
    device = next(model.parameters()).device
    output = model(**{name: values.to(device) for name, values in inputs.items()}, output_hidden_states=True)
    if getattr(output, "last_hidden_state", None) is None:
        raise ValueError(f"{type(model).__name__} gives no last_hidden_state")
    has_class_token = any(name.rpartition(".")[2] in CLASS_TOKENS for name, _ in model.named_parameters())
    hidden = getattr(output, "hidden_states", None) or ()
    return States(
        _vectors(output.last_hidden_state, has_class_token),
        tuple(_vectors(state, has_class_token) for state in hidden),
    )


def _vectors(state: Tensor, has_class_token: bool) -> Float[Tensor, "pictures dim"]:
    """One vector for each picture: of tokens [pictures, tokens, dim], or of a map [pictures, dim, height, width]."""
    if state.ndim == 4:
        return state.mean((2, 3))
    return state[:, 0] if has_class_token else state.mean(1)


def _noise() -> UInt8[Tensor, "1 height width 3"]:
    """The same picture of noise every time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, TRIED_SIDE, TRIED_SIDE, 3), generator=generator, dtype=torch.uint8)

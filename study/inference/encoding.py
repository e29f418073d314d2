"""From an utterance to the streams that a folder's models read: by the encoders that the study used, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from study.corpus.media import MEDIA
from study.corpus.utterance import NO_FILE, Utterance
from study.errors import UserError
from study.features.encoder import Encoded, Encoder
from study.features.huggingface import ModelAway
from study.features.inputs import input_of
from study.features.pack import Pack
from study.inference.model_config import ModalityConfig, ModelConfig
from study.modalities import MODALITIES

DIGEST = 12  # characters of a digest that are shown
# Where an encoder is now, by modality: a folder or a hub id in the place of the one that the config names.
Places = Mapping[str, str]
NOWHERE: Places = {}


class Encoders:
    """The encoders of a model folder; threads may share them once they are loaded."""

    def __init__(self, config: ModelConfig, places: Places = NOWHERE, trust_remote_code: bool = False) -> None:
        """Open them; weights are not read yet.

        Raises:
            UserError: the models read features that no encoder makes, an encoder cannot be opened, or it is not the
                one that the study used.
        """
        if config.elsewhere:
            raise UserError(
                f"a prediction from a recording needs encoders, and the {' and '.join(config.elsewhere)} features of "
                "this model were made by another program; it is of use where that program's features are"
            )
        if unknown := set(config.modalities) - set(MODALITIES):
            raise UserError(
                f"a modality is one of {', '.join(MODALITIES)}, and the model has {sorted(unknown)[0][:80]!r}"
            )
        self._config = config
        self._encoders: dict[str, Encoder] = {
            name: opened_encoder(name, own, places.get(name), trust_remote_code)
            for name, own in config.modalities.items()
        }

    def load(self) -> None:
        """Read the weights.

        Raises:
            UserError: they cannot be read.
        """
        for encoder in self._encoders.values():
            encoder.load()

    def streams(self, utterance: Utterance, lacking: Collection[str] = ()) -> dict[str, Pack]:
        """The frames of one utterance by stream, in the precision of a study's packs; none of `lacking` modalities.

        Texts are encoded one by one: in a batch, they would depend on the texts beside them.

        Raises:
            UserError: the recording cannot be read, or an encoder fails on it.
        """
        packs = {name: self._pack(name, utterance) for name in self._encoders if name not in lacking}
        return {
            name: input_of(name).view(packs[own.modality])
            for name, own in self._config.streams.items()
            if own.modality in packs
        }

    def _pack(self, name: str, utterance: Utterance) -> Pack:
        row = MODALITIES[name]
        if name in MEDIA and MEDIA[name](utterance) == NO_FILE:
            raise UserError(
                f"variant {self._config.variant} reads {row.noun}, and {utterance.id} has none; give {row.file}"
            )
        (encoded,) = row.encode(self._encoders[name], [utterance])
        if isinstance(encoded, UserError):
            raise encoded
        return pack_of(encoded, self._config.modalities[name].identity)


def pack_of(encoded: Encoded, identity: Mapping[str, Any]) -> Pack:
    """A pack of one utterance, in memory."""
    vectors = None if encoded.vector is None else encoded.vector[None]
    offsets = torch.tensor([0, len(encoded.frames)])
    return Pack(Path(), (encoded.utterance.id,), encoded.frames, offsets, vectors, {"encoder": dict(identity)})


def opened_encoder(modality: str, own: ModalityConfig, place: str | None, trust_remote_code: bool) -> Encoder:
    """The encoder of a modality, at `place` where that is given; its weights are not read yet.

    Raises:
        UserError: it cannot be opened, or is not the one that the features were made with.
    """
    spec = own.spec if place is None else replace(own.spec, name=place)
    try:
        encoder: Encoder = MODALITIES[modality].open(spec, trust_remote_code)
    except ModelAway as error:
        raise UserError(
            f"a model predicts with the encoders that it was trained with, and {error.found}; say where its {modality} "
            f"encoder is now with --{modality}-encoder, or download it where there is a network"
        ) from error
    found = dict(encoder.identity)
    # A folder of equal files may bear another name.
    known = {**own.identity, "name": found["name"]} if place is not None else dict(own.identity)
    if found != known:
        raise UserError(
            f"a model predicts with the encoders that it was trained with, and the {modality} encoder "
            f"{spec.name!r} is another one: {_difference(known, found)}; name the right one with --{modality}-encoder"
        )
    return encoder


def _difference(known: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    names = [name for name in {**known, **found} if known.get(name) != found.get(name)]
    return "; ".join(f"{name} was {_short(known.get(name))}, now {_short(found.get(name))}" for name in names)


def _short(value: object) -> str:
    text = str(value)
    return text[:DIGEST] if len(text) == 64 and " " not in text else text[:80]

"""What a process on a machine of a cluster does: it opens the encoder once, and encodes blocks of utterances."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from study.corpus.media import MEDIA
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.encoder import Encoded
from study.features.modality import Modality
from study.features.spec import EncoderSpec
from study.precision import fix_precision

GPU, NO_GPU = "GPU", "no GPU"


@dataclass(frozen=True)
class Order:
    """What a process is to encode: by which encoder, what the driver knows of that, and on how many GPUs."""

    modality: Modality[Any]
    specs: Sequence[EncoderSpec]
    trust_remote_code: bool
    identity: Mapping[str, object]
    versions: Mapping[str, str]
    gpus: int


@dataclass(frozen=True)
class Ready:
    """The answer of a process that has started: what keeps it from encoding, empty for nothing, and its device."""

    fault: str
    device: str = ""


@dataclass(frozen=True)
class EncodedBlock:
    """Features of a block, and a line for each utterance that has none; or what keeps the worker from all of it."""

    encoded: Sequence[Encoded] = ()
    failures: Sequence[str] = ()
    fault: str = ""


class BlockWorker:
    """An actor. It computes as threads of the driver do: each block on one core, so results are equal to the bit."""

    def __init__(self, order: Order) -> None:
        """Encode as `order` says. Nothing is opened yet."""
        self._order = order
        if not order.gpus:
            # Ray leaves GPUs visible to those that asked for none.
            os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def start(self, first: Utterance, content: str) -> Ready:
        """Open the encoder and load its weights, if it is the driver's and the first utterance is as there."""
        order = self._order
        if fault := _version_fault(order.versions):
            return Ready(fault)
        try:
            self._encoder = order.modality.open_layers(order.specs, order.trust_remote_code)
            if fault := _encoder_fault(self._encoder.identity, order.identity):
                return Ready(fault)
            if fault := self._content_fault([first], [content]):
                return Ready(fault)
            torch.set_num_threads(1)
            fix_precision()
            self._encoder.load()
        except UserError as error:
            return Ready(str(error))
        return Ready("", GPU if order.gpus and torch.cuda.is_available() else NO_GPU)

    def encode(self, block: Sequence[Utterance], contents: Sequence[str]) -> EncodedBlock:
        """Encode utterances, each of which is read as the driver has read it: `contents` are those of `Modality`."""
        torch.set_num_threads(1)  # of this thread
        try:
            if fault := self._content_fault(block, contents):
                return EncodedBlock(fault=fault)
            found = list(self._order.modality.encode(self._encoder, block))
        except UserError as error:
            return EncodedBlock(fault=str(error))
        return EncodedBlock(
            [each for each in found if isinstance(each, Encoded)],
            [str(each) for each in found if isinstance(each, UserError)],
        )

    def _content_fault(self, utterances: Sequence[Utterance], contents: Sequence[str]) -> str:
        try:
            found = self._order.modality.contents(Corpus("", (), tuple(utterances)), self._encoder)
        except UserError as error:
            cause = error.__cause__
            return f"it cannot read {cause.filename} ({cause.strerror})" if isinstance(cause, OSError) else str(error)
        for utterance, content in zip(utterances, contents, strict=True):
            if found[utterance.id] != content:
                file = MEDIA.get(self._order.modality.name, MEDIA["audio"])(utterance)
                return f"what it reads of utterance {utterance.id} is not what the driver reads ({file})"
        return ""


def versions(has_weights: bool) -> dict[str, str]:
    """The versions of the libraries that compute features; a build for another device is the same version."""
    found = {"torch": torch.__version__.partition("+")[0]}
    if has_weights:
        import transformers

        found["transformers"] = transformers.__version__
    return found


def _version_fault(expected: Mapping[str, str]) -> str:
    found = versions("transformers" in expected)
    return "; ".join(
        f"it has {name} {found[name]}, and the driver {version}"
        for name, version in expected.items()
        if found[name] != version
    )


def _encoder_fault(found: Mapping[str, object], expected: Mapping[str, object]) -> str:
    """What differs between an encoder here and the driver's."""
    differing = [name for name in {**expected, **found} if found.get(name) != expected.get(name)]
    if not differing:
        return ""
    return f"its encoder {expected['name']} is another than the driver's, in {' and '.join(differing)}"

"""Words from speech: any speech recogniser that transformers' pipeline loads, from a local folder or the hub."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
import transformers
from jaxtyping import Float
from torch import Tensor

from study.corpus.lengths import WHOLE_SECONDS
from study.corpus.utterance import Utterance
from study.errors import UserError
from study.features.audio import read_audio
from study.features.content import digest
from study.features.huggingface import RECOGNISER, folder_digest, loaded, model_folder, model_name, quiet
from study.features.model_faults import encoding_fault
from study.inference.recording import words_of
from study.inference.silence import SILENCE, is_silent

# Recognisers that read whole waveforms are given longer ones in overlapping pieces.
PIECE_SECONDS = 30.0
# Below this, convolutions over the waveform have nothing to read.
SHORTEST_SECONDS = 0.1
KIND = "a speech recogniser (Whisper, or wav2vec 2.0 and its relatives with a CTC head)"


class Recogniser:
    """A frozen speech recogniser. Its weights are read at first use; threads may share it."""

    def __init__(self, spec: str, trust_remote_code: bool = False) -> None:
        """The recogniser in the folder, or of the hub id, `spec`.

        Raises:
            UserError: there is no such model.
        """
        self.spec, self._trust = spec, trust_remote_code
        self._folder = model_folder(spec, RECOGNISER)
        self.name = model_name(spec, self._folder)
        # Generation keeps state in the model.
        self._lock = threading.Lock()

    @cached_property
    def digest(self) -> str:
        """sha256 of what its words depend on besides the audio."""
        return digest([folder_digest(self._folder), str(SILENCE), str(PIECE_SECONDS)])

    def load(self) -> None:
        """Read the weights, and recognise a second of silence and one of noise.

        Raises:
            UserError: the files are not a speech recogniser's, or it fails on noise.
        """
        noise = 0.1 * torch.randn(self._rate_hz, generator=torch.Generator().manual_seed(0))
        try:
            self._recognised(noise)
        except Exception as error:  # of the model's code, for whatever its files have
            raise encoding_fault(repr(self.spec), "a second of noise", error, RECOGNISER.noun) from error

    def words(self, utterance: Utterance) -> str:
        """What is said in the utterance's audio; empty where it is silent, or where nothing is recognised.

        Raises:
            UserError: the audio cannot be read, or the model fails on it.
        """
        samples = read_audio(utterance, self._rate_hz)
        if is_silent(samples, self._rate_hz):
            return ""
        try:
            return words_of(self._recognised(samples))
        except Exception as error:  # of the model's code, for whatever its files and this audio have
            raise encoding_fault(
                repr(self.spec), f"{utterance.audio} (utterance {utterance.id})", error, RECOGNISER.noun
            ) from error

    @property
    def _rate_hz(self) -> int:
        return int(self._pipeline.feature_extractor.sampling_rate)

    @cached_property
    def _pipeline(self) -> Any:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        found = loaded(
            self.spec,
            self._folder,
            KIND,
            lambda: transformers.pipeline(
                "automatic-speech-recognition",
                model=str(self._folder),
                device=device,
                dtype=torch.float32,
                trust_remote_code=self._trust,
            ),
        )
        if not hasattr(found.feature_extractor, "sampling_rate"):
            raise UserError(f"expected {KIND} in {self.spec!r}, found one without sampling rate; pass another model")
        return found

    def _recognised(self, samples: Float[Tensor, " samples"]) -> str:
        """The text of some samples, as the model writes it; very few are followed by silence."""
        samples = torch.nn.functional.pad(samples, (0, max(0, round(SHORTEST_SECONDS * self._rate_hz) - len(samples))))
        with self._lock, quiet(), torch.inference_mode():
            found = self._pipeline(
                {"raw": samples.numpy(), "sampling_rate": self._rate_hz}, **self._options(len(samples))
            )
        return str(found["text"])

    def _options(self, n_samples: int) -> Mapping[str, Any]:
        """How the pipeline reads audio of this length."""
        seconds = n_samples / self._rate_hz
        if self._pipeline.type == "seq2seq_whisper":
            # Beyond its window of 30 s, Whisper goes on by its own time stamps.
            return {"return_timestamps": True} if seconds > PIECE_SECONDS else {}
        return {"chunk_length_s": PIECE_SECONDS} if self._pipeline.type == "ctc" and seconds > WHOLE_SECONDS else {}

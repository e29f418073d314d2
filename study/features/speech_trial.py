"""What a speech encoder makes of audio: the dimensions of its frames, its layers, and where its frames lie in time.

That is measured, since configurations do not say: adapters, pooling and squeezed layers change the rate of the output,
of the layers, or of both. What is measured is a pass of the model's own code over a few seconds of noise on PyTorch's
meta device, where tensors have shapes and no values. So no weights are read, and the pass takes a fraction of a second.
Only where a model's code needs values are its weights read for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor

from study.errors import UserError, type_and_line
from study.features.frame_timing import Seen, Trial, as_frames
from study.features.huggingface import AUDIO_PARTS, configured, loaded, tried
from study.features.model_faults import LONGEST_CAUSE
from study.features.speech_inputs import given_inputs, main_input, noise, time_axis, window_samples

KIND = "a speech encoder"
# Two lengths differ by a whole number of frames of 20, 24, 40, 80, 120 and 160 ms, at every usual sample rate.
SHORT_SECONDS, DIFFERENCE_SECONDS = 1.28, 15.36
SHORTEST_SECONDS = tuple(0.01 * 2**power for power in range(8))
MASK = "attention_mask"


def trial(spec: str, folder: Path, trust_remote_code: bool) -> Trial:
    """What the encoder in `folder` makes of noise. A command asks for it once for every layer and rate.

    Raises:
        UserError: the model gives no frames for what its feature extractor makes of audio.
    """
    return _trial_as_of(spec, folder, trust_remote_code, configured(folder))


@lru_cache(16)
def _trial_as_of(spec: str, folder: Path, trust_remote_code: bool, state: object) -> Trial:
    how: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    config, extractor = loaded(
        spec,
        folder,
        KIND,
        lambda: (AutoConfig.from_pretrained(folder, **how), AutoFeatureExtractor.from_pretrained(folder, **how)),
    )
    try:
        attempt = partial(_tried, spec, extractor)
        return tried(attempt, spec, folder, KIND, config, trust_remote_code, AUDIO_PARTS)
    except UserError:
        raise
    except Exception as error:  # of the model's code and the extractor's, for whatever the folder has
        raise UserError(
            f"a speech encoder gives hidden states for what its feature extractor makes of audio; {spec!r}, a "
            f"{config.model_type} model with a {type(extractor).__name__}, does not "
            f"({type_and_line(error)[:LONGEST_CAUSE]}); pass another audio encoder, or the part "
            "that reads audio, saved as a model of its own"
        ) from error


def _tried(spec: str, extractor: Any, model: Any) -> Trial:
    axis = time_axis(extractor)
    able: Callable[[Tensor], object]
    if axis is None:
        n_samples = window_samples(extractor)
        seen = _seen(extractor, model, 0, noise(extractor, n_samples / extractor.sampling_rate))
        short, long, able = seen, seen, len
    else:
        short, long = (
            _seen(extractor, model, axis, noise(extractor, seconds))
            for seconds in (SHORT_SECONDS, SHORT_SECONDS + DIFFERENCE_SECONDS)
        )
        able = partial(_seen, extractor, model, axis)
    return Trial(spec, model.config, extractor.sampling_rate, short, long, _shortest(extractor, able, axis))


def _shortest(extractor: Any, able: Callable[[Tensor], object], axis: int | None) -> int:
    """The fewest samples, of some lengths, that extractor and model are `able` to take."""
    error: Exception | None = None
    for seconds in ([0.0] if axis is None else []) + list(SHORTEST_SECONDS):
        samples = noise(extractor, seconds)
        try:
            # Some extractors divide by a deviation over time, of which a single frame has none.
            if not main_input(given_inputs(extractor, samples)).isfinite().all():
                raise ValueError(f"values of {seconds:g} s of audio that are not finite")
            able(samples)
        except Exception as found:  # of whatever class the extractor and the model raise
            error = found
        else:
            return len(samples)
    raise ValueError(f"not even {SHORTEST_SECONDS[-1]:g} s of audio give a frame") from error


@torch.inference_mode()
def _seen(extractor: Any, model: Any, axis: int, samples: Float[Tensor, " samples"]) -> Seen:
    """A pass over one utterance; masks are left out, since some code looks at their values.

    Raises:
        ValueError: no frames.
    """
    inputs = given_inputs(extractor, samples)
    device = next(model.parameters()).device
    there = {name: values.to(device) for name, values in inputs.items() if name != MASK or device.type != "meta"}
    output = model(**there, output_hidden_states=True)
    if getattr(output, "last_hidden_state", None) is None:
        raise ValueError(f"{type(model).__name__} gives no last_hidden_state")
    if not len(as_frames(model.config, output.last_hidden_state)):
        raise ValueError("no frames")
    return Seen(len(samples), main_input(inputs).shape[axis], _shapes(output))


@dataclass(frozen=True)
class _Shapes:
    """The part of a model's output that frames come from, without values."""

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...]


def _shapes(output: Any) -> _Shapes:
    states = getattr(output, "hidden_states", None) or ()
    return _Shapes(output.last_hidden_state.to("meta"), tuple(state.to("meta") for state in states))

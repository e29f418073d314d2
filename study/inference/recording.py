"""What a caller gives to predict on, as utterances: files, arrays, dictionaries, and words alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from study.corpus.container import CONTAINERS, is_container
from study.corpus.quoting import path_text, quoted
from study.corpus.sound import SOUND_FILES
from study.corpus.utterance import NO_FILE, NO_VIDEO, Utterance, Video
from study.errors import UserError
from study.inference.door import named

SOUND = (*SOUND_FILES, *CONTAINERS)
ARRAY_KEYS = ("raw", "array")
# Decoders and resampling overshoot full scale by less; beyond are numbers of another scale.
LARGEST_OVERSHOOT = 2.0


def words_of(text: str) -> str:
    """Words as a corpus's reader gives them: with single spaces."""
    return " ".join(text.split())


def utterance_of(
    path: Path, text: str | None, id: str = "", start: float | None = None, end: float | None = None
) -> Utterance:
    """The utterance in a file or in a span of it, with its words; a container such as mp4 is also its film."""
    return Utterance(
        id=id or path.name or "text",
        audio=path,
        words=words_of(text or ""),
        label="",
        speaker="",
        group="",
        start=start,
        end=end,
        video=Video(path, start, end) if is_container(path) else NO_VIDEO,
    )


def require_sound(path: Path) -> None:
    """Make sure that a path is a file of sound, by its name.

    Raises:
        UserError: there is no such file, or it is of a format that is not read.
    """
    shown = path_text(path)
    if not path.is_file():
        raise UserError(f"a recording is a file, and {shown} {'is a folder' if path.is_dir() else 'does not exist'}")
    if path.suffix.lower() not in SOUND:
        known = ", ".join(suffix[1:] for suffix in SOUND)
        raise UserError(f"recordings are read as {known}; found {shown}: convert it, as `ffmpeg -i {path.name} a.wav`")


@contextmanager
def given(inputs: Any, text: str | None, sampling_rate: int | None = None) -> Iterator[Utterance]:
    """The utterance of a path, of samples, of a dictionary of samples and rate, or (None) of words alone.

    Samples are written to a file while the block runs, so that one way leads from a recording to its frames.

    Raises:
        UserError: the input is none of these.
    """
    if isinstance(inputs, Mapping):
        inputs, sampling_rate = _of_dictionary(inputs)
    if inputs is None:
        yield utterance_of(NO_FILE, text)
    elif isinstance(inputs, str | Path):
        path = Path(inputs)
        require_sound(path)
        yield utterance_of(path, text)
    else:
        samples, rate_hz = _checked(inputs, sampling_rate)
        with tempfile.TemporaryDirectory(prefix="ser-study-") as folder:
            path = Path(folder) / "array.wav"
            soundfile.write(path, samples, rate_hz, subtype="FLOAT")
            with named(path, "the array of samples"):
                yield utterance_of(path, text, "array")


def _of_dictionary(found: Mapping[str, Any]) -> tuple[Any, Any]:
    samples = next((found[key] for key in ARRAY_KEYS if found.get(key) is not None), None)
    if samples is None or "sampling_rate" not in found:
        keys = quoted(sorted(map(str, found)))
        raise UserError(f'a dictionary has "raw" or "array", and "sampling_rate"; found the keys {keys}')
    return samples, found["sampling_rate"]


def _checked(samples: Any, sampling_rate: Any) -> tuple[np.ndarray, int]:
    law = "samples are one channel of numbers with their sampling_rate in Hz"
    try:
        array = np.asarray(samples)
    except Exception as error:  # of whatever a caller passes
        raise UserError(f"{law}; found {type(samples).__name__}") from error
    if array.dtype.kind != "f" and array.dtype not in (np.int16, np.int32):
        raise UserError(f"{law}: floats in -1..1, int16 or int32; found type {array.dtype}")
    if array.ndim != 1 or not len(array):
        raise UserError(f"{law}; found shape {list(array.shape)}")
    if array.dtype.kind == "f" and np.abs(array).max() > LARGEST_OVERSHOOT:
        raise UserError(
            f"{law}: floats in -1..1; found values to {np.abs(array).max():.3g}: divide them by the largest value of "
            "their format, 32768 for 16 bits"
        )
    if array.dtype.kind == "i":
        array = array / (float(np.iinfo(array.dtype).max) + 1)
    is_number = isinstance(sampling_rate, int | float | np.integer | np.floating)
    if not is_number or not float(sampling_rate).is_integer() or sampling_rate <= 0:
        raise UserError(f"{law}; found sampling_rate {sampling_rate!r}")
    return array.astype(np.float32), int(sampling_rate)

"""Opens recordings of every format: the one place where sound is decoded.

Sound files are read by libsndfile, and containers such as mp4 by PyAV, see `study.corpus.container`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from study.corpus import mp3
from study.corpus.container import decoding_errors, is_container, opened, reason_of

# What libsndfile reads of the formats that people record in, by the ends of file names.
SOUND_FILES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64", ".sph")
# After a jump a decoder needs some sound before it is exact; the declared end may be rounded.
LEAD_SECONDS, ROUNDING_SECONDS = 0.5, 0.25
# In libsndfile's log, the bytes of sound that the header states and those that are there; recorders that stream write
# all ones for a length that they do not know yet.
_CUT = re.compile(r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)
_LENGTH_UNKNOWN = 0x7FFFF000


class SoundError(Exception):
    """A file's sound cannot be decoded; the text is one line that says why, without the file's name."""


class Sound(Protocol):
    """An open recording: samples per second, length in samples, number of channels; and the length by its header."""

    rate_hz: int
    frames: int
    channels: int
    stated_frames: int

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """The samples [stop - start, channels] in -1..1; fewer where the file ends before."""


@contextmanager
def open_sound(path: Path) -> Iterator[Sound]:
    """The recording in a file, closed after the block.

    Raises:
        SoundError: it cannot be decoded; also from `read`, in the block.
    """
    open_file = _container if is_container(path) else _sound_file
    try:
        with open_file(path) as sound:
            yield sound
    except decoding_errors() as error:
        raise SoundError(reason_of(path, error, "sound")) from error


@contextmanager
def _sound_file(path: Path) -> Iterator[Sound]:
    with soundfile.SoundFile(path) as file:
        held = mp3.held_samples(path, file.frames) if file.format == "MP3" else file.frames
        yield _SoundFile(file) if held == file.frames else _Mp3(path, file, held)


class _SoundFile:
    """A file that libsndfile reads."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.rate_hz, self.frames, self.channels = file.samplerate, file.frames, file.channels
        # libsndfile corrects the length of a file that was cut off, and notes it in its log alone.
        cut = _CUT.search(file.extra_info)
        lost = int(cut[1]) / max(1, int(cut[2])) if cut and int(cut[1]) < _LENGTH_UNKNOWN else 1.0
        self.stated_frames = round(self.frames * lost)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        self._file.seek(start)
        samples: NDArray[np.float32] = self._file.read(stop - start, dtype="float32", always_2d=True)
        return samples


class _Mp3:
    """An MP3 whose header is wrong."""

    def __init__(self, path: Path, file: Any, held: int) -> None:
        self._path = path
        self.rate_hz, self.channels = file.samplerate, file.channels
        self.frames, self.stated_frames = held, file.frames

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        return mp3.decode(self._path)[start:stop]


@contextmanager
def _container(path: Path) -> Iterator[Sound]:
    yield _Container(path)


class _Container:
    """The first audio track of a file that FFmpeg reads; each reading opens it anew, since decoders have a memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as (_, stream):
            self.rate_hz, self.channels = int(stream.rate or 0), int(stream.channels)
            # What a track declares; the length of a whole file may be that of its pictures.
            declared = float(stream.duration * stream.time_base) if stream.duration else None
        self.frames = len(self._decoded(0, None)[1]) if declared is None else round(declared * self.rate_hz)
        self.stated_frames = self.frames

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        first, samples = self._decoded(start, stop)
        if first > start:  # the jump went too far
            first, samples = self._decoded(0, stop)
        found = samples[max(0, start - first) : max(0, stop - first)]
        if len(found) < stop - start - ROUNDING_SECONDS * self.rate_hz:
            seconds = f"{len(found) / self.rate_hz:.2f} of {(stop - start) / self.rate_hz:.2f} s"
            raise SoundError(f"it is cut off or damaged: {seconds} can be decoded")
        return found

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        with opened(self._path) as container:
            if not container.streams.audio:
                raise SoundError("it has no audio track")
            yield container, container.streams.audio[0]

    def _decoded(self, start: int, stop: int | None) -> tuple[int, NDArray[np.float32]]:
        """The place of the first decoded sample, at or before `start`, and the samples from there to `stop` or more."""
        import av

        first, length = 0, 0
        parts: list[NDArray[np.float32]] = []
        with self._opened() as (container, stream):
            jumps = self._jump(container, stream, start)
            resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=self.rate_hz)
            for frame in container.decode(stream):
                if jumps and not parts:
                    first = (frame.pts or 0) - (stream.start_time or 0)
                for piece in resampler.resample(frame):
                    parts.append(piece.to_ndarray())
                    length += piece.samples
                if stop is not None and first + length >= stop:
                    break
        samples = np.concatenate(parts, 1) if parts else np.zeros((self.channels, 0), np.float32)
        return first, np.ascontiguousarray(samples.T)

    def _jump(self, container: Any, stream: Any, start: int) -> bool:
        """Go to a place before `start`; not where times are too coarse to find a sample by, as in mkv."""
        lead = round(LEAD_SECONDS * self.rate_hz)
        jumps = start > lead and bool(stream.time_base == Fraction(1, self.rate_hz))
        if jumps:
            container.seek((stream.start_time or 0) + start - lead, stream=stream)
        return jumps

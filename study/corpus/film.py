"""Opens films of every format: the one place where pictures are decoded, by PyAV.

Pictures are found by their times and never by their numbers, since films have any rate, and some none that is constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.corpus.container import CONTAINERS, SOUND_ALONE, decoding_errors, is_container, is_cover, opened, reason_of

Picture = NDArray[np.uint8]  # [height, width, 3], red, green and blue
# Larger pictures are brought to this length of their shorter side: encoders read less, and memory is kept small.
SHORT_SIDE = 480
# The side data of a frame that say how it is turned and mirrored to be shown, as in films of telephones.
DISPLAY_MATRIX = "DISPLAYMATRIX"
# A picture that is so much later is reached by a jump; one that is nearer, by reading on.
LEAP_SECONDS = 10.0
# How long the last picture may have to stand for those that are missing at the end: declared lengths are rounded, and
# are those of the sound.
ROUNDING_SECONDS = 0.5


class FilmError(Exception):
    """A film cannot be decoded; the text is one line that says why, without the file's name."""


@contextmanager
def open_film(path: Path) -> Iterator[Film]:
    """The film in a file, closed after the block.

    Raises:
        FilmError: it cannot be decoded, or has no pictures.
    """
    if not is_container(path):
        known = ", ".join(suffix[1:] for suffix in CONTAINERS if suffix not in SOUND_ALONE)
        raise FilmError(f"films are read as {known}")
    with _in_one_line(path):
        container = opened(path)
    with container:
        if not (pictures := [stream for stream in container.streams.video if not is_cover(stream)]):
            raise FilmError("it has no film, only sound" if container.streams.audio else "it has no film")
        yield Film(path, container, pictures[0])


class Film:
    """An open film. It reads forward, and jumps where a picture is before the last one or far behind it."""

    def __init__(self, path: Path, container: Any, stream: Any) -> None:
        """Takes the open container of `path` and its stream of pictures."""
        self._path, self._container, self._stream = path, container, stream
        stream.thread_count = 1  # as many films are read at once as there are cores
        self._begin = float((stream.start_time or 0) * stream.time_base)
        self._pictures: Iterator[_Timed] = iter(())
        self._before: _Timed | None = None
        self._after: _Timed | None = None

    @cached_property
    def seconds(self) -> float:
        """How long it lasts by its header; where that does not say, by its packets.

        Raises:
            FilmError: it cannot be read.
        """
        with _in_one_line(self._path):
            return self._length()

    def _length(self) -> float:
        if self._stream.duration:
            # FFmpeg corrects the length of an AVI file that was cut off, and not its number of pictures.
            counted = float(self._stream.frames / self._stream.average_rate) if self._stream.average_rate else 0.0
            return max(float(self._stream.duration * self._stream.time_base), counted)
        if self._container.duration:
            return float(self._container.duration) / 1e6
        last = 0.0
        self._container.seek(0)
        for packet in self._container.demux(self._stream):
            if packet.pts is not None:
                last = max(last, float((packet.pts + (packet.duration or 0)) * self._stream.time_base) - self._begin)
        self._before = self._after = None
        return last

    def pictures_at(self, seconds: Sequence[float]) -> Iterator[Picture]:
        """The picture nearest to each of these times, which are seconds from the film's beginning and do not fall.

        Raises:
            FilmError: the film ends before, or cannot be decoded.
        """
        for moment in seconds:
            with _in_one_line(self._path):
                picture = self._nearest(moment).picture()
            yield picture

    def _nearest(self, seconds: float) -> _Timed:
        if self._before is None or not self._before.seconds <= seconds <= self._before.seconds + LEAP_SECONDS:
            self._jump(seconds)
        while self._after is not None and self._after.seconds < seconds:
            self._before, self._after = self._after, next(self._pictures, None)
        before, after = self._before, self._after
        if before is None:
            raise FilmError("it is cut off or damaged: no picture can be decoded")
        if after is None and seconds > before.seconds + before.shown + ROUNDING_SECONDS:
            raise FilmError(f"it is cut off or damaged: its last picture is at {before.seconds:.2f} s")
        return after if after is not None and after.seconds - seconds < seconds - before.seconds else before

    def _jump(self, seconds: float) -> None:
        """Go to the last picture before a time that can be decoded without others, or to the film's beginning."""
        for target in (seconds, 0.0):
            place = round((max(0.0, target) + self._begin) / self._stream.time_base)
            self._container.seek(place, stream=self._stream)
            self._pictures = self._decoded()
            self._before = next(self._pictures, None)
            self._after = next(self._pictures, None)
            if self._before is not None and self._before.seconds <= seconds:
                return

    def _decoded(self) -> Iterator[_Timed]:
        rate = float(self._stream.average_rate or 25)
        seconds = -1 / rate
        for frame in self._container.decode(self._stream):
            stamp = frame.pts if frame.pts is not None else frame.dts
            # Some streams of AVI files have pictures without a time.
            seconds = seconds + 1 / rate if stamp is None else float(stamp * self._stream.time_base) - self._begin
            yield _Timed(seconds, float((frame.duration or 0) * self._stream.time_base), frame)


@dataclass(frozen=True)
class _Timed:
    """A decoded picture: when it comes, how long it is shown (0 where that is not known), and its frame."""

    seconds: float
    shown: float
    frame: Any

    def picture(self) -> Picture:
        width, height = self.frame.width, self.frame.height
        if (shorter := min(width, height)) > SHORT_SIDE:
            width, height = (max(1, round(side * SHORT_SIDE / shorter)) for side in (width, height))
        found: Picture = self.frame.to_ndarray(format="rgb24", width=width, height=height)
        matrix = self.frame.side_data.get(DISPLAY_MATRIX)
        return found if matrix is None else upright(found, np.frombuffer(matrix, np.int32))


def upright(picture: Picture, matrix: NDArray[np.int32]) -> Picture:
    """The picture as it is shown, turned by quarters and mirrored by FFmpeg's display matrix of nine numbers.

    A point (x, y), y downwards, is shown at (a x + c y, b x + d y), where `matrix` is a, b, _, c, d, ...
    """
    a, b, _, c, d = matrix[:5].tolist()
    is_turned = abs(b) > abs(a)
    right, down = (c, b) if is_turned else (a, d)
    turned = picture.swapaxes(0, 1) if is_turned else picture
    return np.ascontiguousarray(turned[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


@contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    """The block in which errors of the decoder become a FilmError."""
    try:
        yield
    except decoding_errors() as error:
        raise FilmError(reason_of(path, error, "a film")) from error

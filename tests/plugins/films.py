"""Small films with pictures that are known, at any rate of pictures."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

Paint = Callable[[float], np.ndarray]  # seconds -> picture [height, width, 3]
CODECS = {".mp4": "libx264", ".avi": "mpeg4", ".mkv": "libx264"}


def grey(level: float, height: int = 32, width: int = 32) -> np.ndarray:
    return np.full((height, width, 3), round(level), np.uint8)


def write_film(
    path: Path,
    paint: Paint,
    seconds: float,
    rate: float | Fraction = 25,
    times: Iterable[float] | None = None,
    samples: np.ndarray | None = None,
    degrees: int = 0,
    mirrored: bool = False,
) -> Path:
    """A film of what `paint` gives for each picture's time; `times` in the place of even ones; `samples` at 16 kHz.

    Its pictures are shown turned by `degrees`, counterclockwise, and then mirrored.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fraction = Fraction(rate).limit_denominator(1001)
    moments = list(times) if times is not None else [n / float(fraction) for n in range(round(seconds * fraction))]
    first = paint(0.0)
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream(CODECS[path.suffix], rate=fraction)
        stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
        stream.gop_size, stream.bit_rate = 12, 2_000_000
        if degrees or mirrored:
            stream.set_display_rotation(degrees, hflip=mirrored)
        sound = container.add_stream("aac", rate=16_000, layout="mono") if samples is not None else None
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, moment in enumerate(moments):
            frame = av.VideoFrame.from_ndarray(paint(moment), format="rgb24")
            frame.pts = number if times is None else round(moment * 1000)
            if times is not None:
                frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None and samples is not None:
            piece = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.pts = 16_000, 0
            container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
    return path

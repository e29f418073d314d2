"""MP3 files whose header is wrong about their length, such as of variable rate without one, or of joined parts.

libsndfile trusts the header, and where there is none, it takes the rate of the first frame for all: it would read a
part of such a file. FFmpeg (PyAV) reads every frame.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Encoders pad the first and the last frame; libsndfile cuts that off, and the frames have it.
PADDING_SECONDS = 0.25


def held_samples(path: Path, stated: int) -> int:
    """How many samples (of each channel) the file really holds: as many as `stated` where only padding differs.

    Raises:
        OSError, ValueError: FFmpeg cannot read the file.
    """
    with _opened(path) as file:
        stream = file.streams.audio[0]
        ticks = sum(packet.duration or 0 for packet in file.demux(stream))
        held = round(float(ticks * (stream.time_base or 0)) * stream.rate)
        if abs(held - stated) <= PADDING_SECONDS * stream.rate:
            return stated
    return len(decode(path))


def decode(path: Path) -> NDArray[np.float32]:
    """All samples of the file, [samples, channels].

    Raises:
        OSError, ValueError: FFmpeg cannot decode the file.
    """
    with _opened(path) as file:
        blocks = [frame.to_ndarray() for frame in file.decode(file.streams.audio[0])]
    # MP3 is decoded to planes of floats, a row for each channel.
    return np.ascontiguousarray(np.concatenate(blocks, axis=1).T, dtype=np.float32)


def _opened(path: Path) -> Any:
    import av

    # "file:", so that no name is taken for an address.
    return av.open(f"file:{path.absolute()}", format="mp3", metadata_errors="replace")

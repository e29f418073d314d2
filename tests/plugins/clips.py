"""Small films and recordings in containers, written by the encoder that FFmpeg brings."""

from pathlib import Path

import av
import numpy as np


def tone(seconds: float, tone_hz: float = 440.0, rate_hz: int = 48_000) -> np.ndarray:
    """A tone that becomes louder, so that its parts differ."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.4 * np.sin(2 * np.pi * tone_hz * time) * (1 + time / seconds) / 2).astype(np.float32)


def write_clip(path: Path, samples: np.ndarray | None, rate_hz: int = 48_000, film: bool = True) -> Path:
    """A file with these samples as its sound in two equal channels (None: without an audio track), and 8 pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=rate_hz, layout="stereo") if samples is not None else None
        pictures = container.add_stream("mpeg4", rate=8) if film else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 16, 16, "yuv420p"
            for number in range(8):
                picture = av.VideoFrame.from_ndarray(np.full((16, 16, 3), number, np.uint8), format="rgb24")
                picture.pts = number
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        if sound is not None and samples is not None:
            frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate_hz, 0
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def cut_off(path: Path, share: float) -> Path:
    """The file with its first part alone, its index before the sound so that it still opens."""
    whole = path.with_name(f"whole-{path.name}")
    with av.open(str(path)) as given, av.open(str(whole), "w", options={"movflags": "faststart"}) as container:
        stream = given.streams.audio[0]
        copy = container.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
    data = whole.read_bytes()
    whole.unlink()
    path.write_bytes(data[: round(len(data) * share)])
    return path

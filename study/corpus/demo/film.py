"""Makes the films of the demo corpus: `python -m study.corpus.demo.film [--out DIR]`.

Writes video/<speaker>.mp4, in which a drawn face speaks one utterance of that speaker after the other, and adds the
columns about films to manifest.csv and the files to CHECKSUMS.sha256. It needs the audio, for its lengths. Bytes are
reproducible with equal versions of PyAV.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import soundfile

from study.corpus.demo import MANIFEST
from study.corpus.demo.casting import SEED
from study.corpus.demo.faces import SIDE, face_of, pictures

RATE_HZ = 5
CHECKSUMS = "CHECKSUMS.sha256"
COLUMNS = ("video", "video_start", "video_end")
# One key picture in ten seconds, constant quality 30: about 100 bytes for a picture. It does not look ahead, since the
# bytes would then depend on the state of memory.
X264 = "threads=1:lookahead-threads=1:mbtree=0:rc-lookahead=0"
OPTIONS = {"crf": "30", "preset": "slow", "g": "50", "x264-params": X264}
FACES = 1  # the stream of random numbers of looks and faces; that of voices is another


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 after one line about what is missing."""
    parser = argparse.ArgumentParser(prog="python -m study.corpus.demo.film", description=__doc__)
    parser.add_argument("--out", type=Path, default=MANIFEST.parent, help="folder of the corpus (default: the package)")
    out: Path = parser.parse_args(arguments).out
    try:
        add_films(out)
    except OSError as error:
        print(f"films are made beside the manifest and the audio; {out}: {error}; give another --out", file=sys.stderr)
        return 2
    return 0


def add_films(out: Path) -> None:
    """Write the films of the corpus in the folder `out`, and name them in its manifest and checksums.

    Raises:
        OSError: manifest or audio cannot be read, or the folder cannot be written.
    """
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    speakers = sorted({row["speaker"] for row in rows})
    (out / "video").mkdir(exist_ok=True)
    for number, speaker in enumerate(speakers):
        own = [(index, row) for index, row in enumerate(rows) if row["speaker"] == speaker]
        write_film(out, number, speaker, own)
    with (out / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    names = (*(row["file_name"] for row in rows), *(f"video/{speaker}.mp4" for speaker in speakers), "manifest.csv")
    sums = (f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (out / CHECKSUMS).write_text("".join(sums), encoding="utf-8")


def write_film(out: Path, number: int, speaker: str, rows: Sequence[tuple[int, dict[str, str]]]) -> None:
    """The film of a speaker; each row is given its file and its seconds there."""
    face = face_of(np.random.default_rng([SEED, FACES, number]))
    name, done = f"video/{speaker}.mp4", 0
    container_options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(out / name), "w", options=container_options) as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options=OPTIONS)
        stream.width = stream.height = SIDE
        stream.thread_count = 1  # the bytes depend on the number of threads
        stream.pix_fmt = "yuv420p"
        for index, row in rows:
            n_pictures = int(np.ceil(soundfile.info(str(out / row["file_name"])).duration * RATE_HZ))
            rng, times = np.random.default_rng([SEED, FACES, number, index]), np.arange(n_pictures) / RATE_HZ
            for picture in pictures(rng, face, row["label"], times):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = done
                done += 1
                container.mux(stream.encode(frame))
            span = ((done - n_pictures) / RATE_HZ, done / RATE_HZ)
            row |= dict(zip(COLUMNS, (name, *(f"{seconds:g}" for seconds in span)), strict=True))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    sys.exit(main())

"""Makes the demo corpus: `python -m study.corpus.demo.generate [--out DIR]`.

Writes audio/<utterance_id>.ogg, manifest.csv and CHECKSUMS.sha256, and then the films, see `study.corpus.demo.film`.
Needs the extra `demo-audio` (espeak-ng, a tool of this script only). Bytes are reproducible with equal versions of
espeak-ng, libsndfile and PyAV.
"""

import argparse
import csv
import hashlib
import io
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import resample_poly

from study.corpus.demo import MANIFEST, espeak, ogg
from study.corpus.demo.casting import SEED, Line, cast, read_sentences
from study.corpus.demo.film import add_films
from study.corpus.demo.prosody import SPEAKERS, manner, marked
from study.errors import UserError

RATE_HZ = 16_000
# libsndfile's scale from 0 (largest) to 1: about 22 kb/s for Opus at 16 kHz, one channel.
COMPRESSION = 0.95
SILENCE_BEFORE_SECONDS = 0.10
SILENCE_AFTER_SECONDS = 0.16
AUDIBLE = 0.01  # of the loudest sample: -40 dB
ROOM_NOISE = 0.0008  # root mean square of the hiss under everything, full scale 1: about -62 dB
COLUMNS = ("file_name", "utterance_id", "label", "text", "speaker", "group", "script")

Audio = npt.NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 after one line about what is missing."""
    parser = argparse.ArgumentParser(prog="python -m study.corpus.demo.generate", description=__doc__)
    parser.add_argument("--out", type=Path, default=MANIFEST.parent, help="folder to write to (default: the package)")
    out: Path = parser.parse_args(arguments).out
    try:
        (out / "audio").mkdir(parents=True, exist_ok=True)
        lines = cast(read_sentences(MANIFEST.parent / "sentences.csv"))
        write(out, lines, speak(lines))
        add_films(out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"the corpus needs a folder it can write to; {out}: {error.strerror}; give another --out", file=sys.stderr
        )
        return 2
    return 0


def speak(lines: Sequence[Line]) -> list[Audio]:
    """The audio of each line at 16 kHz, full scale 1, trimmed and with a faint hiss."""
    generators = [np.random.default_rng([SEED, index]) for index in range(len(lines))]
    orders = [
        (SPEAKERS[line.speaker].voice, marked(line.text, manner(rng, SPEAKERS[line.speaker], line.sounds)))
        for line, rng in zip(lines, generators, strict=True)
    ]
    # A new process: the synthesiser's output depends on all that the process has synthesised before.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        rate_hz, recordings = pool.submit(espeak.synthesise, orders).result()
    return [finished(samples, rate_hz, rng) for samples, rng in zip(recordings, generators, strict=True)]


def finished(samples: espeak.Samples, rate_hz: int, rng: np.random.Generator) -> Audio:
    """Samples at the corpus's rate, with pauses at both ends and room noise."""
    common = np.gcd(rate_hz, RATE_HZ)
    audio: Audio = resample_poly(samples / 32768.0, RATE_HZ // common, rate_hz // common)
    audible = np.flatnonzero(np.abs(audio) > AUDIBLE * np.abs(audio).max())
    before, after = round(SILENCE_BEFORE_SECONDS * RATE_HZ), round(SILENCE_AFTER_SECONDS * RATE_HZ)
    audio = np.pad(audio[audible[0] : audible[-1] + 1], (before, after))
    return audio + ROOM_NOISE * rng.standard_normal(len(audio))


def write(out: Path, lines: Sequence[Line], recordings: Sequence[Audio]) -> None:
    """Write the audio files into the folder `out`/audio, which exists, and manifest and checksums into `out`."""
    names = [f"audio/{line.utterance_id}.ogg" for line in lines]
    for serial, (name, audio) in enumerate(zip(names, recordings, strict=True)):
        (out / name).write_bytes(ogg.with_serial(_encoded(audio), serial))
    with (out / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, line in zip(names, lines, strict=True):
            table.writerow((name, *(getattr(line, column) for column in COLUMNS[1:])))
    sums = (f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in (*names, "manifest.csv"))
    (out / "CHECKSUMS.sha256").write_text("".join(sums), encoding="utf-8")


def _encoded(audio: Audio) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, RATE_HZ, format="OGG", subtype="OPUS", compression_level=COMPRESSION)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())

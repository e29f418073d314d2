"""A sheet of the demo's faces: `python -m study.corpus.demo.sheet docs/faces.png`.

A row for each class, in the order of the corpus, and a column for each speaker: the middle picture of the first
utterance.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from study.corpus.demo import MANIFEST
from study.corpus.demo.casting import CLASSES
from study.corpus.film import open_film


def main(path: Path) -> None:
    """Write the sheet to `path`."""
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = {(row["label"], row["speaker"]): row for row in reversed(rows)}
    speakers = sorted({row["speaker"] for row in rows})
    pictures = [[_middle(first[label, speaker]) for speaker in speakers] for label in CLASSES]
    imsave(path, np.concatenate([np.concatenate(row, axis=1) for row in pictures]))


def _middle(row: dict[str, str]) -> np.ndarray:
    with open_film(MANIFEST.parent / row["video"]) as film:
        (picture,) = film.pictures_at([(float(row["video_start"]) + float(row["video_end"])) / 2])
    return picture


if __name__ == "__main__":
    main(Path(sys.argv[1]))

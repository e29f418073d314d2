"""A corpus that costs little to encode: short tones in noise, with a few words each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.corpus.utterance import Corpus, Utterance

WORDS = "hello there dog cat house angry happy sad what a day".split()


@pytest.fixture(scope="session")
def write_tones() -> Callable[..., Corpus]:
    """The function that writes such a corpus: `write_tones(folder, size=80)`, the same for the same size."""
    return tones_in


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """80 utterances of .1 to .3 s with 0 to 8 words. Read only."""
    return tones_in(tmp_path_factory.mktemp("tones"))


def tones_in(folder: Path, size: int = 80) -> Corpus:
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    utterances = []
    for number in range(size):
        n_samples = int(generator.integers(1600, 4800))
        tone = 0.2 * np.sin(2 * np.pi * (100 + number) * np.arange(n_samples) / 16_000)
        path = folder / f"{number}.wav"
        samples = tone + 0.01 * generator.standard_normal(n_samples)
        soundfile.write(path, samples, 16_000)
        words = " ".join(generator.choice(WORDS, number % 9))
        utterances.append(Utterance(f"u{number:03d}", path, words, "sad", "1F", "1"))
    return Corpus("tones", ("sad",), tuple(utterances))

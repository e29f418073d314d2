"""What is planted in films is learnt through the whole way, from the file to the score, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search_spaces.recipe import Recipe
from study.corpus.utterance import Corpus, Utterance, Video
from study.features.pack import Pack
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.modalities import VIDEO
from study.training.batches import fold_data
from study.training.loop import begin, train_fold
from study.variants import VARIANTS
from tests.plugins.films import grey, write_film
from tests.training.small import CONFIG

N, N_CLASSES = 150, 3
CHANCE = 1 / N_CLASSES
RECIPE = Recipe(learning_rate=5e-3, batch_size=16)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two actors side by side, a second for each utterance: the left one is as bright as the class."""
    rng = np.random.default_rng(0)
    other = rng.integers(0, N_CLASSES, N)
    shades = 60 + 60 * np.stack([np.arange(N) % N_CLASSES, other], axis=1) + rng.normal(0, 8, (N, 2))

    def paint(seconds: float) -> np.ndarray:
        left, right = shades[min(N - 1, int(seconds))]
        return np.concatenate([grey(left), grey(right)], axis=1)

    return write_film(tmp_path_factory.mktemp("film") / "dialogue.mp4", paint, N, 4)


def uwa(film: Path, crop: str, folder: Path, labels: np.ndarray) -> float:
    """The test score after training on a half of the picture."""
    utterances = tuple(
        Utterance(f"u{n:03d}", Path(), "", "x", "s", "g", video=Video(film, float(n), n + 1.0, crop)) for n in range(N)
    )
    pack = Pack.open(pack_of(Corpus("planted", ("x",), utterances), VIDEO, EncoderSpec("pixels"), folder))
    members = [(u.id, int(label)) for u, label in zip(utterances, labels, strict=True)]
    parts = {"training": members[:80], "validation": members[80:100], "test": members[100:]}
    data = fold_data({"video": pack}, parts, N_CLASSES)
    row = VARIANTS["video"]
    training = begin(row.model, replace(CONFIG, dropout=0.0), RECIPE, data, 1)
    *_, last = train_fold(training, data, RECIPE, epochs=20, metric="UWA", seed=1)
    return last.test["UWA"]


def test_brightness_by_class_is_learnt_from_the_half_that_has_it_and_from_no_other(film: Path, tmp_path: Path) -> None:
    labels = np.arange(N) % N_CLASSES
    assert uwa(film, "left", tmp_path, labels) >= 0.9
    assert uwa(film, "right", tmp_path, labels) < CHANCE + 0.2
    assert uwa(film, "left", tmp_path, np.random.default_rng(1).permutation(labels)) < CHANCE + 0.2

"""Fold runs on bands of layers: every system learns which band has the signal, and goes on where it was stopped."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from search_spaces.recipe import Recipe
from study.features.pack import Pack, write_pack
from study.training import checkpoint
from study.training.batches import FoldData, fold_data
from study.training.loop import Epoch, Training, begin, train_fold
from study.variants import VARIANTS
from tests.training.small import CONFIG, SYSTEMS, small_config

RECIPE = Recipe(learning_rate=5e-3)
BANDS, SIGNAL = ("0-0", "1-1", "2-2", "3-3"), 2
N, N_CLASSES, DIM = 120, 3, 4


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pack]:
    """Streams whose classes differ in the means of band 2-2 alone; the other bands are noise of equal deviation."""
    generator = torch.Generator().manual_seed(0)
    folder, ids = tmp_path_factory.mktemp("packs"), [f"u{number:03d}" for number in range(N)]
    metadata = {"encoder": {"layer": f"weighted:{','.join(BANDS)}"}}
    streams = ("audio", "text", "sentence", "video")
    for name in streams:
        centres = 3 * torch.eye(N_CLASSES, DIM)
        frames = []
        for number in range(N):
            own = torch.randn(3, len(BANDS), DIM, generator=generator)
            own[:, SIGNAL] += centres[number % N_CLASSES]
            frames.append(own.flatten(1).half())
        write_pack(folder / name, ids, frames, None, metadata)
    return {name: Pack.open(folder / name) for name in streams}


def data_of(packs: dict[str, Pack], name: str) -> FoldData:
    members = [(f"u{number:03d}", number % N_CLASSES) for number in range(N)]
    parts = {"training": members[:80], "validation": members[80:100], "test": members[100:]}
    return fold_data({stream: packs[stream] for stream in VARIANTS[name].inputs}, parts, N_CLASSES)


def trained(data: FoldData, name: str, epochs: int, training: Training | None = None) -> tuple[Training, list[Epoch]]:
    row = VARIANTS[name]
    training = training or begin(row.model, small_config(row.config), RECIPE, data, 1)
    run = train_fold(training, data, RECIPE, epochs=12, metric="UWA", seed=1)
    return training, list(islice(run, epochs))


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_band_with_the_signal_has_the_largest_weight(packs: dict[str, Pack], name: str) -> None:
    _, epochs = trained(data_of(packs, name), name, 12)
    for stream in VARIANTS[name].inputs:
        weights = epochs[-1].layer_weights[stream]
        assert tuple(weights) == BANDS
        assert max(weights, key=lambda band: weights[band]) == BANDS[SIGNAL]
        assert sum(weights.values()) == pytest.approx(1, abs=1e-6)


def test_a_run_that_was_stopped_goes_on_with_the_weights_that_it_had(packs: dict[str, Pack], tmp_path: Path) -> None:
    data = data_of(packs, "cross")
    _, whole = trained(data, "cross", 4)
    stopped, _ = trained(data, "cross", 2)
    checkpoint.save(tmp_path / "c", stopped, "mine")
    again = begin(VARIANTS["cross"].model, CONFIG, RECIPE, data, seed=99)
    assert checkpoint.load_into(again, tmp_path / "c", "mine")
    assert [epoch.layer_weights for epoch in again.history] == [epoch.layer_weights for epoch in whole[:2]]
    _, rest = trained(data, "cross", 2, again)
    assert [epoch.layer_weights for epoch in rest] == [epoch.layer_weights for epoch in whole[2:]]

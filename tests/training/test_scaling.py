"""What frames are scaled by: the training frames' mean and deviation, taken without a copy of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from study.features.pack import Pack, write_pack
from study.training import scaling as scaling_module
from study.training.batches import FoldData, fold_data
from study.training.gathering import all_at_once, one_by_one


def fold_of(folder: Path, utterances: list[torch.Tensor], n_training: int) -> FoldData:
    ids = [f"u{number}" for number in range(len(utterances))]
    write_pack(folder / "a.safetensors", ids, utterances, None, {})
    members = [(id, 0) for id in ids]
    parts = {"training": members[:n_training], "validation": members[n_training:-1], "test": members[-1:]}
    return fold_data({"audio": Pack.open(folder / "a.safetensors")}, parts, 2)


@pytest.mark.parametrize("most", [200_000, 40])
def test_it_is_mean_and_deviation_of_every_nth_training_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(scaling_module, "STATISTICS_FRAMES", most)
    random = torch.Generator().manual_seed(0)
    lengths = [7, 31, 1, 64, 20, 5, 9]
    utterances = [3 + 2 * torch.randn(length, 4, generator=random).half() for length in lengths]
    for utterance in utterances:
        utterance[:, 2] = 0.5
    scaling = fold_of(tmp_path, utterances, 5).training.scaling["audio"]
    step = max(1, sum(lengths[:5]) // most)
    sample = np.concatenate([utterance.numpy()[::step] for utterance in utterances[:5]]).astype(np.float64)
    np.testing.assert_allclose(scaling.mean, sample.mean(0), rtol=1e-6)
    expected = np.where(sample.std(0) < 1e-6, 1.0, sample.std(0))
    np.testing.assert_allclose(scaling.deviation, expected, rtol=1e-6)
    assert scaling.deviation[2] == 1.0


def test_the_way_of_a_gpu_gathers_the_same_frames(tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    part = fold_of(tmp_path, [torch.randn(n, 3, generator=random).half() for n in (4, 1, 6, 2, 3)], 3).training
    pack, scaling = part.packs["audio"], part.scaling["audio"]
    for rows in ([0], [3, 1, 1, 4], [2, 0, 4, 3, 1]):
        first, lengths = pack.offsets[rows].tolist(), tuple(pack.lengths[rows].tolist())
        ours, gpus = (each(pack.frames, first, lengths, scaling) for each in (one_by_one, all_at_once))
        assert gpus.equal(ours)

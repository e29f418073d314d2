"""A small fold whose classes differ in the mean of their frames, in every modality."""

import pytest
import torch

from study.features.pack import Pack, write_pack
from study.training.batches import fold_data

N, N_CLASSES = 160, 4


@pytest.fixture(scope="session")
def separable_fold(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    generator = torch.Generator().manual_seed(0)
    ids = [f"u{i:03d}" for i in range(N)]
    labels = [i % N_CLASSES for i in range(N)]
    packs = {}
    for modality, dim, longest in (("audio", 6, 12), ("text", 5, 6), ("sentence", 5, 2), ("video", 6, 8)):
        centres = 3 + 2 * torch.randn(N_CLASSES, dim, generator=generator)
        lengths = torch.randint(1, longest, (N,), generator=generator).tolist()
        frames = [
            (centres[label] + torch.randn(length, dim, generator=generator)).half()
            for label, length in zip(labels, lengths, strict=True)
        ]
        write_pack(folder / modality, ids, frames, None, {})
        packs[modality] = Pack.open(folder / modality)
    members = list(zip(ids, labels, strict=True))
    parts = {"training": members[:80], "validation": members[80:120], "test": members[120:]}
    return fold_data(packs, parts, N_CLASSES)

"""Features shaped like IEMOCAP's, out of random numbers: a pack for us, a file per utterance for the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from study.features.pack import Pack, write_pack
from study.training.batches import FoldData, fold_data

DIM = 768
RATE_HZ = 50
N_CLASSES = 7
# IEMOCAP: 4.4 s on average, .6 s to 34 s, a deviation of about 3.2 s; about twelve words.
MEAN_SECONDS, SHORTEST_SECONDS, LONGEST_SECONDS, SPREAD = 4.4, 0.6, 34.0, 0.68
MEAN_TOKENS, LONGEST_TOKENS = 12.0, 80
# Utterances are pieces of this many random frames: speed does not depend on what is in them.
POOL_FRAMES = 20_000
# Of five sessions, three are trained on; one is for validation and one for test.
SESSIONS = 5


@dataclass(frozen=True)
class Features:
    """Packs by modality, the ids in them, and the class of each."""

    packs: dict[str, Pack]
    ids: tuple[str, ...]
    labels: tuple[int, ...]

    def fold(self, n_utterances: int, modalities: Sequence[str] = ("audio", "text")) -> FoldData:
        """A fold of the first utterances: three fifths to train on, a fifth for validation, a fifth for test."""
        members = list(zip(self.ids, self.labels, strict=True))[:n_utterances]
        parts = {
            "validation": members[0::SESSIONS],
            "test": members[1::SESSIONS],
            "training": [member for index, member in enumerate(members) if index % SESSIONS > 1],
        }
        return fold_data({name: self.packs[name] for name in modalities}, parts, N_CLASSES)


def make(folder: Path, n_utterances: int, seed: int = 0) -> Features:
    """Features of `n_utterances` in packs in `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = tuple(f"u{number:05d}" for number in range(n_utterances))
    packs = {}
    for modality, lengths in utterance_lengths(n_utterances, seed).items():
        generator = torch.Generator().manual_seed(seed)
        pool = torch.randn(POOL_FRAMES, DIM, generator=generator).half()
        starts = torch.randint(POOL_FRAMES - max(lengths), (n_utterances,), generator=generator).tolist()
        path = folder / f"{modality}.safetensors"
        write_pack(path, ids, [pool[a : a + n] for a, n in zip(starts, lengths, strict=True)], None, {})
        packs[modality] = Pack.open(path)
    labels = np.random.default_rng(seed).integers(N_CLASSES, size=n_utterances)
    return Features(packs, ids, tuple(labels.tolist()))


def utterance_lengths(n_utterances: int, seed: int = 0) -> dict[str, list[int]]:
    """Frames per utterance by modality: log-normal, cut at the shortest and the longest; words follow time."""
    # Evenly spaced quantiles in random order, so that few utterances have the same long tail as many.
    quantiles = (np.arange(n_utterances) + 0.5) / n_utterances
    normal = torch.special.ndtri(torch.from_numpy(quantiles)).numpy()
    seconds = np.exp(SPREAD * np.random.default_rng(seed).permutation(normal))
    seconds = (seconds * MEAN_SECONDS / np.exp(SPREAD**2 / 2)).clip(SHORTEST_SECONDS, LONGEST_SECONDS)
    tokens = (seconds * MEAN_TOKENS / MEAN_SECONDS).round().clip(1, LONGEST_TOKENS)
    return {"audio": (seconds * RATE_HZ).astype(int).tolist(), "text": tokens.astype(int).tolist()}


def write_arrays(features: Features, n_utterances: int, folder: Path) -> None:
    """One .npy file per utterance and modality, as `folder/modality/id.npy`, with the pack's own float16 values."""
    for modality, pack in features.packs.items():
        (folder / modality).mkdir(parents=True, exist_ok=True)
        for row, id in enumerate(features.ids[:n_utterances]):
            np.save(folder / modality / f"{id}.npy", pack.of(row).numpy())


def padding_shares(lengths: Sequence[int], batch_size: int, seed: int = 0) -> tuple[float, float]:
    """Of random batches padded to their longest: the share of frames, and of frame pairs, that are real."""
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed))
    real = torch.zeros(2, dtype=torch.float64)
    padded = torch.zeros(2, dtype=torch.float64)
    batch: Tensor
    for batch in torch.tensor(lengths, dtype=torch.float64)[order].split(batch_size):
        real += torch.stack([batch.sum(), batch.square().sum()])
        padded += len(batch) * torch.stack([batch.max(), batch.max().square()])
    frames, pairs = (real / padded).tolist()
    return frames, pairs

"""A class that neither modality has a trace of, only both together: the exclusive or of two signs.

Each modality's frames lie about +1 or -1, at random; the class says whether the signs agree. Sums over modalities
cannot separate such classes, products of modalities can.
"""

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from models.concatenation import Concatenation, ConcatenationConfig
from models.crossmodal import Crossmodal, CrossmodalConfig
from models.streams import Stream
from models.tensor import TensorConfig, TensorFusion
from models.unimodal import Unimodal
from tests.training.small import CONFIG

N, DIM, STEPS = 48, 2, 40
DIMS = {"audio": DIM, "text": DIM}


def planted(seed: int) -> tuple[dict[str, Stream], torch.Tensor]:
    """Streams of N utterances of one to four frames, and their classes."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, (2, N), generator=generator)
    streams = {}
    for name, own in zip(DIMS, 2.0 * signs - 1, strict=True):
        lengths = tuple(torch.randint(1, 5, (N,), generator=generator).tolist())
        centres = own.repeat_interleave(torch.tensor(lengths)).unsqueeze(1)
        streams[name] = Stream(centres + 0.3 * torch.randn(sum(lengths), DIM, generator=generator), lengths)
    return streams, signs[0] ^ signs[1]


def accuracy(model: nn.Module, inputs: Mapping[str, int] = DIMS) -> float:
    """The share of other utterances that is right after training."""
    (streams, labels), (unseen, expected) = planted(0), planted(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model({name: streams[name] for name in inputs}), labels).backward()
        optimizer.step()
    found = model.eval()({name: unseen[name] for name in inputs}).argmax(1)
    return float((found == expected).float().mean())


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_tensor_fusion_finds_it() -> None:
    assert accuracy(TensorFusion(TensorConfig(width=8, context="linear", dropout=0.0), DIMS, 2)) > 0.95


def test_crossmodal_transformers_find_it() -> None:
    config = CrossmodalConfig(n_heads=2, width_per_head=8, n_layers=1, n_self_layers=1, dropout=0.0)
    assert accuracy(Crossmodal(config, DIMS, 2)) > 0.95


def test_a_linear_map_of_concatenated_statistics_does_not_and_its_perceptron_does() -> None:
    linear = Concatenation(ConcatenationConfig(n_layers=0), DIMS, 2)
    assert abs(accuracy(linear) - 0.5) < 0.2
    assert accuracy(Concatenation(ConcatenationConfig(dropout=0.0), DIMS, 2)) > 0.95


@pytest.mark.parametrize("name", DIMS)
def test_one_modality_alone_does_not(name: str) -> None:
    own = {name: DIM}
    assert abs(accuracy(Unimodal(CONFIG, own, 2), own) - 0.5) < 0.2

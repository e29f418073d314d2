"""Gated, low-rank and tensor fusion against their papers' formulas, written out."""

import pytest
import torch

from models.gated import Gated
from models.low_rank import LowRank, LowRankConfig
from models.tensor import TensorConfig, TensorFusion, outer_product
from models.utterance_vectors import VectorConfig

DIMS = {"audio": 7, "text": 5, "video": 3}
WIDTH, BATCH, N_CLASSES = 4, 3, 5


def vectors_of(n_streams: int) -> torch.Tensor:
    return torch.randn(BATCH, n_streams, WIDTH, generator=torch.Generator().manual_seed(0))


def test_two_modalities_are_gated_by_the_papers_sigmoid() -> None:
    model = Gated(VectorConfig(width=WIDTH), {"audio": 7, "text": 5}, N_CLASSES).eval()
    vectors = vectors_of(2)
    weight, bias = model.gates.weight, model.gates.bias
    gate = torch.sigmoid(vectors.flatten(1) @ (weight[:WIDTH] - weight[WIDTH:]).T + bias[:WIDTH] - bias[WIDTH:])
    one, other = (model.contents[k](vectors[:, k]).tanh() for k in range(2))
    expected = model.classify(gate * one + (1 - gate) * other)
    torch.testing.assert_close(model.fuse(vectors), expected)


@pytest.mark.parametrize("n_streams", [2, 3])
def test_low_rank_fusion_is_the_product_with_a_tensor_of_that_rank(n_streams: int) -> None:
    dims = dict(list(DIMS.items())[:n_streams])
    config = LowRankConfig(width=WIDTH, rank=2)
    model = LowRank(config, dims, N_CLASSES).eval()
    vectors = vectors_of(n_streams)
    letters = "xyz"[:n_streams]
    factors = [factor.weight.view(config.rank, WIDTH, WIDTH + 1) for factor in model.factors]
    tensor = torch.einsum(",".join(f"rh{letter}" for letter in letters) + f"->h{letters}", *factors)
    embedded = model.subnetworks(vectors)
    fused = torch.einsum(f"h{letters}," + ",".join(f"b{letter}" for letter in letters) + "->bh", tensor, *embedded)
    torch.testing.assert_close(model.fuse(vectors), model.classify(fused + model.bias))


def test_the_outer_product_has_the_terms_of_each_modality_alone() -> None:
    one, other = torch.tensor([[2.0, 3.0, 1.0]]), torch.tensor([[5.0, 1.0]])
    assert outer_product(one, other).tolist() == [[10, 2, 15, 3, 5, 1]]


def test_tensor_fusion_multiplies_all_streams() -> None:
    config = TensorConfig(width=WIDTH)
    for n_streams in (1, 2, 3):
        model = TensorFusion(config, dict(list(DIMS.items())[:n_streams]), N_CLASSES)
        assert model.layers[1].in_features == (WIDTH + 1) ** n_streams
        assert model.fuse(vectors_of(n_streams)).shape == (BATCH, N_CLASSES)

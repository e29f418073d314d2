"""The mix of bands of layers: against sums by hand, at its start and after learning."""

import pytest
import torch

from models.build import build
from models.fusion import FusionConfig
from models.layer_mix import GAIN, LayerMix, learned_weights
from models.streams import Stream
from models.unimodal import Unimodal

BANDS = ("0-1", "2-3", "4-4")
CONFIG = FusionConfig(n_heads=2, width_per_head=4)


def stream_of(n_bands: int = 3, dim: int = 5) -> Stream:
    return Stream(torch.randn(7, n_bands * dim, generator=torch.Generator().manual_seed(0)), (4, 3))


def test_the_weights_begin_equal_so_that_the_mix_is_the_mean() -> None:
    mix, stream = LayerMix(BANDS), stream_of()
    assert mix.weights().tolist() == pytest.approx([1 / 3] * 3)
    mixed = mix(stream)
    assert mixed.lengths == stream.lengths
    torch.testing.assert_close(mixed.frames, sum(stream.frames[:, 5 * k : 5 * k + 5] for k in range(3)) / 3)


def test_each_band_has_the_weight_of_its_own_logit() -> None:
    mix, stream = LayerMix(BANDS), stream_of()
    with torch.no_grad():
        mix.logits.copy_(torch.tensor([0.0, 2.0, 1.0]).log() / GAIN)  # weights 0, 2/3, 1/3
    expected = stream.frames[:, 5:10] * 2 / 3 + stream.frames[:, 10:] / 3
    torch.testing.assert_close(mix(stream).frames, expected)


def test_a_model_behind_a_mix_reads_one_band_and_says_what_it_learned() -> None:
    module = build(Unimodal, CONFIG, {"audio": 5}, {"audio": BANDS}, n_classes=3)
    logits = module({"audio": stream_of()})
    assert logits.shape == (2, 3)
    logits.square().sum().backward()
    assert learned_weights(module) == {"audio": dict.fromkeys(BANDS, pytest.approx(1 / 3))}
    gradient = module.mixes["audio"].logits.grad
    assert gradient is not None
    assert bool((gradient != 0).all())


def test_without_bands_the_model_is_itself() -> None:
    module = build(Unimodal, CONFIG, {"audio": 5}, {}, n_classes=3)
    assert isinstance(module, Unimodal)
    assert learned_weights(module) == {}

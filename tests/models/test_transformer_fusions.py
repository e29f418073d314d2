"""Late fusion, MulT and attention bottlenecks: what they say of themselves, by other means."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from models.bottleneck import Bottleneck, BottleneckConfig
from models.crossmodal import Crossmodal, CrossmodalConfig
from models.fusion import FusionConfig
from models.late import Late
from models.streams import Stream
from models.transformer import TransformerBlock, with_positions

DIMS = {"audio": 7, "text": 5, "video": 3}
LENGTHS = {"audio": (4, 1, 6), "text": (2, 3, 1), "video": (1, 2, 2)}
MULT = CrossmodalConfig(n_heads=2, width_per_head=4, n_layers=1, n_self_layers=1)
TOKENS = BottleneckConfig(n_heads=2, width_per_head=4)


def streams_of() -> dict[str, Stream]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: Stream(torch.randn(sum(LENGTHS[name]), dim, generator=generator), LENGTHS[name])
        for name, dim in DIMS.items()
    }


def test_late_fusion_gives_the_mean_of_the_modalities_probabilities() -> None:
    model = Late(FusionConfig(n_heads=2, width_per_head=4), DIMS, 4).eval()
    streams = streams_of()
    mean = sum(own({name: streams[name]}).softmax(1) for name, own in model.models.items()) / 3
    torch.testing.assert_close(model(streams).softmax(1), mean)
    labels = torch.tensor([0, 3, 1])
    loss = nn.functional.cross_entropy(model(streams), labels)
    torch.testing.assert_close(loss, -mean[range(3), labels].log().mean())


def test_positions_are_the_published_waves() -> None:
    width, lengths = 6, (3, 1, 4)
    found = with_positions(Stream(torch.zeros(8, width), lengths)).frames
    for row, place in zip(found, [0, 1, 2, 0, 0, 1, 2, 3], strict=True):
        angles = torch.tensor([place / 10_000 ** (2 * i / width) for i in range(width // 2)])
        torch.testing.assert_close(row[::2], angles.sin())
        torch.testing.assert_close(row[1::2], angles.cos())


def test_a_block_equals_pytorchs_encoder_layer_with_its_norms_first() -> None:
    width, n_heads = 8, 2
    ours = TransformerBlock(width, n_heads, dropout=0.0).eval()
    theirs = nn.TransformerEncoderLayer(width, n_heads, 4 * width, 0.0, batch_first=True, norm_first=True).eval()
    attention, (norm, first, _, _, second) = ours.attention, ours.feed_forward
    own = {
        "norm1": ours.norm,
        "norm2": norm,
        "linear1": first,
        "linear2": second,
        "self_attn.out_proj": attention.output,
    }
    state = {f"{name}.{key}": value for name, module in own.items() for key, value in module.state_dict().items()}
    state |= {f"self_attn.in_proj_{key}": value for key, value in attention.project.state_dict().items()}
    theirs.load_state_dict(state)
    stream = Stream(torch.randn(7, width), (4, 3))
    expected = torch.cat([theirs(frames.unsqueeze(0))[0] for frames in stream.split()])
    torch.testing.assert_close(ours(stream).frames, expected, atol=1e-5, rtol=1e-5)


def influence(model: nn.Module, name: str) -> torch.Tensor:
    """How strongly the logits depend on the frames of one modality."""
    streams = streams_of()
    frames = streams[name].frames.requires_grad_()
    model.eval()(streams).square().sum().backward()
    assert frames.grad is not None
    return frames.grad.abs().sum()


@pytest.mark.parametrize("model", [Crossmodal(MULT, DIMS, 4), Bottleneck(TOKENS, DIMS, 4)], ids=["mult", "bottleneck"])
def test_three_modalities_are_read(model: nn.Module) -> None:
    assert all(influence(model, name) > 0 for name in DIMS)


def test_one_modality_reaches_another_through_the_tokens_alone() -> None:
    """With the pooled frames of text alone read, speech matters as soon as tokens carry it, and not before."""
    for n_fusion_layers, reached in ((2, True), (1, False)):
        model = Bottleneck(replace(TOKENS, n_layers=1), DIMS, 4)
        model.fusion = model.fusion[:n_fusion_layers]
        streams = streams_of()
        frames = streams["audio"].frames.requires_grad_()
        read: list[torch.Tensor] = []
        model.pools["text"].register_forward_hook(lambda _module, _inputs, output, read=read: read.append(output))
        model.eval()(streams)
        (gradient,) = torch.autograd.grad(read[0].square().sum(), frames, allow_unused=True)
        assert (gradient is not None and bool(gradient.any())) == reached


def test_what_cannot_fuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least two modalities; got \['text'\]"):
        Crossmodal(MULT, {"text": 5}, 4)
    with pytest.raises(ValueError, match="fewer than two layers of fusion; got 1"):
        Bottleneck(replace(TOKENS, n_fusion_layers=1), DIMS, 4)

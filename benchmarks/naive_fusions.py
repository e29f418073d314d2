"""Padded baselines of the newer fusions: copies of our modules whose ragged parts are PyTorch's own, on padded tensors.

What reads one vector per utterance (gates, products, perceptrons, classifiers) is dense already and stays as it is.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.naive import FusedAttention, PaddedContext, PaddedFusion, attention, same_weights
from models.bottleneck import Bottleneck
from models.concatenation import Concatenation
from models.crossmodal import Crossmodal
from models.gated import Gated
from models.late import Late
from models.low_rank import LowRank
from models.tensor import TensorFusion
from models.transformer import LONGEST_WAVE, Transformer, TransformerBlock

Frames = Mapping[str, Tensor]
Attention = Callable[[int, int, float], nn.Module]


class PaddedInputs(nn.Module):
    """Context layers and masks: frames [batch, time, width] and what of them is real, by modality."""

    def __init__(self, config: Any, ours: nn.Module, dims: Mapping[str, int]) -> None:
        """With the weights of our `InputLayers`."""
        super().__init__()
        self.context = nn.ModuleDict(
            {name: PaddedContext(config.context, dim, config.width) for name, dim in dims.items()}
        )
        state = {f"input_layers.{name}": value for name, value in ours.state_dict().items()}
        self.load_state_dict(same_weights(state, list(dims)))

    def forward(self, padded: Frames, lengths: Frames) -> dict[str, tuple[Tensor, Tensor]]:
        """By modality, the frames and the mask of the real ones."""
        entered = {name: layer(padded[name], lengths[name]) for name, layer in self.context.items()}
        return {name: (frames, real_frames(frames, lengths[name])) for name, frames in entered.items()}


class PaddedConcatenation(nn.Module):
    """Concatenation, with masked means and deviations."""

    def __init__(self, ours: Concatenation) -> None:
        """With the layers of ours."""
        super().__init__()
        self.layers = ours.layers

    def forward(self, padded: Frames, lengths: Frames) -> Tensor:
        """One logit per class and utterance."""
        found = []
        for name, frames in padded.items():
            real = real_frames(frames, lengths[name])
            mean = masked_mean(frames, real)
            squares = masked_mean((frames - mean.unsqueeze(1)).square(), real)
            found += [mean, squares.clamp_min(1e-12).sqrt() * (squares > 0)]
        return self.layers(torch.cat(found, dim=1))  # type: ignore[no-any-return]


class PaddedVectors(nn.Module):
    """Gated, low-rank or tensor fusion of masked means."""

    def __init__(self, config: Any, ours: Gated | LowRank | TensorFusion, dims: Mapping[str, int]) -> None:
        """With the fusion of ours."""
        super().__init__()
        self.inputs = PaddedInputs(config, ours.vectors.input_layers, dims)
        self.fusion = ours
        del self.fusion.vectors

    def forward(self, padded: Frames, lengths: Frames) -> Tensor:
        """One logit per class and utterance."""
        inside = self.inputs(padded, lengths)
        return self.fusion.fuse(torch.stack([masked_mean(*inside[name]) for name in padded], dim=1))


class PaddedLate(nn.Module):
    """The mean of the probabilities of padded unimodal models."""

    def __init__(self, config: Any, ours: Late, dims: Mapping[str, int], n_classes: int, fused: bool) -> None:
        """With the weights of ours."""
        super().__init__()
        self.models = nn.ModuleDict()
        for name, dim in dims.items():
            model = PaddedFusion(config, {name: dim}, n_classes, cross=False, fused=fused)
            model.load_state_dict(same_weights(ours.models[name].state_dict(), [name]))
            self.models[name] = model

    def forward(self, padded: Frames, lengths: Frames) -> Tensor:
        """One logit per class and utterance."""
        each = [model({name: padded[name]}, {name: lengths[name]}) for name, model in self.models.items()]
        return torch.stack(each).softmax(2).mean(0).log()


class PaddedBlock(nn.Module):
    """A transformer block with PyTorch's attention and a mask."""

    def __init__(self, ours: TransformerBlock, kind: Attention) -> None:
        """With the weights of ours."""
        super().__init__()
        own = ours.attention
        self.norm, self.feed_forward, self.dropout = ours.norm, ours.feed_forward, ours.dropout
        self.attention = kind(own.output.in_features, own.n_heads, own.dropout)
        state = same_weights({f"own.{name}": value for name, value in own.state_dict().items()}, [])
        self.attention.load_state_dict({name.removeprefix("own."): value for name, value in state.items()})

    def forward(self, target: Tensor, source: Tensor, real: Tensor) -> Tensor:
        """The target's frames; `real` are the frames of the source that are no padding."""
        query, key = self.norm(target), self.norm(source)
        attended, _ = self.attention(query, key, key, key_padding_mask=~real)
        frames = target + self.dropout(attended)
        return frames + self.dropout(self.feed_forward(frames))  # type: ignore[no-any-return]


class PaddedCrossmodal(nn.Module):
    """MulT on padded batches."""

    def __init__(self, config: Any, ours: Crossmodal, dims: Mapping[str, int], kind: Attention) -> None:
        """With the weights of ours."""
        super().__init__()
        self.inputs = PaddedInputs(config, ours.input_layers, dims)
        self.targets = nn.ModuleDict(
            {
                name: nn.ModuleList(padded_transformer(each, kind) for each in (*own.crossmodal, own.own))
                for name, own in ours.targets.items()
            }
        )
        self.hidden, self.classify = ours.hidden, ours.classify

    def forward(self, padded: Frames, lengths: Frames) -> Tensor:
        """One logit per class and utterance."""
        inside = {name: (with_waves(frames), real) for name, (frames, real) in self.inputs(padded, lengths).items()}
        vectors = []
        for name, (*crossmodal, own) in self.targets.items():
            frames, real = inside[name]
            sources = [each for other, each in inside.items() if other != name]
            crossed = [in_turn(blocks, frames, *source) for blocks, source in zip(crossmodal, sources, strict=True)]
            vectors.append(masked_mean(in_turn(own, torch.cat(crossed, dim=2), None, real), real))
        vector = torch.cat(vectors, dim=1)
        return self.classify(vector + self.hidden(vector))  # type: ignore[no-any-return]


class PaddedBottleneck(nn.Module):
    """Attention bottlenecks on padded batches: tokens stand before the frames, where no padding is."""

    def __init__(self, config: Any, ours: Bottleneck, dims: Mapping[str, int], kind: Attention) -> None:
        """With the weights of ours."""
        super().__init__()
        self.inputs = PaddedInputs(config, ours.input_layers, dims)
        self.own, self.fusion = (
            nn.ModuleList(
                nn.ModuleDict({name: PaddedBlock(block, kind) for name, block in layer.items()}) for layer in layers
            )
            for layers in (ours.own, ours.fusion)
        )
        self.tokens, self.norm, self.classify = ours.tokens, ours.norm, ours.classify

    def forward(self, padded: Frames, lengths: Frames) -> Tensor:
        """One logit per class and utterance."""
        inputs, n_tokens = self.inputs(padded, lengths), len(self.tokens)
        inside = {name: with_waves(frames) for name, (frames, _) in inputs.items()}
        for layer in self.own:
            inside = {name: block(inside[name], inside[name], inputs[name][1]) for name, block in layer.items()}
        batch = len(next(iter(inside.values())))
        tokens = self.tokens.expand(batch, -1, -1)
        for layer in self.fusion:
            shared = []
            for name, block in layer.items():
                both = torch.cat([tokens, inside[name]], dim=1)
                both = block(both, both, nn.functional.pad(inputs[name][1], (n_tokens, 0), value=True))
                shared.append(both[:, :n_tokens])
                inside[name] = both[:, n_tokens:]
            tokens = torch.stack(shared).mean(0)
        vectors = [masked_mean(self.norm(frames), inputs[name][1]) for name, frames in inside.items()]
        return self.classify(torch.stack(vectors).mean(0))  # type: ignore[no-any-return]


def padded_fusion(
    config: Any, model: nn.Module, dims: Mapping[str, int], n_classes: int, fused: bool
) -> nn.Module | None:
    """The padded baseline of one of our modules, with its weights; None of a module that is not one of these."""
    ours, kind = copy.deepcopy(model), FusedAttention if fused else attention
    match ours:
        case Concatenation():
            return PaddedConcatenation(ours)
        case Gated() | LowRank() | TensorFusion():
            return PaddedVectors(config, ours, dims)
        case Late():
            return PaddedLate(config, ours, dims, n_classes, fused)
        case Crossmodal():
            return PaddedCrossmodal(config, ours, dims, kind)
        case Bottleneck():
            return PaddedBottleneck(config, ours, dims, kind)
    return None


def padded_transformer(ours: Transformer, kind: Attention) -> nn.ModuleList:
    """The blocks of a transformer, and its last norm."""
    return nn.ModuleList([*(PaddedBlock(block, kind) for block in ours.blocks), ours.norm])


def in_turn(layers: nn.ModuleList, target: Tensor, source: Tensor | None, real: Tensor) -> Tensor:
    """The target after every block, which attends to `source`, or to its own input without one."""
    *blocks, norm = layers
    for block in blocks:
        target = block(target, target if source is None else source, real)
    return norm(target)  # type: ignore[no-any-return]


def with_waves(frames: Tensor) -> Tensor:
    """The frames times the root of their width, plus sines and cosines of their places."""
    _, time, width = frames.shape
    angles = torch.arange(time).unsqueeze(1) * LONGEST_WAVE ** -(torch.arange(0, width, 2) / width)
    return frames * width**0.5 + torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]


def real_frames(frames: Tensor, lengths: Tensor) -> Tensor:
    """What of padded frames is no padding."""
    return torch.arange(frames.shape[1]) < lengths.unsqueeze(1)


def masked_mean(frames: Tensor, real: Tensor) -> Tensor:
    """The mean over each utterance's real frames."""
    return (frames * real.unsqueeze(2)).sum(1) / real.sum(1, keepdim=True)

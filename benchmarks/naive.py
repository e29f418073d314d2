"""Fair baselines: the same models and batches as a competent user of PyTorch writes them, on padded tensors.

A file per utterance, random batches padded to their longest, `nn.MultiheadAttention` with a padding mask, packed
sequences where a layer reads backwards. Optimiser, clipping, learning rate and metrics are those of our loop.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from models.fusion import FusionConfig
from models.mdre import MDREConfig
from search_spaces.recipe import Recipe
from study.seeding import derived_seed
from study.training.batches import FoldData, Part
from study.training.loop import learning_rate
from study.training.metrics import score

# From names of our parameters to PyTorch's: input layers, the two directions of a GRU, attention, and its only layer.
RENAMED = (
    (r"^input_layers\.layers\.", "context."),
    (r"\.ahead\.(\w+)$", r".gru.\1"),
    (r"\.back\.(\w+)$", r".gru.\1_reverse"),
    (r"^head\.", ""),
    (r"\.project\.(\w+)$", r".in_proj_\1"),
    (r"\.output\.", ".out_proj."),
    (r"^(attention\.\d)\.0\.", r"\1."),
    (r"^(encoders\.\w+)\.0\.", r"\1."),
)
Batch = tuple[dict[str, Tensor], dict[str, Tensor], Tensor]


class ArrayFolder(Dataset[tuple[dict[str, Tensor], int]]):
    """Utterances of a part, each read from its .npy files and standardised when it is asked for."""

    def __init__(self, folder: Path, part: Part) -> None:
        """For the ids, labels and scaling of `part`."""
        self.folder, self.part = folder, part

    def __len__(self) -> int:
        """The number of utterances."""
        return len(self.part)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], int]:
        """The frames of one utterance by modality, and its class."""
        frames = {}
        for name, scaling in self.part.scaling.items():
            array = np.load(self.folder / name / f"{self.part.ids[index]}.npy").astype(np.float32)
            frames[name] = (torch.from_numpy(array) - scaling.mean) / scaling.deviation
        return frames, int(self.part.labels[index])


def collate(examples: Sequence[tuple[dict[str, Tensor], int]]) -> Batch:
    """Padded frames and lengths by modality, and the classes."""
    padded, lengths = {}, {}
    for name in examples[0][0]:
        found = [frames[name] for frames, _ in examples]
        padded[name] = pad_sequence(found, batch_first=True)
        lengths[name] = torch.tensor([len(each) for each in found])
    return padded, lengths, torch.tensor([label for _, label in examples])


class FusedAttention(nn.Module):
    """`nn.MultiheadAttention` by way of `scaled_dot_product_attention`, on the same parameters."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        """With the names of the module that it stands in for."""
        super().__init__()
        self.n_heads, self.dropout = n_heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor) -> tuple[Tensor, None]:
        """The attended frames; no weights."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = [
            nn.functional.linear(frames, weight, bias).unflatten(2, (self.n_heads, -1)).transpose(1, 2)
            for frames, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]
        mask = ~key_padding_mask[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        attended = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.out_proj(attended.transpose(1, 2).flatten(2)), None


class PaddedContext(nn.Module):
    """A linear map of every frame, or a bidirectional GRU."""

    def __init__(self, rule: str, dim: int, width: int) -> None:
        """By `rule` "linear" or "gru"."""
        super().__init__()
        self.linear = nn.Linear(dim, width) if rule == "linear" else None
        self.gru = nn.GRU(dim, width // 2, batch_first=True, bidirectional=True) if rule == "gru" else None

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of the model's width; the GRU's backward direction must not begin in the padding."""
        if self.linear is not None:
            return self.linear(frames)  # type: ignore[no-any-return]
        assert self.gru is not None
        packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0]


class PaddedFusion(nn.Module):
    """Self-attention, cross-attention or one modality alone, one layer deep, on padded batches."""

    def __init__(self, config: FusionConfig, dims: Mapping[str, int], n_classes: int, cross: bool, fused: bool) -> None:
        """`cross` pairs different modalities, else each attends to itself; `fused` uses `FusedAttention`."""
        super().__init__()
        kind = FusedAttention if fused else attention
        self.pairs = tuple(permutations(dims, 2)) if cross else tuple((name, name) for name in dims)
        self.context = nn.ModuleDict(
            {name: PaddedContext(config.context, dim, config.width) for name, dim in dims.items()}
        )
        self.attention = nn.ModuleList(kind(config.width, config.n_heads, config.dropout) for _ in self.pairs)
        pooled = 2 * config.width if len(dims) > 1 else config.width
        self.hidden = nn.Linear(pooled, config.width // 2)
        self.classify = nn.Linear(config.width // 2, n_classes)

    def forward(self, padded: Mapping[str, Tensor], lengths: Mapping[str, Tensor]) -> Tensor:
        """One logit per class and utterance."""
        real = {name: torch.arange(frames.shape[1]) < lengths[name].unsqueeze(1) for name, frames in padded.items()}
        entered = {name: layer(padded[name], lengths[name]) for name, layer in self.context.items()}
        vectors = []
        for attention, (target, source) in zip(self.attention, self.pairs, strict=True):
            key = entered[source]
            attended, _ = attention(entered[target], key, key, key_padding_mask=~real[source])
            kept = attended * real[target].unsqueeze(2)
            vectors.append(kept.sum(1) / lengths[target].unsqueeze(1))
        stacked = torch.stack(vectors, dim=1)
        pooled = torch.cat([stacked.mean(1), stacked.std(1)], dim=1) if len(vectors) > 1 else stacked[:, 0]
        return self.classify(self.hidden(pooled))  # type: ignore[no-any-return]


class PaddedMDRE(nn.Module):
    """Two GRUs over padded batches, whose last valid states are concatenated."""

    def __init__(self, config: MDREConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims`."""
        super().__init__()
        units = config.n_units
        self.encoders = nn.ModuleDict({name: nn.GRU(dim, units, batch_first=True) for name, dim in dims.items()})
        self.halve = nn.ModuleDict({name: nn.Linear(units, units // 2) for name in dims})
        self.classify = nn.Linear(len(dims) * (units // 2), n_classes)

    def forward(self, padded: Mapping[str, Tensor], lengths: Mapping[str, Tensor]) -> Tensor:
        """One logit per class and utterance."""
        halves = []
        for name, gru in self.encoders.items():
            outputs, _ = gru(padded[name])
            last = outputs[torch.arange(len(outputs)), lengths[name] - 1]
            halves.append(self.halve[name](last))
        return self.classify(torch.cat(halves, dim=1))  # type: ignore[no-any-return]


@dataclass
class NaiveRun:
    """A padded model under training on the .npy files in `folder`."""

    model: nn.Module
    folder: Path
    data: FoldData
    recipe: Recipe
    seed: int
    epochs: int

    def __post_init__(self) -> None:
        """Make the optimiser."""
        recipe = self.recipe
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.done = 0

    def epoch(self) -> None:
        """One epoch of training, and the metrics on both held-out parts."""
        self.done += 1
        model, optimizer = self.model.train(), self.optimizer
        batches = self.training_batches()
        for step, (padded, lengths, labels) in enumerate(batches, start=1):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.recipe, self.done - 1 + step / len(batches), self.epochs)
            loss = nn.functional.cross_entropy(model(padded, lengths), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), self.recipe.gradient_norm)
            optimizer.step()
        for part in (self.data.validation, self.data.test):
            predicted = self.logits(part).argmax(1)
            score(part.labels.numpy(), predicted.numpy(), self.data.n_classes)

    def training_batches(self) -> DataLoader[tuple[dict[str, Tensor], int]]:
        """The loader of this epoch: the same utterances in the same batches as in our loop."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "order", self.done))
        order = torch.randperm(len(self.data.training), generator=generator)
        cuts = [cut.tolist() for cut in order.split(self.recipe.batch_size)]
        return DataLoader(ArrayFolder(self.folder, self.data.training), batch_sampler=cuts, collate_fn=collate)

    @torch.inference_mode()
    def logits(self, part: Part) -> Tensor:
        """The logits of every utterance of `part`, in order."""
        self.model.eval()
        loader = DataLoader(ArrayFolder(self.folder, part), batch_size=self.recipe.batch_size, collate_fn=collate)
        return torch.cat([self.model(padded, lengths) for padded, lengths, _ in loader])


def attention(width: int, n_heads: int, dropout: float) -> nn.MultiheadAttention:
    """PyTorch's attention, batch first."""
    return nn.MultiheadAttention(width, n_heads, dropout=dropout, batch_first=True)


def same_weights(weights: Mapping[str, Tensor], modalities: Sequence[str]) -> dict[str, Tensor]:
    """The weights of our one-layer model under the names that they have in the padded one."""
    return {_padded_name(name, modalities): value for name, value in weights.items()}


def _padded_name(name: str, modalities: Sequence[str]) -> str:
    for index, modality in enumerate(modalities):
        name = name.replace(f"attention.{modality}.", f"attention.{index}.")
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name

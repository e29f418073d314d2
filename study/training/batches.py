"""The parts of a fold, and batches of their utterances."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.layout import layout_of, upload
from models.streams import Stream, consecutive
from study.errors import UserError
from study.features.pack import Pack
from study.training.gathering import (
    MISSING,
    Spans,
    emptied,
    gather,
    lengths_of,
    rows_of,
    rows_on,
    spans_of,
)
from study.training.scaling import Scaling, scaling_of

NOTHING_MISSING: Mapping[str, Collection[str]] = {}


@dataclass(frozen=True)
class Part:
    """The training, validation or test utterances of a fold.

    `rows` gives, per stream, the index of each utterance in the pack, or `MISSING`; `labels` are class indices. An
    utterance that lacks a stream has one frame of zeros there, the mean frame of training. `votes` are the
    annotators' shares of each class, the label alone where an utterance has none; None where they are not used.
    """

    ids: tuple[str, ...]
    labels: Int[Tensor, " utterances"]
    packs: Mapping[str, Pack]
    rows: Mapping[str, Int[Tensor, " utterances"]]
    scaling: Mapping[str, Scaling]
    device: torch.device
    votes: Float[Tensor, "utterances classes"] | None = None

    def __len__(self) -> int:
        """The number of utterances."""
        return len(self.ids)

    def batch(self, index: Int[Tensor, " batch"]) -> tuple[dict[str, Stream], Int[Tensor, " batch"]]:
        """The streams and labels of the utterances at `index`."""
        _, streams, labels = self.indexed(index)
        return streams, labels

    def indexed(
        self, index: Int[Tensor, " batch"]
    ) -> tuple[Int[Tensor, " batch"], dict[str, Stream], Int[Tensor, " batch"]]:
        """The same `index` on the device, and the streams and labels of the utterances there."""
        spans = {name: spans_of(pack, self.rows[name][index]) for name, pack in self.packs.items()}
        if self.device.type == "cuda":
            return self._uploaded(index, spans)
        streams = {name: gather(pack, spans[name], self.scaling[name]) for name, pack in self.packs.items()}
        return index, streams, self.labels[index]

    def _uploaded(
        self, index: Int[Tensor, " batch"], spans: Mapping[str, Spans]
    ) -> tuple[Int[Tensor, " batch"], dict[str, Stream], Int[Tensor, " batch"]]:
        """`indexed` on a GPU: labels and all indices go there in one copy, which the host does not await.

        Frames are gathered there, from features that stay in its memory.
        """
        needed = {name: (consecutive(*each.tensors), layout_of(each.lengths)) for name, each in spans.items()}
        sent = [index, self.labels[index]]
        for name, (rows, layout) in needed.items():
            sent += [rows, *layout.tensors, *([torch.tensor(spans[name].missing)] if spans[name].missing else [])]
        copies = iter(upload(sent, self.device))
        index_there, labels = next(copies), next(copies)
        streams = {}
        for name, (rows, layout) in needed.items():
            frames, scaling = rows_on(self.packs[name], self.device, rows, next(copies)), self.scaling[name]
            scaled = (frames - scaling.mean).div_(scaling.deviation)
            there = layout.at([next(copies) for _ in layout.tensors])
            missing = next(copies) if spans[name].missing else None
            streams[name] = Stream(emptied(scaled, missing), spans[name].lengths, there, missing)
        return index_there, streams, labels

    def without(self, *streams: str) -> "Part":
        """The part with every utterance lacking these `streams`."""
        rows = {name: torch.full_like(own, MISSING) if name in streams else own for name, own in self.rows.items()}
        return replace(self, rows=rows)

    def with_dropout(self, share: float, generator: torch.Generator) -> "Part":
        """The part with each utterance lacking, with probability `share`, one more stream, all equally likely.

        An utterance keeps the last stream that it has. One that is drawn for it and missing already changes nothing.
        """
        loses = torch.rand(len(self), generator=generator) < share
        which = torch.randint(len(self.rows), (len(self),), generator=generator)
        several = torch.stack([own != MISSING for own in self.rows.values()]).sum(0) > 1
        rows = {
            name: own.masked_fill(loses & several & (which == number), MISSING)
            for number, (name, own) in enumerate(self.rows.items())
        }
        return replace(self, rows=rows)

    def in_order(self, batch_size: int) -> Iterator[tuple[dict[str, Stream], Int[Tensor, " batch"]]]:
        """Every utterance once, in order."""
        for index in torch.arange(len(self)).split(batch_size):
            yield self.batch(index)

    def by_length(
        self, n_frames: int
    ) -> Iterator[tuple[Int[Tensor, " batch"], dict[str, Stream], Int[Tensor, " batch"]]]:
        """Every utterance once, the shortest first, with its index, in batches of about `n_frames` frames.

        This order gives recurrent layers the fewest steps, and the limit keeps a batch near the size of the cache.
        """
        lengths = torch.stack([lengths_of(pack, self.rows[name]) for name, pack in self.packs.items()]).sum(0)
        order = lengths.argsort(stable=True)
        batches = (lengths[order].cumsum(0) - 1) // n_frames
        for index in order.split(batches.unique_consecutive(return_counts=True)[1].tolist()):
            yield index, *self.batch(index)

    def shuffled(
        self, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Int[Tensor, " batch"], dict[str, Stream], Int[Tensor, " batch"]]]:
        """Every utterance once, in random order, with its index on the device."""
        for index in torch.randperm(len(self), generator=generator).split(batch_size):
            yield self.indexed(index)


@dataclass(frozen=True)
class FoldData:
    """The training, validation and test data of one fold; `pairs` are classes that are often confused, by index."""

    training: Part
    validation: Part
    test: Part
    n_classes: int
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def dims(self) -> dict[str, int]:
        """Dimensions of a frame, by stream: of one band, where frames hold several side by side."""
        return {name: pack.band_dim for name, pack in self.training.packs.items()}

    @property
    def bands(self) -> dict[str, tuple[str, ...]]:
        """The names of the bands of layers, of the streams whose frames hold several side by side."""
        return {name: pack.bands for name, pack in self.training.packs.items() if pack.bands}

    @property
    def missing(self) -> tuple[str, ...]:
        """The streams that some utterance lacks."""
        parts = (self.training, self.validation, self.test)
        return tuple(name for name in self.training.packs if any((part.rows[name] == MISSING).any() for part in parts))


def fold_data(
    packs: Mapping[str, Pack],
    parts: Mapping[str, Sequence[tuple[str, int]]],
    n_classes: int,
    device: torch.device | None = None,
    votes: Mapping[str, Sequence[float]] | None = None,
    pairs: Sequence[tuple[int, int]] = (),
    missing: Mapping[str, Collection[str]] = NOTHING_MISSING,
) -> FoldData:
    """The data of one fold.

    `parts` maps "training", "validation" and "test" to (utterance id, class index) pairs. Frames are scaled
    by the mean and deviation of the training utterances' frames, so that no held-out data leaks into them. `votes` are
    the shares of each class among the annotators' choices, by utterance that has any; `pairs` as in `FoldData`.
    `missing` are, by stream, the ids of utterances that have no frames of it.

    Raises:
        UserError: a pack lacks one of the other utterances, or all training utterances lack a stream.
    """

    def own_rows(name: str, ids: Sequence[str]) -> Int[Tensor, " utterances"]:
        return rows_of(packs[name], ids, missing.get(name, ()))

    device = device or torch.device("cpu")
    training = [id for id, _ in parts["training"]]
    scaling = {name: _scaling(name, pack, own_rows(name, training)).on(device) for name, pack in packs.items()}

    def part(members: Sequence[tuple[str, int]]) -> Part:
        ids, labels = tuple(id for id, _ in members), torch.tensor([label for _, label in members], dtype=torch.long)
        return Part(
            ids=ids,
            labels=labels,
            packs=packs,
            rows={name: own_rows(name, ids) for name in packs},
            scaling=scaling,
            device=device,
            votes=None if votes is None else _shares(ids, labels, votes, n_classes),
        )

    return FoldData(part(parts["training"]), part(parts["validation"]), part(parts["test"]), n_classes, tuple(pairs))


def _scaling(name: str, pack: Pack, rows: Int[Tensor, " utterances"]) -> Scaling:
    """The scaling by those of the training utterances that have a stream."""
    there = rows[rows != MISSING]
    if not len(there):
        raise UserError(f"a model learns from utterances that have {name}, and no training utterance of a fold has it")
    return scaling_of(pack, there)


def _shares(
    ids: Sequence[str], labels: Int[Tensor, " utterances"], votes: Mapping[str, Sequence[float]], n_classes: int
) -> Float[Tensor, "utterances classes"]:
    found = torch.nn.functional.one_hot(labels, n_classes).float()
    for place, id in enumerate(ids):
        if id in votes:
            found[place] = torch.tensor(votes[id])
    return found

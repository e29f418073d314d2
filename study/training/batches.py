"""Gathers frames from packs into batches of streams, as float32, standardised by the training set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.layout import layout_of, upload
from models.streams import Stream, consecutive
from study.features.pack import Pack

# More frames than this do not change a mean or a deviation noticeably.
STATISTICS_FRAMES = 200_000
# A batch of fewer numbers (2 MB in float32) fits the processor's cache without special care.
SMALL = 2**19


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each dimension of one modality, from training utterances only."""

    mean: Float[Tensor, " dim"]
    deviation: Float[Tensor, " dim"]

    def on(self, device: torch.device) -> "Scaling":
        """This scaling with its tensors on `device`."""
        return Scaling(self.mean.to(device), self.deviation.to(device))


@dataclass(frozen=True)
class Spans:
    """The first row in a pack of each utterance of a batch, and how many rows it has."""

    first: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def tensors(self) -> tuple[Int[Tensor, " batch"], Int[Tensor, " batch"]]:
        """Both as tensors."""
        return torch.tensor(self.first), torch.tensor(self.lengths)


@dataclass(frozen=True)
class Part:
    """The training, validation or test utterances of a fold.

    `rows` gives, per modality, the index of each utterance in the pack; `labels` are class indices. `votes` are the
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
        spans = {name: _spans(pack, self.rows[name][index]) for name, pack in self.packs.items()}
        if self.device.type == "cuda":
            return self._uploaded(index, spans)
        streams = {name: _gather(pack, spans[name], self.scaling[name]) for name, pack in self.packs.items()}
        return index, streams, self.labels[index]

    def _uploaded(
        self, index: Int[Tensor, " batch"], spans: Mapping[str, Spans]
    ) -> tuple[Int[Tensor, " batch"], dict[str, Stream], Int[Tensor, " batch"]]:
        """`indexed` on a GPU: labels and all indices go there in one copy, which the host does not await.

        Frames are gathered there, from features that stay in its memory.
        """
        needed = {name: (consecutive(*each.tensors), layout_of(each.lengths)) for name, each in spans.items()}
        pieces = [(rows, *layout.tensors) for rows, layout in needed.values()]
        index_there, labels, *copies = upload([index, self.labels[index], *chain(*pieces)], self.device)
        streams = {}
        for number, (name, (rows, layout)) in enumerate(needed.items()):
            rows_there, *tensors = copies[number * len(pieces[0]) : (number + 1) * len(pieces[0])]
            frames, scaling = _rows_on(self.packs[name], self.device, rows, rows_there), self.scaling[name]
            scaled = (frames - scaling.mean).div_(scaling.deviation)
            streams[name] = Stream(scaled, spans[name].lengths, layout.at(tensors))
        return index_there, streams, labels

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
        lengths = torch.stack([pack.lengths[self.rows[name]] for name, pack in self.packs.items()]).sum(0)
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


def fold_data(
    packs: Mapping[str, Pack],
    parts: Mapping[str, Sequence[tuple[str, int]]],
    n_classes: int,
    device: torch.device | None = None,
    votes: Mapping[str, Sequence[float]] | None = None,
    pairs: Sequence[tuple[int, int]] = (),
) -> FoldData:
    """The data of one fold.

    `parts` maps "training", "validation" and "test" to (utterance id, class index) pairs. Frames are scaled
    by the mean and deviation of the training utterances' frames, so that no held-out data leaks into them. `votes` are
    the shares of each class among the annotators' choices, by utterance that has any; `pairs` as in `FoldData`.

    Raises:
        UserError: a pack lacks one of the utterances.
    """
    training = [id for id, _ in parts["training"]]
    device = device or torch.device("cpu")
    scaling = {name: _scaling(pack, pack.rows(training)).on(device) for name, pack in packs.items()}

    def part(members: Sequence[tuple[str, int]]) -> Part:
        ids, labels = tuple(id for id, _ in members), torch.tensor([label for _, label in members], dtype=torch.long)
        return Part(
            ids=ids,
            labels=labels,
            packs=packs,
            rows={name: pack.rows(ids) for name, pack in packs.items()},
            scaling=scaling,
            device=device,
            votes=None if votes is None else _shares(ids, labels, votes, n_classes),
        )

    return FoldData(part(parts["training"]), part(parts["validation"]), part(parts["test"]), n_classes, tuple(pairs))


def _shares(
    ids: Sequence[str], labels: Int[Tensor, " utterances"], votes: Mapping[str, Sequence[float]], n_classes: int
) -> Float[Tensor, "utterances classes"]:
    found = torch.nn.functional.one_hot(labels, n_classes).float()
    for place, id in enumerate(ids):
        if id in votes:
            found[place] = torch.tensor(votes[id])
    return found


def _spans(pack: Pack, rows: Int[Tensor, " batch"]) -> Spans:
    first, last = pack.offsets[rows].tolist(), pack.offsets[rows + 1].tolist()
    return Spans(tuple(first), tuple(b - a for a, b in zip(first, last, strict=True)))


def _rows_on(
    pack: Pack, device: torch.device, rows: Int[Tensor, " gathered"], rows_there: Int[Tensor, " gathered"]
) -> Float[Tensor, "gathered dim"]:
    """The frames at `rows` on a GPU, which has `rows_there`, their copy: gathered there, or here without room there."""
    frames = pack.on(device)
    if frames.is_cuda:
        return frames.index_select(0, rows_there)
    return frames.index_select(0, rows).pin_memory().to(device, non_blocking=True)


def _gather(pack: Pack, spans: Spans, scaling: Scaling) -> Stream:
    gathered = all_at_once if sum(spans.lengths) * pack.dim < SMALL else one_by_one
    return Stream(gathered(pack.frames, spans.first, spans.lengths, scaling), spans.lengths)


def one_by_one(
    frames: Float[Tensor, "frames dim"], first: Sequence[int], lengths: Sequence[int], scaling: Scaling
) -> Float[Tensor, "gathered dim"]:
    """The scaled frames of the utterances that begin at `first`, end to end, copied one utterance at a time.

    This is fastest for large batches on a CPU: an utterance stays in the cache from the first operation to the last.
    """
    found = torch.empty(sum(lengths), frames.shape[1])
    for scaled, start, length in zip(found.split(lengths), first, lengths, strict=True):
        scaled.copy_(frames[start : start + length]).sub_(scaling.mean).div_(scaling.deviation)
    return found


def all_at_once(
    frames: Float[Tensor, "frames dim"], first: Sequence[int], lengths: Sequence[int], scaling: Scaling
) -> Float[Tensor, "gathered dim"]:
    """The scaled frames of the utterances that begin at `first`, end to end, in one gather.

    This is fastest for small batches, where every call has a fixed cost.
    """
    found = frames.index_select(0, consecutive(torch.tensor(first), torch.tensor(lengths)))
    return found.float().sub_(scaling.mean).div_(scaling.deviation)


def _scaling(pack: Pack, rows: Int[Tensor, " utterances"]) -> Scaling:
    first, last = pack.offsets[rows].tolist(), pack.offsets[rows + 1].tolist()
    # Every n-th frame of every utterance: a sample that is not random, and so is equal in all workers.
    step = max(1, (sum(last) - sum(first)) // STATISTICS_FRAMES)
    sample = [pack.frames[a:b:step] for a, b in zip(first, last, strict=True)]
    n_frames = sum(map(len, sample))
    # One utterance at a time: the sample of a large corpus as one tensor of doubles would take gigabytes.
    mean, variance = torch.zeros(2, pack.dim, dtype=torch.float64)
    for frames in sample:
        mean += frames.sum(0, dtype=torch.float64) / n_frames
    for frames in sample:
        variance += (frames.double() - mean).square().sum(0) / n_frames
    deviation = variance.sqrt()
    # A constant dimension is zero after centring; it is not divided by its deviation of zero.
    deviation[deviation < 1e-6] = 1.0
    return Scaling(mean.float(), deviation.float())

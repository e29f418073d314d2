"""Gathers frames of utterances from packs, as float32, standardised by the training set."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.streams import Stream, consecutive
from study.features.pack import Pack
from study.training.scaling import Scaling

# The row of an utterance without frames of a stream.
MISSING = -1
# A batch of fewer numbers (2 MB in float32) fits the processor's cache without special care.
SMALL = 2**19


@dataclass(frozen=True)
class Spans:
    """The first row in a pack of each utterance of a batch, and how many rows it has.

    One that has none gets any one row; `missing` are the places of these rows in the batch.
    """

    first: tuple[int, ...]
    lengths: tuple[int, ...]
    missing: tuple[int, ...] = ()

    @property
    def tensors(self) -> tuple[Int[Tensor, " batch"], Int[Tensor, " batch"]]:
        """Both as tensors."""
        return torch.tensor(self.first), torch.tensor(self.lengths)


def rows_of(pack: Pack, ids: Sequence[str], lacking: Collection[str]) -> Int[Tensor, " utterances"]:
    """Where each of `ids` is in a pack; `MISSING` for those that are `lacking`.

    Raises:
        UserError: the pack lacks one of the others.
    """
    if not lacking:
        return pack.rows(ids)
    rows = torch.full((len(ids),), MISSING)
    there = [place for place, id in enumerate(ids) if id not in lacking]
    rows[there] = pack.rows([ids[place] for place in there])
    return rows


def spans_of(pack: Pack, rows: Int[Tensor, " batch"]) -> Spans:
    """The spans of the utterances in these rows of a pack."""
    first, last = pack.offsets[rows].tolist(), pack.offsets[rows + 1].tolist()
    absent = (rows == MISSING).nonzero().flatten().tolist()
    for place in absent:
        first[place], last[place] = 0, 1
    lengths = tuple(b - a for a, b in zip(first, last, strict=True))
    starts = list(accumulate(lengths, initial=0)) if absent else []
    return Spans(tuple(first), lengths, tuple(starts[place] for place in absent))


def lengths_of(pack: Pack, rows: Int[Tensor, " utterances"]) -> Int[Tensor, " utterances"]:
    """The number of frames that each utterance has in a batch."""
    return pack.lengths[rows].masked_fill(rows == MISSING, 1)


def emptied(frames: Float[Tensor, "frames dim"], missing: Int[Tensor, " missing"] | None) -> Tensor:
    """The frames, of which those that stand for nothing are zeros."""
    return frames if missing is None else frames.index_fill_(0, missing, 0.0)


def rows_on(
    pack: Pack, device: torch.device, rows: Int[Tensor, " gathered"], rows_there: Int[Tensor, " gathered"]
) -> Float[Tensor, "gathered dim"]:
    """The frames at `rows` on a GPU, which has `rows_there`, their copy: gathered there, or here without room there."""
    frames = pack.on(device)
    if frames.is_cuda:
        return frames.index_select(0, rows_there)
    return frames.index_select(0, rows).pin_memory().to(device, non_blocking=True)


def gather(pack: Pack, spans: Spans, scaling: Scaling) -> Stream:
    """The stream of the utterances of these spans, on a CPU."""
    gathered = all_at_once if sum(spans.lengths) * pack.dim < SMALL else one_by_one
    missing = torch.tensor(spans.missing) if spans.missing else None
    frames = gathered(pack.frames, spans.first, spans.lengths, scaling)
    return Stream(emptied(frames, missing), spans.lengths, missing=missing)


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

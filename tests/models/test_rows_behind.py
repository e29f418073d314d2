"""Rows behind frames, against lists of rows; on a pretended GPU, without copies from the host."""

import torch

from models.layout import layout_of
from models.rows_behind import rows_behind
from models.streams import Stream
from tests.plugins.pretended_gpu import pretended_gpu

LENGTHS, N, WIDTH = (3, 1, 4), 2, 5


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(sum(LENGTHS), WIDTH, generator=generator), torch.randn(len(LENGTHS), N, WIDTH)


def test_each_utterance_has_its_frames_and_its_rows_behind_them() -> None:
    frames, more = rows()
    stream = Stream(frames, LENGTHS)
    behind = rows_behind(stream, N)
    both = behind.joined(stream, more)
    expected = [torch.cat([mine, own]) for mine, own in zip(frames.split(LENGTHS), more, strict=True)]
    assert [torch.equal(mine, theirs) for mine, theirs in zip(both.split(), expected, strict=True)] == [True] * 3
    again, own = behind.separated(stream, both)
    assert torch.equal(again.frames, frames)
    assert torch.equal(own, more)


def test_gradients_go_back_to_the_rows_that_they_come_from() -> None:
    frames, more = (each.requires_grad_() for each in rows())
    stream = Stream(frames, LENGTHS)
    behind = rows_behind(stream, N)
    weights = torch.arange(float(len(behind.order) * WIDTH)).view(-1, WIDTH)
    (behind.joined(stream, more).frames * weights).sum().backward()
    pieces = weights.split([length + N for length in LENGTHS])
    assert torch.equal(frames.grad, torch.cat([piece[:-N] for piece in pieces]))
    assert torch.equal(more.grad, torch.stack([piece[-N:] for piece in pieces]))


def test_its_layout_on_a_gpu_is_that_of_the_longer_utterances_and_comes_from_no_copy() -> None:
    expected = layout_of([length + N for length in LENGTHS])
    with pretended_gpu() as counts:
        layout = layout_of(LENGTHS).on(torch.device("cuda"))
        stream = Stream(torch.randn(sum(LENGTHS), WIDTH).to("cuda"), LENGTHS, layout)
        counts.clear()
        found = rows_behind(stream, N).layout
        assert counts.uploads == 0
        assert not counts.waits
        assert found is not None
        assert found.ahead.longest == expected.ahead.longest
        for mine, theirs in zip(found.tensors, expected.tensors, strict=True):
            assert mine.dtype == theirs.dtype
            assert torch.equal(mine.cpu(), theirs)

"""Where frames are: indices against what they take, and one upload against the tensors that it copies."""

import pytest
import torch

from models.layout import layout_of, taken, upload
from models.streams import Stream
from tests.plugins.pretended_gpu import pretended_gpu

LENGTHS = (4, 1, 6)


def test_a_padded_batch_has_each_utterance_from_its_first_place_or_reversed() -> None:
    frames, layout = torch.arange(1.0, 12.0).unsqueeze(1), layout_of(LENGTHS)
    for padding, step in ((layout.ahead, 1), (layout.back, -1)):
        padded = padding.pad(frames)
        assert padded.shape == (3, 6, 1)
        for row, own in zip(padded, frames.split(LENGTHS), strict=True):
            assert row[: len(own), 0].tolist() == own[:, 0].tolist()[::step]
        assert padding.unpad(padded).equal(frames)


def test_offsets_owners_and_last_frames_divide_the_frames() -> None:
    layout = layout_of(LENGTHS)
    assert layout.offsets.tolist() == [0, 4, 5, 11]
    assert layout.offsets.dtype == torch.int32
    assert layout.owner.tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2]
    assert layout.last.tolist() == [3, 4, 10]


def test_gradients_go_through_padding_and_back() -> None:
    frames = torch.randn(11, 2, dtype=torch.float64, requires_grad=True)
    for padding in (layout_of(LENGTHS).ahead, layout_of(LENGTHS).back):

        def there_and_back(rows: torch.Tensor, padding=padding) -> torch.Tensor:
            return padding.unpad(padding.pad(rows).cumsum(1))

        assert torch.autograd.gradcheck(there_and_back, (frames,))
    assert torch.autograd.gradcheck(lambda rows: taken(rows, torch.tensor([7, 2])).square(), (frames,))


def test_an_upload_keeps_every_value_type_and_shape_and_is_one_copy_without_a_wait() -> None:
    tensors = [torch.tensor([3, 1, 2]), torch.tensor([7], dtype=torch.int32), torch.randn(2, 3), torch.zeros(0).long()]
    with pretended_gpu() as counts:
        copies = upload(tensors, torch.device("cuda"))
        assert counts.figures() == {"operations": 1, "waits": 0, "uploads": 1}
        assert [each.device.type for each in copies] == ["cuda"] * 4
        back = [each.cpu() for each in copies]
    for mine, own in zip(back, tensors, strict=True):
        assert mine.dtype == own.dtype
        assert mine.equal(own)


@pytest.mark.parametrize("name", ["owner", "offsets", "last", "places"])
def test_a_stream_on_a_gpu_has_the_indices_of_one_on_the_host(name: str) -> None:
    frames = torch.randn(11, 2)
    with pretended_gpu():
        there = getattr(Stream(frames.to("cuda"), LENGTHS), name).cpu()
    assert there.tolist() == getattr(Stream(frames, LENGTHS), name).tolist()

"""Streams: their lengths cover their frames, and every frame has an owner."""

import pytest
import torch

from models.streams import Stream, consecutive


def test_an_utterance_without_frames_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        Stream(torch.randn(3, 2), (3, 0))


def test_lengths_that_do_not_cover_the_frames_are_refused():
    with pytest.raises(ValueError, match="lengths sum to 4, but there are 3 frames"):
        Stream(torch.randn(3, 2), (3, 1))


def test_owner_names_the_utterance_of_every_frame():
    stream = Stream(torch.randn(11, 6), (4, 1, 6))
    assert stream.owner.tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2]


def test_consecutive_indices_lie_end_to_end():
    assert consecutive(torch.tensor([5, 0, 9]), torch.tensor([2, 3, 1])).tolist() == [5, 6, 0, 1, 2, 9]

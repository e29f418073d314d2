"""Pooling over time and across streams against loops over utterances."""

import pytest
import torch
from torch import nn

from models.pooling import (
    AttentiveMean,
    PoolOverTime,
    max_over_time,
    mean_and_deviation_over_time,
    mean_over_time,
    pool_across_streams,
)
from models.streams import Stream

LENGTHS = (4, 1, 6)


@pytest.fixture
def stream():
    return Stream(torch.randn(11, 6), LENGTHS)


def test_pooling_over_time_equals_a_loop_over_utterances(stream):
    torch.testing.assert_close(mean_over_time(stream), torch.stack([f.mean(0) for f in stream.split()]))
    torch.testing.assert_close(max_over_time(stream), torch.stack([f.amax(0) for f in stream.split()]))
    attentive = AttentiveMean(6)
    expected = [attentive.score(f).softmax(0).T @ f for f in stream.split()]
    torch.testing.assert_close(attentive(stream), torch.cat(expected))


def test_mean_and_deviation_equal_a_loop_over_utterances_and_one_frame_has_none(stream):
    expected = torch.stack([torch.cat([f.mean(0), f.std(0, correction=0)]) for f in stream.split()])
    found = mean_and_deviation_over_time(stream)
    torch.testing.assert_close(found, expected)
    assert not found[1, 6:].any()  # of the utterance with one frame


def test_what_does_not_vary_over_time_has_finite_gradients():
    frames = torch.ones(5, 2, requires_grad=True)
    mean_and_deviation_over_time(Stream(frames, (4, 1))).sum().backward()
    assert torch.isfinite(frames.grad).all()


def test_attentive_weights_stay_finite_for_extreme_scores(stream):
    attentive = AttentiveMean(6)
    nn.init.constant_(attentive.score.weight, 1e4)
    assert torch.isfinite(attentive(stream)).all()


@pytest.mark.parametrize("rule", ["mean", "max", "attention"])
def test_every_pooling_of_a_constant_utterance_is_that_constant(rule):
    constant = Stream(torch.full((5, 3), 2.5), (2, 3))
    torch.testing.assert_close(PoolOverTime(rule, 3)(constant), torch.full((2, 3), 2.5))


def test_statistics_are_mean_and_sample_deviation_across_streams():
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 2.0]]])  # one utterance, two streams
    expected = torch.tensor([[2.0, 2.0, 2.0**0.5, 0.0]])
    torch.testing.assert_close(pool_across_streams(vectors, "statistics"), expected)


def test_a_single_stream_has_no_deviation_and_no_nan():
    assert pool_across_streams(torch.ones(2, 1, 3), "statistics").tolist() == [[1, 1, 1, 0, 0, 0]] * 2


def test_equal_streams_have_finite_gradients():
    vectors = torch.ones(2, 2, 3, requires_grad=True)
    pool_across_streams(vectors, "statistics").sum().backward()
    assert torch.isfinite(vectors.grad).all()

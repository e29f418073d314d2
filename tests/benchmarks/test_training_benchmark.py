"""The baselines compute what our models compute, on the same batches, and the benchmark's figures are sane."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import machine, synthetic, training
from study.seeding import derived_seed


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    features = synthetic.make(folder, 12)
    synthetic.write_arrays(features, 12, folder)
    return features, folder


@pytest.mark.parametrize("row", training.ROWS, ids=lambda row: row.name)
def test_padded_models_give_our_logits(row, small):
    features, folder = small
    data = features.fold(12, training.VARIANTS[row.variant].modalities)
    ours = training.OurRun(row, data)
    for fused in (False, True):
        theirs = training.padded(row, ours, folder, fused)
        assert (theirs.logits(data.test) - ours.logits()).abs().max() < 1e-5


def test_padded_models_train_on_our_batches(small):
    features, folder = small
    data = features.fold(12)
    ours = training.OurRun(training.ROWS[0], data)
    theirs = training.padded(training.ROWS[0], ours, folder, fused=False)
    theirs.done = 1
    order = torch.Generator().manual_seed(derived_seed(training.SEED, "order", 1))
    batches = zip(theirs.training_batches(), data.training.shuffled(training.RECIPE.batch_size, order), strict=True)
    for (padded, lengths, labels), (_, streams, expected) in batches:
        assert labels.equal(expected)
        for name, stream in streams.items():
            assert tuple(lengths[name].tolist()) == stream.lengths
            real = torch.arange(padded[name].shape[1]) < lengths[name].unsqueeze(1)
            torch.testing.assert_close(padded[name][real], stream.frames)


def test_modality_dropout_is_measured_on_a_model_that_learns_vectors_for_what_it_loses(small):
    features, _ = small
    (row,) = (row for row in training.ROWS if row.name == "concat")
    run = training.OurRun(replace(row, dropout=1.0), features.fold(12))
    run.epoch()
    assert sorted(run.training.model.vectors) == ["audio", "text"]
    assert all(vector.any() for vector in run.training.model.vectors.values())


def test_training_without_dropout_goes_the_same_way(small):
    features, folder = small
    data = features.fold(12)
    (row,) = (row for row in training.ROWS if row.name == "self-no-dropout")
    ours = training.OurRun(row, data)
    theirs = training.padded(row, ours, folder, fused=True)
    ours.epoch()
    theirs.epoch()
    torch.testing.assert_close(theirs.logits(data.test), ours.logits(), atol=1e-3, rtol=1e-2)


def test_lengths_are_shaped_like_iemocap():
    lengths = synthetic.utterance_lengths(7400)
    mean = {name: sum(each) / len(each) for name, each in lengths.items()}
    assert mean["audio"] / synthetic.RATE_HZ == pytest.approx(4.4, abs=0.1)
    assert mean["text"] == pytest.approx(12, abs=0.5)
    frames, pairs = synthetic.padding_shares(lengths["audio"], 32)
    assert 0.25 < frames < 0.35
    assert 0.1 < pairs < 0.15


def test_padding_shares_of_a_batch_counted_by_hand():
    assert synthetic.padding_shares([1, 3], 2) == pytest.approx((4 / 6, 10 / 18))


def test_calls_take_turns():
    called = []
    taken = machine.alternating({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 3)
    assert called == ["a", "b"] * 3
    assert [len(seconds) for seconds in taken.values()] == [3, 3]
    assert machine.ratio({"a": [2.0, 9.0, 4.0], "b": [1.0, 3.0, 1.0]}, "a", "b") == 3.0


def test_figures_are_written_as_json(tmp_path):
    machine.write_json(tmp_path / "figures.json", {"self": {"vs_naive": torch.tensor(2.0)}})
    assert json.loads((tmp_path / "figures.json").read_text()) == {"self": {"vs_naive": 2.0}}

"""The training loop on small synthetic packs: it learns, repeats, resumes, and never reads what is held out."""

import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from search_spaces.recipe import Recipe
from study.training import checkpoint
from study.training.batches import FoldData
from study.training.loop import Diverged, begin, learning_rate, train_fold
from study.training.predictions import (
    keep_epochs,
    load_classes,
    load_ids,
    load_origin,
    load_probabilities,
    save_predictions,
)
from study.variants import TRAINED, VARIANTS
from tests.training.small import CONFIG, SYSTEMS, small_config

RECIPE = Recipe(learning_rate=5e-3)


def data_for(name, fold):
    """The fold with the variant's inputs alone."""
    inputs = VARIANTS[name].inputs

    def narrowed(part):
        picked = {field: {key: getattr(part, field)[key] for key in inputs} for field in ("packs", "rows", "scaling")}
        return replace(part, **picked)

    return FoldData(narrowed(fold.training), narrowed(fold.validation), narrowed(fold.test), fold.n_classes)


def begun(data, *, name="cross", recipe=RECIPE, seed=3, total=6, training=None, last_epoch=None):
    data = data_for(name, data)
    row = VARIANTS[name]
    training = training or begin(row.model, small_config(row.config), recipe, data, seed)
    return training, train_fold(training, data, recipe, epochs=total, metric="UWA", seed=seed, last_epoch=last_epoch)


def epochs_of(data, n, **how):
    training, run = begun(data, **how)
    return training, list(islice(run, n))


def scores_of(epochs):
    return [(epoch.loss, epoch.validation, epoch.test) for epoch in epochs]


@pytest.mark.parametrize("name", TRAINED)
def test_learns_classes_that_can_be_learnt(name, separable_fold):
    epochs = []
    for epoch in begun(separable_fold, name=name, total=15)[1]:
        epochs.append(epoch)
        if epoch.validation["UWA"] > 0.8:
            break  # most need a third of the epochs
    best = max(epochs, key=lambda epoch: epoch.validation["UWA"])
    assert best.test["UWA"] > 0.7  # chance is .25


@pytest.mark.parametrize("name", SYSTEMS)
def test_shuffled_labels_give_chance(name, separable_fold):
    """The leak detector: nothing but the labels links training to test."""
    generator = torch.Generator().manual_seed(0)
    shuffled = {}
    for part in ("training", "validation", "test"):
        held = getattr(separable_fold, part)
        shuffled[part] = replace(held, labels=held.labels[torch.randperm(len(held), generator=generator)])
    _, epochs = epochs_of(replace(separable_fold, **shuffled), 6, name=name)
    # 40 test utterances, 4 classes: one standard deviation of the mean recall is .068.
    assert abs(epochs[-1].test["UWA"] - 0.25) < 3 * 0.068


def test_the_same_seed_repeats_and_another_does_not(separable_fold):
    first, again = (scores_of(epochs_of(separable_fold, 2)[1]) for _ in range(2))
    assert first == again
    assert first != scores_of(epochs_of(separable_fold, 2, seed=4)[1])


def test_a_run_resumed_from_its_checkpoint_equals_an_uninterrupted_one(separable_fold, tmp_path):
    whole_training, whole = epochs_of(separable_fold, 5)
    training, first = epochs_of(separable_fold, 2)
    checkpoint.save(tmp_path / "run", training, "mine")
    resumed = begin(VARIANTS["cross"].model, CONFIG, RECIPE, data_for("cross", separable_fold), seed=99)
    assert checkpoint.load_into(resumed, tmp_path / "run", "mine")
    _, rest = epochs_of(separable_fold, 3, training=resumed)
    assert scores_of(first + rest) == scores_of(whole)
    for mine, own in zip(resumed.predictions, whole_training.predictions, strict=True):
        assert mine.validation.equal(own.validation)
        assert mine.test.equal(own.test)


def test_test_labels_change_nothing_but_test_scores(separable_fold):
    """Selection and training read no test label: with other ones, everything else is the same to the bit."""
    other = replace(separable_fold, test=replace(separable_fold.test, labels=separable_fold.test.labels.roll(1)))
    (_, epochs), (_, changed) = epochs_of(separable_fold, 4), epochs_of(other, 4)
    assert [(e.loss, e.validation) for e in epochs] == [(e.loss, e.validation) for e in changed]
    assert epochs[-1].test != changed[-1].test


def test_a_run_that_ends_earlier_has_the_epochs_of_the_whole_one(separable_fold):
    """The schedule is over all epochs, wherever the run ends."""
    _, whole = epochs_of(separable_fold, 5)
    _, epochs = epochs_of(separable_fold, 5, last_epoch=3)
    assert scores_of(epochs) == scores_of(whole)[:3]


def test_scaling_reads_training_frames_only(separable_fold):
    scaled = torch.cat([streams["audio"].frames for streams, _ in separable_fold.training.in_order(16)])
    torch.testing.assert_close(scaled.mean(0), torch.zeros(scaled.shape[1]), atol=1e-3, rtol=0)
    torch.testing.assert_close(scaled.std(0), torch.ones(scaled.shape[1]), atol=1e-2, rtol=0)


def test_early_stopping_waits_for_patience_epochs_without_a_better_score(separable_fold):
    recipe = replace(RECIPE, learning_rate=0.0, patience=2)
    data = data_for("cross", separable_fold)
    training = begin(VARIANTS["cross"].model, CONFIG, recipe, data, 0)
    epochs = list(train_fold(training, data, recipe, epochs=6, metric="UWA", seed=0))
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert training.finished(6, 2, "UWA")
    assert not training.finished(6, 3, "UWA")


def test_a_diverging_run_says_so(separable_fold):
    with pytest.raises(Diverged):
        epochs_of(separable_fold, 3, recipe=replace(RECIPE, learning_rate=1e30))


def test_learning_rate_warms_up_and_ends_at_zero():
    recipe = Recipe(learning_rate=1.0)
    rates = [learning_rate(recipe, step / 10, epochs=4) for step in range(1, 41)]
    assert rates[0] == pytest.approx(0.1, abs=0.001)
    assert max(rates) == rates[9]
    assert rates[-1] == pytest.approx(0.0, abs=1e-6)


def test_predictions_on_disk_are_those_of_every_epoch(separable_fold, tmp_path):
    training, _ = epochs_of(separable_fold, 3)
    path = tmp_path / "predictions" / "run.safetensors"
    ids = {"validation": separable_fold.validation.ids, "test": separable_fold.test.ids}
    save_predictions(path, training.predictions, [1, 2, 3], ids, {"run": "r", "params": "{}"})
    for kept in ([1, 2, 3], [2, 3], [2]):
        keep_epochs(path, kept)
        assert load_origin(path) == {"run": "r", "params": "{}"}
        for part in ("validation", "test"):
            own = [getattr(after, part) for after in training.predictions]
            assert tuple(load_ids(path, part)) == ids[part]
            assert load_classes(path, part).tolist() == [each.argmax(1).tolist() for each in own]
            for epoch in kept:
                assert load_probabilities(path, part, epoch).equal(own[epoch - 1])
    with pytest.raises(LookupError, match="epochs 2 and not of 3"):
        load_probabilities(path, "test", 3)


def test_seeds_are_the_same_in_another_process():
    from study.seeding import derived_seed

    code = "from study.seeding import derived_seed; print(derived_seed(7, 'order', 3))"
    root = Path(__file__).resolve().parents[2]
    output = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert int(output) == derived_seed(7, "order", 3)
    assert derived_seed(7, "order", 3) != derived_seed(7, "order", 4)

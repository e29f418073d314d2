"""Missing modalities in batches and training: what is marked, what is drawn, and what is learned of it."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from models.missing import WithMissing
from search_spaces.recipe import Recipe
from study.errors import UserError
from study.features.pack import Pack, write_pack
from study.training.batches import FoldData, fold_data
from study.training.gathering import MISSING
from study.training.loop import begin, probabilities, scores, train_fold
from study.variants import VARIANTS
from tests.plugins.pretended_gpu import pretended_gpu
from tests.training.small import small_config

RECIPE = Recipe(batch_size=16)
SELF = VARIANTS["self"]


def two_streams(fold: FoldData) -> FoldData:
    """The small fold with speech and words alone."""
    names = ("audio", "text")

    def part(one):
        return replace(one, packs={n: one.packs[n] for n in names}, rows={n: one.rows[n] for n in names})

    return FoldData(part(fold.training), part(fold.validation), part(fold.test), fold.n_classes)


def trained(data: FoldData, recipe: Recipe, epochs: int = 2, seed: int = 4, variant: str = "self"):
    row = VARIANTS[variant]
    training = begin(row.model, small_config(row.config), recipe, data, seed)
    list(train_fold(training, data, recipe, epochs=epochs, metric="UWA", seed=seed))
    return training


@pytest.mark.parametrize("seed", range(5))
def test_an_utterance_loses_one_stream_at_most_and_never_its_last(separable_fold: FoldData, seed: int) -> None:
    part = separable_fold.training
    rows = {name: own.clone() for name, own in part.rows.items()}
    _, *others = rows.values()
    assert len(others) > 1
    for own in others:
        own[:40] = MISSING
    part = replace(part, rows=rows)
    drawn = part.with_dropout(1.0, torch.Generator().manual_seed(seed))
    before, after = (torch.stack([each.rows[name] == MISSING for name in each.rows]) for each in (part, drawn))
    assert after.sum(0)[:40].tolist() == [len(others)] * 40
    assert after.sum(0)[40:].tolist() == [1] * 40
    assert not (before & ~after).any()
    assert (after[:, 40:].sum(1) > 0).all()  # each of them by chance


def test_dropout_is_as_frequent_as_it_is_asked_for_and_leaves_the_rest(separable_fold: FoldData) -> None:
    part = two_streams(separable_fold).training
    generator, lost = torch.Generator().manual_seed(0), 0
    for _ in range(50):
        drawn = part.with_dropout(0.3, generator)
        for name, rows in drawn.rows.items():
            gone = rows == MISSING
            assert rows[~gone].equal(part.rows[name][~gone])
            lost += int(gone.sum())
    assert lost / (50 * len(part)) == pytest.approx(0.3, abs=0.03)  # 3 deviations of 4,000 draws are .022


def test_a_batch_has_one_frame_of_zeros_for_what_is_missing_and_the_others_as_they_were(
    separable_fold: FoldData,
) -> None:
    part = two_streams(separable_fold).training
    index = torch.tensor([5, 0, 9])
    rows = {**part.rows, "text": part.rows["text"].index_fill(0, torch.tensor([0]), MISSING)}
    whole, _ = part.batch(index)
    streams, _ = replace(part, rows=rows).batch(index)
    assert streams["audio"].frames.equal(whole["audio"].frames)
    assert streams["audio"].missing is None
    before, after = whole["text"].split(), streams["text"].split()
    assert after[0].equal(before[0])
    assert after[2].equal(before[2])
    assert after[1].equal(torch.zeros(1, 5))
    assert streams["text"].missing.tolist() == [len(after[0])]


def test_without_dropout_training_is_what_it_was_to_the_bit(separable_fold: FoldData) -> None:
    data = two_streams(separable_fold)
    plain, zero = trained(data, RECIPE), trained(data, replace(RECIPE, modality_dropout=0.0))
    assert not isinstance(plain.model, WithMissing)
    # Losses, all scores and layer weights, as bytes; of what an epoch is, only the time that it took differs.
    written = [[json.dumps(asdict(replace(epoch, seconds=0.0))) for epoch in each.history] for each in (plain, zero)]
    assert written[0] == written[1]
    for one, other in zip(plain.predictions, zero.predictions, strict=True):
        assert one.validation.equal(other.validation)
        assert one.test.equal(other.test)
    weights = zero.model.state_dict()
    assert list(weights) == list(plain.model.state_dict())
    assert all(value.equal(weights[name]) for name, value in plain.model.state_dict().items())


def test_one_modality_alone_is_never_dropped(separable_fold: FoldData) -> None:
    fold = two_streams(separable_fold)
    data = FoldData(
        *(
            replace(part, packs={"audio": part.packs["audio"]}, rows={"audio": part.rows["audio"]})
            for part in (fold.training, fold.validation, fold.test)
        ),
        fold.n_classes,
    )
    dropped = trained(data, replace(RECIPE, modality_dropout=0.5), variant="audio")
    plain = trained(data, RECIPE, variant="audio")
    assert [epoch.loss for epoch in dropped.history] == [epoch.loss for epoch in plain.history]


def test_predictions_without_a_modality_do_not_depend_on_it(separable_fold: FoldData) -> None:
    data = two_streams(separable_fold)
    training = trained(data, replace(RECIPE, modality_dropout=0.5))
    assert all(vector.any() for vector in training.model.vectors.values())  # they were learned
    shuffled = replace(data.test, rows={**data.test.rows, "text": data.test.rows["text"].flip(0)})
    found = probabilities(training.model, data.test.without("text"), 4)
    assert torch.isfinite(found).all()
    assert found.equal(probabilities(training.model, shuffled.without("text"), 4))
    assert not found.equal(probabilities(training.model, data.test, 4))


def test_dropout_is_equal_for_equal_seeds_and_goes_on_where_it_was_paused(separable_fold: FoldData) -> None:
    data, recipe = two_streams(separable_fold), replace(RECIPE, modality_dropout=0.3)
    one, other = trained(data, recipe), trained(data, recipe)
    assert [epoch.loss for epoch in one.history] == [epoch.loss for epoch in other.history]
    assert trained(data, recipe, seed=5).history[0].loss != one.history[0].loss


def test_the_gpus_epoch_with_missing_modalities_equals_the_cpus_and_waits_no_more(separable_fold: FoldData) -> None:
    recipe, config = replace(RECIPE, modality_dropout=0.5), replace(small_config(SELF.config), dropout=0.0)

    def losses(device: torch.device):
        whole = two_streams(separable_fold)
        parts = {
            name: [(id, int(label)) for id, label in zip(part.ids, part.labels, strict=True)]
            for name, part in (("training", whole.training), ("validation", whole.validation), ("test", whole.test))
        }
        lacking = {"text": {parts["test"][0][0], parts["training"][3][0]}}
        data = fold_data(whole.training.packs, parts, 4, device, missing=lacking)
        training = begin(SELF.model, config, recipe, data, seed=1)
        return [epoch.loss for epoch in train_fold(training, data, recipe, epochs=2, metric="UWA", seed=1)]

    ours = losses(torch.device("cpu"))
    with pretended_gpu() as counts:
        theirs = losses(torch.device("cuda"))
    assert theirs == pytest.approx(ours, abs=1e-6)
    assert counts.not_deterministic == set()
    waits = {name: number for name, number in counts.waits.items() if "not pinned" not in name}
    assert waits == {"_local_scalar_dense": 2, "cpu to the host": 4}


def fold_of_redundant_emotion(folder: Path) -> FoldData:
    """Three classes that speech alone shows, and words alone in more dimensions; the mean frame is that of one class.

    So words that are not there look like words of this class to a model that never lacked any.
    """
    generator, n = torch.Generator().manual_seed(0), 400
    ids, labels = [f"u{number:03d}" for number in range(n)], [number % 3 for number in range(n)]
    packs = {}
    for name, dim in (("audio", 1), ("text", 24)):
        frames = [(label - 1 + 0.4 * torch.randn(4, dim, generator=generator)).half() for label in labels]
        write_pack(folder / name, ids, frames, None, {})
        packs[name] = Pack.open(folder / name)
    members = list(zip(ids, labels, strict=True))
    return fold_data(packs, {"training": members[:250], "validation": members[250:280], "test": members[280:]}, 3)


def test_a_model_trained_with_dropout_knows_the_emotion_without_words_and_one_without_does_not(
    tmp_path: Path,
) -> None:
    data, found = fold_of_redundant_emotion(tmp_path), {}
    recipe = Recipe(learning_rate=5e-3, batch_size=32)
    for share in (0.0, 0.3):
        training = trained(data, replace(recipe, modality_dropout=share), epochs=12, variant="concat")
        part = data.test.without("text")
        found[share] = scores(probabilities(training.model, part, 3), part, 3)["UWA"]
        assert training.history[-1].test["UWA"] > 0.95
    assert found[0.3] >= 0.8
    assert found[0.0] <= found[0.3] - 0.2


def test_utterances_that_lack_a_modality_need_no_frames_and_scale_nothing(tmp_path: Path) -> None:
    frames = [torch.randn(3, 2, generator=torch.Generator().manual_seed(n)).half() for n in range(4)]
    ids = [f"u{n}" for n in range(6)]
    write_pack(tmp_path / "audio", ids, [*frames, *frames[:2]], None, {})
    write_pack(tmp_path / "video", ids[:4], frames, None, {})  # u4 and u5 have no film
    packs = {name: Pack.open(tmp_path / name) for name in ("audio", "video")}
    members = [(id, n % 2) for n, id in enumerate(ids)]
    lacking = {"video": {"u4", "u5"}}
    parts = {"training": members[2:5], "validation": members[:2], "test": members[5:]}
    data = fold_data(packs, parts, 2, missing=lacking)
    assert data.missing == ("video",)
    seen = torch.cat(frames[2:]).double()
    torch.testing.assert_close(data.training.scaling["video"].mean, seen.mean(0).float())
    training = trained(data, Recipe(batch_size=2), variant="concat")
    assert list(training.model.vectors) == ["video"]
    assert training.model.vectors["video"].any()
    only = {"training": members[4:], "validation": members[:2], "test": members[2:4]}
    with pytest.raises(UserError, match="no training utterance of a fold has it"):
        fold_data(packs, only, 2, missing=lacking)

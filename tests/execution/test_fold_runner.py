"""A fold run inside a worker: its epochs are those of the training loop, wherever it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from search_spaces.recipe import Recipe
from study.errors import UserError
from study.execution.fold_runner import FoldRunner, data_of_fold, parts_of_fold
from study.execution.job import Job
from study.execution.worker_result import EpochTrained
from study.record.events import FoldRun
from study.training import checkpoint
from study.training.batches import FoldData
from study.training.loop import Training, begin, probabilities, train_fold
from study.training.predictions import load_ids, load_probabilities, load_without
from study.variants import VARIANTS
from tests.plugins.tiny_study import EPOCHS, N_UTTERANCES, TinyStudy

CPU = torch.device("cpu")


def runner(study: TinyStudy, job: Job) -> FoldRunner:
    """The run as a worker takes it up."""
    return FoldRunner(study.folder, job, CPU, fetch=False)


def epochs_of(fold_run: FoldRunner, n: int = EPOCHS) -> list[EpochTrained]:
    return [without_clock(fold_run.next_epoch()) for _ in range(n)]


def without_clock(epoch: EpochTrained) -> EpochTrained:
    return replace(epoch, seconds=0.0)


def trained_here(study: TinyStudy, job: Job) -> tuple[Training, FoldData, list[EpochTrained]]:
    """The oracle: the same run by the training loop alone, without a checkpoint."""
    row, recipe = VARIANTS[job.run.variant], Recipe(**job.recipe)
    data = data_of_fold(study.plan, row.inputs, job.run.fold, CPU)
    training = begin(row.model, row.rebuilt(job.model), recipe, data, job.torch_seed)
    epochs = [
        EpochTrained(epoch.number, epoch.loss, epoch.validation, epoch.test, 0.0, epoch.number == EPOCHS)
        for epoch in train_fold(training, data, recipe, epochs=EPOCHS, metric="UWA", seed=job.torch_seed)
    ]
    return training, data, epochs


@pytest.mark.parametrize("run", [FoldRun("text", 0, 0), FoldRun("cross", 3, 2, 1)], ids=lambda run: run.name)
def test_its_epochs_are_those_of_the_training_loop(tiny_study: TinyStudy, run: FoldRun) -> None:
    job = tiny_study.job(run)
    _, _, expected = trained_here(tiny_study, job)
    assert epochs_of(runner(tiny_study, job)) == expected
    assert [epoch.ended for epoch in expected] == [False, False, False, True]


@pytest.mark.parametrize("trained", [1, 2, 3])
def test_a_run_taken_up_in_another_process_continues_to_equal_scores(tiny_study: TinyStudy, trained: int) -> None:
    job = tiny_study.job()
    _, _, expected = trained_here(tiny_study, job)
    first = epochs_of(runner(tiny_study, job), trained)
    again = tiny_study.job(epochs_known=trained)
    assert first + epochs_of(runner(tiny_study, again), EPOCHS - trained) == expected


def test_epochs_that_the_ledger_lacks_are_reported_from_the_checkpoint(tiny_study: TinyStudy) -> None:
    """Killed between checkpoint and ledger: three epochs are trained, one is on record."""
    expected = [runner_one.next_epoch() for runner_one in [runner(tiny_study, tiny_study.job())] for _ in range(3)]
    path = tiny_study.folder.checkpoint_of(tiny_study.job().run)
    before = path.read_bytes()
    again = runner(tiny_study, tiny_study.job(epochs_known=1))
    assert [again.next_epoch() for _ in range(2)] == expected[1:], "the clock included: they are not trained again"
    assert path.read_bytes() == before


def test_a_run_whose_last_epoch_the_ledger_lacks_ends_and_has_its_predictions(tiny_study: TinyStudy) -> None:
    """Killed between the last checkpoint and the predictions."""
    job = tiny_study.job()
    expected = epochs_of(runner(tiny_study, job))
    predictions = tiny_study.folder.predictions_of(job.run)
    kept = load_file(predictions)
    predictions.unlink()
    assert epochs_of(runner(tiny_study, tiny_study.job(epochs_known=EPOCHS - 1)), 1) == expected[-1:]
    assert all(load_file(predictions)[part].equal(kept[part]) for part in ("validation", "test"))


def flipped(whole: bytes) -> bytes:
    """One bit in the middle of the tensors."""
    return whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 4]) + whole[len(whole) // 2 + 1 :]


@pytest.mark.parametrize(
    "damage", [flipped, lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"junk" * 99]
)
def test_a_damaged_checkpoint_is_trained_again_to_equal_scores(
    tiny_study: TinyStudy, damage: Callable[[bytes], bytes]
) -> None:
    job = tiny_study.job()
    _, _, expected = trained_here(tiny_study, job)
    epochs_of(runner(tiny_study, job), 2)
    path = tiny_study.folder.checkpoint_of(job.run)
    path.write_bytes(damage(path.read_bytes()))
    # From its first epoch: the conductor passes over those that it knows.
    assert epochs_of(runner(tiny_study, tiny_study.job(epochs_known=2))) == expected


def test_a_checkpoint_of_another_fold_configuration_or_study_is_not_taken_up(
    make_study: Callable[..., TinyStudy], tiny_study: TinyStudy
) -> None:
    job = tiny_study.job()
    _, _, expected = trained_here(tiny_study, job)
    elsewhere = make_study(name="older", seed=2)
    others = [
        (tiny_study, tiny_study.job(FoldRun("text", 3, 2))),
        (tiny_study, tiny_study.job(FoldRun("text", 3, 1, seed=1))),
        (tiny_study, tiny_study.job(FoldRun("text", 2, 1), learning_rate=0.003)),
        (elsewhere, elsewhere.job(job.run)),
    ]
    for study, other in others:
        epochs_of(runner(study, other), 2)
        mine = tiny_study.folder.checkpoint_of(job.run)
        mine.write_bytes(study.folder.checkpoint_of(other.run).read_bytes())
        assert epochs_of(runner(tiny_study, tiny_study.job(epochs_known=2))) == expected


def test_a_checkpoint_of_a_model_whose_code_has_changed_is_not_taken_up(tiny_study: TinyStudy) -> None:
    """Same owner, other weights: nothing of it is set."""
    job = tiny_study.job()
    training, data, _ = trained_here(tiny_study, job)
    path, row = tiny_study.folder.checkpoint_of(job.run), VARIANTS["text"]
    checkpoint.save(path, training, "mine")
    config = {**job.model, "width_per_head": 10}
    other = begin(row.model, row.rebuilt(config), Recipe(**job.recipe), data, job.torch_seed)
    assert not checkpoint.load_into(other, path, "mine")
    assert (other.history, other.predictions) == ([], [])
    same = begin(row.model, row.rebuilt(job.model), Recipe(**job.recipe), data, job.torch_seed)
    assert not checkpoint.load_into(same, path, "another")
    assert checkpoint.load_into(same, path, "mine")


def test_predictions_are_saved_at_the_end_and_are_those_of_every_epoch(tiny_study: TinyStudy) -> None:
    job = tiny_study.job()
    training, data, _ = trained_here(tiny_study, job)
    path, fold_run = tiny_study.folder.predictions_of(job.run), runner(tiny_study, job)
    for _ in range(EPOCHS - 1):
        fold_run.next_epoch()
        assert not path.exists()
    fold_run.next_epoch()
    for part in ("validation", "test"):
        assert tuple(load_ids(path, part)) == getattr(data, part).ids
        for epoch, after in enumerate(training.predictions, start=1):
            assert load_probabilities(path, part, epoch).equal(getattr(after, part))


def test_a_confirmation_run_ends_where_the_search_says_and_waits_for_no_better_score(tiny_study: TinyStudy) -> None:
    job = tiny_study.job(FoldRun("text", 3, 1, seed=1))
    job = replace(job, recipe={**job.recipe, "learning_rate": 0.0, "patience": 1}, last_epoch=3)
    assert [epoch.ended for epoch in epochs_of(runner(tiny_study, job), 3)] == [False, False, True]
    with pytest.raises(LookupError, match="epochs 3 and not of 2"):
        load_probabilities(tiny_study.folder.predictions_of(job.run), "test", 2)


def test_a_run_that_stops_early_says_that_it_has_ended(tiny_study: TinyStudy) -> None:
    job = tiny_study.job()
    job = replace(job, recipe={**job.recipe, "learning_rate": 0.0, "patience": 1})
    assert [epoch.ended for epoch in epochs_of(runner(tiny_study, job), 2)] == [False, True]
    assert tiny_study.folder.predictions_of(job.run).exists()


def test_a_run_for_both_blocks_never_stops_early(make_study: Callable[..., TinyStudy]) -> None:
    study = make_study(protocol="nested", policy="asha")
    job = study.job()
    job = replace(job, recipe={**job.recipe, "learning_rate": 0.0, "patience": 1})
    assert [epoch.ended for epoch in epochs_of(runner(study, job))] == [False, False, False, True]


def test_a_missing_pack_is_named(tiny_study: TinyStudy, tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").unlink()
    with pytest.raises(UserError, match=r"text\.safetensors"):
        runner(tiny_study, tiny_study.job())


def test_every_utterance_is_in_one_part_of_a_fold(tiny_study: TinyStudy) -> None:
    for fold in range(3):
        parts = parts_of_fold(tiny_study.plan, fold)
        ids = [id for members in parts.values() for id, _ in members]
        assert len(ids) == len(set(ids)) == N_UTTERANCES
        group = {each["id"]: each["group"] for each in tiny_study.plan.utterances}
        for part, members in parts.items():
            assert {group[id] for id, _ in members} == set(tiny_study.plan.folds[fold][part])


def test_what_is_on_disk_holds_tensors_only(tiny_study: TinyStudy) -> None:
    job = tiny_study.job()
    epochs_of(runner(tiny_study, job))
    parts = {"validation", "test", "validation classes", "test classes"}
    assert set(load_file(tiny_study.folder.predictions_of(job.run))) == parts
    assert {name.split("/")[0] for name in load_file(tiny_study.folder.checkpoint_of(job.run))} == {
        "model",
        "optimizer",
        "predictions",
    }


def test_a_confirmation_run_keeps_what_its_model_predicts_without_each_modality(tiny_study: TinyStudy) -> None:
    searched, confirmed = (tiny_study.job(FoldRun("cross", 3, 1, seed)) for seed in (0, 1))
    for job in (searched, confirmed):
        epochs_of(runner(tiny_study, job))
    assert load_without(tiny_study.folder.predictions_of(searched.run), EPOCHS) == {}
    path = tiny_study.folder.predictions_of(confirmed.run)
    training, data, _ = trained_here(tiny_study, confirmed)
    found = load_without(path, EPOCHS)
    assert set(found) == {"audio", "text"}
    for stream, shares in found.items():
        assert shares.equal(probabilities(training.model, data.test.without(stream), data.n_classes))
    assert load_without(path, EPOCHS - 1) == {}

"""Which checkpoints stay: those of runs that may go on, and those of the configuration to be reported."""

from pathlib import Path

from study.execution.checkpoint_cleanup import CheckpointCleanup, keep_reported_weights, sweep_checkpoints
from study.record.events import EpochDone, FoldRun, Phase
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.search.conductor import Conductor, Listener
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Rules
from study.searches import conductor_of
from study.training.checkpoint import keep_weights
from study.training.metrics import METRICS
from tests.plugins.tiny_study import published, run_study, write_study

RULES = Rules(n_configs=4, n_folds=1, epochs=2, rungs=(1,))
RUNS = [FoldRun("cross", number, 0) for number in range(4)]


def begun(folder: StudyFolder, *listeners: Listener) -> Conductor:
    """A study with a run of each of four configurations under way."""
    race = Race(RULES, POLICIES["asha"])
    conductor = Conductor({"cross": race}, Ledger(folder.ledger), propose=lambda *_: {}, slots=4, listeners=listeners)
    folder.checkpoints.mkdir()
    while (wanted := conductor.next_run()) is not None:
        conductor.assign(wanted)
    return conductor


def train(conductor: Conductor, folder: StudyFolder, run: FoldRun, epoch: int, score: float) -> None:
    folder.checkpoint_of(run).touch()
    scores = dict.fromkeys(METRICS, score)
    conductor.report(EpochDone("cross", run.config, run.fold, run.seed, epoch, 1.0, scores, scores, 0.1, epoch == 2))


def test_only_checkpoints_that_may_be_read_again_stay(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    conductor = begun(folder)
    for epoch, score in ((1, 0.5), (2, 0.6)):
        train(conductor, folder, RUNS[0], epoch, score)  # complete
    train(conductor, folder, RUNS[1], 1, 0.1)  # stopped at the rung
    train(conductor, folder, RUNS[2], 1, 0.9)  # on its way
    folder.checkpoint_of(RUNS[3]).touch()
    conductor.mark_lost(RUNS[3], Phase.FAILED, "no memory")
    sweep_checkpoints(folder, conductor)
    assert set(folder.runs_with_checkpoint()) == {RUNS[0], RUNS[2]}
    train(conductor, folder, RUNS[2], 2, 0.9)
    sweep_checkpoints(folder, conductor)
    assert set(folder.runs_with_checkpoint()) == {RUNS[2]}


def test_a_finished_study_keeps_the_weights_of_reported_runs_without_the_optimiser(tmp_path: Path) -> None:
    study = write_study(tmp_path, n_configs=2, policy="full", seeds=1, finalists=1)
    run_study(study)
    before = {run: path.stat().st_size for run, path in study.folder.runs_with_checkpoint().items()}
    conductor = conductor_of(study.plan, Ledger(study.folder.ledger), published, slots=1)
    (chosen,) = conductor.searches["text"].chosen()
    keep_reported_weights(study.folder, conductor)
    kept = study.folder.runs_with_checkpoint()
    assert set(kept) == {FoldRun("text", chosen, fold, 1) for fold in range(3)}
    assert all(path.stat().st_size < 0.5 * before[run] for run, path in kept.items())
    content = [path.read_bytes() for path in kept.values()]
    keep_reported_weights(study.folder, conductor)
    assert [path.read_bytes() for path in kept.values()] == content


def test_weights_that_are_damaged_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "text-c000-f0-s1.safetensors"
    path.write_bytes(b"no checkpoint")
    keep_weights(path)
    assert path.read_bytes() == b"no checkpoint"
    keep_weights(tmp_path / "missing")


def test_it_sweeps_when_a_configuration_closes_and_not_before_it_follows_a_conductor(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    cleanup = CheckpointCleanup(folder)
    conductor = begun(folder, cleanup)
    stray = FoldRun("cross", 9, 0)
    folder.checkpoint_of(stray).touch()
    train(conductor, folder, RUNS[0], 1, 0.5)
    train(conductor, folder, RUNS[0], 2, 0.5)  # closes configuration 0
    assert stray in folder.runs_with_checkpoint()
    cleanup.follow(conductor)
    train(conductor, folder, RUNS[1], 1, 0.7)
    assert stray in folder.runs_with_checkpoint(), "an epoch is no reason"
    train(conductor, folder, RUNS[1], 2, 0.7)
    assert set(folder.runs_with_checkpoint()) == {RUNS[1]}

"""Which checkpoints stay: those of runs that may go on, and those of the configuration to be reported."""

from pathlib import Path

from study.execution.checkpoint_cleanup import CheckpointCleanup, sweep_checkpoints
from study.record.events import EpochDone, FoldRun, Phase
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.search.conductor import Conductor, Listener
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Rules
from study.training.metrics import METRICS

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

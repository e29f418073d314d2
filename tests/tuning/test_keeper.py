"""Which checkpoints stay: those of runs that may go on, and the best configuration's."""

from study.results.ledger import FoldRun, Ledger
from study.tuning.conductor import Conductor
from study.tuning.entries import Phase, Rules
from study.tuning.keeper import sweep_checkpoints
from study.tuning.proposals import proposer


def test_only_checkpoints_that_somebody_may_read_again_stay(tmp_path):
    rules = Rules(n_configs=4, n_folds=1, epochs=2, rungs=(1,))
    conductor = Conductor(
        ["cross"],
        rules,
        Ledger(tmp_path / "ledger"),
        policy="asha",
        propose=proposer(0, "random"),
        metric="UWA",
        seed=0,
        slots=4,
    )
    (tmp_path / "checkpoints").mkdir()

    def train(run, epoch, score):
        (tmp_path / "checkpoints" / f"{run.name}.pt").touch()
        scores = {"UWA": score}
        record = {"epoch": epoch, "loss": 1.0, "validation": scores, "test": scores, "seconds": 0.1}
        conductor.report(run, {**record, "ended": epoch == 2})

    runs = [FoldRun("cross", number, 0) for number in range(4)]
    while (wanted := conductor.next_run()) is not None:
        conductor.take(wanted)
    for epoch, score in ((1, 0.5), (2, 0.6)):
        train(runs[0], epoch, score)  # complete
    train(runs[1], 1, 0.1)  # stopped at the rung
    train(runs[2], 1, 0.9)  # on its way
    (tmp_path / "checkpoints" / f"{runs[3].name}.pt").touch()
    conductor.lose(runs[3], Phase.FAILED, "no memory")
    sweep_checkpoints(tmp_path, conductor)
    assert {path.stem for path in (tmp_path / "checkpoints").iterdir()} == {runs[0].name, runs[2].name}
    train(runs[2], 2, 0.9)
    sweep_checkpoints(tmp_path, conductor)
    assert {path.stem for path in (tmp_path / "checkpoints").iterdir()} == {runs[2].name}

"""The driver's benchmark decides by the race itself, and its figures are of so many configurations as it says."""

from benchmarks.driver import MEASURED_EPOCHS, Study, figures_at
from benchmarks.simulator import Memory
from study.record.events import ConfigAdded, EpochDone


def test_a_study_grows_to_so_many_configurations_and_trains_so_many_epochs():
    memory = Memory()
    study = Study(memory, 20)
    study.grow(20)
    assert sum(isinstance(event, ConfigAdded) for event in memory.events) == len(study.race.entries) >= 20
    before = sum(isinstance(event, EpochDone) for event in memory.events)
    study.train(30)
    assert sum(isinstance(event, EpochDone) for event in memory.events) == before + 30


def test_every_figure_is_a_time_or_a_rate():
    found = figures_at(40, ("qmc",))
    assert set(found) == {"epochs/s", "epochs/CPU s", "prediction, ms", "qmc, ms"}
    assert all(value > 0 for value in found.values())
    assert found["epochs/CPU s"] < 1000 * MEASURED_EPOCHS

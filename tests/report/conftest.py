"""The events of a small search by hand."""

from collections.abc import Callable, Iterable

import pytest

from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase, RunLost
from study.training.metrics import METRICS

FOLDS = 3
EPOCHS = 4


@pytest.fixture(scope="session")
def make_epoch() -> Callable[..., EpochDone]:
    """The function that makes one epoch: `make_epoch(variant, config, fold, epoch, seed=0)`."""
    return _epoch


@pytest.fixture(scope="session")
def search_events() -> list[Event]:
    """The search of variant cross.

    Configurations 0 and 1 are complete, 2 was stopped at epoch 2, and 3 diverged in fold 1, whose neighbour
    reported one more epoch after that. Validation is best at the last but one epoch.
    """
    return [
        *(ConfigAdded("cross", n, {"heads": 2**n, "learning_rate": 1e-4 * (n + 1)}) for n in range(4)),
        *_epochs(0, range(FOLDS), range(1, EPOCHS + 1)),
        Closed("cross", 0, Phase.COMPLETE, "all folds at full length"),
        *_epochs(1, range(FOLDS), range(1, EPOCHS + 1)),
        Closed("cross", 1, Phase.COMPLETE, "all folds at full length"),
        *_epochs(2, range(FOLDS), range(1, 3)),
        Closed("cross", 2, Phase.STOPPED, "epoch 2: mean 0.4 below 0.5"),
        *_epochs(3, range(FOLDS), range(1, 2)),
        RunLost("cross", 3, 1, 0, Phase.DIVERGED, "the training loss is not a finite number"),
        Closed("cross", 3, Phase.DIVERGED, "fold 1: the training loss is not a finite number"),
        *_epochs(3, [0], range(2, 3)),
    ]


def _epochs(config: int, folds: Iterable[int], numbers: Iterable[int]) -> list[EpochDone]:
    return [_epoch("cross", config, fold, number) for fold in folds for number in list(numbers)]


def _epoch(variant: str, config: int, fold: int, epoch: int, *, seed: int = 0) -> EpochDone:
    """An epoch of made-up scores, different for every metric, part, fold, seed, configuration and epoch."""
    climb = (0, 0.10, 0.20, 0.30, 0.27)[epoch]
    base = 0.30 + 0.05 * config + 0.01 * fold * (config + 1) + climb + 0.03 * seed
    validation = {name: base + 0.001 * number for number, name in enumerate(METRICS)}
    test = {name: value - 0.07 + 0.02 * epoch for name, value in validation.items()}
    loss, seconds = 2.0 / epoch + 0.1 * fold, 0.25 + 0.001 * epoch
    return EpochDone(variant, config, fold, seed, epoch, loss, validation, test, seconds, ended=epoch == EPOCHS)

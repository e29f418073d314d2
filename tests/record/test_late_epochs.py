"""Runs that were still getting better at their end are counted by their validation curves alone."""

import pytest

from study.record.events import EpochDone, FoldRun
from study.record.late_epochs import LateRuns, late_runs, validation_curves
from study.record.outcome import Use
from study.record.results import ConfigResult, FoldResult
from study.training.metrics import METRICS

RISING, FLAT, EARLY = (0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.5, 0.5, 0.5, 0.5), (0.1, 0.9, 0.8, 0.7, 0.6)


@pytest.mark.parametrize(
    ("curves", "n_late", "too_many"),
    [
        ([RISING] * 8 + [EARLY] * 7, 8, True),
        ([RISING] * 7 + [EARLY] * 8, 7, False),
        ([RISING, EARLY], 1, True),
        ([FLAT, EARLY], 0, False),  # of equals the first is the best
        ([(0.1, 0.2, 0.3, 0.5, 0.4)], 1, True),  # the one before the last
        ([(0.1, 0.2, 0.5, 0.4, 0.3)], 0, False),
        ([(0.1, 0.2, 0.3)], 0, False),  # ended by its own early stop
        ([], 0, False),
    ],
)
def test_a_best_epoch_at_the_end_of_the_full_length_is_late(
    curves: list[tuple[float, ...]], n_late: int, too_many: bool
) -> None:
    found = late_runs(curves, 5)
    assert found == LateRuns(n_late, len(curves))
    assert found.too_many is too_many


def result(run: FoldRun, validation: tuple[float, ...], test: tuple[float, ...]) -> FoldResult:
    scores = enumerate(zip(validation, test, strict=True), start=1)
    key = (run.variant, run.config, run.fold, run.seed)
    return FoldResult(
        run,
        [
            EpochDone(*key, number, 1.0, dict.fromkeys(METRICS, seen), dict.fromkeys(METRICS, held), 1.0, False)
            for number, (seen, held) in scores
        ],
    )


def test_the_curves_are_those_of_the_search_in_the_role_that_is_reported() -> None:
    searched = [FoldRun("cross", 1, fold) for fold in (0, 1)]
    config = ConfigResult("cross", 1, {})
    config.folds[0], config.folds[1] = result(searched[0], RISING, EARLY), result(searched[1], FLAT, RISING)
    confirming = [FoldRun("cross", 1, 0, seed) for seed in (1, 2)]
    for run in confirming:
        config.confirmations[run.fold, run.seed] = result(run, (0.1,), (0.1,))
    uses = [*(Use(run, 1, "a") for run in confirming), Use(searched[1], 1, "b", swapped=True)]
    assert list(validation_curves([config], uses, "WA")) == [list(RISING), list(RISING)]
    assert list(validation_curves([config], [Use(searched[1], 1, "b")], "WA")) == [list(FLAT)]

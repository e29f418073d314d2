"""What a worker says of a run that raises an error: once nothing, for Tune to try again; then that it failed."""

from pathlib import Path
from typing import Any

import pytest

from study.tuning.trial import FoldTrial, memory_fraction


def worker(study: Path, **job: Any) -> FoldTrial:
    """A worker as Ray makes it, at the start of a run."""
    begun = FoldTrial.__new__(FoldTrial)
    whole = {"variant": "text", "config": 3, "fold": 1, "seed": 0, "epochs_known": 0, "torch_seed": 1, **job}
    begun.setup({"job": whole}, study=str(study), gpu_share=0.0, fetch=False)
    return begun


def test_an_error_of_the_model_is_raised_once_and_reported_the_second_time(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(TypeError):
        worker(tmp_path, recipe={"no": "recipe"}).step()
    told = worker(tmp_path, recipe={"no": "recipe"}).step()
    assert set(told) == {"failed"}
    assert told["failed"].startswith("TypeError: ")
    assert "\n" not in told["failed"]
    kept = (tmp_path / "failures" / "text-c003-f1-s0.txt").read_text()
    assert kept.count("Traceback") == 2


def test_storage_that_is_away_never_counts_as_the_models_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.tuning.trial.STORAGE_PAUSE_SECONDS", 0.0)
    for _ in range(3):
        with pytest.raises(OSError, match="away"):
            worker(tmp_path / "away", recipe={}).step()


@pytest.mark.parametrize("gigabytes", [8, 16, 80])
@pytest.mark.parametrize("runs", [2, 3, 4, 8])
def test_runs_that_share_a_gpu_fit_it_with_what_each_process_takes_beside_its_tensors(
    gigabytes: int, runs: int
) -> None:
    total = gigabytes * 1e9
    fraction = memory_fraction(1 / runs, total)
    assert 0 < fraction < 1 / runs
    beside = (1 - runs * fraction) * total / runs
    assert beside >= min(600e6, total / runs / 2) * 0.999

"""What a worker says of a run that raises an error, and what it trains on."""

from pathlib import Path
from typing import Any

import pytest
import torch

from study.corpus.pack import write_pack
from study.tuning.trial import FoldTrial, data_of_fold, memory_fraction


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


def test_a_run_trains_on_the_pack_of_its_frame_rate(tmp_path: Path) -> None:
    ids = ["a", "b", "c"]
    for name, dim in (("fast", 5), ("slow", 2)):
        write_pack(tmp_path / name, ids, [torch.randn(4, dim).half() for _ in ids], None, {})
    plan = {
        "classes": ["calm"],
        "folds": [{"training": ["a"], "validation": ["b"], "test": ["c"]}],
        "utterances": [{"id": id, "group": id, "label": "calm"} for id in ids],
        "packs": {"audio": str(tmp_path / "fast"), "audio@25": str(tmp_path / "slow")},
    }
    for rate, dim in (("", 5), ("50", 5), ("25", 2)):
        assert data_of_fold(plan, ["audio"], 0, torch.device("cpu"), frame_rate=rate).dims == {"audio": dim}

"""A small study by hand: its plan, its ledger and its report, and an MLflow database to start from."""

import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from study.results.plan import Plan

Record = dict[str, Any]
CLASSES = ["angry", "calm", "sad"]
METRICS = ("WA", "UWA", "WF1", "UWF1")
FOLDS = 3
EPOCHS = 4


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without experiments: creating one takes seconds, copying it does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def output(tmp_path: Path, template_database: Path) -> Path:
    """An output folder whose MLflow database exists already."""
    folder = tmp_path / "mlruns"
    folder.mkdir()
    shutil.copy(template_database, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="session")
def make_plan() -> Callable[..., Plan]:
    """The function that makes the plan of a study of three folds; fields may be replaced by name."""

    def make(**changes: Any) -> Plan:
        groups = [f"Session{number}" for number in range(1, FOLDS + 1)]
        fields: dict[str, Any] = {
            "name": "toy-cross",
            "corpus": {"name": "toy", "digest": "0123456789abcdef", "utterances": 30, "classes": {}, "groups": {}},
            "classes": CLASSES,
            "folds": [
                {"number": n, "test": [group], "validation": [], "training": []} for n, group in enumerate(groups)
            ],
            "packs": {},
            "encoders": {"audio": "logmel", "text": "hash"},
            "utterances": [],
            "variants": ["cross"],
            "n_configs": 4,
            "metric": "UWA",
            "epochs": EPOCHS,
            "rungs": [2],
            "eta": 3,
            "lookahead": 4,
            "finalists": 1,
            "seeds": 1,
            "seed": 0,
            "environment": {},
            "reference_rows": {},
        }
        return Plan(**fields | changes)

    return make


@pytest.fixture(scope="session")
def make_ledger() -> Callable[..., list[Record]]:
    """The function that writes the ledger of one variant: `make_ledger(variant="cross", hurry=1.0)`.

    Configurations 0 and 1 are complete, 2 was stopped at epoch 2, and 3 diverged in fold 1, whose neighbour
    reported one more epoch after that. Validation is best at the last but one epoch. `hurry` divides the seconds.
    """
    return _make_ledger


@pytest.fixture(scope="session")
def make_report() -> Callable[..., dict[str, Any]]:
    """The function that makes what a tracker reads of a report: `make_report(records, selected=1, variant="cross")`."""
    return _make_report


@pytest.fixture(scope="session")
def make_epoch() -> Callable[..., Record]:
    """The function that makes one epoch's record: `make_epoch(variant, config, fold, epoch, seed=0, hurry=1.0)`."""
    return _make_epoch


def _make_epoch(variant: str, config: int, fold: int, epoch: int, *, seed: int = 0, hurry: float = 1.0) -> Record:
    """An epoch of made-up scores, different for every metric, part, fold, seed, configuration and epoch."""
    climb = (0, 0.10, 0.20, 0.30, 0.27)[epoch]
    base = 0.30 + 0.05 * config + 0.01 * fold * (config + 1) + climb + 0.03 * seed
    scores = {name: base + 0.001 * number for number, name in enumerate(METRICS)}
    return {
        "kind": "epoch",
        "variant": variant,
        "config": config,
        "fold": fold,
        "seed": seed,
        "epoch": epoch,
        "loss": 2.0 / epoch + 0.1 * fold,
        "validation": scores,
        "test": {name: value - 0.07 + 0.02 * epoch for name, value in scores.items()},
        "seconds": (0.25 + 0.001 * epoch) / hurry,
        "ended": epoch == EPOCHS,
    }


def _make_ledger(variant: str = "cross", hurry: float = 1.0) -> list[Record]:
    def epochs(config: int, folds: Sequence[int], numbers: range) -> list[Record]:
        return [_make_epoch(variant, config, fold, number, hurry=hurry) for fold in folds for number in numbers]

    def opened(config: int) -> Record:
        params = {"heads": 2**config, "learning_rate": 1e-4 * (config + 1)}
        return {"kind": "config", "variant": variant, "config": config, "params": params}

    def closed(config: int, outcome: str, reason: str) -> Record:
        return {"kind": "closed", "variant": variant, "config": config, "outcome": outcome, "reason": reason}

    lost = {"kind": "lost", "variant": variant, "config": 3, "fold": 1, "seed": 0, "outcome": "diverged"}
    return [
        *(opened(config) for config in range(4)),
        *epochs(0, range(FOLDS), range(1, EPOCHS + 1)),
        closed(0, "complete", "all folds at full length"),
        *epochs(1, range(FOLDS), range(1, EPOCHS + 1)),
        closed(1, "complete", "all folds at full length"),
        *epochs(2, range(FOLDS), range(1, 3)),
        closed(2, "stopped", "epoch 2: mean 0.4 below 0.5"),
        *epochs(3, range(FOLDS), range(1, 2)),
        {**lost, "reason": "the training loss is not a finite number"},
        closed(3, "diverged", "fold 1: the training loss is not a finite number"),
        *epochs(3, [0], range(2, 3)),
    ]


def _make_report(records: Sequence[Record], selected: int | None = 1, variant: str = "cross") -> dict[str, Any]:
    def figures(config: int) -> dict[str, Any]:
        # The third of four epochs is the best on validation by construction.
        rows = [r for r in records if r["kind"] == "epoch" and (r["config"], r["epoch"]) == (config, 3)]
        return {
            part: {
                name: {
                    "mean": fmean(row[part][name] for row in rows),
                    "std": stdev(row[part][name] for row in rows),
                    "low": min(row[part][name] for row in rows),
                    "high": max(row[part][name] for row in rows),
                }
                for name in METRICS
            }
            for part in ("validation", "test")
        }

    chosen = {"selected": None, "config": None, "validation": None, "test": None}
    if selected is not None:
        chosen = {"selected": selected, "config": records[selected]["params"], **figures(selected)}
    result = {
        **chosen,
        "published": figures(0),
        "n_configs": 4,
        "n_complete": 2,
        "outcomes": {"complete": 2, "stopped": 1, "diverged": 1},
        "epochs_run": sum(record["kind"] == "epoch" for record in records),
        "seconds": sum(record.get("seconds", 0) for record in records),
    }
    return {"protocol_note": "not nested", "variants": {variant: result}}

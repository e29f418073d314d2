"""A small study by hand: its plan, its events and its report, and an MLflow database to start from."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from study.features.spec import EncoderSpec, FeatureChoice
from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase, RunLost
from study.record.plan import Plan
from study.record.results import ConfigResult, configurations, metrics_over_folds
from study.record.terms import Terms
from study.report.metric_view import parts_view
from study.report.variant_view import CostView, SettingView, VariantView
from study.report.view import ReportView
from study.tracking.database import make_database
from study.training.metrics import METRICS

FOLDS = 3
EPOCHS = 4


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without a study: making one takes seconds, copying it does not."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        make_database(path)
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
    """The function that makes the plan of a study of three folds; fields of plan and terms may be replaced by name."""

    def make(*, terms: Terms | None = None, **changes: Any) -> Plan:
        groups = [f"Session{number}" for number in range(1, FOLDS + 1)]
        fields: dict[str, Any] = {
            "name": "toy-cross",
            "corpus": {"name": "toy", "digest": "0123456789abcdef", "utterances": 30, "classes": {}, "groups": {}},
            "classes": ["angry", "calm", "sad"],
            "folds": [
                {"number": n, "test": [group], "validation": [groups[n - 1]], "training": []}
                for n, group in enumerate(groups)
            ],
            "features": {
                modality: [FeatureChoice(EncoderSpec(name), "")]
                for modality, name in (("audio", "logmel"), ("text", "hash"))
            },
            "utterances": [],
            "variants": ["cross"],
            "terms": terms or Terms(n_configs=4, epochs=EPOCHS, finalists=1, seeds=1),
            "lookahead": 4,
            "environment": {},
        }
        return Plan(**fields | changes)

    return make


@pytest.fixture(scope="session")
def make_ledger() -> Callable[..., list[Event]]:
    """The function that gives the events of one variant: `make_ledger(variant="cross", hurry=1.0)`.

    Configurations 0 and 1 are complete, 2 was stopped at epoch 2, and 3 diverged in fold 1, whose neighbour
    reported one more epoch after that. Validation is best at the last but one epoch. `hurry` divides the seconds.
    """
    return _make_ledger


@pytest.fixture(scope="session")
def make_view() -> Callable[..., ReportView]:
    """The function that makes what a tracker reads of a report: `make_view(events, selected=1, variant="cross")`."""
    return _make_view


@pytest.fixture(scope="session")
def make_epoch() -> Callable[..., EpochDone]:
    """The function that makes one epoch's event: `make_epoch(variant, config, fold, epoch, seed=0, hurry=1.0)`."""
    return _make_epoch


def _make_epoch(variant: str, config: int, fold: int, epoch: int, *, seed: int = 0, hurry: float = 1.0) -> EpochDone:
    """An epoch of made-up scores, different for every metric, part, fold, seed, configuration and epoch."""
    climb = (0, 0.10, 0.20, 0.30, 0.27)[epoch]
    base = 0.30 + 0.05 * config + 0.01 * fold * (config + 1) + climb + 0.03 * seed
    scores = {name: base + 0.001 * number for number, name in enumerate(METRICS)}
    return EpochDone(
        variant,
        config,
        fold,
        seed,
        epoch,
        loss=2.0 / epoch + 0.1 * fold,
        validation=scores,
        test={name: value - 0.07 + 0.02 * epoch for name, value in scores.items()},
        seconds=(0.25 + 0.001 * epoch) / hurry,
        ended=epoch == EPOCHS,
    )


def _make_ledger(variant: str = "cross", hurry: float = 1.0) -> list[Event]:
    def epochs(config: int, folds: Sequence[int], numbers: range) -> list[EpochDone]:
        return [_make_epoch(variant, config, fold, number, hurry=hurry) for fold in folds for number in numbers]

    params = ({"heads": 2**config, "learning_rate": 1e-4 * (config + 1)} for config in range(4))
    return [
        *(ConfigAdded(variant, config, drawn) for config, drawn in enumerate(params)),
        *epochs(0, range(FOLDS), range(1, EPOCHS + 1)),
        Closed(variant, 0, Phase.COMPLETE, "all folds at full length"),
        *epochs(1, range(FOLDS), range(1, EPOCHS + 1)),
        Closed(variant, 1, Phase.COMPLETE, "all folds at full length"),
        *epochs(2, range(FOLDS), range(1, 3)),
        Closed(variant, 2, Phase.STOPPED, "epoch 2: mean 0.4 below 0.5"),
        *epochs(3, range(FOLDS), range(1, 2)),
        RunLost(variant, 3, 1, 0, Phase.DIVERGED, "the training loss is not a finite number"),
        Closed(variant, 3, Phase.DIVERGED, "fold 1: the training loss is not a finite number"),
        *epochs(3, [0], range(2, 3)),
    ]


def _make_view(events: Sequence[Event], selected: int | None = 1, variant: str = "cross") -> ReportView:
    configs = configurations(events, n_seeds=0)[variant]
    cost = CostView(
        n_configs=len(configs),
        outcomes={"complete": 2, "stopped": 1, "diverged": 1},
        epochs=sum(config.epochs_run for config in configs),
        seconds=sum(config.seconds for config in configs),
    )
    return ReportView(
        name="toy-cross",
        corpus={"name": "toy", "utterances": 30, "classes": {}},
        classes=("angry", "calm", "sad"),
        encoders={"audio": "logmel", "text": "hash"},
        protocol="shared",
        protocol_note="not nested",
        over=f"{FOLDS} folds",
        metric="UWA",
        rungs=(2,),
        terms=(),
        folds=(),
        environment={},
        variants={
            variant: VariantView(
                name=variant,
                title=variant,
                modalities=("audio", "text"),
                tuned=None if selected is None else _setting(configs[selected]),
                published=_setting(configs[0]),
                selected=selected,
                confirmed=False,
                cost=cost,
            )
        },
        comparisons=(),
        conclusion=(),
    )


def _setting(config: ConfigResult) -> SettingView | None:
    if config.outcome is not Phase.COMPLETE:
        return None
    figures = parts_view({part: metrics_over_folds(config, part, "UWA") for part in ("validation", "test")})
    return SettingView(config.params, figures)

"""What MLflow holds after a study, however the study came to its end."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.record.events import EpochDone, Event
from study.record.plan import Plan
from study.report.view import ReportView
from study.tracking.tracker import Tracker, TrackingLink

MakePlan = Callable[..., Plan]
MakeLedger = Callable[..., list[Event]]
MakeView = Callable[..., ReportView]
METRICS = ("WA", "UWA", "WF1", "UWF1")


def epochs_of(events: Sequence[Event]) -> list[EpochDone]:
    return [event for event in events if isinstance(event, EpochDone)]


def track(
    output: Path,
    plan: Plan,
    events: Sequence[Event],
    view: ReportView | None,
    artifacts: Sequence[Path] = (),
) -> TrackingLink:
    """Track a study from its first event to its end; without a report it was interrupted."""
    tracker = Tracker(None, output, plan)
    for event in events:
        tracker(event)
    return tracker.finish(view, artifacts)


def client(output: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{output / 'mlflow.db'}")


def runs(output: Path) -> dict[str, Any]:
    """Every run by its name, which must be different for all."""
    store = client(output)
    found = store.search_runs([experiment.experiment_id for experiment in store.search_experiments()])
    names = [run.info.run_name for run in found]
    assert len(set(names)) == len(names)
    return dict(zip(names, found, strict=True))


def history(output: Path, run: Any, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client(output).get_metric_history(run.info.run_id, metric)]


@pytest.fixture(scope="module")
def tracked(
    tmp_path_factory: pytest.TempPathFactory,
    template_database: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
) -> Path:
    """The output folder of a study that was tracked to its end; read only."""
    output = tmp_path_factory.mktemp("tracked")
    shutil.copy(template_database, output / "mlflow.db")
    events = make_ledger()
    assert track(output, make_plan(), events, make_view(events)).warning == ""
    return output


def test_runs_nest_study_over_configuration_over_fold(tracked: Path) -> None:
    found = runs(tracked)
    children: dict[str, list[str]] = {name: [] for name in found}
    for name, run in found.items():
        parent = run.data.tags.get("mlflow.parentRunId")
        if parent:
            children[next(other for other, it in found.items() if it.info.run_id == parent)].append(name)
    configs = ["cross c000 published", "cross c001 selected", "cross c002", "cross c003"]
    assert sorted(children["cross"]) == configs
    for number, config in enumerate(configs):
        assert sorted(children[config]) == [f"fold {fold} c00{number} cross" for fold in range(3)]
    assert len(found) == 1 + 4 + 12


def test_curves_are_complete_and_equal_to_the_ledger(tracked: Path, make_ledger: MakeLedger) -> None:
    epochs = epochs_of(make_ledger())
    for name, run in runs(tracked).items():
        if run.data.tags["level"] == "fold":
            config, fold = int(run.data.tags["config"]), int(run.data.tags["fold"])
            mine = [epoch for epoch in epochs if (epoch.config, epoch.fold) == (config, fold)]
            assert history(tracked, run, "training/loss") == [(epoch.epoch, epoch.loss) for epoch in mine], name
            for part in ("validation", "test"):
                for metric in METRICS:
                    expected = [(epoch.epoch, getattr(epoch, part)[metric]) for epoch in mine]
                    assert history(tracked, run, f"{part}/{metric}") == expected, name


def test_fold_run_shows_the_epoch_that_validation_selects(tracked: Path, make_ledger: MakeLedger) -> None:
    run = runs(tracked)["fold 2 c001 cross"]
    third = next(e for e in epochs_of(make_ledger()) if (e.config, e.fold, e.epoch) == (1, 2, 3))
    assert run.data.metrics["selected_epoch"] == 3
    assert run.data.metrics["test_selected/UWA"] == third.test["UWA"]
    assert run.data.tags["held out"] == "Session3"


def test_fold_run_lasts_as_long_as_it_trained(tracked: Path) -> None:
    for run in runs(tracked).values():
        assert run.info.start_time <= run.info.end_time <= 1000 * time.time() + 1
        if run.info.run_name == "fold 0 c001 cross":
            assert (run.info.end_time - run.info.start_time) / 1000 == pytest.approx(4 * 0.25 + 0.01, abs=0.002)


def test_configuration_has_mean_and_spread_over_folds(tracked: Path, make_ledger: MakeLedger) -> None:
    metrics = runs(tracked)["cross c001 selected"].data.metrics
    third = [epoch for epoch in epochs_of(make_ledger()) if (epoch.config, epoch.epoch) == (1, 3)]
    for part in ("validation", "test"):
        for name in METRICS:
            values = np.array([getattr(epoch, part)[name] for epoch in third])
            mean, std = values.mean(), values.std(ddof=1)
            half = 4.302652729911275 * std / np.sqrt(3)  # t at 97.5 %, two degrees of freedom
            assert metrics[f"{part}/{name}_mean"] == pytest.approx(mean)
            assert metrics[f"{part}_spread/{name}_std"] == pytest.approx(std)
            assert metrics[f"{part}_spread/{name}_low"] == pytest.approx(mean - half)
            assert metrics[f"{part}_spread/{name}_high"] == pytest.approx(mean + half)


def test_configuration_has_its_parameters_and_marks(tracked: Path) -> None:
    found = runs(tracked)
    assert found["cross c001 selected"].data.params == {"heads": "2", "learning_rate": "0.0002"}
    assert found["cross c000 published"].data.tags["published"] == "true"
    assert found["cross c001 selected"].data.tags["selected"] == "true"
    assert found["cross c001 selected"].info.status == "FINISHED"


def test_stopped_configuration_is_killed_with_its_reason_and_has_no_test_mean(tracked: Path) -> None:
    found = runs(tracked)
    stopped = found["cross c002"]
    assert stopped.info.status == "KILLED"
    assert stopped.data.tags["outcome"] == "stopped"
    assert stopped.data.tags["reason"] == "epoch 2: mean 0.4 below 0.5"
    assert "validation/UWA_mean" in stopped.data.metrics
    assert not [name for name in stopped.data.metrics if name.startswith("test")]
    assert {found[f"fold {fold} c002 cross"].info.status for fold in range(3)} == {"KILLED"}


def test_lost_fold_fails_its_configuration_and_leaves_it_without_means(tracked: Path) -> None:
    found = runs(tracked)
    assert found["cross c003"].info.status == "FAILED"
    assert set(found["cross c003"].data.metrics) == {"epochs", "seconds"}
    assert found["fold 1 c003 cross"].info.status == "FAILED"
    assert found["fold 1 c003 cross"].data.tags["reason"] == "the training loss is not a finite number"
    assert found["fold 0 c003 cross"].info.status == "KILLED"


def test_study_run_has_the_reported_figures(tracked: Path, make_ledger: MakeLedger, make_view: MakeView) -> None:
    variant = make_view(make_ledger()).variants["cross"]
    assert variant.tuned is not None
    assert variant.published is not None
    run = runs(tracked)["cross"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/UWA_mean"] == pytest.approx(variant.tuned.figures["test"]["UWA"].mean)
    assert run.data.metrics["test_spread/UWA_low"] == pytest.approx(variant.tuned.figures["test"]["UWA"].low)
    assert run.data.metrics["test_published/WA_mean"] == pytest.approx(variant.published.figures["test"]["WA"].mean)
    assert run.data.metrics["configs_stopped"] == 1
    assert run.data.tags["selected.heads"] == "2"
    assert "| cross" in run.data.tags["mlflow.note.content"]


def test_study_run_holds_the_report_and_its_own_picture(
    output: Path, tmp_path: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    paths = [tmp_path / name for name in ("report.md", "confusion-cross.png", "confusion-self.png")]
    for path in paths:
        path.write_text(path.name, encoding="utf-8")
    events = make_ledger()
    track(output, make_plan(), events, make_view(events), paths)
    held = client(output).list_artifacts(runs(output)["cross"].info.run_id)
    assert sorted(item.path for item in held) == ["confusion-cross.png", "plan.json", "report.md"]


def test_variants_of_a_corpus_share_an_experiment(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    events = make_ledger()
    track(output, make_plan(), events, make_view(events))
    events = make_ledger("self")
    plan = make_plan(name="deep", variants=["self"])
    link = track(output, plan, events, make_view(events, variant="self"))
    found = runs(output)
    assert {name for name, run in found.items() if run.data.tags["level"] == "study"} == {"cross", "self (deep)"}
    (experiment,) = {run.info.experiment_id for run in found.values()}
    assert f"/#/experiments/{experiment}/runs?" in link.url


def test_confirmation_runs_are_runs_of_their_configuration(
    output: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
    make_epoch: Callable[..., EpochDone],
) -> None:
    events = make_ledger()
    confirmations = [
        replace(make_epoch("cross", 1, fold, epoch, seed=1), ended=epoch == 3)
        for fold in range(3)
        for epoch in range(1, 4)  # where the search's mean over folds is best
    ]
    track(output, make_plan(), [*events, *confirmations], make_view(events))
    found = runs(output)
    run = found["fold 2 s1 c001 cross"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == found["cross c001 selected"].info.run_id
    assert len(history(output, run, "test/UWA")) == 3
    assert len(history(output, found["fold 2 c001 cross"], "test/UWA")) == 4
    config = found["cross c001 selected"].data.metrics
    assert config["epochs"] == 21
    searched = [epoch.test["UWA"] for epoch in epochs_of(events) if (epoch.config, epoch.epoch) == (1, 3)]
    assert config["test/UWA_mean"] == pytest.approx(np.mean(searched)), (
        "the search's mean has no confirmation run in it"
    )
    repeated = [epoch.test["UWA"] for epoch in confirmations if epoch.epoch == 3]
    assert config["test_confirmed/UWA_mean"] == pytest.approx(np.mean(repeated))


def test_command_opens_the_database_and_quotes_its_path(tmp_path: Path, make_plan: MakePlan) -> None:
    link = track(tmp_path / "my runs", make_plan(), [], None)
    database = tmp_path / "my runs" / "mlflow.db"
    assert link.command == f"mlflow ui --backend-store-uri 'sqlite:///{database}' --port 5000 --workers 1"
    assert link.warning == ""


def test_nothing_is_printed(
    output: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
    capfd: pytest.CaptureFixture[str],
) -> None:
    events = make_ledger()
    track(output, make_plan(), events, make_view(events))
    assert capfd.readouterr() == ("", "")


def test_listener_returns_at_once(output: Path, make_plan: MakePlan, make_ledger: MakeLedger) -> None:
    tracker = Tracker(None, output, make_plan())
    events = make_ledger()
    started = time.perf_counter()
    for event in events:
        tracker(event)
    assert (time.perf_counter() - started) / len(events) < 0.001
    tracker.finish(None)


def test_database_that_mlflow_refuses_costs_one_line_at_the_end(
    output: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import sqlite3

    with sqlite3.connect(output / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'unknown'")
    database.close()
    events = make_ledger()
    link = track(output, make_plan(), events, make_view(events))
    assert "does not hold all of this study" in link.warning
    assert "\n" not in link.warning
    assert capfd.readouterr() == ("", "")

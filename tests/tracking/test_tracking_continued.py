"""A study that was killed, interrupted, continued or started over is in MLflow once, and nothing runs for ever."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from study.record.events import Closed, ConfigAdded, Event, Phase, RunLost
from study.record.plan import Plan
from study.report.view import ReportView
from study.sqlite_uri import sqlite_path, sqlite_uri
from study.tracking.tracker import Tracker

MakePlan = Callable[..., Plan]
MakeLedger = Callable[..., list[Event]]
MakeView = Callable[..., ReportView]


def client(output: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{output / 'mlflow.db'}")


def runs(output: Path) -> list[Any]:
    store = client(output)
    found = store.search_runs([experiment.experiment_id for experiment in store.search_experiments()])
    return sorted(found, key=lambda run: str(run.info.run_name))


def contents(output: Path) -> list[Any]:
    """All that a reader sees, but for times and ids."""
    store = client(output)
    seen = []
    for run in runs(output):
        curves = {
            name: [(point.step, point.value) for point in store.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        tags = {name: value for name, value in run.data.tags.items() if name not in ("mlflow.parentRunId", "kept in")}
        seen.append((run.info.run_name, run.info.status, run.data.params, tags, curves))
    return seen


def feed(tracker: Tracker, events: Sequence[Event]) -> None:
    for event in events:
        tracker(event)


def one(output: Path, name: str) -> Any:
    (run,) = [run for run in runs(output) if run.info.run_name == name]
    return run


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.time() + 180
    while not condition():
        assert time.time() < deadline, "the tracker did not come so far within three minutes"
        time.sleep(0.05)


@pytest.fixture
def uninterrupted(
    tmp_path: Path, template_database: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> list[Any]:
    """What MLflow holds of the study if nothing happens to it."""
    output = tmp_path / "uninterrupted"
    output.mkdir()
    (output / "mlflow.db").write_bytes(template_database.read_bytes())
    tracker = Tracker(None, output, make_plan())
    events = make_ledger()
    feed(tracker, events)
    tracker.finish(make_view(events))
    return contents(output)


@pytest.mark.parametrize("n_before", [5, 17, 31])
def test_interrupted_and_continued_equals_uninterrupted(
    n_before: int,
    output: Path,
    uninterrupted: list[Any],
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
) -> None:
    events = make_ledger()
    first = Tracker(None, output, make_plan())
    feed(first, events[:n_before])
    first.finish(None)
    (study,) = [run for run in runs(output) if run.data.tags["level"] == "study"]
    assert study.info.status == "KILLED"
    closed = sum(isinstance(event, Closed) for event in events[:n_before])
    figures = study.data.metrics
    assert (figures["search/configs"], figures["search/configs_done"]) == (4, closed)
    assert ("search/best_validation_UWA" in figures) is (closed > 0)
    assert "RUNNING" not in {run.info.status for run in runs(output)}
    second = Tracker(None, output, make_plan())
    feed(second, events)
    assert second.finish(make_view(events)).warning == ""
    assert contents(output) == uninterrupted


def test_interrupted_study_is_marked_as_running_while_it_is_continued(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger
) -> None:
    events = make_ledger()
    first = Tracker(None, output, make_plan())
    feed(first, events[:10])
    first.finish(None)
    assert one(output, "cross").info.status == "KILLED"
    second = Tracker(None, output, make_plan())
    feed(second, events[:10])
    wait_for(lambda: one(output, "cross").info.status == "RUNNING")
    second.finish(None)


def test_epoch_that_comes_after_its_configuration_was_written_is_added(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    *events, late = make_ledger()
    tracker = Tracker(None, output, make_plan())
    feed(tracker, events)
    wait_for(lambda: len([run for run in runs(output) if run.info.status != "RUNNING"]) == 16)
    tracker(late)
    tracker.finish(make_view([*events, late]))
    curve = client(output).get_metric_history(one(output, "fold 0 c003 cross").info.run_id, "validation/UWA")
    assert [point.step for point in curve] == [1, 2]
    assert one(output, "cross c003").data.metrics["epochs"] == 4


def test_killed_and_continued_equals_uninterrupted(
    output: Path, uninterrupted: list[Any], make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    events = make_ledger()
    killed = Tracker(None, output, make_plan())
    feed(killed, events[:20])
    wait_for(lambda: len(runs(output)) == 5)  # the study, configuration 0 and its folds
    assert "RUNNING" in {run.info.status for run in runs(output)}
    survivor = Tracker(None, output, make_plan())
    feed(survivor, events)
    survivor.finish(make_view(events))
    assert contents(output) == uninterrupted


def test_half_written_runs_are_completed_without_repeating_a_point(
    output: Path, uninterrupted: list[Any], make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    events = make_ledger()
    first = Tracker(None, output, make_plan())
    feed(first, events)
    first.finish(make_view(events))
    for run in runs(output):  # as if the driver had been killed before it could end them
        client(output).update_run(run.info.run_id, "RUNNING")
    last = Tracker(None, output, make_plan())
    feed(last, events)
    last.finish(make_view(events))
    assert contents(output) == uninterrupted


def test_tracking_the_same_end_twice_changes_nothing(
    output: Path, uninterrupted: list[Any], make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    events = make_ledger()
    for _ in range(2):
        tracker = Tracker(None, output, make_plan())
        feed(tracker, events)
        tracker.finish(make_view(events))
    assert contents(output) == uninterrupted


def test_grown_study_may_select_another_configuration(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    events = make_ledger()
    for selected in (0, 1):
        tracker = Tracker(None, output, make_plan())
        feed(tracker, events)
        tracker.finish(make_view(events, selected))
    found = {run.info.run_name: run for run in runs(output)}
    assert {name for name in found if "selected" in name} == {"cross c001 selected"}
    assert found["cross c000 published"].data.tags["selected"] == "false"
    assert found["cross"].data.tags["selected.heads"] == "2"
    tuned = make_view(events, 1).variants["cross"].tuned
    assert tuned is not None
    assert found["cross"].data.metrics["test/UWA_mean"] == pytest.approx(tuned.figures["test"]["UWA"].mean)


def test_study_started_over_is_new_and_ends_what_the_old_one_left_running(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    killed = Tracker(None, output, make_plan())
    feed(killed, make_ledger()[:10])
    wait_for(lambda: len(runs(output)) == 1)
    again = make_ledger(hurry=1.5)  # no two ledgers took the same time
    tracker = Tracker(None, output, make_plan())
    feed(tracker, again)
    tracker.finish(make_view(again))
    studies = sorted(runs(output), key=lambda run: int(run.info.start_time))
    old, new = (run for run in studies if run.data.tags["level"] == "study")
    assert {old.info.status, new.info.status} == {"KILLED", "FINISHED"}
    assert "started over" in {old.data.tags["outcome"], new.data.tags["outcome"]}
    assert len(runs(output)) == 1 + 17


def test_study_without_a_complete_configuration_failed(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    lost = RunLost("cross", 0, 0, 0, Phase.FAILED, "no")
    closed = Closed("cross", 0, Phase.FAILED, "fold 0: no")
    events = [make_ledger()[0], lost, closed]
    view = make_view(events, None)
    tracker = Tracker(None, output, make_plan())
    feed(tracker, events)
    assert tracker.finish(view).warning == ""
    assert {run.info.run_name: run.info.status for run in runs(output)} == {
        "cross": "FAILED",
        "cross c000 published": "FAILED",
        "fold 0 c000 cross": "FAILED",
    }


def test_a_folder_that_was_moved_keeps_its_artifacts(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView, tmp_path: Path
) -> None:
    """Whatever characters are in its new name: an address would read them as its own."""
    from mlflow import MlflowClient
    from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

    events, moved = make_ledger(), tmp_path / "out-[old] #1 ?50%"
    for folder in (output, moved):
        kept = folder / "report.md"
        kept.write_text("a report")
        tracker = Tracker(None, folder, make_plan())
        feed(tracker, events)
        link = tracker.finish(make_view(events), [kept])
        assert link.warning == ""
        if folder == output:
            shutil.move(output, moved)
            _artifact_repos_cache.clear()  # a study that goes on is a new process
    assert sorted(path.name for path in tmp_path.iterdir()) == [moved.name]
    uri = sqlite_uri(moved / "mlflow.db")
    assert uri in link.command
    assert sqlite_path(uri) == moved / "mlflow.db"
    store = MlflowClient(uri)
    (study,) = store.search_runs(["1"], "tags.level = 'study'")
    assert store.get_experiment("1").artifact_location == (moved / "artifacts").as_uri()
    assert [each.path for each in store.list_artifacts(study.info.run_id)] == ["plan.json", "report.md"]
    assert {Path(path).name for path in moved.rglob("*")} >= {"plan.json", "report.md"}


def test_a_variant_that_begins_anew_after_it_failed_is_there_once_with_its_new_parameters(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger
) -> None:
    """Its ledger has the same first result, that of another variant."""
    plan, others = make_plan(variants=["cross", "self"]), make_ledger("cross")
    failed: list[Event] = [
        ConfigAdded("self", 0, {"heads": 7, "learning_rate": 0.5}),
        RunLost("self", 0, 0, 0, Phase.FAILED, "no memory"),
        Closed("self", 0, Phase.FAILED, "no memory"),
    ]
    for own in (failed, make_ledger("self")):
        tracker = Tracker(None, output, plan)
        feed(tracker, [*others, *own])
        assert tracker.finish(None).warning == ""
    first = one(output, "self c000 published")
    assert (first.info.status, first.data.params["heads"]) == ("FINISHED", "1")
    names = [run.info.run_name for run in runs(output)]
    assert len(names) == len(set(names))

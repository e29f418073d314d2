"""A study that was killed, interrupted, continued or started over is in MLflow once, and nothing runs for ever."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from study.results.plan import Plan
from study.results.tracking import Tracker

Record = dict[str, Any]
MakePlan = Callable[..., Plan]
MakeLedger = Callable[..., list[Record]]
MakeReport = Callable[..., dict[str, Any]]


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


def feed(tracker: Tracker, records: Sequence[Record]) -> None:
    for record in records:
        tracker(record)


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
    tmp_path: Path, template_database: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> list[Any]:
    """What MLflow holds of the study if nothing happens to it."""
    output = tmp_path / "uninterrupted"
    output.mkdir()
    (output / "mlflow.db").write_bytes(template_database.read_bytes())
    tracker = Tracker(None, output, make_plan())
    records = make_ledger()
    feed(tracker, records)
    tracker.finish(make_report(records), (), "finished")
    return contents(output)


@pytest.mark.parametrize("n_before", [5, 17, 31])
def test_interrupted_and_continued_equals_uninterrupted(
    n_before: int,
    output: Path,
    uninterrupted: list[Any],
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_report: MakeReport,
) -> None:
    records = make_ledger()
    first = Tracker(None, output, make_plan())
    feed(first, records[:n_before])
    first.finish(None, (), "interrupted")
    (study,) = [run for run in runs(output) if run.data.tags["level"] == "study"]
    assert study.info.status == "KILLED"
    assert "RUNNING" not in {run.info.status for run in runs(output)}
    second = Tracker(None, output, make_plan())
    feed(second, records)
    assert second.finish(make_report(records), (), "finished").warning == ""
    assert contents(output) == uninterrupted


def test_interrupted_study_is_marked_as_running_while_it_is_continued(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger
) -> None:
    records = make_ledger()
    first = Tracker(None, output, make_plan())
    feed(first, records[:10])
    first.finish(None, (), "interrupted")
    assert one(output, "cross").info.status == "KILLED"
    second = Tracker(None, output, make_plan())
    feed(second, records[:10])
    wait_for(lambda: one(output, "cross").info.status == "RUNNING")
    second.finish(None, (), "interrupted")


def test_epoch_that_comes_after_its_configuration_was_written_is_added(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> None:
    *records, late = make_ledger()
    tracker = Tracker(None, output, make_plan())
    feed(tracker, records)
    wait_for(lambda: len([run for run in runs(output) if run.info.status != "RUNNING"]) == 16)
    tracker(late)
    tracker.finish(make_report([*records, late]), (), "finished")
    curve = client(output).get_metric_history(one(output, "fold 0 of cross c003").info.run_id, "validation/UWA")
    assert [point.step for point in curve] == [1, 2]
    assert one(output, "cross c003").data.metrics["epochs"] == 4


def test_killed_and_continued_equals_uninterrupted(
    output: Path, uninterrupted: list[Any], make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> None:
    records = make_ledger()
    killed = Tracker(None, output, make_plan())
    feed(killed, records[:20])
    wait_for(lambda: len(runs(output)) == 5)  # the study, configuration 0 and its folds
    assert "RUNNING" in {run.info.status for run in runs(output)}
    survivor = Tracker(None, output, make_plan())
    feed(survivor, records)
    survivor.finish(make_report(records), (), "finished")
    assert contents(output) == uninterrupted


def test_half_written_runs_are_completed_without_repeating_a_point(
    output: Path, uninterrupted: list[Any], make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> None:
    records = make_ledger()
    first = Tracker(None, output, make_plan())
    feed(first, records)
    first.finish(make_report(records), (), "finished")
    for run in runs(output):  # as if the driver had been killed before it could end them
        client(output).update_run(run.info.run_id, "RUNNING")
    last = Tracker(None, output, make_plan())
    feed(last, records)
    last.finish(make_report(records), (), "finished")
    assert contents(output) == uninterrupted


def test_tracking_the_same_end_twice_changes_nothing(
    output: Path, uninterrupted: list[Any], make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> None:
    records = make_ledger()
    for _ in range(2):
        tracker = Tracker(None, output, make_plan())
        feed(tracker, records)
        tracker.finish(make_report(records), (), "finished")
    assert contents(output) == uninterrupted


def test_grown_study_may_select_another_configuration(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> None:
    records = make_ledger()
    for selected in (0, 1):
        tracker = Tracker(None, output, make_plan())
        feed(tracker, records)
        tracker.finish(make_report(records, selected), (), "finished")
    found = {run.info.run_name: run for run in runs(output)}
    assert {name for name in found if "selected" in name} == {"cross c001 selected"}
    assert found["cross c000 published"].data.tags["selected"] == "false"
    assert found["cross"].data.tags["selected.heads"] == "2"
    expected = make_report(records, 1)["variants"]["cross"]["test"]["UWA"]["mean"]
    assert found["cross"].data.metrics["test/UWA_mean"] == pytest.approx(expected)


def test_study_started_over_is_new_and_ends_what_the_old_one_left_running(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> None:
    killed = Tracker(None, output, make_plan())
    feed(killed, make_ledger()[:10])
    wait_for(lambda: len(runs(output)) == 1)
    again = make_ledger(hurry=1.5)  # no two ledgers took the same time
    tracker = Tracker(None, output, make_plan())
    feed(tracker, again)
    tracker.finish(make_report(again), (), "finished")
    studies = sorted(runs(output), key=lambda run: int(run.info.start_time))
    old, new = (run for run in studies if run.data.tags["level"] == "study")
    assert {old.info.status, new.info.status} == {"KILLED", "FINISHED"}
    assert "started over" in {old.data.tags["outcome"], new.data.tags["outcome"]}
    assert len(runs(output)) == 1 + 17


def test_study_without_a_complete_configuration_failed(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_report: MakeReport
) -> None:
    lost = {"kind": "lost", "variant": "cross", "config": 0, "fold": 0, "seed": 0, "outcome": "failed", "reason": "no"}
    closed = {"kind": "closed", "variant": "cross", "config": 0, "outcome": "failed", "reason": "fold 0: no"}
    records = [make_ledger()[0], lost, closed]
    report = make_report(make_ledger(), None)
    tracker = Tracker(None, output, make_plan())
    feed(tracker, records)
    assert tracker.finish(report, (), "finished").warning == ""
    assert {run.info.run_name: run.info.status for run in runs(output)} == {
        "cross": "FAILED",
        "cross c000 published": "FAILED",
        "fold 0 of cross c000": "FAILED",
    }

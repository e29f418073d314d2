"""What MLflow refuses for its length is shortened, and nothing that differs becomes equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from study.features.spec import EncoderSpec, FeatureChoice
from study.record.events import Event, Phase, RunLost
from study.record.plan import Plan
from study.report.view import ReportView
from study.tracking.limits import NAME_LENGTH, TAG_LENGTH, short_name, short_values
from study.tracking.study_summary import experiment_title, note
from study.tracking.tracker import Tracker

MakePlan = Callable[..., Plan]
MakeLedger = Callable[..., list[Event]]
MakeView = Callable[..., ReportView]


def test_short_names_and_values_stay_as_they_are() -> None:
    assert short_name("x" * NAME_LENGTH) == "x" * NAME_LENGTH
    assert short_values({"reason": "x" * 20}, 20) == {"reason": "x" * 20}


def test_long_names_that_differ_at_their_end_stay_different() -> None:
    names = [short_name("x" * NAME_LENGTH + ending) for ending in "ab"]
    assert [len(name) for name in names] == [NAME_LENGTH, NAME_LENGTH]
    assert len(set(names)) == 2


def test_experiment_of_many_classes_is_named_by_their_beginning(make_plan: MakePlan) -> None:
    classes = [f"a rather long emotion {number}" for number in range(40)]
    title = experiment_title(make_plan(classes=classes))
    assert title.startswith("toy, 40 classes: a rather long emotion 0, ")
    assert len(title) == NAME_LENGTH
    assert experiment_title(make_plan(classes=[*classes[:-1], "another"])) != title
    assert experiment_title(make_plan()) == "toy, 3 classes: angry, calm, sad"


def test_study_with_long_names_and_reasons_is_tracked_whole(
    output: Path, make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    from mlflow import MlflowClient

    plan = make_plan(
        name="n" * 255,
        classes=[f"emotion {number}" for number in range(200)],
        features={"audio": [FeatureChoice(EncoderSpec("x" * 7000), "")]},
    )
    ledger = [*make_ledger(), RunLost("cross", 1, 0, 1, Phase.FAILED, "r" * 9000)]
    tracker = Tracker(None, output, plan)
    for event in ledger:
        tracker(event)
    assert tracker.finish(make_view(ledger)).warning == ""
    store = MlflowClient(f"sqlite:///{output / 'mlflow.db'}")
    runs = store.search_runs([each.experiment_id for each in store.search_experiments()])
    assert len(runs) == 1 + 4 + 12 + 1
    assert max(len(value) for run in runs for value in run.data.tags.values()) == TAG_LENGTH
    assert max(len(run.info.run_name) for run in runs) == NAME_LENGTH


def test_note_leaves_out_other_variants_where_the_table_would_be_too_long(
    make_plan: MakePlan, make_ledger: MakeLedger, make_view: MakeView
) -> None:
    view = make_view(make_ledger())
    few, many = (
        replace(view, variants=dict.fromkeys(["cross", *(f"v{n}" for n in range(count))], view.variants["cross"]))
        for count in (1, 60)
    )
    assert "| v0 &nbsp;" in note("cross", [], make_plan(), few)
    shortened = note("cross", [], make_plan(), many)
    assert len(shortened) <= TAG_LENGTH
    assert "| cross &nbsp;" in shortened
    assert "| v0 &nbsp;" not in shortened

"""The tree of runs that follows from a study's events, before any of it is in MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import fmean

import pytest

from study.record.events import BlockClosed, Closed, EpochDone, Event, FoldRun, Phase, RunLost
from study.record.plan import Plan
from study.record.terms import Terms
from study.tracking.arrivals import Arrivals
from study.tracking.run_tree import Key, RunNode, config_nodes, fold_title, study_node

MakePlan = Callable[..., Plan]
MakeLedger = Callable[..., list[Event]]
MakeEpoch = Callable[..., EpochDone]


def arrived(events: Iterable[Event], plan: Plan) -> Arrivals:
    """The events as they arrive, one each second."""
    arrivals = Arrivals(plan)
    for second, event in enumerate(events):
        arrivals.add(1000.0 + second, event)
    return arrivals


def nodes(arrivals: Arrivals, plan: Plan, number: int) -> dict[Key, RunNode]:
    config = arrivals.configurations("cross")[number]
    return {node.key: node for node in config_nodes(config, arrivals, plan)}


def test_keys_are_found_again_by_their_tags_and_belong_under_their_parents() -> None:
    study, config, fold = Key("cross"), Key("cross", 0), Key("cross", 0, 0, 0)
    for key in (study, config, fold):
        assert Key.from_tags(key.tags) == key
    assert (fold.parent, config.parent, study.parent) == (config, study, None)


def test_fold_runs_are_named_by_what_distinguishes_them_first() -> None:
    assert fold_title(FoldRun("cross", 3, 2)) == "fold 2 c003 cross"
    assert fold_title(FoldRun("cross", 3, 2, seed=1)) == "fold 2 s1 c003 cross"


def test_something_is_new_to_show_when_a_study_begins_a_configuration_closes_or_a_confirmation_run_ends(
    make_plan: MakePlan, make_ledger: MakeLedger, make_epoch: MakeEpoch
) -> None:
    arrivals, events = Arrivals(make_plan()), make_ledger()
    shown = [event for event in events if arrivals.add(0.0, event)]
    assert shown == [events[4], *(event for event in events if event.kind == "closed")]
    assert [arrivals.add(0.0, make_epoch("cross", 1, 0, n, seed=1)) for n in (1, 2, 3, 4)] == [False] * 3 + [True]
    assert arrivals.add(0.0, RunLost("cross", 1, 1, 1, Phase.FAILED, "no memory"))


def test_the_runs_of_a_configuration_are_found_without_looking_through_all(
    make_plan: MakePlan, make_ledger: MakeLedger, make_epoch: MakeEpoch
) -> None:
    events = [
        *make_ledger(),
        make_epoch("cross", 1, 2, 1, seed=1),
        RunLost("cross", 1, 1, 1, Phase.FAILED, "no memory"),
    ]
    arrivals = arrived(events, make_plan())
    for config in arrivals.configurations("cross"):
        mine = [run for run in arrivals.runs if (run.variant, run.config) == (config.variant, config.number)]
        assert list(arrivals.of_config(config)) == sorted(mine, key=lambda run: (run.seed, run.fold))
        results = [e for e in events if isinstance(e, EpochDone | RunLost) and e.config == config.number]
        assert arrivals.n_results(config) == len(results)
    assert arrivals.variants() == ["cross"]


def test_ledgers_that_took_different_times_have_different_identities(
    make_plan: MakePlan, make_ledger: MakeLedger
) -> None:
    first, second, plan = make_ledger(), make_ledger(hurry=1.5), make_plan()
    assert arrived(first, plan).identity == arrived(first[:5], plan).identity != arrived(second, plan).identity
    assert arrived(first[:4], plan).identity == "", "what is only proposed has no time in it"


def test_no_run_begins_before_its_study_or_ends_in_the_future(make_plan: MakePlan, make_ledger: MakeLedger) -> None:
    events, plan = make_ledger(), make_plan()
    arrivals = Arrivals(plan)
    for event in events:  # as on continuation: all at once
        arrivals.add(1000.0, event)
    study = study_node("cross", arrivals, plan)
    for number in range(4):
        for node in nodes(arrivals, plan, number).values():
            assert study.started <= node.started <= node.ended <= 1000.0


def test_lost_confirmation_run_ends_its_siblings(
    make_plan: MakePlan, make_ledger: MakeLedger, make_epoch: MakeEpoch
) -> None:
    lost = RunLost("cross", 1, 1, 1, Phase.FAILED, "no memory")
    begun = make_epoch("cross", 1, 0, 1, seed=1)
    plan = make_plan()
    assert Key("cross", 1, 0, 1) not in nodes(arrived([*make_ledger(), begun], plan), plan, 1)
    found = nodes(arrived([*make_ledger(), begun, lost], plan), plan, 1)
    sibling = found[Key("cross", 1, 0, 1)]
    assert (sibling.status, sibling.tags["outcome"]) == ("KILLED", "stopped")
    assert sibling.tags["reason"] == "another confirmation run of the configuration was lost"
    assert found[Key("cross", 1, 1, 1)].status == "FAILED"


def test_under_protocol_nested_figures_are_means_over_both_uses_of_every_run(
    make_plan: MakePlan, make_ledger: MakeLedger
) -> None:
    plan = make_plan(terms=Terms(n_configs=4, epochs=4, protocol="nested", epoch_rule="best"))
    events = [*make_ledger(), *(BlockClosed("cross", 1, block, Phase.COMPLETE, "") for block in range(3))]
    found = nodes(arrived(events, plan), plan, 1)
    expected = []
    for fold in range(3):
        mine = [e for e in events if isinstance(e, EpochDone) and (e.config, e.fold) == (1, fold)]
        expected.append(max(mine, key=lambda epoch: epoch.validation["UWA"]).test["UWA"])
        expected.append(max(mine, key=lambda epoch: epoch.test["UWA"]).validation["UWA"])
    values = {point.name: point.value for point in found[Key("cross", 1)].points}
    assert values["test/UWA_mean"] == pytest.approx(fmean(expected))
    assert found[Key("cross", 1, 0, 0)].tags["held out"] == "Session1 and Session3"
    stopped = {point.name for point in nodes(arrived(events, plan), plan, 0)[Key("cross", 0)].points}
    assert "validation/UWA_mean" in stopped
    assert "test/UWA_mean" not in stopped, "not every block could select it"


def test_the_search_has_a_step_for_each_decision(make_ledger: MakeLedger, make_plan: MakePlan) -> None:
    events, plan = make_ledger(), make_plan()
    decisions = [number for number, event in enumerate(events, start=1) if event.kind in ("config", "closed")]
    steps = arrived(events, plan).steps("cross")
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    for step, end in zip(steps, decisions, strict=True):
        before = events[:end]
        epochs = [event for event in before if isinstance(event, EpochDone)]
        closed = [event for event in before if isinstance(event, Closed)]
        means = [
            fmean(e.validation["UWA"] for e in epochs if (e.config, e.epoch) == (each.config, 3))
            for each in closed
            if each.outcome is Phase.COMPLETE
        ]
        assert step.at == 1000.0 + end - 1
        assert step.figures["search/configs"] == sum(event.kind == "config" for event in before)
        assert (step.figures["search/configs_done"], step.figures["search/epochs"]) == (len(closed), len(epochs))
        assert step.figures.get("search/best_validation_UWA") == (pytest.approx(max(means)) if means else None)
    # They follow from the events alone: those of an interrupted study are the first of the whole one's.
    assert arrived(events[: decisions[5]], plan).steps("cross") == steps[:6]

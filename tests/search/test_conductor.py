"""The conductor: a study goes on from its ledger alone, and proposals depend on observations and seed alone."""

import json

import pytest

from study.errors import UserError
from study.record.events import Closed, EpochDone, Phase, to_json
from study.record.ledger import Ledger, read
from study.samplers.proposer import proposer, published_params
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Continue, Rules, Stop
from study.variants import VARIANTS

SAMPLERS = ("gp", "tpe", "random", "qmc")
RULES = Rules(n_configs=11, n_folds=2, epochs=4, rungs=(1, 2), lookahead=2)


def conductor_on(path, variants=("cross",), slots=2, listeners=(), policy="asha", sampler="tpe"):
    searches = {name: Race(RULES, POLICIES[policy]) for name in variants}
    return Conductor(searches, Ledger(path), propose=proposer(1, sampler), slots=slots, listeners=listeners)


def epoch_of(run, epoch):
    """A score that depends on what is trained, the fold and the epoch: stands in for a training run."""
    value = ((run.config * 7) % 5) / 5 + 0.05 * run.fold + 0.02 * epoch
    scores = {"WA": value, "UWA": value, "WF1": value, "UWF1": value}
    return EpochDone(run.variant, run.config, run.fold, run.seed, epoch, 1.0, scores, scores, 0.1, epoch == 4)


def work(conductor, steps=10**6):
    """Report epochs, always of the run begun last, until the study is finished or `steps` are done."""
    under_way = []
    for _ in range(steps):
        while (run := conductor.next_run()) is not None:
            conductor.assign(run)
            under_way.append(run)
        if not under_way:
            return
        run = under_way[-1]
        decision = conductor.report(epoch_of(run, conductor.epochs_known(run) + 1))
        if not isinstance(decision, Continue):
            under_way.remove(run)


def work_in_bundles(conductor, most):
    """Report up to `most` epochs together, of the run begun last, as a worker does that knows its target."""
    under_way = []
    while True:
        while (run := conductor.next_run()) is not None:
            under_way.append((run, conductor.assign(run).target_epoch))
        if not under_way:
            return
        run, target = under_way[-1]
        known = conductor.epochs_known(run)
        epochs = [epoch_of(run, epoch) for epoch in range(known + 1, max(known + 1, min(known + most, target)) + 1)]
        if not isinstance(conductor.report_all(epochs), Continue):
            under_way.pop()


@pytest.mark.parametrize(("policy", "slots"), [("asha", 1), ("asha", 3), ("full", 2), ("race", 1), ("race", 3)])
def test_epochs_that_are_reported_together_give_the_ledger_of_epochs_one_by_one(tmp_path, policy, slots):
    rules = Rules(n_configs=14, n_folds=2, epochs=4, rungs=(2,), lookahead=2, finalists=1, seeds=1)
    ledgers = []
    for most in (1, 50):
        path = tmp_path / f"{most}"
        race = Race(rules, POLICIES[policy])
        work_in_bundles(Conductor({"cross": race}, Ledger(path), propose=proposer(1, "tpe"), slots=slots), most)
        assert race.closed()
        ledgers.append(path.read_bytes())
    assert ledgers[0] == ledgers[1]


def test_of_epochs_reported_together_those_after_a_stop_are_not_recorded(tmp_path):
    """Its other fold diverged meanwhile: alone, the first of three epochs would have been the last."""
    conductor = conductor_on(tmp_path / "ledger", slots=2)
    one, other = conductor.next_run(), None
    conductor.assign(one)
    other = conductor.next_run()
    conductor.assign(other)
    conductor.mark_lost(other, Phase.DIVERGED, "the loss is not finite")
    assert isinstance(conductor.report_all([epoch_of(one, epoch) for epoch in (1, 2, 3)]), Stop)
    assert conductor.epochs_known(one) == 1


def facts(path):
    """The events of a ledger, without the order in which workers happened to report."""
    return sorted(json.dumps(to_json(event), sort_keys=True) for event in read(path))


def test_the_first_config_of_every_variant_is_the_published_one(tmp_path):
    conductor = conductor_on(tmp_path / "ledger", variants=("self", "cross"))
    work(conductor)
    for name in ("self", "cross"):
        assert conductor.params[name, 0] == published_params(VARIANTS[name])
    assert conductor.finished()


@pytest.mark.parametrize("kill_after", [1, 2, 3, 7, 15, 29])
@pytest.mark.parametrize(("policy", "slots"), [("asha", 2), ("full", 2), ("race", 1)])
def test_a_study_killed_anywhere_goes_on_to_the_same_ledger(tmp_path, kill_after, policy, slots):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    terms = {"policy": policy, "slots": slots, "sampler": "gp"}
    work(conductor_on(whole, **terms))
    work(conductor_on(broken, **terms), steps=kill_after)
    with broken.open("ab") as file:
        file.write(b'{"kind": "epoch", "variant": "cr')  # torn in the middle of a write
    work(conductor_on(broken, **terms))
    assert facts(broken) == facts(whole)


def test_reading_a_ledger_again_gives_the_same_race_whatever_the_order_of_arrival(tmp_path):
    """Three slots race for promotions: who was faster is on record, so the record alone gives the same state."""
    path = tmp_path / "ledger"
    first = conductor_on(path, policy="race", slots=3, sampler="gp")
    work(first, steps=40)
    again = conductor_on(path, policy="race", slots=3, sampler="gp")
    race, replayed = first.searches["cross"], again.searches["cross"]
    assert [vars(entry) for entry in race.entries] == [vars(entry) for entry in replayed.entries]
    assert race.promotion() == replayed.promotion()


def test_no_epoch_is_on_record_twice_even_if_a_restarted_worker_repeats_it(tmp_path):
    conductor = conductor_on(tmp_path / "ledger")
    run = conductor.next_run()
    conductor.assign(run)
    conductor.report(epoch_of(run, 1))
    assert conductor.report(epoch_of(run, 1)) is None
    assert conductor.epochs_known(run) == 1


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("policy", ["asha", "full"])
def test_one_slot_and_many_give_the_same_configurations(tmp_path, policy, sampler):
    one = conductor_on(tmp_path / "one", slots=1, policy=policy, sampler=sampler)
    many = conductor_on(tmp_path / "many", slots=4, policy=policy, sampler=sampler)
    work(one), work(many)
    assert one.params == many.params


def test_no_more_runs_are_under_way_than_there_are_slots(tmp_path):
    conductor = conductor_on(tmp_path / "ledger", slots=3)
    runs = set()
    while (run := conductor.next_run()) is not None:
        conductor.assign(run)
        runs.add(run)
    assert len(runs) == 3


def test_listeners_are_called_with_the_past_of_a_continued_study_and_then_with_the_present(tmp_path):
    work(conductor_on(tmp_path / "ledger"), steps=5)
    received = []
    work(conductor_on(tmp_path / "ledger", listeners=[received.append]))
    assert received == list(read(tmp_path / "ledger"))


def test_a_failed_run_closes_its_config_and_the_study_goes_on(tmp_path):
    conductor = conductor_on(tmp_path / "ledger", slots=1)
    work(conductor, steps=8)
    run = conductor.next_run()
    conductor.assign(run)
    conductor.mark_lost(run, Phase.FAILED, "MemoryError")
    work(conductor)
    assert conductor.finished()
    closed = {event.config: event for event in read(tmp_path / "ledger") if isinstance(event, Closed)}
    assert closed[run.config] == Closed("cross", run.config, Phase.FAILED, "MemoryError")


def test_a_broken_line_in_the_middle_of_a_ledger_is_named(tmp_path):
    path = tmp_path / "ledger"
    work(conductor_on(path), steps=4)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"not json\n" + b"".join(lines[1:]))
    with pytest.raises(UserError, match="line 2"):
        conductor_on(path)

"""The conductor: the ledger alone is enough to go on, and the sampler is told the truth."""

import json
import math

import optuna
import pytest

from study.errors import UserError
from study.results.ledger import FoldRun, Ledger, read
from study.settings import SAMPLERS
from study.tuning.conductor import Conductor
from study.tuning.entries import Continue, Phase, Rules
from study.tuning.proposals import STATES, Tried, propose, proposer, published_params
from study.variants import VARIANTS

RULES = Rules(n_configs=11, n_folds=2, epochs=4, rungs=(1, 2), lookahead=2)


def conductor_on(path, variants=("cross",), slots=2, listeners=(), policy="asha", sampler="tpe"):
    return Conductor(
        variants,
        RULES,
        Ledger(path),
        policy=policy,
        propose=proposer(1, sampler),
        metric="UWA",
        seed=1,
        slots=slots,
        listeners=listeners,
    )


def epoch_of(run, epoch):
    """A score that depends on what is trained, the fold and the epoch: stands in for a training run."""
    value = ((run.config * 7) % 5) / 5 + 0.05 * run.fold + 0.02 * epoch
    scores = {"WA": value, "UWA": value, "WF1": value, "UWF1": value}
    return {"epoch": epoch, "loss": 1.0, "validation": scores, "test": scores, "seconds": 0.1, "ended": epoch == 4}


def work(conductor, steps=10**6):
    """Report epochs, always of the run begun last, until the study is finished or `steps` are done."""
    under_way = []
    for _ in range(steps):
        while (run := conductor.next_run()) is not None:
            conductor.take(run)
            under_way.append(run)
        if not under_way:
            return
        run = under_way[-1]
        decision = conductor.report(run, epoch_of(run, conductor.epochs_known(run) + 1))
        if not isinstance(decision, Continue):
            under_way.remove(run)


def facts(path):
    """What a ledger says, without the order in which workers happened to report."""
    return sorted(json.dumps(record, sort_keys=True) for record in read(path))


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
    for race, replayed in ((first.races["cross"], again.races["cross"]),):
        assert [vars(entry) for entry in race.entries] == [vars(entry) for entry in replayed.entries]
        assert race.promotion() == replayed.promotion()


def test_no_epoch_is_on_record_twice_even_if_a_restarted_worker_repeats_it(tmp_path):
    conductor = conductor_on(tmp_path / "ledger")
    run = conductor.next_run()
    conductor.take(run)
    conductor.report(run, epoch_of(run, 1))
    assert conductor.report(run, epoch_of(run, 1)) is None
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
        conductor.take(run)
        runs.add(run)
    assert len(runs) == 3


def test_listeners_hear_the_past_of_a_continued_study_and_then_the_present(tmp_path):
    work(conductor_on(tmp_path / "ledger"), steps=5)
    heard = []
    work(conductor_on(tmp_path / "ledger", listeners=[heard.append]))
    assert heard == list(read(tmp_path / "ledger"))


def test_a_failed_run_closes_its_config_and_the_study_goes_on(tmp_path):
    conductor = conductor_on(tmp_path / "ledger", slots=1)
    work(conductor, steps=8)
    run = conductor.next_run()
    conductor.take(run)
    conductor.lose(run, Phase.FAILED, "MemoryError")
    work(conductor)
    assert conductor.finished()
    closed = {r["config"]: r for r in read(tmp_path / "ledger") if r["kind"] == "closed"}
    assert closed[run.config]["outcome"] == "failed"
    assert closed[run.config]["reason"] == "MemoryError"


def test_a_stopped_config_is_told_as_pruned_with_its_step_and_never_as_complete():
    assert STATES[Phase.STOPPED] is optuna.trial.TrialState.PRUNED
    assert STATES[Phase.DIVERGED] is optuna.trial.TrialState.PRUNED
    assert STATES[Phase.FAILED] is optuna.trial.TrialState.FAIL


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_proposal_depends_on_what_was_tried_and_on_the_seed_and_on_nothing_else(sampler):
    suggest = VARIANTS["cross"].suggest
    tried = [Tried(published_params(VARIANTS["cross"]), Phase.COMPLETE, 0.5, 4, 0.5)]
    for _ in range(7):
        value = 0.1 * len(tried)
        tried.append(Tried(propose(suggest, tried, 1, sampler), Phase.COMPLETE, value, 4, value))
    assert propose(suggest, tried, 1, sampler) == propose(suggest, tried, 1, sampler)
    assert propose(suggest, tried, 1, sampler) != propose(suggest, tried, 2, sampler)


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_the_sampler_learns_from_complete_configs(sampler):
    """Learning rates near 1e-3 score high: after thirty of them, proposals gather there."""
    suggest = VARIANTS["cross"].suggest
    tried = [Tried(published_params(VARIANTS["cross"]), Phase.COMPLETE, 1.0, 4, 1.0)]
    for number in range(30):
        params = propose(suggest, tried, number, sampler)
        score = 1.0 - abs(math.log10(params["learning_rate"]) + 3)
        tried.append(Tried(params, Phase.COMPLETE, score, 4, score))
    late = [entry.params["learning_rate"] for entry in tried[-10:]]
    assert sum(3e-4 < rate < 3e-3 for rate in late) >= 7


def test_the_process_learns_from_unfinished_configs_too():
    """Thirty configurations that only ever waited, with estimates that favour a high rate."""
    suggest = VARIANTS["cross"].suggest
    tried = [Tried(published_params(VARIANTS["cross"]), Phase.COMPLETE, 0.0, 4, 0.0)]
    for number in range(30):
        params = propose(suggest, tried, number, "gp")
        estimate = math.log10(params["learning_rate"])
        tried.append(Tried(params, Phase.STOPPED, estimate, 2, estimate, 0.1))
    assert sum(entry.params["learning_rate"] > 4e-3 for entry in tried[-10:]) >= 7


def test_the_points_of_the_quasi_random_sampler_depend_on_their_number_alone():
    suggest = VARIANTS["cross"].suggest

    def sequence(score):
        tried = [Tried(published_params(VARIANTS["cross"]), Phase.COMPLETE, score, 4, score)]
        for _ in range(6):
            tried.append(Tried(propose(suggest, tried, 1, "qmc"), Phase.COMPLETE, score * len(tried), 4))
        return [entry.params for entry in tried]

    assert sequence(0.1) == sequence(-3.0)
    assert len({params["learning_rate"] for params in sequence(0.1)[1:]}) == 6


def test_a_broken_line_in_the_middle_of_a_ledger_is_named(tmp_path):
    path = tmp_path / "ledger"
    work(conductor_on(path), steps=4)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"not json\n" + b"".join(lines[1:]))
    with pytest.raises(UserError, match="line 2"):
        conductor_on(path)


def test_a_ledger_line_of_the_wrong_type_is_named(tmp_path):
    path = tmp_path / "ledger"
    path.write_text('{"kind": "config", "variant": "cross", "config": "zero", "params": {}}\n')
    with pytest.raises(UserError, match="config='zero' where int is expected"):
        Ledger(path)


def test_fold_runs_have_names_that_sort_and_read_well():
    assert FoldRun("cross", 3, 2).name == "cross-c003-f2-s0"

"""The simulator: the same decisions as the race takes, on curves that are known beforehand."""

import json

import numpy as np
import pytest

from benchmarks.curve_table import CurveTable
from benchmarks.simulator import VARIANT, Rows, rules_of, simulate
from study.errors import UserError
from study.record.events import EpochDone, Phase, RunLost, to_json
from study.record.ledger import Ledger, read
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Continue, Rules


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    n, folds, epochs = 60, 5, 9
    rates = 10 ** random.uniform(-4, -1, n)
    end = 0.7 - 0.1 * (np.log10(rates) + 2.5) ** 2
    time = 1 - np.exp(-np.arange(1, epochs + 1) / 3)
    val = (
        end[:, None, None] * time + random.normal(0, 0.01, (n, folds, epochs)) - 0.2 * (np.arange(folds) == 2)[:, None]
    )
    val = val.clip(0.0, 1.0)
    val[7, 3, 4:] = np.nan
    params = [{"learning_rate": float(rate), "pooling": ["mean", "max"][row % 2]} for row, rate in enumerate(rates)]
    return CurveTable("rates", val, val - 0.05, random.uniform(1, 3, n), params)


def test_a_table_is_what_its_file_holds(table, tmp_path):
    np.savez(
        tmp_path / "t.npz",
        val=table.val.astype("float32"),
        test=table.test.astype("float32"),
        seconds=table.seconds.astype("float32"),
        params=json.dumps(table.params),
    )
    again = CurveTable.read(tmp_path / "t.npz")
    assert again.params == table.params
    assert again.val == pytest.approx(table.val, abs=1e-6, nan_ok=True)
    assert np.flatnonzero(np.isnan(again.finals())).tolist() == [7]


@pytest.mark.parametrize("content", [b"", b"not a table", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_table_is_named(tmp_path, content):
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"t\.npz"):
        CurveTable.read(tmp_path / "t.npz")


def test_a_table_of_the_wrong_shape_is_named(tmp_path):
    np.savez(tmp_path / "t.npz", val=np.ones((3, 2)), test=np.ones((3, 2)), seconds=np.ones(3), params="[]")
    with pytest.raises(UserError, match="has val"):
        CurveTable.read(tmp_path / "t.npz")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("workers", [1, 4])
def test_no_time_is_lost_and_none_is_counted_twice(table, policy, workers):
    outcome = simulate(table, policy=policy, sampler="random", workers=workers, seed=1, n_configs=20)
    spent = sum(event.seconds for event in outcome.events if isinstance(event, EpochDone))
    lost = [event for event in outcome.events if isinstance(event, RunLost)]
    assert outcome.busy == pytest.approx(spent + sum(table.seconds[outcome.rows[event.config]] for event in lost))
    assert outcome.busy <= outcome.end * workers + 1e-9
    if workers == 1:
        assert outcome.busy == pytest.approx(outcome.end)


def test_workers_are_idle_at_most_one_part_in_twenty_while_there_is_something_to_try(table):
    full = table.full_cost()
    outcome = simulate(table, policy="race", sampler="random", workers=4, seed=1, budget_seconds=4 * full / 4)
    assert outcome.busy >= 0.95 * outcome.end * 4


@pytest.mark.parametrize("policy", POLICIES)
def test_only_rows_that_never_diverge_are_selected(table, policy):
    outcome = simulate(table, policy=policy, sampler="gp", workers=2, seed=0)
    assert not np.isnan([table.finals()[row] for _, row in outcome.selected]).any()
    assert len(set(outcome.rows)) == len(outcome.rows)


def test_the_budget_is_kept_to_the_second(table):
    budget = 3.3 * table.full_cost()
    outcome = simulate(table, policy="race", sampler="random", workers=1, seed=0, budget_seconds=budget)
    assert outcome.end == budget
    assert outcome.busy == pytest.approx(budget)


@pytest.mark.parametrize(("policy", "sampler"), [("race", "gp"), ("asha", "tpe")])
def test_a_conductor_with_a_ledger_takes_the_decisions_of_the_simulator(table, tmp_path, policy, sampler):
    """One slot: the same scores through the ledger on disk, killed and read again after every tenth epoch."""
    terms = rules_of(table, workers=1, n_configs=20)
    simulated = simulate(table, policy=policy, sampler=sampler, workers=1, seed=3, rules=terms)
    rows = Rows(table, sampler, seed=3)
    path, curves = tmp_path / "ledger.jsonl", table.best_so_far

    def conductor():
        return Conductor({VARIANT: Race(terms, POLICIES[policy])}, Ledger(path), propose=rows, slots=1)

    current, n = conductor(), 0
    while run := current.next_run():
        current.busy.add(run)
        row, epoch = rows.tried[run.config], current.epochs_known(run) + 1
        score = float(curves[row, run.fold, epoch - 1])
        if np.isnan(score):
            current.mark_lost(run, Phase.DIVERGED, "a score is not finite")
        else:
            scores, seconds = {**METRICS, terms.metric: score}, float(table.seconds[row])
            ended = epoch == terms.epochs
            event = EpochDone(VARIANT, run.config, run.fold, run.seed, epoch, 0.0, scores, METRICS, seconds, ended)
            if isinstance(current.report(event), Continue):
                current.busy.discard(run)
        n += 1
        if n % 10 == 0:
            current = conductor()
    mine, theirs = ([decisive(event) for event in events] for events in (read(path), simulated.events))
    if policy == "asha":  # in whichever order its folds arrive, the decisions are the same
        mine, theirs = (sorted(json.dumps(r, sort_keys=True) for r in records) for records in (mine, theirs))
    assert mine == theirs


METRICS = dict.fromkeys(("WA", "UWA", "WF1", "UWF1"), 0.5)  # a ledger has all four; a race reads one


def decisive(event):
    """The event with the one score that a race reads."""
    kept = {name: value for name, value in to_json(event).items() if name not in ("test", "loss")}
    return {**kept, "validation": kept["validation"]["UWA"]} if isinstance(event, EpochDone) else kept


def test_rules_say_how_many_configurations_there_are(table):
    assert rules_of(table, workers=4).n_configs == 60
    terms = {"n_configs": 5, "epochs": 9, "epoch_rule": "best"}
    assert rules_of(table, workers=4, n_configs=5) == Rules(**terms, n_folds=5, rungs=(2, 3), lookahead=4)

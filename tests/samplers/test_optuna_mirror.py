"""The mirror of a study in an Optuna database: what it holds, once and whatever happens."""

import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import pytest

from study.record.events import Closed, EpochDone, Event, Phase
from study.record.plan import Plan
from study.record.results import configurations
from study.record.terms import Terms
from study.samplers import optuna_mirror
from study.samplers.gp import ForecastGPSampler
from study.samplers.optuna_mirror import OptunaMirror
from study.samplers.proposer import proposer
from study.search.state import Continue
from study.searches import conductor_of
from study.sqlite_uri import sqlite_uri
from study.training.metrics import METRICS
from study.variants import VARIANTS

SPACES = {"cross": VARIANTS["cross"].suggest}
N_CONFIGS, EPOCHS = 8, 9


@dataclass
class Memory:
    """A ledger without a file."""

    events: list[Event] = field(default_factory=list)

    def append(self, event: Event) -> None:
        self.events.append(event)


def plan_of(protocol="shared", name="demo"):
    n_folds, policy, sampler = (5, "race", "random") if protocol == "shared" else (10, "asha", "qmc")
    terms = Terms(n_configs=N_CONFIGS, epochs=EPOCHS, policy=policy, sampler=sampler, protocol=protocol)
    corpus = {"name": "demo", "digest": "0" * 16}
    return Plan(name, corpus, [], [{}] * n_folds, {}, [], ["random", "cross"], terms, {}, lookahead=4)


def score(config, fold, epoch):
    """Rises with the epoch; configurations differ, folds differ, and one in three develops late."""
    late = 0.3 if config % 3 == 2 else 0.0
    return round(0.2 + 0.05 * (config * 5 % 7) + 0.02 * fold + 0.4 * (1 - (1 + late) / (1 + epoch)), 6)


def events_of(plan, seconds=1.0):
    """The events of a whole study with three slots, in which configuration 3 diverges and 5 fails."""
    memory = Memory()
    conductor = conductor_of(plan, memory, proposer(0, plan.terms.sampler), slots=3)
    running, step = [], 0
    while True:
        while (run := conductor.next_run()) is not None:
            conductor.assign(run)
            running.append(run)
        if not running:
            return memory.events
        step += 1
        run = running.pop(step % len(running))
        epoch = conductor.epochs_known(run) + 1
        if run.config in (3, 5) and epoch == 2:
            conductor.mark_lost(run, Phase.DIVERGED if run.config == 3 else Phase.FAILED, "on purpose")
            continue
        first, second = (dict.fromkeys(METRICS, score(run.config, run.fold + k, epoch)) for k in (0, 1))
        result = EpochDone(
            run.variant, run.config, run.fold, run.seed, epoch, 1.0, first, second, seconds, epoch == EPOCHS
        )
        if isinstance(conductor.report(result), Continue):
            running.append(run)


def as_it_closed(events, number):
    """A configuration at the moment it was closed: results of runs that were then under way came later."""
    end = next(n for n, event in enumerate(events) if isinstance(event, Closed) and event.config == number)
    return configurations(events[: end + 1], 0)["cross"][number]


@pytest.fixture(scope="module")
def events():
    return events_of(plan_of())


def mirrored(output, events, plan=None):
    mirror = OptunaMirror(output, plan or plan_of(), SPACES)
    for event in events:
        mirror(event)
    return mirror.finish()


def trials(output, name="demo/cross", **more):
    return optuna.load_study(study_name=name, storage=f"sqlite:///{output / 'optuna.db'}", **more).trials


def held(output):
    """All that the database has, but for times."""
    return [
        (each.number, each.state.name, each.values, each.params, each.distributions, each.intermediate_values,
         each.user_attrs)
        for each in trials(output)
    ]  # fmt: skip


def test_every_configuration_is_a_trial_with_its_number_parameters_and_state(tmp_path, events):
    assert mirrored(tmp_path, events) == ""
    states = {Phase.COMPLETE: "COMPLETE", Phase.STOPPED: "PRUNED", Phase.DIVERGED: "FAIL", Phase.FAILED: "FAIL"}
    configs = configurations(events, 0)["cross"]
    assert {config.outcome for config in configs} == set(states)
    found = trials(tmp_path)
    assert len(found) == len(configs) == N_CONFIGS
    for config, trial in zip(configs, found, strict=True):
        assert (trial.number, trial.params) == (config.number, config.params)
        assert trial.state.name == states[config.outcome]
        assert trial.user_attrs["outcome"] == config.outcome
        assert trial.user_attrs["reason"] == config.reason


def test_values_are_mean_validation_scores_and_intermediate_ones_those_of_epochs_that_all_folds_reached(
    tmp_path, events
):
    mirrored(tmp_path, events)
    for trial in trials(tmp_path):
        config = as_it_closed(events, trial.number)
        complete = config.outcome is Phase.COMPLETE
        assert trial.value == (pytest.approx(config.validation_score("UWA")) if complete else None)
        lengths = [len(fold.epochs) for fold in config.folds.values()]
        assert list(trial.intermediate_values) == list(range(1, min(lengths, default=0) + 1))
        for epoch, value in trial.intermediate_values.items():
            scores = [score(config.number, fold, epoch) for fold in config.folds]
            assert value == pytest.approx(sum(scores) / len(scores))
        if complete:
            assert trial.intermediate_values[EPOCHS] == pytest.approx(trial.value)


def test_a_stopped_configuration_has_its_predicted_final_score(tmp_path, events):
    mirrored(tmp_path, events)
    stopped = [trial for trial in trials(tmp_path) if trial.state.name == "PRUNED"]
    for trial in stopped:
        assert trial.user_attrs["predicted_final_score"] > max(trial.intermediate_values.values())
        assert trial.user_attrs["predicted_final_error"] > 0


def test_under_protocol_nested_both_held_out_blocks_count(tmp_path):
    plan = plan_of("nested")
    assert mirrored(tmp_path, events_of(plan), plan) == ""
    complete = [trial for trial in trials(tmp_path) if trial.state.name == "COMPLETE"]
    assert complete
    for trial in complete:
        assert max(trial.intermediate_values.values()) == pytest.approx(trial.value)


def test_a_study_that_is_read_again_changes_nothing(tmp_path, events):
    mirrored(tmp_path, events)
    before = held(tmp_path)
    assert mirrored(tmp_path, events) == ""
    assert held(tmp_path) == before


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_a_study_that_is_continued_ends_with_what_an_uninterrupted_one_has(tmp_path, events, part):
    for place, takes in {"one": [1.0], "two": [part, 1.0]}.items():
        for take in takes:
            assert mirrored(tmp_path / place, events[: round(take * len(events))]) == ""
    assert held(tmp_path / "two") == held(tmp_path / "one")


def test_a_configuration_under_way_is_running_and_without_values(tmp_path, events):
    n = next(index for index, event in enumerate(events) if isinstance(event, Closed)) + 1
    mirrored(tmp_path, events[:n])
    found = trials(tmp_path)
    assert [trial.state.name for trial in found].count("RUNNING") == len(found) - 1
    assert not any(trial.intermediate_values for trial in found if trial.state.name == "RUNNING")


def test_what_is_written_while_a_study_runs_is_what_is_written_afterwards(tmp_path, events):
    mirrored(tmp_path / "after", events)
    mirror = OptunaMirror(tmp_path / "live", plan_of(), SPACES)
    for event in events:
        mirror(event)
        if isinstance(event, Closed):
            time.sleep(0.05)  # so that it is written in several goes
    assert mirror.finish() == ""
    assert held(tmp_path / "live") == held(tmp_path / "after")


def test_a_study_that_is_started_over_replaces_the_former_one_and_no_other(tmp_path, events):
    mirrored(tmp_path, events)
    mirrored(tmp_path, events, plan_of(name="other"))
    another = events_of(plan_of(), seconds=2.0)[: len(events) // 2]
    assert mirrored(tmp_path, another) == ""
    assert len(trials(tmp_path)) == len(configurations(another, 0)["cross"]) < N_CONFIGS
    assert len(trials(tmp_path, "other/cross")) == N_CONFIGS


def test_a_folder_may_have_any_name(tmp_path, events):
    """An address would read the rest of it as an escape, a query or a fragment."""
    output = tmp_path / "out-[old] #1 ?50% é"
    assert mirrored(output, events) == ""
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.db")] == [Path(output.name, "optuna.db")]
    assert optuna.get_all_study_names(sqlite_uri(output / "optuna.db")) == ["demo/cross"]


def test_a_study_without_a_result_writes_nothing(tmp_path, events):
    assert mirrored(tmp_path, events[:1]) == ""
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path / 'optuna.db'}") == []


def test_a_locked_database_delays_nothing_and_is_reported_once_at_the_end(tmp_path, events, monkeypatch):
    monkeypatch.setattr(optuna_mirror, "LOCK_SECONDS", 0.05)
    mirrored(tmp_path, events, plan_of(name="other"))
    lock = sqlite3.connect(tmp_path / "optuna.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    mirror = OptunaMirror(tmp_path, plan_of(), SPACES)
    started = time.monotonic()
    for event in events:
        mirror(event)
    assert time.monotonic() - started < 1.0
    warning = mirror.finish()
    assert "locked" in warning
    assert str(tmp_path / "optuna.db") in warning
    assert "\n" not in warning
    lock.execute("ROLLBACK")
    lock.close()
    assert mirrored(tmp_path, events) == ""
    assert len(trials(tmp_path)) == N_CONFIGS


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_broken_database_is_reported_and_left_as_it_is(tmp_path, events, content):
    (tmp_path / "optuna.db").write_bytes(content)
    assert "optuna.db does not hold all of this study" in mirrored(tmp_path, events)
    assert (tmp_path / "optuna.db").read_bytes() == content


def test_optunas_tools_go_on_from_a_mirrored_study(tmp_path, events):
    mirrored(tmp_path, events)
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    study = optuna.load_study(study_name="demo/cross", storage=url, sampler=ForecastGPSampler(seed=0))
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert study.best_value == max(trial.value for trial in complete)
    trial = study.ask()
    VARIANTS["cross"].suggest(trial)
    assert trial.params.keys() == study.best_params.keys()

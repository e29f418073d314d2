"""The expected length of a study: right at its end, and near enough half-way."""

import io
from dataclasses import replace
from threading import Event
from types import SimpleNamespace

import pytest
from rich.console import Console

from study.app.pace import clock, every_minute
from study.app.progress import ProgressView, expected_of_study
from study.record.events import EpochDone
from study.record.ledger import Ledger
from study.samplers.proposer import proposer
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Rules
from study.training.metrics import METRICS

RULES = Rules(n_configs=12, n_folds=3, epochs=9, rungs=(2, 3), finalists=1, seeds=1)


def epoch_of(run, number):
    """An epoch whose score depends on configuration, fold and number."""
    score = 0.3 + 0.01 * ((7 * run.config + 3 * run.fold) % 11) + 0.02 * number
    scores = dict.fromkeys(METRICS, score)
    ended = number == RULES.epochs
    return EpochDone(run.variant, run.config, run.fold, run.seed, number, 1.0, scores, scores, 0.5, ended)


@pytest.fixture(params=POLICIES)
def policy(request):
    return request.param


@pytest.fixture
def trained(tmp_path, policy):
    """A function that trains a study of two variants for some epochs; gives its conductor and its epochs in all."""

    def train(steps):
        searches = {name: Race(RULES, POLICIES[policy]) for name in ("self", "cross")}
        ledger = Ledger(tmp_path / f"{policy}-{steps}")
        conductor = Conductor(searches, ledger, propose=proposer(0, "random"), slots=2)
        done, busy = 0, []
        while done < steps and not conductor.finished():
            while (run := conductor.next_run()) is not None:
                conductor.assign(run)
                busy.append(run)
            run = busy.pop(0)
            conductor.report(epoch_of(run, conductor.epochs_known(run) + 1))
            done += 1
            if run in conductor.busy:
                busy.append(run)
        return conductor, done

    return train


def test_the_expected_length_of_a_finished_study_is_its_length(trained):
    conductor, done = trained(10**6)
    assert conductor.finished()
    assert expected_of_study(conductor) == done


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_the_expected_length_is_within_a_factor_of_one_and_a_half(trained, share):
    _, total = trained(10**6)
    conductor, _ = trained(round(share * total))
    assert total / 1.5 <= expected_of_study(conductor) <= total * 1.5


def test_the_view_shows_every_variant_and_the_remaining_time(trained):
    conductor, _ = trained(40)
    written = io.StringIO()
    console = Console(file=written, width=100)
    view = ProgressView(console, "name", "UWA")
    view.follow(conductor)
    console.print(view.render())
    for expected in ("self", "cross", "best validation UWA", "study name", "epoch 40 of about"):
        assert expected in written.getvalue()


def test_no_time_is_left_to_tell_before_a_run_has_ended(trained):
    """The first epochs have the start of the workers in their time."""
    conductor, _ = trained(1)
    written = io.StringIO()
    view = ProgressView(Console(file=written, width=100), "name", "UWA")
    view.follow(conductor)
    conductor._listeners = (view,)
    left = []
    while not conductor.finished():
        run = next(iter(conductor.busy), None) or conductor.next_run()
        conductor.assign(run)
        conductor.report(epoch_of(run, conductor.epochs_known(run) + 1))
        left.append(view.remaining_seconds())
    first = next(n for n, seconds in enumerate(left) if seconds is not None)
    lines = written.getvalue().splitlines()
    assert first > 0
    assert None not in left[first:]
    assert left[-1] == 0
    assert "time left unknown yet" not in lines[-1]


def test_the_time_left_is_that_of_each_variants_own_epochs(trained, monkeypatch):
    """One worker trains without a pause; an epoch of cross takes four seconds and one of self a second."""
    seconds, now = {"self": 1.0, "cross": 4.0}, 0.0
    monkeypatch.setattr("study.app.progress.time", SimpleNamespace(monotonic=lambda: now))
    conductor, _ = trained(0)
    view = ProgressView(Console(file=io.StringIO(), width=100), "name", "UWA")
    view.follow(conductor)
    conductor._listeners = (view,)
    begun, n_checked = set(), 0
    while not conductor.finished():
        run = next(iter(conductor.busy), None) or conductor.next_run()
        conductor.assign(run)
        begun.add(run.variant)
        now += seconds[run.variant]
        epoch = epoch_of(run, conductor.epochs_known(run) + 1)
        conductor.report(replace(epoch, seconds=seconds[run.variant]))
        left = view.remaining_seconds()
        if len(begun) == 2 and left is not None:
            whole = sum(seconds[name] * search.expected_epochs() for name, search in conductor.searches.items())
            assert now + left == pytest.approx(whole)
            n_checked += 1
    assert n_checked > 0
    assert left == 0


@pytest.mark.parametrize(("n_folds", "named"), [(3, "fold 0"), (1, "the split")])
def test_a_confirmation_run_is_named_by_its_fold_where_there_are_several(tmp_path, n_folds, named):
    rules = replace(RULES, n_folds=n_folds)
    searches = {"cross": Race(rules, POLICIES["race"])}
    conductor = Conductor(searches, Ledger(tmp_path / "ledger"), propose=proposer(0, "random"), slots=2)
    written = io.StringIO()
    view = ProgressView(Console(file=written, width=200), "name", "UWA")
    view.follow(conductor)
    conductor._listeners = (view,)
    while (run := next(iter(conductor.busy), None) or conductor.next_run()) is not None:
        conductor.assign(run)
        conductor.report(epoch_of(run, conductor.epochs_known(run) + 1))
    confirmed = [line for line in written.getvalue().splitlines() if "with new seed 1" in line]
    assert len(confirmed) == 2 * n_folds  # the finalist, and configuration 0 beside it
    assert sum(f" {named} with new seed" in line for line in confirmed) == 2


def test_a_line_a_minute_says_how_far_a_study_is(trained):
    conductor, _ = trained(40)
    written, said = io.StringIO(), Event()
    view = ProgressView(Console(file=written, width=100), "name", "UWA")
    view.follow(conductor)
    with every_minute(lambda: (view.say(), said.set()), seconds=0.001):
        assert said.wait(60)
    line = written.getvalue().splitlines()[0]
    assert line.startswith("study name · epoch 40 of about ")
    assert " · best self 0." in line


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65, "1:05"), (3725, "1:02:05")])
def test_times_read_like_a_clock(seconds, text):
    assert clock(seconds) == text

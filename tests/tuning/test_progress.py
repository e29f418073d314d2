"""What is said of a study's length: right at its end, and near enough half-way."""

import io

import pytest
from rich.console import Console

from study.results.ledger import Ledger
from study.tuning.conductor import Conductor
from study.tuning.entries import Rules
from study.tuning.policies import POLICIES
from study.tuning.progress import ProgressView, clock, expected_epochs
from study.tuning.proposals import proposer
from tests.tuning.test_conductor import epoch_of

RULES = Rules(n_configs=12, n_folds=3, epochs=9, rungs=(2, 3), finalists=1, seeds=1)


@pytest.fixture(params=POLICIES)
def policy(request):
    return request.param


@pytest.fixture
def trained(tmp_path, policy):
    """A function that trains a study of two variants for some epochs; gives its conductor and its epochs in all."""

    def train(steps):
        conductor = Conductor(
            ["self", "cross"],
            RULES,
            Ledger(tmp_path / f"{policy}-{steps}"),
            policy=policy,
            propose=proposer(0, "random"),
            metric="UWA",
            seed=0,
            slots=2,
        )
        done, busy = 0, []
        while done < steps and not conductor.finished():
            while (run := conductor.next_run()) is not None:
                conductor.take(run)
                busy.append(run)
            run = busy.pop(0)
            record = epoch_of(run, conductor.epochs_known(run) + 1)
            record["ended"] = record["epoch"] == RULES.epochs
            conductor.report(run, record)
            done += 1
            if run in conductor.busy:
                busy.append(run)
        return conductor, done

    return train


def test_the_expected_length_of_a_finished_study_is_its_length(trained):
    conductor, done = trained(10**6)
    assert conductor.finished()
    assert expected_epochs(conductor) == done


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_the_expected_length_is_within_a_factor_of_one_and_a_half(trained, share):
    _, total = trained(10**6)
    conductor, _ = trained(round(share * total))
    assert total / 1.5 <= expected_epochs(conductor) <= total * 1.5


def test_the_view_shows_every_variant_and_the_remaining_time(trained):
    conductor, _ = trained(40)
    written = io.StringIO()
    console = Console(file=written, width=100)
    view = ProgressView(console, "name", "UWA")
    view.follow(conductor)
    console.print(view.render())
    for expected in ("self", "cross", "best validation UWA", "study name", "epoch 40 of about"):
        assert expected in written.getvalue()


@pytest.mark.parametrize(("seconds", "told"), [(5, "0:05"), (65, "1:05"), (3725, "1:02:05")])
def test_times_read_like_a_clock(seconds, told):
    assert clock(seconds) == told

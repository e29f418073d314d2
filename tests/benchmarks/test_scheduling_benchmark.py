"""The scheduling benchmark compares studies of equal work, reads the machine rightly, and judges its targets."""

import os
import subprocess
import sys

import pytest
import torch

from benchmarks import machine, plain_studies, scheduling, studies
from study.record.folder import StudyFolder
from study.record.plan import Plan


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    studies.prepare(folder, studies.Setting(n_configs=2, epochs=2, workers=2, n_utterances=20))
    return folder


def test_every_fold_holds_out_sessions_of_its_own(prepared):
    plan = Plan.read(StudyFolder(prepared / "ours"))
    assert len(plan.folds) == studies.SESSIONS
    for number in range(studies.SESSIONS):
        data = plain_studies.fold(prepared, number)
        parts = [set(part.ids) for part in (data.training, data.validation, data.test)]
        assert [len(part) for part in parts] == [12, 4, 4]
        assert set.union(*parts) == {each["id"] for each in plan.utterances}


def test_both_loops_train_every_epoch_and_give_its_time(prepared):
    torch.set_num_threads(1)
    for loop in plain_studies.LOOPS.values():
        epochs = list(loop(prepared, 1, 0))
        assert len(epochs) == 2
        assert all(0 < cpu < 60 and 0 < wall < 60 for wall, cpu in epochs)


def test_cpu_time_of_children_and_grandchildren_is_counted():
    burn = "import time\nwhile time.process_time() < .5: pass\ninput()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    before = machine.cpu_seconds_below(os.getpid())
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        for _ in range(600):
            used = machine.cpu_seconds_below(process.pid)
            if sum(used.values()) >= 0.5:
                break
            process.poll()
            machine.matmul_rate(64, 0.02)
        assert 0.5 <= sum(used.values()) < 3
        assert len(used) == 2
        assert not set(used) & set(before)
        process.communicate(b"\n")


def test_private_memory_is_that_of_processes_with_the_title():
    hold = "data = bytearray(50_000_000); print(flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    (held,) = machine.private_megabytes(f"{sys.executable}\0-c\0{hold}")
    assert 50 < held < 90
    assert machine.private_megabytes("no process is called so") == []
    process.communicate(b"\n")


def turn(wall, training=10.0, runs=2, **more):
    return {"wall_seconds": wall, "training_seconds": training, "run_seconds": training / runs, "overhead": 1.2, **more}


def test_ratios_are_taken_turn_by_turn():
    found = {"ours": [turn(10), turn(20)], "ray-padded": [turn(60), turn(80)], "alone": [turn(19), turn(38)]}
    ways = scheduling.summary(found)
    assert ways["ray-padded"]["times_ours"] == 5.0  # of 6 and 4
    assert ways["alone"]["times_ours"] == pytest.approx(1.9)
    rows = {what: (limit, met) for what, _, limit, met in scheduling.targets(ways)}
    assert rows["plain Ray Tune / ours, whole study"] == ("at least 5", True)
    assert rows["one worker / two workers"] == ("at least 1.8", True)
    assert rows["wall x workers / training"] == ("at most 1.1", False)  # runs of 5 s


def test_short_runs_have_a_limit_of_their_own_and_the_shortest_none():
    def limits(run_seconds):
        rows = scheduling.targets({"ours": {"run_seconds": run_seconds, "overhead": 1.2}})
        return [(limit, met) for _, _, limit, met in rows]

    assert limits(1.0) == [("at most 1.5", True)]
    assert limits(0.9) == []


def test_memory_may_grow_with_the_pack():
    ours = {"run_seconds": 0.1, "overhead": 1, "worker_private_mb": 520.0, "pack_mb": 1000.0}
    ((_, found, limit, met),) = scheduling.targets({"ours": ours})
    assert (found, limit, met) == (520.0, "at most 550", True)
    ((*_, met),) = scheduling.targets({"ours": {**ours, "pack_mb": 100.0}})
    assert not met

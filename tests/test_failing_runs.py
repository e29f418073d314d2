"""Runs that fail: tried again where it helps, then out with their reason, while the study goes on or says why not."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fault_study import OPTIONS, write_corpus
from study.execution.watchdog import Watchdog
from study.record.events import Phase
from study.samplers.proposer import proposer
from study.search.observation import Observation
from tests.plugins.study_process import lines_of, with_packages_of_its_own

ROOT = Path(__file__).resolve().parents[1]
# Training replaced, in workers: what it does to a configuration is found by the learning rate that it was given.
SICK = """
import json, os, ray, time, torch
import study.training.loop as loop
healthy, deeds = loop._train_epoch, json.loads(os.environ["DEEDS"])
def sick(training, part, recipe, *rest):
    exec(deeds.get(repr(recipe.learning_rate), deeds.get("all", "pass")))
    return healthy(training, part, recipe, *rest)
loop._train_epoch = sick
"""
# The command, which gives a run up after three deaths instead of nine: every one costs a new worker.
DRIVER = """
from study.app.cli import main
from study.execution import tuner
tuner.DEATHS_IN_A_ROW = 2
raise SystemExit(main())
"""
HANG = "time.sleep(3600)"
DIE = "os.kill(os.getpid(), 9)"
RAISE = "raise MemoryError('host memory')"
DIVERGE = "[p.data.fill_(float('nan')) for p in training.model.parameters()]"
# A GPU is a number to Ray: what a share cannot hold here, a whole one can.
OUTGROW = (
    "if ray.get_runtime_context().get_assigned_resources()['GPU'] < 1: "
    "raise torch.OutOfMemoryError('CUDA out of memory')"
)
OUTGROW_ALL = "raise torch.OutOfMemoryError('CUDA out of memory')"


def sick_study(home: Path, deeds: dict[str, str], *options: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A study whose workers' training does the deed of its configuration's learning rate, by a `sitecustomize`."""
    site = home / "site"
    site.mkdir(parents=True, exist_ok=True)
    (site / "sick.py").write_text(SICK)
    (site / "sitecustomize.py").write_text(
        "import sys\nif any('default_worker' in part for part in sys.orig_argv):\n    import sick\n"
    )
    line = [sys.executable, "-P", "-c", DRIVER, "run", *OPTIONS, "--finalists", "1", "--seeds", "0", *options]
    line += ["--corpus", str(write_corpus(home / "corpus")), "--name", "sick", "--output", str(home / "mlruns")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
        "DEEDS": json.dumps(deeds),
        "RAY_OVERRIDE_RESOURCES": '{"CPU": 2, "GPU": 1}',
    }
    cwd = with_packages_of_its_own(home / "cwd")
    done = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=400)
    return done, home / "mlruns" / "studies" / "sick"


def closed(folder: Path) -> dict[int, dict[str, Any]]:
    return {line["config"]: line for line in lines_of(folder / "ledger.jsonl") if line["kind"] == "closed"}


def test_an_epoch_that_hangs_ends_its_process_and_is_given_up_at_the_third_attempt(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from study.execution.watchdog import Watchdog\n"
        "dog = Watchdog(Path(sys.argv[1]), 0.3); dog.watch('run')\n"
        "with dog: pass\n"
        "with dog: time.sleep(60)\n"
    )
    dog = Watchdog(tmp_path, 0.3)
    dog.watch("run")
    for attempt in range(2):
        assert dog.gives_up() == "", attempt
        line = [sys.executable, "-c", program, str(tmp_path)]
        began = time.monotonic()
        assert subprocess.run(line, cwd=ROOT, timeout=60).returncode == 1
        assert time.monotonic() - began < 30
    first, *rest = dog.gives_up().splitlines()
    assert first == "an epoch took longer than the 0.3 s of --epoch-timeout, 2 times"
    assert any("<module>" in line for line in rest), "what it was doing is on record"


def test_a_step_in_time_leaves_no_file(tmp_path: Path) -> None:
    dog = Watchdog(tmp_path / "hangs", 60)
    dog.watch("run")
    with dog:
        pass
    assert list((tmp_path / "hangs").iterdir()) == []


@pytest.mark.slow
def test_sick_configurations_are_out_with_their_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    """Six faults in one study, two runs to a GPU; configuration 0 is healthy and the others have one fault each."""
    propose, observations = proposer(0, "random"), []
    for _ in range(7):
        observations.append(Observation(propose("text", observations), Phase.OPEN))
    rates = [repr(each.params["learning_rate"]) for each in observations]
    faults = {1: HANG, 2: DIE, 3: RAISE, 4: DIVERGE, 5: OUTGROW, 6: OUTGROW_ALL}
    done, folder = sick_study(
        tmp_path,
        {rates[number]: deed for number, deed in faults.items()},
        *("--configs", "7", "--epochs", "2", "--policy", "full", "--sampler", "random", "--seed", "0"),
        *("--epoch-timeout", "8s", "--gpus-per-run", "0.5"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ends = closed(folder)
    expected = {
        0: ("complete", "all folds at full length"),
        1: ("failed", "an epoch took longer than the 8 s of --epoch-timeout, 2 times"),
        2: ("failed", ""),
        3: ("failed", "MemoryError: host memory"),
        4: ("diverged", "not a finite number"),
        5: ("complete", "all folds at full length"),
        6: ("failed", "the GPU's memory is too small"),
    }
    for number, (outcome, reason) in expected.items():
        assert (number, ends[number]["outcome"]) == (number, outcome)
        assert reason in ends[number]["reason"]
        if outcome != "complete":
            assert f"configuration {number} was lost" in done.stdout
            assert ends[number]["reason"] in json.dumps(json.loads((folder / "report.json").read_text())["variants"])
    assert "--gpus-per-run" not in ends[6]["reason"], "it had a whole one already"
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_if_every_run_fails_the_study_ends_soon_with_the_first_cause_and_is_tried_again(tmp_path: Path) -> None:
    options = ("--configs", "4", "--epochs", "1", "--policy", "full", "--gpus-per-run", "0")
    done, folder = sick_study(tmp_path, {"all": RAISE}, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "configuration 0 was lost: MemoryError: host memory" in done.stdout
    assert len(closed(folder)) == 3
    failed = (folder / "ledger.jsonl").read_bytes()
    done, _ = sick_study(tmp_path, {}, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every configuration of text failed (text: MemoryError: host memory): trying again" in done.stdout
    assert (folder / "ledger-failed-1.jsonl").read_bytes() == failed
    assert {line["outcome"] for line in closed(folder).values()} == {"complete"}

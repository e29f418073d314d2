"""Runs that fail: tried again where it helps, then out with their reason, while the study goes on or says why not."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fault_study import OPTIONS, StudyUnderTest, write_corpus
from study.tuning.watchdog import Watchdog

ROOT = Path(__file__).resolve().parents[1]
# The command line with one configuration's training replaced, in the driver and, by the environment, in workers.
SICK = """
import os, ray, time, torch
import study.training.loop as loop
healthy = loop._train_epoch
def sick(training, part, recipe, *rest):
    if os.environ["SICK"] == "all" or recipe.learning_rate != 1e-3:
        {deed}
    return healthy(training, part, recipe, *rest)
loop._train_epoch = sick
"""
DEEDS = {
    "hang": "time.sleep(3600)",
    "die": "os.kill(os.getpid(), 9)",
    "raise": "raise MemoryError('host memory')",
    # A GPU is a number to Ray: what a share cannot hold here, a whole one can.
    "outgrow": "if ray.get_runtime_context().get_assigned_resources()['GPU'] < 1: "
    "raise torch.OutOfMemoryError('CUDA out of memory')",
    "outgrow all": "raise torch.OutOfMemoryError('CUDA out of memory')",
    "loss": "[p.data.fill_(float('nan')) for p in training.model.parameters()]",
}


def study_that_is_sick(
    home: Path, deed: str, whom: str, *options: str, **more: str
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A study whose workers' training does `deed`, by a `sitecustomize`; `whom`: all, or all but the published."""
    site = home / "site"
    site.mkdir(parents=True)
    (site / "sick.py").write_text(SICK.replace("{deed}", DEEDS[deed]))
    (site / "sitecustomize.py").write_text(
        "import sys\nif any('default_worker' in part for part in sys.orig_argv):\n    import sick\n"
    )
    line = [sys.executable, str(ROOT / "study" / "run.py"), *OPTIONS, "--finalists", "1", "--seeds", "0", *options]
    line += ["--corpus", str(write_corpus(home / "corpus")), "--name", "sick"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "SICK": whom, **more}
    done = subprocess.run(line, cwd=home, env=environment, capture_output=True, text=True, timeout=400)
    return done, home / "mlruns" / "studies" / "sick"


def ended(folder: Path) -> dict[int, dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    return {record["config"]: record for record in records if record["kind"] == "closed"}


def test_an_epoch_that_hangs_ends_its_process_and_is_given_up_at_the_third_attempt(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from study.tuning.watchdog import Watchdog\n"
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
@pytest.mark.parametrize(
    ("deed", "outcome", "reason"),
    [
        ("hang", "failed", "an epoch took longer than the 8 s of --epoch-timeout, 2 times"),
        ("die", "failed", ""),
        ("raise", "failed", "MemoryError: host memory"),
        ("loss", "diverged", "not a finite number"),
    ],
)
def test_sick_configurations_are_out_with_their_reason_and_the_study_goes_on(
    deed: str, outcome: str, reason: str, tmp_path: Path
) -> None:
    done, folder = study_that_is_sick(
        tmp_path, deed, "others", "--configs", "2", "--epochs", "2", "--epoch-timeout", "8s", "--policy", "asha"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    closed = ended(folder)
    assert closed[0]["outcome"] == "complete"
    assert closed[1]["outcome"] == outcome
    assert reason in closed[1]["reason"]
    assert "configuration 1 was lost" in done.stdout
    assert closed[1]["reason"] in (folder / "report.json").read_text()
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("deed", "outcome"), [("outgrow", "complete"), ("outgrow all", "failed")])
def test_a_run_too_large_for_its_share_of_a_gpu_has_a_whole_one_to_itself(
    deed: str, outcome: str, tmp_path: Path
) -> None:
    done, folder = study_that_is_sick(
        tmp_path,
        deed,
        "others",
        *("--configs", "3", "--epochs", "2", "--policy", "full", "--gpus-per-run", "0.5"),
        RAY_OVERRIDE_RESOURCES='{"CPU": 2, "GPU": 1}',
    )
    assert done.returncode == 0, done.stdout + done.stderr
    closed = ended(folder)
    assert [closed[number]["outcome"] for number in range(3)] == ["complete", outcome, outcome]
    if outcome == "failed":
        assert "the GPU's memory is too small" in closed[1]["reason"]
        assert "--gpus-per-run" not in closed[1]["reason"], "it had a whole one already"
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_if_every_run_fails_the_study_ends_soon_with_the_first_cause(tmp_path: Path) -> None:
    done, folder = study_that_is_sick(tmp_path, "raise", "all", "--configs", "20", "--epochs", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "configuration 0 was lost: MemoryError: host memory" in done.stdout
    assert len(ended(folder)) == 3


@pytest.mark.slow
def test_damaged_features_are_named_and_the_study_goes_on_without_the_file(tmp_path: Path) -> None:
    def run(*options: str) -> tuple[int, str]:
        process = StudyUnderTest(tmp_path, corpus, ("--seeds", "0", *options)).start()
        told, _ = process.communicate(timeout=300)
        return process.returncode, told

    corpus, study = write_corpus(tmp_path / "corpus"), StudyUnderTest(tmp_path, tmp_path, ())
    code, told = run("--configs", "1")
    assert code == 0, told
    known, (pack,) = study.raw_ledger(), (tmp_path / "mlruns" / "features").glob("*.safetensors")
    made = pack.read_bytes()
    pack.write_bytes(made[:-3] + b"???")
    code, told = run("--configs", "2")
    assert code == 2
    assert f"{pack} do not match their checksum" in " ".join(told.split())
    assert study.raw_ledger() == known
    pack.unlink()
    code, told = run("--configs", "2")
    assert code == 0, told
    assert pack.read_bytes() == made
    assert study.raw_ledger().startswith(known)
    assert len(ended(study.folder)) == 2

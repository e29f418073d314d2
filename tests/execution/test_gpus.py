"""What is asked of machines about their GPUs, and what a user is advised."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from study.execution.gpus import DAEMON, Gpus, advice, has_mps, look, memory_of, smallest_memory
from study.record.ledger import Ledger
from study.report import write as report
from study.samplers.proposer import proposer
from study.searches import conductor_of
from study.variants import VARIANTS
from tests.plugins.extraction_story import pretended_gpu
from tests.plugins.tiny_study import run_study, write_study
from tests.plugins.tune import node

NODES = [
    {**node(name, CPU=8, GPU=1), "NodeManagerHostname": f"{name}.example", "NodeManagerAddress": "10.0.0.1"}
    for name in ("one", "two", "three")
]


def test_the_smallest_gpu_of_a_machine_counts() -> None:
    assert smallest_memory("81559\n24576\n") == 24576 * 2**20
    assert smallest_memory("") is None
    assert smallest_memory("[N/A]\n") is None


def test_mps_runs_if_the_process_that_its_folder_names_lives(tmp_path: Path) -> None:
    assert not has_mps(tmp_path / "nowhere")
    (tmp_path / DAEMON).write_text(f"{os.getpid()}\n")
    assert has_mps(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for text in (str(ended.pid), "", "x", "9" * 30):
        (tmp_path / DAEMON).write_text(text)
        assert not has_mps(tmp_path), text


def test_a_machine_looks_where_its_environment_says(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / DAEMON).write_text(str(os.getpid()))
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert look()[1]


def test_runs_that_share_a_gpu_without_mps_are_said_in_one_line_that_names_a_machine() -> None:
    gpus = {"one": Gpus(8e10, True), "two": Gpus(None, False), "three": Gpus(8e10, False)}
    line = advice(NODES, gpus, 0.25)
    assert "take turns on two and 1 more, where CUDA MPS does not run" in line
    assert "\n" not in line
    for share in (0.0, 1.0, 2.0):
        assert advice(NODES, gpus, share) == ""
    assert advice(NODES, {"one": gpus["one"]}, 0.25) == ""
    assert memory_of(gpus) == {"one": 8e10, "three": 8e10}


def test_the_process_that_decides_never_uses_a_gpu_that_it_sees(tmp_path: Path) -> None:
    study = write_study(tmp_path, n_configs=3)
    run_study(study)
    with pretended_gpu() as attempts:
        look()
        again = conductor_of(study.plan, Ledger(study.folder.ledger), proposer(1, "gp"), slots=1)
        assert proposer(1, "gp")("text", again.observations("text"))
        report.write(study.folder, {"text": VARIANTS["text"].suggest})
    assert attempts == []

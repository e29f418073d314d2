"""What the GPUs of a cluster's machines are like, found without using one: their memory, and whether runs share them.

A process that uses CUDA keeps some of a GPU's memory as long as it lives, so the one that decides never does.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.execution.crews import machine_names
from study.execution.places import Nodes, has_gpu

PROBE_SECONDS = 60.0
TOOL_SECONDS = 20.0
# Source: NVIDIA, Multi-Process Service, "Environment variables"; the daemon leaves its process id beside its sockets.
PIPES, PIPES_DEFAULT, DAEMON = "CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps", "nvidia-cuda-mps-control.pid"


@dataclass(frozen=True)
class Gpus:
    """The GPUs of one machine: memory of the smallest in bytes, None if unknown; whether CUDA MPS serves them."""

    memory: float | None
    has_mps: bool


def look() -> tuple[float | None, bool]:
    """Runs on a machine: the fields of its `Gpus`."""
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, timeout=TOOL_SECONDS, check=True)
        found = done.stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError):
        found = ""
    return smallest_memory(found), has_mps(Path(os.environ.get(PIPES) or PIPES_DEFAULT))


def smallest_memory(mebibytes: str) -> float | None:
    """The least of the numbers of mebibytes in as many lines, in bytes; None if there is none."""
    numbers = [float(line) for line in mebibytes.splitlines() if line.strip().isdecimal()]
    return min(numbers) * 2**20 if numbers else None


def has_mps(pipes: Path) -> bool:
    """Whether the daemon of CUDA MPS that keeps its sockets in the folder `pipes` runs."""
    try:
        os.kill(int((pipes / DAEMON).read_text(encoding="utf-8")), 0)
    except PermissionError:
        return True  # it is another user's
    except (OSError, ValueError, OverflowError):
        return False
    return True


def gpus_of(nodes: Nodes) -> dict[str, Gpus]:
    """The GPUs of machines that have some, by the ids of their `nodes`; a machine that does not answer is left out."""
    asked: dict[Any, str] = {}
    for node in nodes:
        if has_gpu(node):
            only_there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = ray.remote(num_cpus=0, max_retries=1, scheduling_strategy=only_there)(look)
            asked[remote.remote()] = node["NodeID"]
    if not asked:
        return {}
    found = {}
    for answer in ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_SECONDS)[0]:
        try:
            found[asked[answer]] = Gpus(*ray.get(answer))
        except ray.exceptions.RayError:
            continue  # a machine that is lost, or without the project, is named when storage is checked
    return found


def memory_of(gpus: Mapping[str, Gpus]) -> dict[str, float]:
    """The memory of machines' smallest GPUs, where it is known."""
    return {node: each.memory for node, each in gpus.items() if each.memory is not None}


def advice(nodes: Nodes, gpus: Mapping[str, Gpus], share: float) -> str:
    """A line for the user if several runs share a GPU and have to take turns on it; else nothing."""
    names = machine_names(nodes)
    without = [names[node] for node, each in gpus.items() if not each.has_mps]
    if not 0 < share < 1 or not without:
        return ""
    others = f" and {len(without) - 1} more" if len(without) > 1 else ""
    return (
        f"runs that share a GPU take turns on {without[0]}{others}, where CUDA MPS does not run: start "
        "`nvidia-cuda-mps-control -d` there before Ray, and they compute at the same time"
    )

"""What every benchmark shares: the machine it ran on, runs in turn, and the figures as JSON."""

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

MATMUL_SIZE = 2048
MATMUL_SECONDS = 1.0
Clock = Callable[[], float]
PACKAGES = ("torch", "numpy", "transformers", "ray", "optuna", "mlflow")


def describe() -> dict[str, Any]:
    """Processor, cores, threads and versions, and the torch.mm rate of one thread in GFLOP/s."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "torch_threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16_instructions": bf16_instructions(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "torch_mm_gflops": round(matmul_rate() / 1e9, 1),
    }


def matmul_rate(size: int = MATMUL_SIZE, seconds: float = MATMUL_SECONDS) -> float:
    """FLOP/s of torch.mm in float32 on one thread: the median over `seconds`, the roof for all shares."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    left, right = torch.randn(size, size), torch.randn(size, size)
    torch.mm(left, right)
    taken: list[float] = []
    while sum(taken) < seconds or len(taken) < 3:
        taken.append(seconds_of(lambda: torch.mm(left, right), time.process_time))
    torch.set_num_threads(threads)
    return 2 * size**3 / statistics.median(taken)


def bf16_instructions() -> bool:
    """Whether the processor multiplies bfloat16 in hardware; without that, bf16 is slower than float32."""
    info = Path("/proc/cpuinfo")
    return info.exists() and ("avx512_bf16" in info.read_text() or "amx_bf16" in info.read_text())


def private_megabytes(title: str) -> list[float]:
    """Memory that belongs to each process whose title begins so and to no other; nothing where the system is not Linux.

    Pages of a mapped pack, which all workers of a machine share, are not in it.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_text().startswith(title):
                lines = (folder / "smaps_rollup").read_text().splitlines()
                found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000)
        except (OSError, ValueError):
            continue  # it ended meanwhile, or it is another user's
    return found


def cpu_seconds_below(root: int) -> dict[int, float]:
    """CPU seconds so far of process `root` and of each that descends from it; empty where the system is not Linux."""
    parent, used = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rsplit(") ", 1)[1].split()
        except (OSError, IndexError):
            continue  # it ended meanwhile
        pid = int(file.parent.name)
        parent[pid], used[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    below = {root}
    while more := {pid for pid, of in parent.items() if of in below} - below:
        below |= more
    return {pid: used[pid] for pid in below if pid in used}


def seconds_of(call: Callable[[], Any], clock: Clock = time.perf_counter) -> float:
    """Seconds of one call, by default on the wall."""
    begun = clock()
    call()
    return clock() - begun


def alternating(
    calls: Mapping[str, Callable[[], Any]], repeats: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each call, `repeats` times in turn: what else the machine does falls on all of them alike.

    Where a call computes in one thread of this process, `clock=time.process_time` leaves other processes out.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            taken[name].append(seconds_of(call, clock))
    return taken


def medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median seconds of each call."""
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def ratio(taken: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """How many times as long `slow` takes: the median over turns, each with its own neighbour."""
    return statistics.median(a / b for a, b in zip(taken[slow], taken[fast], strict=True))


def print_machine(facts: Mapping[str, Any]) -> None:
    """The machine's description, one fact per line."""
    for name, value in facts.items():
        print(f"{name:>18}: {value}")
    print(flush=True)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write `figures` to `path`, if there is one."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2, default=float) + "\n", encoding="utf-8")


def progress(text: str) -> None:
    """A line about what is being measured, beside the tables."""
    print(text, file=sys.stderr, flush=True)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"

"""Short fold runs by us, by plain Ray Tune and by plain Optuna: `python -m benchmarks.scheduling`.

Every study is a process of its own, timed from its start to its end, with imports and the start of the workers.
No run stops early. The share of a row is wall x workers / training, where training is the sum of the seconds of
all epochs; what is above 1 was spent on something else. The same of CPU seconds, of all processes together, does
not depend on what else the machine does, and leaves out waiting. Rows named packed train with our loop and data,
rows named padded over padded batches from a file per utterance.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from benchmarks.plain_studies import packed_epochs
from benchmarks.studies import SESSIONS, Setting, prepare
from benchmarks.study_process import WAYS

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("wall_seconds", "run_seconds", "overhead", "cpu_seconds", "cpu_overhead", "times_ours")
WATCH_SECONDS = 0.2
# Shares of a study whose runs take at least that many seconds.
OVERHEADS = ((5.0, 1.10), (1.0, 1.5))
TIMES_RAY = 5.0
SPEEDUP = 1.8
MEMORY_MB, MEMORY_OF_PACK = 500.0, 0.05


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=int, default=8, help="each on 5 folds (8)")
    parser.add_argument("--epochs", type=int, default=5, help="of every run (5)")
    parser.add_argument("--utterances", type=int, default=40, help="of the corpus; 40 are about .2 s an epoch (40)")
    parser.add_argument("--workers", type=int, default=2, help="runs at once (2)")
    parser.add_argument("--repeats", type=int, default=1, help="turns of every way (1)")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of {', '.join(WAYS)}, with commas (all)")
    parser.add_argument("--alone", action="store_true", help="also our study with one worker, for the speed-up")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    facts = machine.describe()
    machine.print_machine(facts)
    setting = Setting(parsed.configs, parsed.epochs, parsed.workers, parsed.utterances)
    settings = dict.fromkeys(parsed.ways.split(","), setting)
    if parsed.alone:
        settings["alone"] = replace(setting, workers=1)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in settings}
    for turn in range(parsed.repeats):
        for name, each in settings.items():
            machine.progress(f"turn {turn + 1}: {name}")
            found[name].append(measured("ours" if name == "alone" else name, each))
    figures = {"machine": {**facts, "load_at_end": os.getloadavg()[0]}, "ways": summary(found), "turns": found}
    print_table(figures["ways"])
    print_targets(figures["ways"])
    machine.write_json(parsed.json, figures)


def measured(way: str, setting: Setting) -> dict[str, Any]:
    """The figures of one study in a fresh process and a fresh folder, with its wall seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, setting)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        log = folder / "log"
        begun = time.perf_counter()
        cpu: dict[int, float] = {}
        with log.open("w") as file:
            command = [sys.executable, "-m", "benchmarks.study_process", str(folder), way]
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
            # Some processes outlive their parents, and no process waits for them: they are watched while they live.
            while (code := process.poll()) is None:
                cpu |= machine.cpu_seconds_below(process.pid)
                time.sleep(WATCH_SECONDS)
        wall = time.perf_counter() - begun
        if code:
            raise SystemExit(f"{way} ended with {code}:\n{log.read_text()[-2000:]}")
        figures = json.loads((folder / f"{way}.json").read_text())
        # Our ledger has no CPU time: that of one run, after its first epoch, which warms up, stands for all.
        figures.setdefault("training_cpu_seconds", setting.n_configs * SESSIONS * run_cpu_seconds(folder, setting))
        shutil.rmtree(folder / "ray", ignore_errors=True)
    runs = setting.n_configs * SESSIONS
    if figures["runs"] != runs:
        raise SystemExit(f"{way} finished {figures['runs']} of {runs} runs: nothing to compare")
    training = figures["training_seconds"]
    return {
        **figures,
        "wall_seconds": wall,
        "run_seconds": training / runs,
        "cpu_seconds": sum(cpu.values()),
        "overhead": wall * setting.workers / training,
        "cpu_overhead": sum(cpu.values()) / figures["training_cpu_seconds"],
    }


def run_cpu_seconds(folder: Path, setting: Setting) -> float:
    """CPU seconds of all epochs of a run by our loop."""
    torch.set_num_threads(1)
    first, *later = [cpu for _, cpu in packed_epochs(folder, 0, 0)]
    return setting.epochs * statistics.median(later or [first])


def summary(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Medians over turns of every figure, and how many times as long as ours each way takes, turn by turn."""
    result: dict[str, dict[str, Any]] = {}
    for name, turns in found.items():
        numbers = [key for key, value in turns[0].items() if isinstance(value, int | float)]
        result[name] = {key: statistics.median(turn[key] for turn in turns) for key in numbers}
        memory = [size for turn in turns for size in turn.get("worker_private_mb", ())]
        if memory:
            result[name]["worker_private_mb"] = max(memory)
        if "ours" in found:
            pairs = zip(turns, found["ours"], strict=True)
            result[name]["times_ours"] = statistics.median(a["wall_seconds"] / b["wall_seconds"] for a, b in pairs)
    return result


def print_table(ways: Mapping[str, Mapping[str, Any]]) -> None:
    """One way per line, then what only our study measures."""
    print(f"{'':16}" + "".join(f"{column:>16}" for column in COLUMNS))
    for name, figures in ways.items():
        cells = [f"{figures[column]:.3g}" if column in figures else "" for column in COLUMNS]
        print(f"{name:16}" + "".join(f"{cell:>16}" for cell in cells))
    for name in ("ours", "alone"):
        for key, value in ways.get(name, {}).items():
            if key not in COLUMNS:
                print(f"  {name} {key:>26}: {value:.4g}")


def print_targets(ways: Mapping[str, Mapping[str, Any]]) -> None:
    """Each target beside what was found."""
    for what, found, law, met in targets(ways):
        print(f"{what:44} {found:8.3g}  {law:18} {'met' if met else 'missed'}")


def targets(ways: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, float, str, bool]]:
    """(what, found, law, met) of every target that the ways measured speak of."""
    ours, rows = ways.get("ours"), []
    if ours is None:
        return []
    most = next((limit for seconds, limit in OVERHEADS if ours["run_seconds"] >= seconds), None)
    if most is not None:
        found = ours["overhead"]
        rows.append(("wall x workers / training", found, f"at most {most:g}", found <= most))
    if "ray-padded" in ways:
        found = ways["ray-padded"]["times_ours"]
        rows.append(("plain Ray Tune / ours, whole study", found, f"at least {TIMES_RAY:g}", found >= TIMES_RAY))
    if "alone" in ways:
        found = ways["alone"]["times_ours"]
        rows.append(("one worker / two workers", found, f"at least {SPEEDUP:g}", found >= SPEEDUP))
    if "worker_private_mb" in ours:
        limit, found = MEMORY_MB + MEMORY_OF_PACK * ours["pack_mb"], ours["worker_private_mb"]
        rows.append(("private memory of a worker, MB", found, f"at most {limit:.0f}", found <= limit))
    return rows


if __name__ == "__main__":
    main()

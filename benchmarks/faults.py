"""Whether anything is lost: real studies that are killed at random moments, compared with uninterrupted ones.

python -m benchmarks.faults [--kill driver|worker|node|term|int ...] [--repeats 20] [--seed 0] [--json OUT]

`--repeats` are kills of each kind; one study takes several of them, and as many studies are run as it takes. Every
study has one slot and the default policy, where equality is exact; `node` has three machines and `--policy asha`,
which is exact whichever worker is faster. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.fault_study import Saves, StudyUnderTest, write_corpus
from benchmarks.fault_targets import Machines, marked_processes, workers_of
from study.record.events import RunLost

KINDS = ("driver", "worker", "node", "term", "int")
SIGNALS = {"driver": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
KILLS_PER_STUDY = 10
NEW_LINES = 8  # a kill comes after at most so many new lines of the ledger,
EARLY = 0.2  # or, in this share of the kills, at any time after the start
EARLY_SECONDS = 20.0
PATIENCE_SECONDS = 240.0
GRACE_SECONDS = 60.0  # Ray's agents look for their parent now and then


@dataclass
class Figures:
    """What happened to the studies that one kind of kill was tried on."""

    kills: int = 0
    studies: int = 0
    records_lost: int = 0
    fold_runs_repeated: int = 0
    epochs_repeated: int = 0
    configs_failed: int = 0
    ledger_differences: int = 0
    report_differences: int = 0
    wrong_exits: int = 0
    processes_left: int = 0
    running_in_mlflow: int = 0
    files_left: int = 0

    def add(self, other: Figures) -> None:
        """Take in the figures of another study."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def study_with_kills(kind: str, kills: int, home: Path, corpus: Path, rng: random.Random) -> tuple[Figures, Path]:
    """One study that is killed up to `kills` times and brought to its end; its figures but for the differences."""
    figures = Figures(studies=1)
    machines = Machines() if kind == "node" else None
    options = ["--policy", "asha", "--address", machines.address] if machines else ["--concurrency", "1"]
    study = StudyUnderTest(home, corpus, options)
    try:
        with Saves(study.folder / "checkpoints") as saves:
            while not study.is_finished():
                _one_life(kind, kills - figures.kills, study, figures, machines, rng)
        figures.epochs_repeated, figures.fold_runs_repeated = saves.repeated()
    finally:
        if machines:
            machines.close()
    left = study.leftovers()
    figures.files_left, figures.running_in_mlflow = len(left), study.running_in_mlflow()
    figures.configs_failed = sum(isinstance(event, RunLost) for event in study.events())
    if left:
        print(f"files left by {kind}: {left}", file=sys.stderr)
    return figures, study.folder


def _one_life(
    kind: str, kills_left: int, study: StudyUnderTest, figures: Figures, machines: Machines | None, rng: random.Random
) -> None:
    """Start the command, kill what is to be killed at random moments, and wait until it has ended."""
    driver = study.start()
    while kills_left > 0 and _await_moment(driver, study, rng, early=kind in SIGNALS):
        before = study.raw_ledger()
        if kind in SIGNALS:
            # As a terminal does it: Ctrl-C goes to every process in the foreground, the other two to the driver alone.
            (_interrupt_group if kind == "int" else _signal)(driver, SIGNALS[kind])
            figures.kills += 1
            _collect(driver, study, figures, {"driver": (-9,), "term": (130, 0), "int": (130, 0)}[kind])
            figures.records_lost += not study.raw_ledger().startswith(before)
            return
        killed = machines.lose_one(rng) if machines else _kill_worker(driver.pid, rng)
        figures.kills += killed
        kills_left -= killed
    _collect(driver, study, figures, (0,))


def _await_moment(driver: subprocess.Popen[str], study: StudyUnderTest, rng: random.Random, early: bool) -> bool:
    """Wait for a random moment in the life of the driver; False if it ends before."""
    deadline = time.monotonic() + (rng.uniform(0, EARLY_SECONDS) if early and rng.random() < EARLY else 1e9)
    lines = study.raw_ledger().count(b"\n") + rng.randint(1, NEW_LINES)
    while time.monotonic() < deadline and study.raw_ledger().count(b"\n") < lines:
        if driver.poll() is not None:
            return False
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.3))
    return driver.poll() is None


def _signal(driver: subprocess.Popen[str], number: int) -> None:
    driver.send_signal(number)


def _interrupt_group(driver: subprocess.Popen[str], number: int) -> None:
    os.killpg(driver.pid, number)


def _kill_worker(driver: int, rng: random.Random) -> bool:
    found = workers_of(driver)
    if not found:
        return False
    try:
        os.kill(rng.choice(found), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _collect(driver: subprocess.Popen[str], study: StudyUnderTest, figures: Figures, expected: Sequence[int]) -> None:
    """Wait for the end of the driver, and for that of every process of the study."""
    try:
        output, _ = driver.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        driver.kill()
        output, _ = driver.communicate()
        output += "\nit hung"
    ok = driver.returncode in expected and "Traceback" not in output
    if driver.returncode == 130:
        ok &= "Go on with" in output
    if not ok:
        figures.wrong_exits += 1
        print(f"exit {driver.returncode} where {expected} is expected:\n{output[-3000:]}", file=sys.stderr)
    if driver.returncode >= 0:  # after SIGKILL, the next start comes at once; what is left is looked for at the end
        figures.processes_left += len(_await_end(study))


def _await_end(study: StudyUnderTest) -> list[str]:
    """Wait for the end of every process of the study; gives those that are left."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := marked_processes(study.mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        print(f"processes left: {left}", file=sys.stderr)
    return left


def measure(kind: str, kills: int, home: Path, corpus: Path, seed: int) -> Figures:
    """As many studies as `kills` take, each compared with one that was not killed."""
    rng = random.Random(f"{kind} {seed}")
    reference = StudyUnderTest(
        home / ("reference-asha" if kind == "node" else "reference"),
        corpus,
        ["--concurrency", "1", *(["--policy", "asha"] if kind == "node" else [])],
    )
    if not reference.is_finished():
        _collect(reference.start(), reference, Figures(), (0,))
    total = Figures()
    while total.kills < kills:
        place = home / f"{kind}-{total.studies}"
        figures, folder = study_with_kills(kind, min(KILLS_PER_STUDY, kills - total.kills), place, corpus, rng)
        figures.ledger_differences, figures.report_differences = reference.differences(folder, ordered=kind != "node")
        total.add(figures)
        print(f"{kind}: {total.kills} of {kills} kills, {asdict(total)}", file=sys.stderr, flush=True)
        shutil.rmtree(place / "mlruns" / "features", ignore_errors=True)
    return total


def table_of(results: dict[str, Figures]) -> Table:
    """A row for each figure, a column for each kind of kill."""
    table = Table(title="studies killed at random moments", title_justify="left", box=None)
    table.add_column("")
    for kind in results:
        table.add_column(kind, justify="right")
    for each in fields(Figures):
        table.add_row(each.name.replace("_", " "), *(str(getattr(found, each.name)) for found in results.values()))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if anything was lost, repeated, different or left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kill", action="append", choices=KINDS, help="what is killed, may be repeated (all)")
    parser.add_argument("--repeats", type=int, default=20, metavar="N", help="kills of each kind (20)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here as well")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and keep it")
    parsed = parser.parse_args(arguments)
    home = parsed.keep or Path(tempfile.mkdtemp(prefix="faults-"))
    home.mkdir(parents=True, exist_ok=True)
    try:
        corpus = write_corpus(home / "corpus")
        results: dict[str, Figures] = {}
        for kind in parsed.kill or KINDS:
            results[kind] = measure(kind, parsed.repeats, home, corpus, parsed.seed)
    finally:
        if not parsed.keep:
            shutil.rmtree(home, ignore_errors=True)
    Console().print(table_of(results))
    figures: dict[str, Any] = {kind: asdict(found) for kind, found in results.items()}
    if parsed.json:
        parsed.json.write_text(json.dumps(figures, indent=1) + "\n")
    harmless = {"kills", "studies", "epochs_repeated"}
    return int(any(n for found in figures.values() for name, n in found.items() if name not in harmless))


if __name__ == "__main__":
    raise SystemExit(main())

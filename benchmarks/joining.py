"""Seconds until a machine that joins a cluster has a run of a study that is under way: `python -m benchmarks.joining`.

Machines are imitated on this one by Ray's test cluster: real processes, none of them waits for a network. Seconds count
from the return of Ray's call, which waits until the machine is registered, to the first process of a fold run there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any

from benchmarks import machine
from benchmarks.fault_study import StudyUnderTest, write_corpus
from benchmarks.fault_targets import started, workers_of

TARGET_SECONDS = 15.0
# Far from the study's end, however long machines take to join.
OPTIONS = ("--configs", "2000", "--epochs", "50")
PATIENCE_SECONDS = 300.0
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
here = {"node_ip_address": "127.0.0.1", "num_cpus": 1}
cluster = Cluster(initialize_head=True, head_node_args={**here, "include_dashboard": False})
print(cluster.address, flush=True)
for line in sys.stdin:
    node = cluster.add_node(**here)
    print(node.all_processes["raylet"][0].process.pid, flush=True)
cluster.shutdown()
"""


@contextmanager
def cluster() -> Iterator[subprocess.Popen[str]]:
    """A cluster of one machine; a line in brings another one, whose raylet's process id comes back."""
    process = started(CLUSTER)
    try:
        yield process
    finally:
        process.communicate(timeout=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Join:
    """Seconds from a machine's registration to the first run on it, and CPU seconds of its processes by then.

    Of `seconds`, `checked` had passed when it was found to share the storage. Their rest and the CPU time are mostly
    the starts of processes, which a loaded machine lengthens.
    """

    seconds: float
    checked: float
    cpu: float


class Lines:
    """When a process printed lines that begin in a certain way."""

    def __init__(self, output: IO[str], beginning: str) -> None:
        """Read `output` to its end in a thread."""
        self.times: list[float] = []
        self.text = ""
        Thread(target=self._read, args=(output, beginning), daemon=True).start()

    def _read(self, output: IO[str], beginning: str) -> None:
        for line in output:
            self.text += line
            if line.startswith(beginning):
                self.times.append(time.monotonic())


def joins(n_machines: int, options: Sequence[str]) -> list[Join]:
    """What it takes so many machines, one after another, to have a run."""
    with tempfile.TemporaryDirectory() as name, cluster() as machines:
        assert machines.stdout is not None
        address = machines.stdout.readline().strip()
        home = Path(name)
        study = StudyUnderTest(home / "study", write_corpus(home / "corpus"), ["--address", address, *options])
        driver = study.start()
        assert driver.stdout is not None
        lines = Lines(driver.stdout, "machines have changed")
        try:
            await_(lambda: study.raw_ledger().count(b"\n") > 2, driver, lines)
            return [_join(machines, driver, lines) for _ in range(n_machines)]
        finally:
            driver.terminate()
            driver.wait(timeout=PATIENCE_SECONDS)


def await_(condition: Callable[[], Any], driver: subprocess.Popen[str], lines: Lines) -> None:
    """Wait for `condition`.

    Raises:
        SystemExit: the study ended before, or five minutes have passed.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if driver.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the study did not come so far: {lines.text[-2000:]}")
        time.sleep(0.02)


def _join(machines: subprocess.Popen[str], driver: subprocess.Popen[str], lines: Lines) -> Join:
    assert machines.stdin is not None
    assert machines.stdout is not None
    before = len(lines.times)
    print("join", file=machines.stdin)
    raylet, begun = int(machines.stdout.readline()), time.monotonic()
    await_(lambda: workers_of(raylet), driver, lines)
    seconds, cpu = time.monotonic() - begun, sum(machine.cpu_seconds_below(raylet).values())
    found = Join(seconds, lines.times[before] - begun, cpu)
    machine.progress(f"{found}")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--joins", type=int, default=3, help="machines that join one after another (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    facts = machine.describe()
    machine.print_machine(facts)
    found = joins(parsed.joins, OPTIONS)
    for each in found:
        verdict = "met" if each.seconds <= TARGET_SECONDS else "missed"
        print(f"{each.seconds:.1f} s, checked after {each.checked:.1f}; {each.cpu:.1f} CPU s there: {verdict}")
    machine.write_json(
        parsed.json,
        {"machine": {**facts, "load_at_end": os.getloadavg()[0]}, "joining": [asdict(each) for each in found]},
    )


if __name__ == "__main__":
    main()

"""What benchmarks.faults kills, and how it finds what is left: processes by /proc, machines by Ray's test cluster."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# How Ray titles the process of a fold run; its own agents, without which a machine is lost, are ray:: as well.
WORKERS = ("ray::FoldTrainable", "ray::ResourceTrainable", "ray::ImplicitFunc")
# A head and two machines; a line in loses one of the two and brings a new one.
MACHINES = """
import sys
from ray.cluster_utils import Cluster
here = {"node_ip_address": "127.0.0.1", "num_cpus": 1}
cluster = Cluster(initialize_head=True, head_node_args={**here, "include_dashboard": False})
others = [cluster.add_node(**here) for _ in range(2)]
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(others.pop(int(line)), allow_graceful=False)
    others.append(cluster.add_node(**here))
    print("replaced", flush=True)
cluster.shutdown()
"""


def started(program: str) -> subprocess.Popen[str]:
    """A process that runs `program`, which imitates machines by Ray's test cluster and is spoken to in lines."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**environment, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )


class Machines:
    """A cluster of three imitated machines on this one."""

    def __init__(self) -> None:
        """Start it."""
        self._process = started(MACHINES)
        self.address = self._told()

    def lose_one(self, rng: random.Random) -> bool:
        """Kill a machine with everything on it; a new one comes in its place."""
        assert self._process.stdin is not None
        print(rng.randrange(2), file=self._process.stdin)
        return self._told() == "replaced"

    def close(self) -> None:
        """End all of them."""
        self._process.communicate(timeout=60)

    def _told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def marked_processes(mark: str) -> list[str]:
    """The processes that have `mark` in their environment, as "pid name"; zombies have none any more."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (place / "environ").read_bytes():
                found.append(f"{place.name} {(place / 'comm').read_text().strip()}")
        except OSError:
            continue  # it has ended, or is another user's
    return found


def workers_of(driver: int) -> list[int]:
    """The processes below `driver` that hold a fold run."""
    below = {driver}
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            text = (place / "stat").read_text()
        except OSError:
            continue
        parents[int(place.name)] = int(text.rpartition(")")[2].split()[1])
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return [pid for pid in sorted(below) if _title(pid).startswith(WORKERS)]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""

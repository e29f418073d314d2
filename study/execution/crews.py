"""Which processes extract features on which machines of a cluster. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# One thread reads and decodes audio while the other one computes.
THREADS_PER_GPU = 2


@dataclass(frozen=True)
class Crew:
    """A process that encodes blocks: the id of its node and its machine's name, its threads, and its resources.

    `number` tells those of one machine apart.
    """

    node: str
    machine: str
    number: int
    threads: int
    cpus: int
    gpus: int

    @property
    def name(self) -> str:
        """Another for each process of a cluster."""
        return f"{self.node}/{self.number}"


def has_gpus(nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of `nodes`, entries of `ray.nodes()`, has a GPU."""
    return any(_n_gpus(node) for node in nodes)


def crews(nodes: Sequence[Mapping[str, Any]], free_cpus: Mapping[str, float], on_gpus: bool) -> list[Crew]:
    """The processes for an encoder on `nodes`, entries of `ray.nodes()`.

    Either one for each GPU, or one on each machine, whose threads share the weights, with as many threads as
    `free_cpus` has for its node (one at least). Never both: features of GPUs and processors differ in their last bits.
    """
    names = machine_names(nodes)
    if on_gpus:
        return [_on_gpu(node, names[node["NodeID"]], number) for node in nodes for number in range(_n_gpus(node))]
    return [
        _on_cores(node, names[node["NodeID"]], free_cpus.get(node["NodeID"], node["Resources"]["CPU"]))
        for node in nodes
        if node["Resources"].get("CPU", 0) >= 1
    ]


def machine_names(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Short names of machines by node id, each another: the host's, where needed with its address or a number."""
    hosts = [str(node.get("NodeManagerHostname", "")).partition(".")[0] for node in nodes]
    addresses = [f"({node['NodeManagerAddress']})" for node in nodes]
    numbers = [f"#{number}" for number in range(1, len(nodes) + 1)]
    names = hosts
    for more in (addresses, numbers):
        count = Counter(names)
        names = [
            name if name and count[name] == 1 else f"{name} {own}".strip()
            for name, own in zip(names, more, strict=True)
        ]
    return {node["NodeID"]: name for node, name in zip(nodes, names, strict=True)}


def _n_gpus(node: Mapping[str, Any]) -> int:
    return int(node["Resources"].get("GPU", 0))


def _on_gpu(node: Mapping[str, Any], machine: str, number: int) -> Crew:
    cpus = min(THREADS_PER_GPU, int(node["Resources"].get("CPU", 0)) // _n_gpus(node))
    return Crew(node["NodeID"], machine, number, THREADS_PER_GPU, cpus, 1)


def _on_cores(node: Mapping[str, Any], machine: str, free: float) -> Crew:
    cores = max(1, int(free))
    return Crew(node["NodeID"], machine, 0, cores, cores, 0)

"""Where fold runs have room on the machines of a cluster, and what each asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from study.errors import UserError

Nodes = Sequence[Mapping[str, Any]]

# Ray counts resources in ten-thousandths, to which it rounds. Source: ray/src/ray/common/scheduling/fixed_point.h.
UNITS = 10_000
# A step is a chain of short kernels, which keep a small part of a large GPU busy; not measured on one yet.
MOST_RUNS, RUNS_IF_UNKNOWN = 16, 8
# What a process takes of a GPU beside its tensors: the driver's context and the libraries' kernels.
GPU_CONTEXT_BYTES = 600e6
# A model, a batch, and what its backward pass keeps. Neither was measured on a GPU.
STEP_BYTES = 1e9


@dataclass(frozen=True)
class Place:
    """What a run asks for beside one core: so many GPUs, on a machine that is none of `avoid` (ids of nodes)."""

    gpus: float
    avoid: tuple[str, ...] = ()

    def exists_on(self, nodes: Nodes) -> bool:
        """Whether one of `nodes`, entries of `ray.nodes()`, would have the place if nothing else ran there."""
        return room(_resources([node for node in nodes if node["NodeID"] not in self.avoid]), self.gpus) > 0


@dataclass(frozen=True)
class Slots:
    """The number of fold runs that are under way at once, and the share of a GPU that each has (0 without GPUs).

    As many as `wanted` are under way even if machines have no room for them yet; else `number` is the room there is.
    `on_cpus` is whether machines without a GPU train beside those that have one; `may_grow`, whether machines may join.
    `n_missing` of the runs had no room at the start. `advice` is a line for the user, if there is any.
    """

    number: int
    gpus_per_run: float
    wanted: int | None = None
    on_cpus: bool = False
    may_grow: bool = False
    n_missing: int = 0
    advice: str = ""

    @property
    def present(self) -> int:
        """How many of the runs had room at the start; one at least, which the study waits for."""
        return max(1, self.number - self.n_missing)

    def recounted(self, nodes: Nodes) -> Slots:
        """The slots on the machines that there are now."""
        return self if self.wanted else replace(self, number=self._room(nodes))

    def place(self, nodes: Nodes, n_on_gpus: int, avoid: tuple[str, ...] = ()) -> Place:
        """The place of the next run while `n_on_gpus` have theirs on GPUs; machines to `avoid` get no more runs."""
        others = [node for node in nodes if node["NodeID"] not in avoid]
        if self.gpus_per_run and self.on_cpus and n_on_gpus >= room(_resources(others), self.gpus_per_run):
            on_cpu = Place(0.0, tuple(sorted({*avoid, *(node["NodeID"] for node in nodes if has_gpu(node))})))
            if on_cpu.exists_on(nodes):
                return on_cpu
        return Place(self.gpus_per_run, avoid)

    def goes_on_without(self, held: str, nodes: Nodes) -> bool:
        """Whether runs have a place on other machines while one is `held`."""
        return self._room([node for node in nodes if node["NodeID"] != held]) > 0

    def _room(self, nodes: Nodes) -> int:
        plain = [node for node in nodes if not has_gpu(node)] if self.gpus_per_run and self.on_cpus else []
        return room(_resources(nodes), self.gpus_per_run) + room(_resources(plain), 0.0)


def _resources(nodes: Nodes) -> list[Mapping[str, float]]:
    return [node["Resources"] for node in nodes]


def has_gpu(node: Mapping[str, Any]) -> bool:
    """Whether `node`, an entry of `ray.nodes()`, has a GPU."""
    return bool(node["Resources"].get("GPU", 0.0))


def room(resources: Sequence[Mapping[str, float]], gpu_share: float) -> int:
    """How many fold runs of one core and `gpu_share` GPUs fit on machines with these `resources`.

    A run never spans machines, and a share of a GPU never spans GPUs: a share of two thirds fits once on a GPU.
    """
    total = 0
    for each in resources:
        fits, gpus = int(each.get("CPU", 0)), each.get("GPU", 0.0)
        if gpu_share:
            by_gpu = int(gpus) * (UNITS // round(gpu_share * UNITS)) if gpu_share <= 1 else int(gpus // gpu_share)
            fits = min(fits, by_gpu)
        total += fits
    return total


def default_share(nodes: Nodes, memory: Mapping[str, float], pack_bytes: float) -> float:
    """The share of a GPU that a run has unless it is given: 1/N, or 0 where `nodes` have no GPU.

    One GPU serves as many runs as its machine has cores for it, and as its `memory` (bytes, by node) has room for, each
    with packs of `pack_bytes`; at most MOST_RUNS, and fewer where its memory is not known.
    """
    run_bytes = GPU_CONTEXT_BYTES + STEP_BYTES + pack_bytes
    shares = [
        min(
            int(node["Resources"].get("CPU", 0)) // max(1, int(node["Resources"]["GPU"])),
            int(memory[node["NodeID"]] / run_bytes) if node["NodeID"] in memory else RUNS_IF_UNKNOWN,
            MOST_RUNS,
        )
        for node in nodes
        if has_gpu(node)
    ]
    # The smallest GPU decides: all runs of a study have one share. No GPU is too small for one run at a time. A sixth
    # that Ray rounded up would fit five times.
    return (UNITS // max(1, min(shares))) / UNITS if shares else 0.0


def slots_on(nodes: Nodes, limit: int | None, gpu_share: float, *, on_cpus: bool, may_grow: bool) -> Slots:
    """The slots of a study on `nodes`, entries of `ray.nodes()`, at most `limit` (`--concurrency`).

    `may_grow` is whether machines may join: then a limit beyond the room there is asks for them.

    Raises:
        UserError: there is no room for a single run, and no more machines are asked for.
    """
    here = Slots(0, gpu_share, on_cpus=on_cpus, may_grow=may_grow).recounted(nodes)
    if may_grow and limit:
        return replace(here, number=limit, wanted=limit, n_missing=max(0, limit - here.number))
    if here.number < 1:
        gpus = sum(node["Resources"].get("GPU", 0.0) for node in nodes)
        later = "; --concurrency N asks for machines, and waits for them" if may_grow else ""
        if gpu_share > gpus:
            wanted = "a GPU" if gpu_share <= 1 else f"{gpu_share:g} GPUs on one machine"
            raise UserError(f"--gpus-per-run {gpu_share:g} expects {wanted}; Ray sees {gpus:g}{later}")
        raise UserError(
            f"a fold run needs one core and {gpu_share:g} GPU on one machine; the cluster has no such slot{later}"
        )
    number = here.number if limit is None else min(limit, here.number)
    return replace(here, number=number, wanted=limit and number)

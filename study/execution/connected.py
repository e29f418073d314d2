"""The machines that a command is connected to, and the slots that they have for its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from study.execution.gpus import Gpus, advice, memory_of
from study.execution.places import Nodes, Slots, default_share, slots_on


@dataclass(frozen=True)
class Connected:
    """Machines (`nodes`, entries of `ray.nodes()`), their `gpus` by node, and what was asked of them.

    Without `concurrency`, every core (or every GPU share, where Ray sees GPUs) is a slot. With `on_cpus`, the cores of
    machines without a GPU are slots beside GPU shares. `may_grow` is whether machines may join.
    """

    nodes: Nodes
    gpus: Mapping[str, Gpus]
    concurrency: int | None
    gpus_per_run: float | None
    on_cpus: bool
    may_grow: bool

    def slots(self, pack_bytes: float = 0.0) -> Slots:
        """The slots of runs that read packs of so many bytes together.

        Raises:
            UserError: there is no room for a single run.
        """
        given = self.gpus_per_run
        share = default_share(self.nodes, memory_of(self.gpus), pack_bytes) if given is None else given
        slots = slots_on(self.nodes, self.concurrency, share, on_cpus=self.on_cpus, may_grow=self.may_grow)
        return replace(slots, advice=advice(self.nodes, self.gpus, share))

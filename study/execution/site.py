"""The machines of a study while it runs: counted again every few seconds, and checked when they join."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread

from study.execution.places import Nodes, Place, Slots, has_gpu
from study.plurals import counted

# A machine that joins is seen after so long at most, is checked for a few seconds, and gets runs at once.
RECOUNT_SECONDS = 3.0

Check = Callable[[Nodes], dict[str, str]]


class Site:
    """Where the runs of a study have their places now."""

    def __init__(
        self,
        slots: Slots,
        nodes: Callable[[], Nodes],
        check: Check,
        say: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with `slots` on the `nodes` there are, entries of `ray.nodes()`, all of which can train.

        `check` gives the faults of machines that joined, by the ids of their nodes: those get no run, and the user a
        line by `say`.
        """
        self.slots = slots
        self._list, self._check, self._say, self._clock = nodes, check, say, clock
        self._nodes = nodes()
        self._known = {node["NodeID"] for node in self._nodes}
        self._unfit: dict[str, str] = {}  # by node; empty once it was said
        self._avoided: tuple[str, ...] = ()
        self._checking: Thread | None = None
        self._counted = clock()
        self._outgrown_on = ""

    def recount(self) -> bool:
        """Look at the machines, if that was not done just now or some have been checked; gives whether it was done."""
        is_checked = self._checking is not None and not self._checking.is_alive()
        if not self.slots.may_grow or not (is_checked or self._clock() - self._counted >= RECOUNT_SECONDS):
            return False
        self._counted = self._clock()
        if is_checked:
            self._checking = None
        nodes = self._list()
        for node, fault in list(self._unfit.items()):
            if fault:
                self._say(f"a machine that joined gets no runs: {fault}")
                self._unfit[node] = ""
        self._avoided = tuple(node["NodeID"] for node in nodes if node["NodeID"] in self._unfit)
        self._nodes = [node for node in nodes if node["NodeID"] in self._known and node["NodeID"] not in self._unfit]
        self._count()
        if self._checking is None and (new := [node for node in nodes if node["NodeID"] not in self._known]):
            # Its answer takes as long as a process takes to start there, and meanwhile other runs report.
            self._checking = Thread(target=self._admit, args=(new,), name="check of machines", daemon=True)
            self._checking.start()
        return True

    def place(self, n_on_gpus: int, is_held: bool) -> Place:
        """The place of the next run; `is_held` is whether another waits for a whole GPU."""
        held = (self._held(),) if is_held else ()
        return self.slots.place(self._nodes, n_on_gpus, tuple(sorted({*self._avoided, *held})))

    def whole_gpu(self) -> Place:
        """The place of a run that has outgrown its share."""
        return Place(1.0, self._avoided)

    def hold(self, node: str) -> None:
        """While a run waits for a whole GPU, let none begin on this machine, where it has outgrown its share."""
        self._outgrown_on = node

    def has_others(self) -> bool:
        """Whether runs may begin on other machines than the one that is held."""
        return self.slots.goes_on_without(self._held(), self._nodes)

    def is_lost(self, place: Place) -> bool:
        """Whether no machine has such a place any more."""
        return bool(place.avoid) and not place.exists_on(self._nodes)

    def _held(self) -> str:
        with_gpus = sorted(node["NodeID"] for node in self._nodes if has_gpu(node))
        return self._outgrown_on if self._outgrown_on in with_gpus or not with_gpus else with_gpus[0]

    def _admit(self, new: Nodes) -> None:
        try:
            faults = self._check(new)
        except OSError:
            return  # of the study's own folder, for a moment: they are looked at again
        self._unfit.update(faults)
        self._known.update(node["NodeID"] for node in new)

    def _count(self) -> None:
        before, self.slots = self.slots.number, self.slots.recounted(self._nodes)
        if self.slots.number != before:
            self._say(f"machines have changed: {counted(self.slots.number, 'run')} at once from now on")

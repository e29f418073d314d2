"""Which worker encodes which block, and what becomes of the blocks of a worker that dies. Pure: no Ray, no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class _Worker:
    """A worker: its machine, how many blocks it may have in hand, and those that it has."""

    machine: str
    most: int
    in_hand: set[int] = field(default_factory=set)


class BlockSchedule:
    """Blocks 0 to n - 1, each of which has to be done once.

    A worker that dies may have died of any block that it had in hand. So each of these waits until no other block does,
    and is then tried alone, on another machine if there is one. If that worker dies as well, the block is to blame and
    is given up. A worker that is lost with its machine incriminates no block.
    """

    def __init__(self, n_blocks: int) -> None:
        """Begin with all blocks waiting, and no worker."""
        self._waiting = deque(range(n_blocks))
        self._suspects: dict[int, str] = {}  # by block, the machine of the worker that died with it
        self._workers: dict[str, _Worker] = {}
        self._given_up: dict[int, tuple[str, str]] = {}

    @property
    def finished(self) -> bool:
        """Whether every block is done or given up."""
        return not self.n_left

    @property
    def n_left(self) -> int:
        """How many blocks are neither done nor given up."""
        in_hand = set[int]().union(*(worker.in_hand for worker in self._workers.values()))
        return len(self._waiting) + len(self._suspects.keys() | in_hand)

    @property
    def given_up(self) -> dict[int, tuple[str, str]]:
        """The blocks that two workers died of, each with the machines of both."""
        return dict(self._given_up)

    def join(self, worker: str, machine: str, most: int) -> None:
        """A worker on `machine` is ready, to have at most so many blocks in hand."""
        self._workers[worker] = _Worker(machine, most)

    def hand_out(self) -> list[tuple[str, int]]:
        """The pairs of worker and block to begin with now."""
        return [*self._waiting_to_free(), *self._suspects_to_idle()]

    def done(self, worker: str, block: int) -> None:
        """A worker has done a block that it had in hand."""
        self._workers[worker].in_hand.remove(block)
        self._suspects.pop(block, None)

    def lost(self, worker: str, *, with_machine: bool) -> None:
        """A worker has died, alone or `with_machine`."""
        gone = self._workers.pop(worker)
        for block in sorted(gone.in_hand, reverse=True):
            if with_machine:
                if block not in self._suspects:
                    self._waiting.appendleft(block)
            elif block in self._suspects:
                self._given_up[block] = (self._suspects.pop(block), gone.machine)
            else:
                self._suspects[block] = gone.machine

    def _suspects_to_idle(self) -> list[tuple[str, int]]:
        pairs = []
        tried = set[int]().union(*(worker.in_hand for worker in self._workers.values()))
        machines = {worker.machine for worker in self._workers.values()}
        for block, machine in self._suspects.items():
            idle = [
                (name, worker)
                for name, worker in self._workers.items()
                if not worker.in_hand and (worker.machine != machine or machines == {machine})
            ]
            if block not in tried and idle:
                name, worker = idle[0]
                worker.in_hand.add(block)
                pairs.append((name, block))
        return pairs

    def _waiting_to_free(self) -> list[tuple[str, int]]:
        pairs = []
        free = {name: each for name, each in self._workers.items() if not each.in_hand & self._suspects.keys()}
        while self._waiting:
            name, worker = min(free.items(), key=lambda pair: len(pair[1].in_hand) / pair[1].most, default=("", None))
            if worker is None or len(worker.in_hand) >= worker.most:
                break
            block = self._waiting.popleft()
            worker.in_hand.add(block)
            pairs.append((name, block))
        return pairs

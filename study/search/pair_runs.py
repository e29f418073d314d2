"""The runs of pairs of blocks, each shared by two races, and the end of a configuration that is in several races."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from study.record.events import Phase
from study.search.state import Close, Entry


@dataclass
class PairRun:
    """The run of a pair of blocks: its scores after each epoch (on the second block, on the first) and its end."""

    scores: list[tuple[float, float]] = field(default_factory=list)
    ended: bool = False
    lost: Close | None = None


@dataclass
class NestedEntry:
    """One configuration with the runs of all pairs; it is closed when all races have closed it.

    `by_block` are its entries in the races of the test blocks.
    """

    number: int
    runs: list[PairRun]
    by_block: list[Entry]
    phase: Phase = Phase.OPEN
    reason: str = ""

    def score(self, epoch: int) -> float:
        """The mean over test blocks of the scores that count after `epoch` epochs."""
        return fmean(entry.score(epoch) for entry in self.by_block)

    def epochs_spent(self) -> int:
        """Epochs trained, over all runs."""
        return sum(len(run.scores) for run in self.runs)


def end_of(number: int, entries: Sequence[Entry]) -> Close | None:
    """The end of a configuration as a whole, given its entries by test block; None while it is open in a race.

    It is complete if it is complete for at least one block.
    """
    blocks: dict[Phase, list[int]] = {}
    for test_block, entry in enumerate(entries):
        blocks.setdefault(entry.phase, []).append(test_block)
    if Phase.OPEN in blocks:
        return None
    phases = [phase for phase in (Phase.COMPLETE, Phase.STOPPED, Phase.FAILED, Phase.DIVERGED) if phase in blocks]
    if phases == [Phase.COMPLETE]:
        return Close(number, Phase.COMPLETE, entries[0].reason)
    endings = []
    for phase in phases:
        cause = f" ({entries[blocks[phase][0]].reason})" if phase in (Phase.FAILED, Phase.DIVERGED) else ""
        named = f"block{'s' * (len(blocks[phase]) > 1)} {', '.join(map(str, blocks[phase]))}"
        endings.append(f"{phase} for test {named}{cause}")
    return Close(number, phases[0], "; ".join(endings))


def pair_uses(pair: tuple[int, int]) -> Sequence[tuple[int, int, int]]:
    """The two uses of a pair's run: test block, the fold's number in its race, and the index of the score it reads.

    The folds of a block's race are the other blocks in their order.

    >>> pair_uses((1, 3))
    ((1, 2, 0), (3, 1, 1))
    """
    first, second = pair
    return (first, second - 1, 0), (second, first, 1)

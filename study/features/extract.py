"""Blocks of utterances through an encoder: the work, how far it is, and threads of this process that do it.

Another way to do it is in `study.execution.extraction`: on the machines of a cluster, or where GPUs are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from study.corpus.utterance import Utterance
from study.errors import UserError
from study.features.encoder import Encoded, Encoder
from study.features.modality import Modality
from study.features.spec import EncoderSpec

Encode = Callable[[Sequence[Utterance]], Iterator[Encoded | UserError]]
Save = Callable[[Sequence[Encoded]], None]


@dataclass(frozen=True)
class Work:
    """Blocks for one encoder, and what another process needs to do them as this one would.

    `encoder` is what `specs` open, its weights not yet read. `contents` are what each utterance's features are computed
    from, by id, as in `Modality`.
    """

    modality: Modality[Any]
    specs: Sequence[EncoderSpec]
    trust_remote_code: bool
    encoder: Encoder
    contents: Mapping[str, str]
    blocks: Sequence[Sequence[Utterance]]

    @property
    def has_weights(self) -> bool:
        """Whether the encoder has weights: it is slow then, and a GPU helps."""
        return self.specs[0].name not in self.modality.built_in


class EncodeBlocks(Protocol):
    """A way to encode blocks: in threads, or on machines."""

    def __call__(self, work: Work, save: Save, tally: Tally) -> list[str]:
        """One line for each utterance that could not be encoded; the others are saved, block by block.

        Every block that is done is added to `tally`, in the calling thread.
        """


def in_threads(workers: int) -> EncodeBlocks:
    """The way to encode blocks in so many threads of this process."""

    def encode_blocks(work: Work, save: Save, tally: Tally) -> list[str]:
        work.encoder.load()
        tally.begin()
        return extract(work.blocks, lambda block: work.modality.encode(work.encoder, block), save, tally.add, workers)

    return encode_blocks


@dataclass(frozen=True)
class Progress:
    """How far an extraction is.

    `what` is being made ("audio by logmel"). The `reused` ones were already there when it started. Amounts are those
    of `Modality.amount`, and `unit` is that of their rate (`Modality.rate_unit`). `machines` has the amount that each
    machine has done; nothing where all is done here.
    """

    utterances_done: int
    utterances_total: int
    utterances_reused: int
    amount_done: float
    amount_total: float
    amount_reused: float
    elapsed_seconds: float
    what: str = ""
    unit: str = ""
    machines: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Amount per second, in `unit`; 0 before the first block."""
        return self._per_second(self.amount_done - self.amount_reused)

    @property
    def machine_rates(self) -> dict[str, float]:
        """Amount per second of each machine; together they are `rate` where machines have done all that is new."""
        return {machine: self._per_second(amount) for machine, amount in self.machines.items()}

    @property
    def remaining_seconds(self) -> float | None:
        """The expected time to the end; None before the first block."""
        return (self.amount_total - self.amount_done) / self.rate if self.rate > 0 else None

    def _per_second(self, amount: float) -> float:
        return amount / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0


def extract(
    blocks: Sequence[Sequence[Utterance]],
    encode: Encode,
    save: Save,
    on_block: Callable[[Sequence[Utterance]], None],
    workers: int,
) -> list[str]:
    """One line for each utterance that could not be encoded; the others are saved, block by block.

    `workers` threads share the encoder's weights. Each computes on one core, which makes the results independent of
    their number and is faster than one computation on all cores. `on_block` is called in the calling thread after every
    block, in the order in which they finish.
    """
    stop = threading.Event()
    threads_before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    failures: dict[int, list[str]] = {}
    try:
        running = {pool.submit(_run_block, block, encode, save, stop): index for index, block in enumerate(blocks)}
        for done in as_completed(running):
            failures[running[done]] = done.result()
            on_block(blocks[running[done]])
    finally:
        # After an interrupt: the utterances in hand are finished and saved, no more are begun.
        stop.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads_before)
    return [line for index in sorted(failures) for line in failures[index]]


def _run_block(block: Sequence[Utterance], encode: Encode, save: Save, stop: threading.Event) -> list[str]:
    """Encode and save a block, one line for each failure; after `stop`, only what is encoded by then is saved."""
    encoded: list[Encoded] = []
    failures: list[str] = []
    for each in encode(block) if not stop.is_set() else ():
        if isinstance(each, UserError):
            failures.append(str(each))
        else:
            encoded.append(each)
        if stop.is_set():
            break
    if encoded:
        save(encoded)
    return failures


class Tally:
    """Counts blocks of `missing` that are done and shows how far the extraction is, at first when none is done."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        missing: Sequence[Sequence[Utterance]],
        amount: Callable[[Utterance], float],
        on_progress: Callable[[Progress], None],
        what: str,
        unit: str,
    ) -> None:
        """Call `on_progress` with what is done of `utterances`, now and after every block."""
        self._amounts = {u.id: amount(u) for u in utterances}
        self._on_progress, self._what, self._unit = on_progress, what, unit
        new = {u.id for block in missing for u in block}
        self._done = self._reused = len(self._amounts) - len(new)
        self._reused_amount = sum(amount for id, amount in self._amounts.items() if id not in new)
        self._done_amount = self._reused_amount
        self._machines: dict[str, float] = {}
        self._begun = time.monotonic()
        self._show()

    def begin(self) -> None:
        """Measure the rate from now on: an encoder is ready. Nothing changes once a block is done."""
        if self._done == self._reused:
            self._begun = time.monotonic()

    def add(self, block: Sequence[Utterance], machine: str = "") -> None:
        """A block is done, on a machine where it was not this process."""
        self._done += len(block)
        self._done_amount += self._amount_of(block)
        if machine:
            self._machines[machine] = self._machines.get(machine, 0.0) + self._amount_of(block)
        self._show()

    def _amount_of(self, block: Sequence[Utterance]) -> float:
        return sum(self._amounts[utterance.id] for utterance in block)

    def _show(self) -> None:
        self._on_progress(
            Progress(
                utterances_done=self._done,
                utterances_total=len(self._amounts),
                utterances_reused=self._reused,
                amount_done=self._done_amount,
                amount_total=sum(self._amounts.values()),
                amount_reused=self._reused_amount,
                elapsed_seconds=time.monotonic() - self._begun,
                what=self._what,
                unit=self._unit,
                machines=dict(self._machines),
            )
        )

"""Blocks of utterances through an encoder, in threads: results are saved at once, failures reported at the end."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import torch

from study.corpus.utterance import Utterance
from study.errors import UserError
from study.features.encoder import Encoded

Encode = Callable[[Sequence[Utterance]], Iterator[Encoded | UserError]]


@dataclass(frozen=True)
class Progress:
    """How far an extraction is.

    `what` is being made ("audio by logmel"). The `reused` ones were already there when it started. Amounts are those
    of `Modality.amount`, and `unit` is that of their rate (`Modality.rate_unit`).
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

    @property
    def rate(self) -> float:
        """Amount per second, in `unit`; 0 before the first block."""
        return (self.amount_done - self.amount_reused) / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """The expected time to the end; None before the first block."""
        return (self.amount_total - self.amount_done) / self.rate if self.rate > 0 else None


def extract(
    blocks: Sequence[Sequence[Utterance]],
    encode: Encode,
    save: Callable[[Sequence[Encoded]], None],
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


def _run_block(
    block: Sequence[Utterance], encode: Encode, save: Callable[[Sequence[Encoded]], None], stop: threading.Event
) -> list[str]:
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


def progress_count(
    utterances: Sequence[Utterance],
    missing: Sequence[Sequence[Utterance]],
    amount: Callable[[Utterance], float],
    on_progress: Callable[[Progress], None],
    what: str,
    unit: str,
) -> Callable[[Sequence[Utterance]], None]:
    """What counts finished blocks of `missing` and calls `on_progress`, first of all when none is finished."""
    amounts = {u.id: amount(u) for u in utterances}
    total, total_amount = len(amounts), sum(amounts.values())
    reused = total - sum(map(len, missing))
    reused_amount = total_amount - sum(amounts[u.id] for block in missing for u in block)
    done, done_amount = reused, reused_amount
    begun = time.monotonic()

    def count(block: Sequence[Utterance]) -> None:
        nonlocal done, done_amount
        done += len(block)
        done_amount += sum(amounts[u.id] for u in block)
        elapsed = time.monotonic() - begun
        on_progress(Progress(done, total, reused, done_amount, total_amount, reused_amount, elapsed, what, unit))

    count(())
    return count

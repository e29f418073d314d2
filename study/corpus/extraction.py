"""Blocks of utterances through an encoder, in threads: results are saved at once, failures told at the end."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from study.corpus.audio import audio_seconds, read_audio
from study.corpus.encoders import AudioEncoder, TextEncoder
from study.corpus.pack import to_half
from study.corpus.utterance import Utterance
from study.errors import UserError


@dataclass(frozen=True)
class Progress:
    """How far an extraction is. The `reused` ones were already there when it started; seconds are 0 for text."""

    utterances_done: int
    utterances_total: int
    utterances_reused: int
    audio_done_seconds: float
    audio_total_seconds: float
    audio_reused_seconds: float
    elapsed_seconds: float

    @property
    def rate(self) -> float:
        """Seconds of audio per second for audio, utterances per second for text; 0 before the first block."""
        if self.elapsed_seconds <= 0:
            return 0.0
        if self.audio_total_seconds > 0:
            return (self.audio_done_seconds - self.audio_reused_seconds) / self.elapsed_seconds
        return (self.utterances_done - self.utterances_reused) / self.elapsed_seconds

    @property
    def remaining_seconds(self) -> float | None:
        """The expected time to the end; None before the first block."""
        if self.rate <= 0:
            return None
        if self.audio_total_seconds > 0:
            return (self.audio_total_seconds - self.audio_done_seconds) / self.rate
        return (self.utterances_total - self.utterances_done) / self.rate


@dataclass(frozen=True)
class Encoded:
    """The features of one utterance in float16; `vector` is the sentence vector of text, None for audio."""

    utterance: Utterance
    frames: Float[Tensor, "time dim"]
    vector: Float[Tensor, " dim"] | None


@dataclass(frozen=True)
class Outcome:
    """What became of a block of utterances: those encoded, and one line for each that could not be."""

    encoded: tuple[Encoded, ...]
    failures: tuple[str, ...]


Encode = Callable[[Sequence[Utterance], threading.Event], Outcome]


def audio_encoding(encoder: AudioEncoder) -> Encode:
    """The function that reads and encodes the audio of a block, utterance by utterance, until told to stop."""

    def encode(block: Sequence[Utterance], stop: threading.Event) -> Outcome:
        encoded, failures = [], []
        for utterance in block:
            if stop.is_set():
                break
            try:
                frames = encoder.encode(read_audio(utterance, encoder.sample_rate_hz))
                encoded.append(Encoded(utterance, to_half(frames, utterance.id), None))
            except UserError as error:
                failures.append(str(error))
        return Outcome(tuple(encoded), tuple(failures))

    return encode


def text_encoding(encoder: TextEncoder) -> Encode:
    """The function that encodes the words of a block in one call, unless told to stop."""

    def encode(block: Sequence[Utterance], stop: threading.Event) -> Outcome:
        encoded, failures = [], []
        if stop.is_set():
            return Outcome((), ())
        vectors = encoder.encode([utterance.words for utterance in block])
        for utterance, (tokens, sentence) in zip(block, vectors, strict=True):
            try:
                halves = to_half(tokens, utterance.id), to_half(sentence, utterance.id)
                encoded.append(Encoded(utterance, *halves))
            except UserError as error:
                failures.append(str(error))
        return Outcome(tuple(encoded), tuple(failures))

    return encode


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

    def run(block: Sequence[Utterance]) -> tuple[str, ...]:
        outcome = encode(block, stop)
        if outcome.encoded:
            save(outcome.encoded)
        return outcome.failures

    threads_before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    failures: dict[int, tuple[str, ...]] = {}
    try:
        running = {pool.submit(run, block): index for index, block in enumerate(blocks)}
        for done in as_completed(running):
            failures[running[done]] = done.result()
            on_block(blocks[running[done]])
    finally:
        # After an interrupt: the utterances in hand are finished and saved, no more are begun.
        stop.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads_before)
    return [line for index in sorted(failures) for line in failures[index]]


def progress_count(
    utterances: Sequence[Utterance],
    missing: Sequence[Sequence[Utterance]],
    with_audio: bool,
    on_progress: Callable[[Progress], None],
) -> Callable[[Sequence[Utterance]], None]:
    """What counts finished blocks of `missing` and tells `on_progress`, first of all that none is finished."""
    seconds = {u.id: audio_seconds(u) if with_audio else 0.0 for u in utterances}
    total, total_seconds = len(seconds), sum(seconds.values())
    reused = total - sum(map(len, missing))
    reused_seconds = total_seconds - sum(seconds[u.id] for block in missing for u in block)
    done, done_seconds = reused, reused_seconds
    begun = time.monotonic()

    def count(block: Sequence[Utterance]) -> None:
        nonlocal done, done_seconds
        done += len(block)
        done_seconds += sum(seconds[u.id] for u in block)
        elapsed = time.monotonic() - begun
        on_progress(Progress(done, total, reused, done_seconds, total_seconds, reused_seconds, elapsed))

    count(())
    return count

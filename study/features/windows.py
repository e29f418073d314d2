"""Long utterances in windows: the frames of each come from its core, and its context on both sides is discarded."""

from collections.abc import Iterator
from dataclasses import dataclass

from study.corpus.lengths import CONTEXT_SECONDS, CORE_SECONDS

# Part of what the features of long utterances are found again by: to be changed with what is below.
READING = f"windows 1: {CORE_SECONDS:g} s and {CONTEXT_SECONDS:g} s of context"


@dataclass(frozen=True)
class Window:
    """The frames `first` to `last` (exclusive) that are computed, and of them `core`, that are kept."""

    first: int
    last: int
    core: slice


def windows(n_frames: int, rate_hz: float) -> Iterator[Window]:
    """The windows of an utterance of so many frames: equal cores of at most 30 s, each frame in exactly one.

    They depend on the number of frames alone.
    """
    core, context = round(CORE_SECONDS * rate_hz), round(CONTEXT_SECONDS * rate_hz)
    n_windows = -(-n_frames // core)
    for number in range(n_windows):
        start, stop = n_frames * number // n_windows, n_frames * (number + 1) // n_windows
        first, last = max(0, start - context), min(n_frames, stop + context)
        yield Window(first, last, slice(start - first, stop - first))

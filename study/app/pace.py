"""Times in words, and a line a minute where there is no terminal: a job's log shows that work goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

MINUTE = 60.0


@contextmanager
def every_minute(say: Callable[[], None], seconds: float = MINUTE) -> Iterator[None]:
    """Call `say` from another thread every `seconds` as long as the block runs."""
    over = Event()

    def repeat() -> None:
        while not over.wait(seconds):
            say()

    thread = Thread(target=repeat, name="every-minute", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def clock(seconds: float) -> str:
    """Seconds as "1:05" or "2:03:04"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"

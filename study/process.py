"""Interrupts and exit codes of the process: an interrupted command exits with 130 and prints how to go on."""

import _thread
import atexit
import codecs
import io
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TextIO

from study.errors import INTERRUPTED

MASK = "***"
# What output is written with where the terminal's encoding lacks a character.
PLAIN_TEXT = "ser-study.plain"
PLAIN = {
    "±": "+-",
    "·": "-",
    "…": "...",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "×": "x",
    "²": "2",
}
Handler = Callable[[int, FrameType | None], object]
# How long an interrupt waits that cannot be raised where it came.
AGAIN_SECONDS = 0.05
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"
# Files besides the terminal that have the last lines of a process that ends on the spot.
_LAST_WORDS: list[int] = []
_TERMINATED = threading.Event()


def run_to_exit(main: Callable[[], int]) -> NoReturn:
    """Run `main`, imports of its own included, and leave the process with its exit code.

    The interpreter's own end would take the loaded libraries apart for a second or two and do nothing else: it is
    left out.
    """
    show_any_text(sys.stdout, sys.stderr)
    sys.unraisablehook = _not_raised
    codes: list[int] = []
    atexit.register(_leave_with, codes)  # registered first, it runs last
    end_on_interrupt()
    codes.append(main())
    end_at_next_interrupt(codes[0])  # libraries that are interrupted while they end print a traceback
    sys.exit(codes[0])


def show_any_text(*streams: TextIO) -> None:
    """Let `streams` take any text: what their encoding lacks is written in plain letters, or as an escape."""
    codecs.register_error(PLAIN_TEXT, _in_plain_letters)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN_TEXT)


def _in_plain_letters(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = (PLAIN.get(character) or escaped(character) for character in missing)
    return "".join(plain), error.end


def escaped(text: str) -> str:
    """The text with everything but ASCII as escapes, "\\u6124" for an ideograph."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def go_on_message() -> str:
    """What an interrupted command prints."""
    return f"interrupted; nothing is lost. Go on with:\n  {typed_command()}"


def typed_command() -> str:
    """What the user types to go on: the command that was typed, but for passwords and what would start over."""
    typed = [argument for argument in sys.argv[1:] if argument != "--fresh"]
    shown = [re.sub(r"(\w:/{1,2})[^/].*@", rf"\1{MASK}@", argument) for argument in typed]
    program = f"python {shlex.quote(sys.argv[0])}" if sys.argv[0].endswith(".py") else "ser-study"
    command = " ".join([program, *map(shlex.quote, shown)])
    return command if shown == typed else f"{command}\n  ({MASK} stands for the user and password that you typed)"


def end_with(message: str, code: int) -> NoReturn:
    """End the process from any of its threads, with an error line of its own and how to go on."""
    show_cursor = "\x1b[?25h" if sys.stdout.isatty() else ""  # a progress view hides it
    text = f"error: {message}. Go on with:\n  {typed_command()}\n".encode(errors="backslashreplace")
    os.write(2, f"{show_cursor}\n".encode() + text)
    for file in _LAST_WORDS:
        os.write(file, text)
    os._exit(code)


@contextmanager
def last_words_to(file: int) -> Iterator[None]:
    """Have `end_with` write to this file, too."""
    _LAST_WORDS.append(file)
    try:
        yield
    finally:
        _LAST_WORDS.remove(file)


def end_on_interrupt() -> None:
    """Have an interrupt end the process on the spot, as long as nothing is begun.

    Libraries that are interrupted while they are imported break in ways of their own.
    """
    _handle(_leave, _leave)


def raise_on_interrupt() -> None:
    """Have an interrupt raise KeyboardInterrupt from now on, and SIGTERM do what an interrupt does at the time.

    Where Python prints an exception and goes on, as in `__del__`, the interrupt comes again. In an import, it waits.
    """
    _handle(_raise, _terminate)


@contextmanager
def handlers_restored() -> Iterator[None]:
    """Handle interrupts after the block as before it: libraries leave handlers of their own, which no loop reads."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before:
                signal.signal(number, handler)


def end_at_next_interrupt(code: int) -> None:
    """Have another interrupt end the process on the spot: its last lines are printed, or about to be."""

    def leave(number: int, frame: FrameType | None) -> None:
        os._exit(code)

    _handle(leave, leave)


def _handle(interrupt: Handler, terminate: Handler) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell's background jobs have it
        signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)


def is_terminated() -> bool:
    """Whether this process was asked to end by SIGTERM."""
    return _TERMINATED.is_set()


def end_as_interrupted() -> NoReturn:
    """End the process from any of its threads, as an interrupt does before anything is begun."""
    os.write(1, f"{go_on_message()}\n".encode(errors="backslashreplace"))
    os._exit(INTERRUPTED)


def _leave(number: int, frame: FrameType | None) -> None:
    end_as_interrupted()


def _raise(number: int, frame: FrameType | None) -> None:
    if _is_importing(frame):
        _come_again(number)
    else:
        raise KeyboardInterrupt


def _terminate(number: int, frame: FrameType | None) -> None:
    _TERMINATED.set()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        _raise(number, frame)
    else:
        signal.raise_signal(signal.SIGINT)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: an exception there can leave a lock that every other import waits for."""
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False


def _come_again(number: int) -> None:
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def send() -> None:
        time.sleep(AGAIN_SECONDS)
        signal.pthread_kill(main_thread, number)  # wakes it where it waits

    _thread.start_new_thread(send, ())  # threading's own would take locks that the main thread may hold


def _not_raised(lost: "sys.UnraisableHookArgs") -> None:
    """Take an exception that Python cannot raise, which ends nothing; an interrupt is one that has to."""
    if lost.exc_type is KeyboardInterrupt:
        _come_again(signal.SIGTERM if is_terminated() else signal.SIGINT)
    else:
        sys.__unraisablehook__(lost)


def _leave_with(codes: Sequence[int]) -> None:
    if codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])

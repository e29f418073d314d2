"""Interrupts: whoever ends a command, at whatever moment, gets 130 and the command to go on with."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


def farewell() -> str:
    """What an interrupted command says."""
    return f"interrupted; nothing is lost. Go on with:\n  {typed_command()}"


def typed_command() -> str:
    """The command that the user typed."""
    return " ".join(["python study/run.py" if sys.argv[0].endswith("run.py") else "ser-study", *sys.argv[1:]])


def leave_at_once() -> None:
    """Have an interrupt end the process on the spot, as long as nothing is begun.

    Libraries that are interrupted while they are imported break in ways of their own.
    """
    _handle(_leave, _leave)


def listen() -> None:
    """Have an interrupt raise KeyboardInterrupt from now on, and SIGTERM do what an interrupt does at the time."""
    _handle(signal.default_int_handler, _terminate)


def _handle(interrupt: Handler, terminate: Handler) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell's background jobs have it
        signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(1, f"{farewell()}\n".encode())
    os._exit(130)


def _terminate(number: int, frame: FrameType | None) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)

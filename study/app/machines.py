"""The machines of a command: connected to, or reached through a driver on their head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console

from study import process
from study.app.output import print_line, print_raw
from study.app.settings import MachineOptions
from study.errors import INTERRUPTED
from study.execution import connection, remote_driver
from study.execution.address import chosen_address
from study.execution.connected import Connected
from study.execution.places import Slots
from study.plurals import counted


def connected(
    machines: MachineOptions, console: Console, meanwhile: Sequence[str] = ()
) -> AbstractContextManager[Connected]:
    """A connection to the cluster that is asked for, or to a new one of this machine that ends with the block.

    Modules that the block needs are imported `meanwhile`.
    """
    console.print("starting workers ...", style="dim")
    asked = machines.concurrency, machines.gpus_per_run, machines.cpu_machines
    return connection.cluster(machines.address, *asked, meanwhile)


def slots_for(packs: Iterable[Path], machines: Connected, console: Console) -> Slots:
    """The slots of runs that read these `packs`, after printing what the user may want to do about them."""
    slots = machines.slots(sum(path.stat().st_size for path in packs))
    if slots.n_missing:
        line = f"{slots.n_missing} of {counted(slots.number, 'run')} at once wait for machines with room for them"
        print_line(console, line, style="yellow")
    if slots.advice:
        print_line(console, slots.advice, style="yellow")
    return slots


def run_remotely(verb: str, options: Sequence[str], machines: MachineOptions, console: Console) -> int:
    """Do `verb` with these `options`, whose paths are meant here, on the head of a cluster."""
    address = chosen_address(machines.address)
    print_line(console, f"connecting to {address} ...", style="dim")
    output = ["--output", str(machines.output.absolute())]  # also where it is the default
    code = remote_driver.run_on_head(address, [verb, *options, *output], lambda text: print_raw(console, text))
    if code == INTERRUPTED:
        print_line(console, f"that is on the head of the cluster; from here:\n  {process.typed_command()}")
    return code

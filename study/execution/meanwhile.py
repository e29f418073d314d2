"""Imports of libraries while Ray starts: for seconds, a command does nothing but wait for Ray's processes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread


@contextmanager
def imported_meanwhile(modules: Sequence[str]) -> Iterator[None]:
    """Import `modules` in another thread while the block waits; after it, they are imported.

    An error of an import is left to the place that imports the module again.
    """
    # An interrupt need not wait for it.
    thread = Thread(target=_import, args=(modules,), name="imports", daemon=True)
    thread.start()
    yield
    thread.join()


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        with suppress(Exception):
            import_module(name)

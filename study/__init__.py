"""Hyperparameter studies of multimodal speech emotion recognition.

In a notebook, `study.results(name)` gives the tables of a study, and `study.SerModel` predicts with what it has found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.inference.ser_model import SerModel
    from study.report.frames import Results


__all__ = ["SerModel", "results"]


def __getattr__(name: str) -> Any:
    """`SerModel`, imported when it is asked for: it takes seconds, and most of the project does without it."""
    if name != "SerModel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from study.beside import import_own_packages

    import_own_packages()
    from study.inference.ser_model import SerModel

    return SerModel


def results(name: str, output: Path | str = "mlruns") -> Results:
    """What the study `name` in `output` has found, as pandas tables; of an unfinished one, so far.

    The tables are `configurations` (a row each: parameters, how it ended, scores), `epochs` (a row for each epoch of
    each fold run) and `predictions` (a row for each test utterance and seed of the selected configurations). They are
    those of the report and checked like it: nothing is trained, and nothing is written.

    Raises:
        study.errors.UserError: there is no such study, or its files do not agree.
    """
    # Here because every module of the project runs this file first, and few of them need tables.
    from study.beside import import_own_packages

    import_own_packages()
    from study.report.frames import read

    return read(Path(output), name)

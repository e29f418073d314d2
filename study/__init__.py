"""Hyperparameter studies of multimodal speech emotion recognition.

In a notebook, `study.results(name)` gives the tables of a study.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.report.frames import Results


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

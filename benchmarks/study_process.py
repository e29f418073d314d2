"""One way of doing the study, in a process of its own: `python -m benchmarks.study_process FOLDER WAY`.

Its figures are left in `FOLDER/WAY.json`. Each way imports what it needs; ours leaves the process as the command does.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from study import process

Figures = dict[str, Any]


def _ours(folder: Path) -> Figures:
    from benchmarks.our_study import ours

    return ours(folder)


def _ray_tune(folder: Path, data: str) -> Figures:
    from benchmarks import plain_studies

    return plain_studies.ray_tune(folder, data)


def _optuna(folder: Path, data: str) -> Figures:
    from benchmarks import plain_studies

    return plain_studies.optuna_processes(folder, data)


WAYS: dict[str, Callable[[Path], Figures]] = {
    "ours": _ours,
    "ray-padded": lambda folder: _ray_tune(folder, "padded"),
    "ray-packed": lambda folder: _ray_tune(folder, "packed"),
    "optuna-padded": lambda folder: _optuna(folder, "padded"),
    "optuna-packed": lambda folder: _optuna(folder, "packed"),
}


def main() -> int:
    """Do the study in the way that is named."""
    place, way = Path(sys.argv[1]), sys.argv[2]
    (place / f"{way}.json").write_text(json.dumps(WAYS[way](place)))
    return 0


if __name__ == "__main__":
    if sys.argv[2] == "ours":
        process.run_to_exit(main)
    main()

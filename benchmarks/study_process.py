"""One way of doing the study, in a process of its own: `python -m benchmarks.study_process FOLDER WAY`.

Its figures are left in `FOLDER/WAY.json`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import plain_studies
from benchmarks.studies import ours

WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ours": ours,
    "ray-padded": lambda folder: plain_studies.ray_tune(folder, "padded"),
    "ray-packed": lambda folder: plain_studies.ray_tune(folder, "packed"),
    "optuna-padded": lambda folder: plain_studies.optuna_processes(folder, "padded"),
    "optuna-packed": lambda folder: plain_studies.optuna_processes(folder, "packed"),
}

if __name__ == "__main__":
    place, way = Path(sys.argv[1]), sys.argv[2]
    (place / f"{way}.json").write_text(json.dumps(WAYS[way](place)))

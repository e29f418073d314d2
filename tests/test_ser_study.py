"""The command finds the project's packages wherever it is typed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.study_process import with_packages_of_its_own

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("packages", "line"),
    [
        (("models", "study", "search_spaces"), ["-m", "ser_study", "run"]),
        (("models", "study", "search_spaces"), [str(ROOT / "study" / "run.py")]),
        (("models", "search_spaces"), ["-P", "-m", "study.run"]),
    ],
)
def test_packages_of_the_working_directory_are_not_imported(
    tmp_path: Path, packages: tuple[str, ...], line: list[str]
) -> None:
    """Not even if PYTHONPATH names it first. (`python -m study.run` itself names a `study` of the folder.)"""
    with_packages_of_its_own(tmp_path, packages)
    path = os.pathsep.join([".", str(ROOT)])
    done = subprocess.run(
        [sys.executable, *line, "--variant", "nonsense"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: --variant expects all, every, seeing, or names from random, audio,")


def test_a_notebook_beside_packages_of_these_names_gets_its_tables(tmp_path: Path) -> None:
    with_packages_of_its_own(tmp_path, ("models", "search_spaces"))
    code = "import study; study.results('none')"
    line = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", str(ROOT)])}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert "UserError: no study at" in done.stderr, done.stderr

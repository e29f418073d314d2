"""What the README says works: its commands are the ones that CI runs, and its own variant can be added and studied."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from study.settings import DEMO
from study.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_runs_the_test_command_of_the_readme():
    assert 'pip install -e ".[dev]" && pytest\n' in README
    assert 'pip install -e "\\.\\[dev\\]" && pytest' in (ROOT / ".ci" / "run").read_text()


def test_every_variant_is_in_the_readmes_table():
    table = README[README.index("| variant | system | input |") : README.index("`--variant self,cross` studies")]
    assert set(re.findall(r"`([a-z-]+)`", table)) >= set(VARIANTS)


def test_the_readmes_budget_of_the_demo_is_the_one_in_force():
    words = {16: "Sixteen"}
    assert f"{words[DEMO['configs']]} configurations" in README


@pytest.mark.slow
def test_the_variant_of_the_readme_can_be_added_and_studied(tmp_path, iemocap_release):
    """The three blocks are copied from the README into a copy of the project, as a reader would."""
    section = README[README.index("## A variant of your own") :]
    model, space, row = (dedent(block) for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL)[:3])
    for package in ("models", "search_spaces", "study"):
        ignored = shutil.ignore_patterns("__pycache__", "audio")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    (tmp_path / "models" / "mean.py").write_text(model)
    (tmp_path / "search_spaces" / "mean.py").write_text(space)
    table = (tmp_path / "study" / "variants.py").read_text()
    table = table.replace(
        "import search_spaces.mdre\n", "import models.mean\nimport search_spaces.mdre\nimport search_spaces.mean\n"
    )
    start = "VARIANTS: dict[str, Variant] = {\n"
    (tmp_path / "study" / "variants.py").write_text(table.replace(start, start + row))
    options = ["--configs", "2", "--epochs", "2", "--seeds", "0", "--audio-encoder", "logmel", "--text-encoder", "hash"]
    finished = subprocess.run(
        [sys.executable, "study/run.py", "--variant", "mean", "--corpus", str(iemocap_release), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "mean tuned" in finished.stdout

"""Whole studies by the command line, in processes of their own, and what their ledgers hold."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from study.app.cli import main

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ("--audio-encoder", "logmel", "--text-encoder", "hash")
# Halving decides in order of number: the study does not depend on the workers' speed.
SMALL = ("--configs", "4", "--epochs", "4", "--finalists", "1", "--seeds", "1", *PLAIN, "--policy", "asha")


def command(*arguments: object) -> list[str]:
    """The command line of a study."""
    return [sys.executable, str(ROOT / "study" / "run.py"), *map(str, arguments)]


def run(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a study to its end in a process of its own."""
    return subprocess.run(
        command(*arguments), cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
    )


def stopped_by(
    stop: Callable[[subprocess.Popen[str]], object], after_lines: int, *arguments: object, cwd: Path, ledger: Path
) -> tuple[int, str]:
    """Run a study until its ledger has so many lines, and `stop` its process; its exit code and what it printed.

    It must not have ended before.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(command(*arguments), cwd=cwd, stdout=pipe, stderr=subprocess.STDOUT, text=True) as driver:
        while driver.poll() is None and len(lines_of(ledger)) < after_lines:
            time.sleep(0.05)
        assert driver.poll() is None, driver.communicate()[0]
        stop(driver)
        printed, _ = driver.communicate(timeout=240)
    return driver.returncode, printed


def here(capsys: Any, *arguments: object) -> tuple[int, str, str]:
    """Run a verb in this process: its exit code, and what it printed to both streams."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def with_packages_of_its_own(folder: Path, names: Iterable[str] = ("models", "study", "search_spaces")) -> Path:
    """A folder as other projects are, with packages that bear the names of this one's and must not be imported."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "__init__.py").write_text("raise ImportError('a package of the working directory')")
    return folder


def lines_of(ledger: Path) -> list[dict[str, Any]]:
    """The whole lines of a ledger, none if it is not there yet."""
    text = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def ledger_facts(folder: Path) -> list[str]:
    """The content of a ledger but for the clock, what computed, and the order in which workers happened to report."""
    facts = [
        {name: value for name, value in line.items() if name not in ("seconds", "device")}
        for line in lines_of(folder / "ledger.jsonl")
    ]
    return sorted(json.dumps(fact, sort_keys=True) for fact in facts)

"""Whole studies by the command line, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ("--audio-encoder", "logmel", "--text-encoder", "hash")
# Halving decides in order of number: whichever worker is faster, the study is the same.
SMALL = ("--configs", "4", "--epochs", "4", "--finalists", "1", "--seeds", "1", *PLAIN, "--policy", "asha")
RACE = ("--configs", "3", "--epochs", "3", "--seeds", "0", "--concurrency", "1", *PLAIN)


def command(*arguments):
    return [sys.executable, str(ROOT / "study" / "run.py"), *map(str, arguments)]


def run(*arguments, cwd, verb=None):
    line = command(*arguments)
    if verb:
        line = [
            sys.executable,
            "-c",
            "from study.cli import main; raise SystemExit(main())",
            verb,
            *map(str, arguments),
        ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} if verb else dict(os.environ)
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def ledger_facts(folder):
    """What a ledger says but for the clock and the order in which workers happened to report."""
    facts = []
    for line in (folder / "ledger.jsonl").read_text().splitlines():
        record = json.loads(line)
        record.pop("seconds", None)
        facts.append(json.dumps(record, sort_keys=True))
    return sorted(facts)

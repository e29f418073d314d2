"""Whether a study finds the one layer that has a signal: `python -m benchmarks.planted_layer`.

For every seed, an encoder of 12 layers one of whose hidden states has the spectrum of the audio, while the others are
noise; the demo corpus, variant audio. One study searches seven layers, in the demo's default number of configurations:
is the selected configuration's layer the planted one? Another learns weights of all 13 states: is the planted layer's
the largest?
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, planted_encoder
from study.seeding import derived_seed

SEARCHED = (0, 2, 4, 6, 8, 10, 12)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies, print a line for each seed, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="studies of each kind (10)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (0)")
    parser.add_argument("--only", choices=("searched", "weighted"), help="one kind of study alone (both)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    facts = machine.describe()
    machine.print_machine(facts)
    rows = []
    for seed in range(parsed.first, parsed.first + parsed.seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(planted(Path(folder), seed, [parsed.only] if parsed.only else ["searched", "weighted"]))
        print(json.dumps(rows[-1]), flush=True)
    for found in ("selected", "largest weight"):
        right = [row[found] == row["planted"] for row in rows if found in row]
        print(f"{found}: {sum(right)} of {len(right)}")
    machine.write_json(parsed.json, {"machine": facts, "rows": rows})


def planted(folder: Path, seed: int, kinds: Sequence[str]) -> dict[str, Any]:
    """What the studies of a seed found."""
    layer = SEARCHED[derived_seed(seed, "planted layer") % len(SEARCHED)]
    planted_encoder.save(folder / "encoder", layer)
    row: dict[str, Any] = {"seed": seed, "planted": layer}
    if "searched" in kinds:
        row |= searched(folder, seed, layer)
    if "weighted" in kinds:
        row |= weighted(folder, seed)
    return row


def searched(folder: Path, seed: int, layer: int) -> dict[str, Any]:
    """The layer that a search of all of them has selected, how often it tried the planted one, and its test score."""
    found = study(folder, seed, "searched", "--audio-layer", ",".join(map(str, SEARCHED)))
    return {
        "selected": int(found["tuned"]["params"]["audio_features"].rpartition(" ")[2]),
        "tried it": next(each["n_configs"] for each in found["features"] if each["label"].endswith(f" {layer}")),
        "test UWA": round(found["tuned"]["figures"]["test"]["UWA"]["mean"], 3),
    }


def weighted(folder: Path, seed: int) -> dict[str, Any]:
    """The layer of the largest learned weight, the weight, and the test score."""
    found = study(folder, seed, "weighted", "--audio-layer", "weighted:13", "--configs", "4")
    [mix] = found["layer_weights"]
    weights = dict(zip(mix["bands"], mix["means"], strict=True))
    largest = max(weights, key=lambda band: weights[band])
    return {
        "largest weight": int(largest.partition("-")[0]),
        "weight": round(weights[largest], 3),
        "weighted test UWA": round(found["tuned"]["figures"]["test"]["UWA"]["mean"], 3),
    }


def study(folder: Path, seed: int, name: str, *options: str) -> dict[str, Any]:
    """The report's view of variant audio after a study by the command, as a user types it."""
    command = [sys.executable, "study/run.py", "--variant", "audio", "--name", name, "--output", str(folder / "runs")]
    command += ["--audio-encoder", str(folder / "encoder"), "--trust-remote-code", "--seed", str(seed), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    report = json.loads((folder / "runs" / "studies" / name / "report.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = report["variants"]["audio"]
    return found


if __name__ == "__main__":
    main()

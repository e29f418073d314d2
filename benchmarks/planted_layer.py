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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    facts = machine.describe()
    machine.print_machine(facts)
    rows = []
    for seed in range(parsed.seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(planted(Path(folder), seed))
        print(json.dumps(rows[-1]), flush=True)
    n_found = sum(row["selected"] == row["planted"] for row in rows)
    n_largest = sum(row["largest weight"] == row["planted"] for row in rows)
    print(f"selected: {n_found} of {len(rows)}; largest learned weight: {n_largest} of {len(rows)}")
    machine.write_json(parsed.json, {"machine": facts, "rows": rows})


def planted(folder: Path, seed: int) -> dict[str, Any]:
    """What both studies of a seed found."""
    layer = SEARCHED[derived_seed(seed, "planted layer") % len(SEARCHED)]
    planted_encoder.save(folder / "encoder", layer)
    searched = study(folder, seed, "searched", "--audio-layer", ",".join(map(str, SEARCHED)))
    weighted = study(folder, seed, "weighted", "--audio-layer", "weighted:13", "--configs", "4")
    [found] = weighted["layer_weights"]
    weights = dict(zip(found["bands"], found["means"], strict=True))
    largest = max(weights, key=lambda band: weights[band])
    label = searched["tuned"]["params"]["audio_features"]
    return {
        "seed": seed,
        "planted": layer,
        "selected": int(label.rpartition(" ")[2]),
        "tried it": next(each["n_configs"] for each in searched["features"] if each["label"].endswith(f" {layer}")),
        "test UWA": round(searched["tuned"]["figures"]["test"]["UWA"]["mean"], 3),
        "largest weight": int(largest.partition("-")[0]),
        "weight": round(weights[largest], 3),
        "weighted test UWA": round(weighted["tuned"]["figures"]["test"]["UWA"]["mean"], 3),
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

"""Which versions of the project and its libraries are at work."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from study.precision import PRECISION

PACKAGES = ("ser-study", "torch", "torchaudio", "ray", "optuna", "mlflow", "transformers", "scikit-learn", "numpy")


def environment() -> dict[str, str]:
    """Versions and the arithmetic that figures may depend on, and the revision of the project where it is known."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        found["revision"] = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found["revision"] = "unknown"
    return {**found, "precision": PRECISION}


def version_line() -> str:
    """The project's version, with all that a report of a fault should name."""
    found = environment()
    own, revision = found.pop("ser-study", "(not installed)"), found.pop("revision")
    del found["precision"]
    return f"ser-study {own} (revision {revision}; {', '.join(' '.join(pair) for pair in found.items())})"

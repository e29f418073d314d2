"""Keeps the disk small: checkpoints stay for open configurations and for the best complete one of each variant."""

from pathlib import Path
from typing import Any

from study.tuning.conductor import Conductor
from study.tuning.racing import Phase


def sweep_checkpoints(folder: Path, conductor: Conductor) -> None:
    """Delete the checkpoints in the study's `folder` that nobody will read again."""
    for variant, race in conductor.races.items():
        best = race.best()
        for entry in race.entries:
            if entry.phase is not Phase.OPEN and entry is not best:
                for path in (folder / "checkpoints").glob(f"{variant}-c{entry.number:03d}-f*.pt"):
                    path.unlink(missing_ok=True)


class CheckpointKeeper:
    """Sweeps whenever a configuration closes."""

    def __init__(self, folder: Path) -> None:
        """Keep the checkpoints of the study in `folder`."""
        self._folder = folder
        self._conductor: Conductor | None = None

    def follow(self, conductor: Conductor) -> None:
        """Sweep for `conductor` from now on."""
        self._conductor = conductor

    def __call__(self, record: dict[str, Any]) -> None:
        """Take in one ledger record."""
        if self._conductor is not None and record["kind"] == "closed":
            sweep_checkpoints(self._folder, self._conductor)

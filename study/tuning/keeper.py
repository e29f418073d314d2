"""Keeps the disk small: checkpoints stay for runs that may go on and for the best configuration of each variant."""

from pathlib import Path
from typing import Any

from study.results.ledger import FoldRun
from study.tuning.conductor import Conductor


def sweep_checkpoints(folder: Path, conductor: Conductor) -> None:
    """Delete the checkpoints in the study's `folder` that nobody will read again."""
    chosen = {variant: race.chosen() for variant, race in conductor.races.items()}
    for path in (folder / "checkpoints").glob("*.pt"):
        run = FoldRun.named(path.stem)
        if not conductor.is_wanted(run) and run.config not in chosen.get(run.variant, ()):
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

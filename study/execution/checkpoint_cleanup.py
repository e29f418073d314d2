"""Keeps the disk small: checkpoints stay for runs that may go on and for the configurations to be reported."""

from study.record.events import Closed, Event
from study.record.folder import StudyFolder
from study.search.conductor import Conductor


def sweep_checkpoints(folder: StudyFolder, conductor: Conductor) -> None:
    """Delete the checkpoints in the study's `folder` that will not be read again."""
    chosen = {variant: search.chosen() for variant, search in conductor.searches.items()}
    for run, path in folder.runs_with_checkpoint().items():
        if not conductor.is_wanted(run) and run.config not in chosen.get(run.variant, ()):
            path.unlink(missing_ok=True)


class CheckpointCleanup:
    """Sweeps whenever a configuration closes."""

    def __init__(self, folder: StudyFolder) -> None:
        """Keep the checkpoints of the study in `folder`."""
        self._folder = folder
        self._conductor: Conductor | None = None

    def follow(self, conductor: Conductor) -> None:
        """Sweep for `conductor` from now on."""
        self._conductor = conductor

    def __call__(self, event: Event) -> None:
        """Take in one event of the ledger."""
        if self._conductor is not None and isinstance(event, Closed):
            sweep_checkpoints(self._folder, self._conductor)

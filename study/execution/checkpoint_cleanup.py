"""Keeps the disk small: checkpoints of runs that may go on or be reported, probabilities of epochs that count."""

from contextlib import suppress

from safetensors import SafetensorError

from study.record.events import Closed, Event, FoldRun, Phase
from study.record.folder import StudyFolder
from study.search.conductor import Conductor
from study.training.checkpoint import keep_weights
from study.training.predictions import keep_epochs


def sweep_checkpoints(folder: StudyFolder, conductor: Conductor) -> None:
    """Delete the checkpoints in the study's `folder` that will not be read again."""
    chosen = {variant: search.chosen() for variant, search in conductor.searches.items()}
    for run, path in folder.runs_with_checkpoint().items():
        if not conductor.is_wanted(run) and run.config not in chosen.get(run.variant, ()):
            path.unlink(missing_ok=True)


def keep_reported_weights(folder: StudyFolder, conductor: Conductor) -> None:
    """Of a study that is finished, keep the weights that an export needs, and nothing else of its checkpoints.

    Where a configuration was confirmed, its runs with new seeds are reported, and those of the search are not.
    """
    sweep_checkpoints(folder, conductor)
    for run, path in folder.runs_with_checkpoint().items():
        search = conductor.searches.get(run.variant)
        if search is None or conductor.is_wanted(run):
            continue
        if run.seed == 0 and search.confirmation.score_of(run.config) is not None:
            path.unlink(missing_ok=True)
        else:
            keep_weights(path)


def sweep_probabilities(folder: StudyFolder, conductor: Conductor, variant: str, number: int) -> None:
    """Of a complete configuration, keep the class probabilities of the epochs at which its search runs count."""
    for fold, epochs in conductor.searches[variant].counted_epochs(number).items():
        # A file that is missing or damaged is the report's to name.
        with suppress(OSError, ValueError, LookupError, SafetensorError):
            keep_epochs(folder.predictions_of(FoldRun(variant, number, fold)), sorted(epochs))


class CheckpointCleanup:
    """Sweeps whenever a configuration closes."""

    def __init__(self, folder: StudyFolder) -> None:
        """Sweep the study in `folder`."""
        self._folder = folder
        self._conductor: Conductor | None = None

    def follow(self, conductor: Conductor) -> None:
        """Sweep for `conductor` from now on."""
        self._conductor = conductor

    def __call__(self, event: Event) -> None:
        """Take in one event of the ledger."""
        if self._conductor is not None and isinstance(event, Closed):
            sweep_checkpoints(self._folder, self._conductor)
            if event.outcome is Phase.COMPLETE:
                sweep_probabilities(self._folder, self._conductor, event.variant, event.config)

"""Stops Ray Tune's loop in good order when there is no room to keep what a study has to keep."""

from collections.abc import Callable
from typing import Any, TypeVar

from ray import tune

from study.files import StorageFull

T = TypeVar("T")


class StorageStopper(tune.Stopper):
    """Ends Tune's loop once there is a `reason`: an exception would be taken for a run's own error."""

    def __init__(self) -> None:
        """No reason so far."""
        self.reason: StorageFull | None = None

    def attempt(self, action: Callable[[], T], otherwise: T) -> T:
        """What `action` gives; `otherwise` where there is no room to keep what it decides, or was none before."""
        if self.reason is not None:
            return otherwise
        try:
            return action()
        except StorageFull as full:
            self.reason = full
            return otherwise

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single run is stopped by this."""
        return False

    def stop_all(self) -> bool:
        """Whether the study has to pause."""
        return self.reason is not None

"""Puts a study into MLflow from a thread of its own: training never waits for a database."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from study.errors import type_and_line
from study.record.events import Event
from study.record.plan import Plan
from study.report.view import ReportView
from study.tracking.arrivals import Arrivals
from study.tracking.store import End, Store
from study.tracking.uri import check_uri, experiment_link, viewer_command, without_credentials

FINISH_SECONDS = 120.0
ATTEMPTS = 3
RETRY_SECONDS = 10.0
# A write takes the longer the more has arrived since the last. So many times as long nothing is written: the thread
# shares its time with the one that decides.
PAUSE = 10.0
TROUBLE_LENGTH = 160  # the text of a refused connection is very long


@dataclass(frozen=True)
class TrackingLink:
    """Where to look at a study: what to type first (nothing for a running server), the page, and what went wrong."""

    command: str
    url: str
    warning: str = ""


class Tracker:
    """A listener of a study's events that writes them to MLflow. It never blocks training and never ends it.

    What it writes follows from the events alone and is compared with what MLflow holds, so a study that is
    continued, or whose tracking failed for a while, ends with every run once.
    """

    def __init__(self, uri: str | None, output: Path, plan: Plan) -> None:
        """Track the study of `plan` at `uri`, by default in a database in `output`.

        Raises:
            UserError: MLflow cannot write there.
        """
        self._uri = check_uri(uri, output)
        self._output = output.absolute()
        self._plan = plan
        self._inbox: SimpleQueue[tuple[float, Event] | End] = SimpleQueue()
        self._experiment = ""
        self._trouble = ""
        # MLflow's tables raise it under SQLAlchemy 2.1. Here, since filters belong to the main thread.
        warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Add one event, new or read again from the ledger."""
        self._inbox.put((time.time(), event))

    def finish(self, view: ReportView | None, artifacts: Sequence[Path] = ()) -> TrackingLink:
        """Where to look, once everything is written or two minutes have passed.

        `view` is the study's report; None stands for an interrupted study, whose runs are marked as killed until a
        continuation takes them up. `artifacts` are files that are kept beside the runs.
        """
        self._inbox.put(End(view, tuple(artifacts)))
        self._thread.join(FINISH_SECONDS)
        if self._thread.is_alive():
            self._trouble = self._trouble or f"it was not done after {FINISH_SECONDS:.0f} s"
        url = experiment_link(self._uri, self._experiment, "tags.level = 'study'")
        if not self._trouble:
            return TrackingLink(viewer_command(self._uri), url)
        place = without_credentials(self._uri)
        warning = f"MLflow at {place} does not hold all of this study: {self._trouble}; "
        return TrackingLink(viewer_command(self._uri), url, f"{warning}the same command again writes what is missing")

    def _work(self) -> None:
        arrivals, store, end = Arrivals(self._plan), None, None
        had_trouble, due = False, 0.0
        while end is None:
            end = self._await_work(arrivals, due)
            if end is not None and had_trouble:
                store = None  # a server may have done late what it seemed to have lost: look once more
            for attempt in range(ATTEMPTS if end else 1):
                time.sleep(attempt)
                # Whatever goes wrong in a tracker must not end a study; it is reported at its end.
                try:
                    if store is None and arrivals.identity:
                        store = Store(self._uri, self._output, self._plan, arrivals.identity)
                        self._experiment = store.experiment
                    begun = time.monotonic()
                    if store is not None:
                        store.write(arrivals, end)
                    due = time.monotonic() + PAUSE * (time.monotonic() - begun)
                    self._trouble = ""
                    break
                except Exception as error:
                    self._trouble = without_credentials(type_and_line(error))[:TROUBLE_LENGTH]
                    # What arrived of an answerless request is not known: the next attempt looks, and repeats nothing.
                    store, had_trouble = None, True

    def _await_work(self, arrivals: Arrivals, due: float) -> End | None:
        """Add events as they arrive until there is something to write, and it is `due` by the monotonic clock.

        Returns the study's end once it has come.
        """
        is_new = False
        while not is_new or not self._inbox.empty() or time.monotonic() < due:
            wait = max(0.0, due - time.monotonic()) if is_new else RETRY_SECONDS if self._trouble else None
            try:
                item = self._inbox.get(timeout=wait)
            except Empty:
                return None  # it is due; or nothing is new, and what could not be written before is still to do
            if isinstance(item, End):
                return item
            is_new |= arrivals.add(*item)
        return None

"""Puts a study into MLflow from a thread of its own: training never waits for a database."""

import logging
import os
import platform
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from study.results.aggregate import ConfigResult
from study.results.arrivals import Arrivals, Key
from study.results.plan import Plan
from study.results.run_tree import Point, RunNode, config_nodes, config_title, study_node
from study.results.study_summary import Ending, note, saved_view, study_ending
from study.results.tracking_uri import check_uri, experiment_link, viewer_command

FINISH_SECONDS = 120.0
ATTEMPTS = 3
RETRY_SECONDS = 10.0
POINTS_PER_CALL = 1000  # MLflow takes no more
TROUBLE_LENGTH = 160  # a refused connection is told at great length


@dataclass(frozen=True)
class TrackingLink:
    """Where to look at a study: what to type first (nothing for a running server), the page, and what went wrong."""

    command: str
    url: str
    warning: str = ""


@dataclass(frozen=True)
class _End:
    report: Mapping[str, Any] | None
    artifacts: tuple[Path, ...]


class Tracker:
    """A listener of the ledger that brings MLflow up to it. It never blocks training and never ends it.

    What it writes follows from the records alone and is compared with what MLflow holds, so a study that is
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
        self._inbox: SimpleQueue[tuple[float, Mapping[str, Any]] | _End] = SimpleQueue()
        self._experiment = ""
        self._trouble = ""
        # MLflow's tables raise it under SQLAlchemy 2.1. Here, since filters belong to the main thread.
        warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take in one ledger record, new or read again."""
        self._inbox.put((time.time(), record))

    def finish(self, report: Mapping[str, Any] | None, artifacts: Sequence[Path], outcome: str) -> TrackingLink:
        """Where to look, once everything is written or two minutes have passed.

        `report` is as in `report.json`. With the `outcome` "interrupted" the study's run is marked as killed
        until a continuation takes it up; else `outcome` is "finished".
        """
        self._inbox.put(_End(None if outcome == "interrupted" else report, tuple(artifacts)))
        self._thread.join(FINISH_SECONDS)
        if self._thread.is_alive():
            self._trouble = self._trouble or f"it was not done after {FINISH_SECONDS:.0f} s"
        url = experiment_link(self._uri, self._experiment, "tags.level = 'study'")
        if not self._trouble:
            return TrackingLink(viewer_command(self._uri), url)
        warning = f"MLflow at {self._uri} does not hold all of this study: {self._trouble}; the same command again "
        return TrackingLink(viewer_command(self._uri), url, warning + "writes what is missing")

    def _work(self) -> None:
        arrivals, store, end = Arrivals(), None, None
        had_trouble = False
        while end is None:
            end = self._await_work(arrivals)
            if end is not None and had_trouble:
                store = None  # a server may have done late what it seemed to have lost: look once more
            for attempt in range(ATTEMPTS if end else 1):
                time.sleep(attempt)
                # Whatever goes wrong in a tracker must not cost a study; it is told at the end.
                try:
                    if store is None and arrivals.identity:
                        store = _Store(self._uri, self._output, self._plan, arrivals.identity)
                        self._experiment = store.experiment
                    if store is not None:
                        store.write(arrivals, end)
                    self._trouble = ""
                    break
                except Exception as error:
                    self._trouble = f"{type(error).__name__}: {error}".splitlines()[0][:TROUBLE_LENGTH]
                    # What arrived of an answerless request is not known: the next attempt looks, and repeats nothing.
                    store, had_trouble = None, True

    def _await_work(self, arrivals: Arrivals) -> _End | None:
        """Take in what comes until there is something to write, and all of what has come by then."""
        due = False
        while not due or not self._inbox.empty():
            try:
                item = self._inbox.get(timeout=RETRY_SECONDS if self._trouble else None)
            except Empty:
                return None  # nothing new, but what could not be written before is still to do
            if isinstance(item, _End):
                return item
            due |= arrivals.add(*item)
        return None


@dataclass
class _Known:
    """A run that MLflow holds, as far as it matters here."""

    id: str
    started: float
    status: str = "RUNNING"
    selected: bool = False
    figures: Mapping[str, float] | None = None
    is_empty: bool = False


class _Store:
    """The runs of one study in MLflow, and the only place where MLflow is used."""

    def __init__(self, uri: str, output: Path, plan: Plan, ledger: str) -> None:
        """Find what MLflow holds of the study already. Imports MLflow, which takes seconds."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        # A library that repeats a request by itself may create a run twice.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        import mlflow

        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._entities = mlflow.entities
        self._client = mlflow.MlflowClient(uri)
        self._plan = plan
        self._tags = {"study": plan.name, "ledger": ledger, "kept in": f"{platform.node()}:{output}"}
        self._runs: dict[Key, _Known] = {}
        self._written: dict[Key, int] = {}
        self.experiment = self._find_experiment(output / "artifacts" if uri.startswith("sqlite") else None)
        self._find_runs()

    def write(self, arrivals: Arrivals, end: _End | None) -> None:
        """Bring MLflow up to `arrivals`, and with `end` to the study's end."""
        found = arrivals.results()
        for variant in arrivals.variants():
            self._take_up(study_node(variant, arrivals, self._plan))
            for config in found[variant]:
                self._write_config(config, arrivals)
            if end is not None:
                text = note(variant, found[variant], self._plan, end.report)
                self._conclude(Key(variant), study_ending(variant, end.report), text, end.artifacts)

    def _find_experiment(self, artifacts: Path | None) -> str:
        """The experiment that holds every study of this corpus and these labels: what may be compared."""
        name = f"{self._plan.corpus['name']}, {len(self._plan.classes)} classes: {', '.join(self._plan.classes)}"
        known = self._client.get_experiment_by_name(name)
        if known is None:
            tags = {"mlflow.experimentKind": "custom_model_development", **saved_view(self._plan.metric)}
            return str(self._client.create_experiment(name, artifacts.as_uri() if artifacts else None, tags))
        if known.lifecycle_stage == "deleted":
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _find_runs(self) -> None:
        """Take up this study's runs, and end those that a study of this name, started over since, left running."""
        token, more = None, True
        while more:
            page = self._client.search_runs(
                [self.experiment], f"tags.study = '{self._plan.name}'", max_results=1000, page_token=token
            )
            for run in page:
                tags, info = run.data.tags, run.info
                if tags.get("ledger") == self._tags["ledger"]:
                    self._take_in(run)
                elif tags.get("kept in") == self._tags["kept in"] and info.status == "RUNNING":
                    self._client.set_tag(info.run_id, "outcome", "started over")
                    self._client.set_terminated(info.run_id, "KILLED")
            token, more = page.token, bool(page.token)

    def _take_in(self, run: Any) -> None:
        """Know a run that MLflow holds; of two for one key, which a lost answer can leave, the empty one goes."""
        tags, info = run.data.tags, run.info
        key, selected = Key.of(tags), tags.get("selected") == "true"
        found = _Known(info.run_id, info.start_time / 1000, info.status, selected, run.data.metrics)
        found.is_empty = not run.data.metrics and not run.data.params
        twin = self._runs.get(key)
        if twin is not None:
            self._client.delete_run(found.id if found.is_empty else twin.id)
        if twin is None or not found.is_empty:
            self._runs[key] = found

    def _take_up(self, study: RunNode) -> None:
        """Have a run for the study, marked as running."""
        known = self._runs.get(study.key)
        if known is None:
            self._log(self._create(study), study.points, study.params)
        elif known.status != "RUNNING":
            self._client.update_run(known.id, "RUNNING")
            known.status = "RUNNING"

    def _write_config(self, config: ConfigResult, arrivals: Arrivals) -> None:
        """Write a configuration and its fold runs, as far as MLflow does not hold them."""
        key = Key(config.variant, config.number)
        n_results = arrivals.results_under(key)
        if config.outcome == "open" or self._written.get(key) == n_results:
            return
        for node in config_nodes(config, arrivals, self._plan):
            run = self._runs.get(node.key) or self._create(node)
            held = (run.figures or {}).get("epochs")
            if (run.status, held) != (node.status, node.epochs):
                self._log(run, node.points, node.params, node.tags)
                # The status comes last: a run that has it holds everything.
                self._client.set_terminated(run.id, node.status, round(max(node.ended, run.started) * 1000))
                run.status, run.figures = node.status, {"epochs": node.epochs}
        self._written[key] = n_results

    def _conclude(self, study: Key, ending: Ending, text: str, artifacts: Sequence[Path]) -> None:
        """Write what can be said of a study once it ends, and end its run."""
        run = self._runs[study]
        for key, other in self._runs.items():
            selected = key == Key(study.variant, ending.selected)
            if key.parent == study and ending.is_final and other.selected != selected:
                self._client.set_tag(other.id, "selected", str(selected).lower())
                self._client.update_run(other.id, name=config_title(key, selected))
                other.selected = selected
        for path in artifacts:
            if not path.name.startswith("confusion-") or path.stem == f"confusion-{study.variant}":
                self._client.log_artifact(run.id, str(path))
        self._client.log_dict(run.id, asdict(self._plan), "plan.json")
        known = run.figures or {}
        changed = ending.figures if any(known.get(name) != value for name, value in ending.figures.items()) else {}
        points = [Point(name, value, 0, time.time() - run.started) for name, value in changed.items()]
        self._log(run, points, tags={**ending.tags, "mlflow.note.content": text})
        self._client.set_terminated(run.id, ending.status)
        run.status, run.figures = ending.status, ending.figures

    def _create(self, node: RunNode) -> _Known:
        parent = {"mlflow.parentRunId": self._runs[node.key.parent].id} if node.key.parent else {}
        tags = {**self._tags, **node.key.tags, **node.tags, **parent}
        run = self._client.create_run(self.experiment, round(node.started * 1000), tags, node.name)
        self._runs[node.key] = _Known(run.info.run_id, node.started)
        return self._runs[node.key]

    def _log(
        self,
        run: _Known,
        points: Sequence[Point],
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write points, params and tags. Times count from the start on record: MLflow drops what it has already."""
        metric, param, tag = self._entities.Metric, self._entities.Param, self._entities.RunTag
        metrics = [metric(at.name, at.value, round((run.started + at.after) * 1000), at.step) for at in points]
        for start in range(0, max(len(metrics), 1), POINTS_PER_CALL):
            self._client.log_batch(
                run.id,
                metrics[start : start + POINTS_PER_CALL],
                [param(name, value) for name, value in (params or {}).items()],
                [tag(name, value) for name, value in (tags or {}).items()],
            )

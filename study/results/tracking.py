"""Puts a study into MLflow from a thread of its own: training never waits for a database."""

import logging
import os
import platform
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from study.results.aggregate import ConfigResult, best_by_validation, configurations
from study.results.plan import Plan
from study.results.run_tree import Arrivals, Key, RunNode, config_nodes, note, study_figures, study_node
from study.results.tracking_uri import check_uri, experiment_link, viewer_command

FINISH_SECONDS = 120.0
ATTEMPTS = 3
# MLflow takes no more in one call.
POINTS_PER_CALL = 1000


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
    outcome: str


class Tracker:
    """A listener of the ledger that brings MLflow up to it. It never raises and never blocks while training runs.

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
        # Raised by MLflow's own tables under SQLAlchemy 2.1. Set here since only the main thread may filter.
        warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take in one ledger record, new or read again."""
        self._inbox.put((time.time(), record))

    def finish(self, report: Mapping[str, Any] | None, artifacts: Sequence[Path], outcome: str) -> TrackingLink:
        """Where to look, once everything is written or two minutes have passed.

        `report` is as in `report.json`, None if there is none; `outcome` is "finished" or "interrupted".
        """
        self._inbox.put(_End(report, tuple(artifacts), outcome))
        self._thread.join(FINISH_SECONDS)
        if self._thread.is_alive():
            self._trouble = self._trouble or f"it was not done after {FINISH_SECONDS:.0f} s"
        warning = f"MLflow at {self._uri} does not hold all of this study: {self._trouble}; the ledger does, and "
        warning += "the same command again writes what is missing"
        return TrackingLink(
            viewer_command(self._uri),
            experiment_link(self._uri, self._experiment, "tags.level = 'study'"),
            warning if self._trouble else "",
        )

    def _work(self) -> None:
        arrivals, end, store = Arrivals(), None, None
        while end is None:
            end = self._await_work(arrivals)
            for attempt in range(ATTEMPTS if end else 1):
                time.sleep(attempt)
                # Whatever goes wrong in a tracker must not cost a study. It is told at the end.
                try:
                    if store is None and arrivals.identity:
                        store = _Store(self._uri, self._output, self._plan, arrivals.identity)
                        self._experiment = store.experiment
                    if store is not None:
                        store.write(arrivals, end)
                    self._trouble = ""
                    break
                except Exception as error:
                    self._trouble = next(iter(str(error).splitlines()), "") or type(error).__name__

    def _await_work(self, arrivals: Arrivals) -> _End | None:
        """Take in what comes until there is something to write: a first result, a closed configuration, or the end."""
        due = False
        while not due or not self._inbox.empty():
            item = self._inbox.get()
            if isinstance(item, _End):
                return item
            due |= arrivals.add(*item)
        return None


@dataclass
class _Known:
    """A run that MLflow holds, as far as it matters here."""

    id: str
    status: str
    started: float
    epochs: int
    selected: bool
    figures: dict[str, float]


class _Store:
    """The runs of one study in MLflow, and the only place where MLflow is used."""

    def __init__(self, uri: str, output: Path, plan: Plan, ledger: str) -> None:
        # Seconds of imports, paid in the background and only by a process that tracks.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        import mlflow

        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._mlflow = mlflow
        self._client = mlflow.MlflowClient(uri)
        self._plan = plan
        self._tags = {"study": plan.name, "ledger": ledger, "kept in": f"{platform.node()}:{output}"}
        self.experiment = self._find_experiment(output / "artifacts" if uri.startswith("sqlite") else None)
        self._runs: dict[Key, _Known] = {}
        self._done: set[tuple[Key, int]] = set()
        self._find_runs()

    def write(self, arrivals: Arrivals, end: _End | None) -> None:
        """Bring MLflow up to `arrivals`, and with `end` to the study's end."""
        for variant, configs in configurations(arrivals.records).items():
            if variant not in arrivals.variants:
                continue
            self._adopt(study_node(variant, configs, arrivals, self._plan))
            for config in configs:
                self._write_config(config, arrivals)
            self._write_figures(Key(variant), study_figures(configs, self._plan.metric))
            if end is not None:
                self._conclude(variant, configs, end)

    def _find_experiment(self, artifacts: Path | None) -> str:
        """The experiment that holds every study of this corpus and these labels: what may be compared."""
        name = f"{self._plan.corpus['name']}, {len(self._plan.classes)} classes: {', '.join(self._plan.classes)}"
        known = self._client.get_experiment_by_name(name)
        if known is None:
            where = artifacts.as_uri() if artifacts else None
            tags = {"mlflow.experimentKind": "custom_model_development"}
            return str(self._client.create_experiment(name, where, tags))
        if known.lifecycle_stage == "deleted":
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _find_runs(self) -> None:
        """Take up this study's runs, and end those that a study of this name, started over since, left running."""
        page = None
        while page is None or page.token:
            token = page.token if page else None
            page = self._client.search_runs(
                [self.experiment], f"tags.study = '{self._plan.name}'", max_results=1000, page_token=token
            )
            for run in page:
                tags, info = run.data.tags, run.info
                if tags["ledger"] == self._tags["ledger"]:
                    self._runs[Key.of(tags)] = _Known(
                        info.run_id,
                        info.status,
                        info.start_time / 1000,
                        int(run.data.metrics.get("epochs", 0)),
                        "selected" in tags,
                        run.data.metrics,
                    )
                elif tags["kept in"] == self._tags["kept in"] and info.status == "RUNNING":
                    self._client.set_tag(info.run_id, "outcome", "started over")
                    self._client.set_terminated(info.run_id, "KILLED")

    def _adopt(self, study: RunNode) -> None:
        """Have a run for the study that is marked as running."""
        known = self._runs.get(study.key)
        if known is None:
            known = self._create(study)
            self._log(known, study)
        elif known.status != "RUNNING":
            self._client.update_run(known.id, "RUNNING")
            known.status = "RUNNING"

    def _write_config(self, config: ConfigResult, arrivals: Arrivals) -> None:
        key = Key(config.variant, config.number)
        if config.outcome == "open" or (key, config.epochs_run) in self._done:
            return
        for node in config_nodes(config, arrivals, self._plan):
            known = self._runs.get(node.key)
            if known is None:
                known = self._create(node)
            if (known.status, known.epochs) != (node.status, node.epochs):
                self._log(known, node)
                # The status comes last: a run that has it holds everything.
                ended = max(node.ended, known.started)
                self._client.set_terminated(known.id, node.status, round(ended * 1000))
                known.status, known.epochs = node.status, node.epochs
        self._done.add((key, config.epochs_run))

    def _create(self, node: RunNode) -> _Known:
        parent = {"mlflow.parentRunId": self._runs[node.key.parent].id} if node.key.parent else {}
        tags = {**self._tags, **node.key.tags, **node.tags, **parent}
        run = self._client.create_run(self.experiment, round(node.started * 1000), tags, node.name)
        known = _Known(run.info.run_id, "RUNNING", node.started, -1, False, {})
        self._runs[node.key] = known
        return known

    def _log(self, run: _Known, node: RunNode) -> None:
        """Write what `node` holds. Times count from the start on record, so MLflow drops what it has already."""
        entities = self._mlflow.entities
        params = [entities.Param(name, value) for name, value in node.params.items()]
        tags = [entities.RunTag(name, value) for name, value in node.tags.items()]
        metrics = [
            entities.Metric(point.name, point.value, round((run.started + point.after) * 1000), point.step)
            for point in node.points
        ]
        self._client.log_batch(run.id, metrics[:POINTS_PER_CALL], params, tags)
        for start in range(POINTS_PER_CALL, len(metrics), POINTS_PER_CALL):
            self._client.log_batch(run.id, metrics[start : start + POINTS_PER_CALL])

    def _write_figures(self, study: Key, figures: dict[str, float]) -> None:
        run = self._runs[study]
        if figures != {name: run.figures.get(name) for name in figures}:
            now = round(time.time() * 1000)
            metrics = [self._mlflow.entities.Metric(name, value, now, 0) for name, value in figures.items()]
            self._client.log_batch(run.id, metrics)
            run.figures = figures

    def _conclude(self, variant: str, configs: Sequence[ConfigResult], end: _End) -> None:
        run = self._runs[Key(variant)]
        best = best_by_validation(configs, self._plan.metric)
        chosen = Key(variant, best.number) if best else None
        for key, known in self._runs.items():
            if key.variant == variant and key.fold is None and key.config is not None:
                if known.selected and key != chosen:
                    self._client.delete_tag(known.id, "selected")
                elif key == chosen and not known.selected:
                    self._client.set_tag(known.id, "selected", "true")
                known.selected = key == chosen
        for path in end.artifacts:
            if not path.name.startswith("confusion-") or path.stem == f"confusion-{variant}":
                self._client.log_artifact(run.id, str(path))
        self._client.log_dict(run.id, asdict(self._plan), "plan.json")
        closed = [config for config in configs if config.outcome != "open"]
        cut_short = end.outcome == "interrupted" and len(closed) < self._plan.n_configs
        status = "KILLED" if cut_short else "FINISHED" if best else "FAILED"
        tags = {"outcome": "interrupted" if cut_short else "complete" if best else "failed"}
        tags["mlflow.note.content"] = note(self._plan, variant, configs, end.report)
        if best:
            tags |= {f"selected.{name}": str(value) for name, value in best.params.items()}
        entities = self._mlflow.entities
        self._client.log_batch(run.id, tags=[entities.RunTag(name, value) for name, value in tags.items()])
        self._client.set_terminated(run.id, status)
        run.status = status

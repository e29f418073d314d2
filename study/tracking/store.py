"""The runs of one study as MLflow holds them, and how what is missing is written."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.record.events import Phase
from study.record.plan import Plan
from study.record.results import ConfigResult
from study.report.view import ReportView
from study.sqlite_uri import sqlite_path
from study.tracking.arrivals import Arrivals
from study.tracking.database import ARTIFACTS, follow_folder, make_database
from study.tracking.limits import PARAM_LENGTH, TAG_LENGTH, short_name, short_values
from study.tracking.run_tree import Key, Point, RunNode, config_nodes, config_title, study_node
from study.tracking.search_progress import STEP
from study.tracking.study_summary import Ending, experiment_title, note, saved_view, study_ending

POINTS_PER_CALL = 1000  # MLflow takes no more


@dataclass(frozen=True)
class End:
    """How a study ended: its report, None for an interrupted one, and the files to keep beside its run."""

    view: ReportView | None
    artifacts: tuple[Path, ...] = ()


@dataclass
class _Known:
    """A run that MLflow holds, as far as it matters here."""

    id: str
    started: float
    status: str = "RUNNING"
    selected: bool = False
    figures: Mapping[str, float] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    is_empty: bool = False


class Store:
    """The runs of one study in MLflow."""

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
        database = sqlite_path(uri)
        if database is not None:
            make_database(database)
            if database.parent == output:
                follow_folder(database)
        self._entities = mlflow.entities
        self._client = mlflow.MlflowClient(uri)
        self._plan = plan
        self._tags = {"study": plan.name, "ledger": ledger, "kept in": f"{platform.node()}:{output}"}
        self._runs: dict[Key, _Known] = {}
        self._written: dict[Key, int] = {}
        self.experiment = self._find_experiment((output / ARTIFACTS).as_uri() if database is not None else None)
        self._find_runs()

    def write(self, arrivals: Arrivals, end: End | None) -> None:
        """Bring MLflow up to `arrivals`, and with `end` to the study's end."""
        for variant in arrivals.variants():
            configs = arrivals.configurations(variant)
            self._start_study(variant, arrivals)
            for config in configs:
                self._write_config(config, arrivals)
            self._write_progress(variant, arrivals)
            if end is not None:
                text = note(variant, configs, self._plan, end.view)
                self._conclude(Key(variant), study_ending(variant, end.view), text, end.artifacts)

    def _find_experiment(self, artifacts: str | None) -> str:
        """The id of the experiment that the study belongs to, which is created or restored where it has to be."""
        name = experiment_title(self._plan)
        known = self._client.get_experiment_by_name(name)
        if known is None:
            tags = {"mlflow.experimentKind": "custom_model_development", **saved_view(self._plan.metric)}
            return str(self._client.create_experiment(name, artifacts, tags))
        if known.lifecycle_stage == "deleted":
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _find_runs(self) -> None:
        """Find this study's runs, and end those that a study of this name, started over since, left running."""
        token, more = None, True
        while more:
            page = self._client.search_runs(
                [self.experiment], f"tags.study = '{self._plan.name}'", max_results=1000, page_token=token
            )
            for run in page:
                tags, info = run.data.tags, run.info
                if tags.get("ledger") == self._tags["ledger"]:
                    self._add_found(run)
                elif tags.get("kept in") == self._tags["kept in"] and info.status == "RUNNING":
                    self._client.set_tag(info.run_id, "outcome", "started over")
                    self._client.set_terminated(info.run_id, "KILLED")
            token, more = page.token, bool(page.token)

    def _add_found(self, run: Any) -> None:
        """Add a run that MLflow holds; of two for one key, which a lost answer can leave, the empty one is deleted."""
        tags, info = run.data.tags, run.info
        key, selected = Key.from_tags(tags), tags.get("selected") == "true"
        found = _Known(info.run_id, info.start_time / 1000, info.status, selected, run.data.metrics, run.data.params)
        found.is_empty = not run.data.metrics and not run.data.params
        twin = self._runs.get(key)
        if twin is not None:
            self._client.delete_run(found.id if found.is_empty else twin.id)
        if twin is None or not found.is_empty:
            self._runs[key] = found

    def _start_study(self, variant: str, arrivals: Arrivals) -> None:
        """Create the run of a variant's study, or mark it as running again."""
        known = self._runs.get(Key(variant))
        if known is None:
            study = study_node(variant, arrivals, self._plan)
            self._log(self._create(study), study.points, study.params)
        elif known.status != "RUNNING":
            self._client.update_run(known.id, "RUNNING")
            known.status = "RUNNING"

    def _write_progress(self, variant: str, arrivals: Arrivals) -> None:
        """Write the steps of a variant's search that MLflow does not hold."""
        run = self._runs[Key(variant)]
        known = int((run.figures or {}).get(STEP, 0))
        steps = arrivals.steps(variant)[known:]
        if steps:
            points = [
                Point(name, value, step.number, step.at - run.started)
                for step in steps
                for name, value in step.figures.items()
            ]
            self._log(run, points)
            run.figures = {**(run.figures or {}), **steps[-1].figures}

    def _write_config(self, config: ConfigResult, arrivals: Arrivals) -> None:
        """Write a configuration and its fold runs, as far as MLflow does not hold them."""
        key = Key(config.variant, config.number)
        n_results = arrivals.n_results(config)
        if config.outcome is Phase.OPEN or self._written.get(key) == n_results:
            return
        self._drop_other(key, short_values({n: str(v) for n, v in config.params.items()}, PARAM_LENGTH))
        for node in config_nodes(config, arrivals, self._plan):
            run = self._runs.get(node.key) or self._create(node)
            held = (run.figures or {}).get("epochs")
            if (run.status, held) != (node.status, node.epochs):
                self._log(run, node.points, node.params, node.tags)
                # The status comes last: a run that has it holds everything.
                self._client.set_terminated(run.id, node.status, round(max(node.ended, run.started) * 1000))
                run.status, run.figures = node.status, {"epochs": node.epochs}
        self._written[key] = n_results

    def _drop_other(self, key: Key, params: Mapping[str, str]) -> None:
        """Delete a configuration that was found with other parameters: its variant failed, and has begun anew."""
        found = self._runs.get(key)
        if found is None or not found.params or found.params == params:
            return
        for each in [each for each in self._runs if key in (each, each.parent)]:
            self._client.delete_run(self._runs.pop(each).id)

    def _conclude(self, study: Key, ending: Ending, text: str, artifacts: Sequence[Path]) -> None:
        """Write the end of a study: its selection, files, figures and note; then end its run."""
        run = self._runs[study]
        if ending.is_final:
            self._mark_selected(study, ending.selected)
        for path in artifacts:
            if not path.name.startswith("confusion-") or path.stem == f"confusion-{study.variant}":
                self._client.log_artifact(run.id, str(path))
        self._client.log_dict(run.id, self._plan.to_json(), "plan.json")
        known = run.figures or {}
        changed = ending.figures if any(known.get(name) != value for name, value in ending.figures.items()) else {}
        points = [Point(name, value, 0, time.time() - run.started) for name, value in changed.items()]
        self._log(run, points, tags={**ending.tags, "mlflow.note.content": text})
        self._client.set_terminated(run.id, ending.status)
        run.status, run.figures = ending.status, ending.figures

    def _mark_selected(self, study: Key, number: int | None) -> None:
        """Mark configuration `number` as the selected one, in its tags and its name, and no other."""
        for key, run in self._runs.items():
            selected = key == Key(study.variant, number)
            if key.parent == study and run.selected != selected:
                self._client.set_tag(run.id, "selected", str(selected).lower())
                self._client.update_run(run.id, name=config_title(key, selected))
                run.selected = selected

    def _create(self, node: RunNode) -> _Known:
        parent = {"mlflow.parentRunId": self._runs[node.key.parent].id} if node.key.parent else {}
        tags = short_values({**self._tags, **node.key.tags, **node.tags, **parent}, TAG_LENGTH)
        run = self._client.create_run(self.experiment, round(node.started * 1000), tags, short_name(node.name))
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
                [param(name, value) for name, value in short_values(params or {}, PARAM_LENGTH).items()],
                [tag(name, value) for name, value in short_values(tags or {}, TAG_LENGTH).items()],
            )

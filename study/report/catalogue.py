"""The studies of an output folder, each in a row: what `ser-study list` shows.

A row follows from the study's plan, ledger and report alone, and decisions are not taken again: it is for finding a
study, and the figures to rely on are those of its report.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.protocols import PROTOCOLS
from study.record.events import Closed, EpochDone, Record, StudyBegun
from study.record.folder import StudyFolder
from study.record.ledger import read_records
from study.record.plan import Plan
from study.record.results import configurations


class State(StrEnum):
    """Where a study stands."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    FAILED = "failed"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class StudyRow:
    """A study at a glance.

    Attributes:
        closed: configurations whose search is over, over all variants.
        asked: configurations that it was asked for, over all variants that are trained; None where time is the limit.
        metric: what selects, as in METRICS.
        best: the best validation score of what is selected now, over its variants; None while nothing is.
        best_variant: the variant that has it.
        changed: when something last happened, in seconds since the epoch.
        disk_bytes: of its folder; features are shared by studies and not among them.
        reason: why it is damaged; empty for all others.
    """

    name: str
    state: State
    variants: tuple[str, ...] = ()
    closed: int = 0
    asked: int | None = None
    metric: str = ""
    best: float | None = None
    best_variant: str = ""
    changed: float = 0.0
    disk_bytes: int = 0
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return asdict(self)


def catalogue(output: Path) -> list[StudyRow]:
    """The studies in `output`, the one that changed last first.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        places = [path for path in (output / "studies").iterdir() if path.is_dir() and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"--output expects a folder of studies; {output} cannot be read ({error.strerror})") from None
    rows = [_row(StudyFolder(path)) for path in places]
    return sorted(rows, key=lambda row: (-row.changed, row.name))


def _row(folder: StudyFolder) -> StudyRow:
    known = StudyRow(folder.path.name, State.DAMAGED, changed=_changed(folder), disk_bytes=_size(folder.path))
    try:
        plan = Plan.read(folder)
        records = list(read_records(folder.ledger)) if folder.ledger.exists() else []
        return _of(plan, records, folder, known)
    except UserError as error:
        reason = str(error)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"{folder.plan} and its ledger do not belong together ({type(error).__name__}: {error})"
    return replace(known, reason=" ".join(reason.split()))


def _of(plan: Plan, records: Sequence[Record], folder: StudyFolder, known: StudyRow) -> StudyRow:
    events = [record for record in records if not isinstance(record, StudyBegun)]
    found = configurations(events, plan.terms.seeds, plan.terms.epoch_rule)
    scores: dict[str, float] = {}
    for name, configs in found.items():
        if outcome := PROTOCOLS[plan.terms.protocol].outcome(plan, configs):
            scores[name] = outcome.figures["validation"][plan.metric].mean
    report = _report(folder, records)
    scores |= _reported(report, plan.metric)
    begun = [name for record in records if isinstance(record, StudyBegun) for name in record.spaces]
    n_trained = len(set(begun or plan.variants).intersection(plan.variants))
    return replace(
        known,
        state=_state(folder, report),
        variants=tuple(plan.variants),
        closed=sum(isinstance(record, Closed) for record in records),
        asked=None if plan.seconds is not None else plan.terms.n_configs * plan.terms.n_searches * n_trained,
        metric=plan.metric,
        best=max(scores.values(), default=None),
        best_variant=max(scores, key=lambda name: scores[name], default=""),
    )


def _state(folder: StudyFolder, report: Mapping[str, Any]) -> State:
    if folder.is_held():
        return State.RUNNING
    if not report or report["unfinished"]:
        return State.INTERRUPTED
    has_all = all(variant["tuned"] for variant in report["variants"].values())
    return State.FINISHED if has_all else State.FAILED


def _report(folder: StudyFolder, records: Sequence[Record]) -> Mapping[str, Any]:
    """The study's report if it is of all that the ledger has; empty otherwise."""
    try:
        report: Mapping[str, Any] = json.loads((folder.path / "report.json").read_text(encoding="utf-8"))
        trained = Counter(record.variant for record in records if isinstance(record, EpochDone))
        reported = {name: variant["cost"]["epochs"] for name, variant in report["variants"].items()}
        has_gone_on = bool(records) and isinstance(records[-1], StudyBegun)
        is_whole = {name: n for name, n in reported.items() if n} == trained and not has_gone_on
        return report if is_whole and isinstance(report["unfinished"], str) else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # `ser-study report NAME` writes it again


def _reported(report: Mapping[str, Any], metric: str) -> dict[str, float]:
    """The best validation scores as the report has them, by variant."""
    return {
        name: float(variant["tuned"]["figures"]["validation"][metric]["mean"])
        for name, variant in report.get("variants", {}).items()
        if variant["tuned"] and variant["selected"] is not None
    }


def _changed(folder: StudyFolder) -> float:
    for path in (folder.ledger, folder.plan, folder.path):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return time.time()


def _size(place: Path) -> int:
    """Bytes of the files below a folder, links left out."""
    total = 0
    for root, _, names in os.walk(place):
        for name in names:
            path = Path(root, name)
            try:
                total += path.lstat().st_size
            except OSError:  # gone in the meantime
                continue
    return total

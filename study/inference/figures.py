"""The content of metrics.json: the report's figures, and the digests of what they are computed from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from study.inference.model_config import ModelConfig
from study.inference.selected import Selected
from study.protocols import PROTOCOLS
from study.record.results import Figures
from study.report.details import details
from study.report.metric_view import parts_view
from study.report.predictions import confusions_by_block
from study.report.test_sets import apart
from study.report.view import plain
from study.samplers import SAMPLERS
from study.training.metrics import score_confusion

FORMAT = 1


def figures(selected: Selected, config: ModelConfig) -> dict[str, Any]:
    """The figures of the selected configuration, as `ser-study report` computes them, as plain values.

    Under protocol nested, `tuned` are those of the nested choices and `shared` those of the one configuration whose
    models are exported.
    """
    plan, outcome = selected.plan, selected.outcome
    protocol = PROTOCOLS[plan.terms.protocol]
    found = {
        "format": FORMAT,
        "study": plan.name,
        "variant": config.variant,
        "weights": config.weights,
        "protocol": plan.terms.protocol,
        "protocol_note": protocol.sentence(plan.terms.sampler, SAMPLERS[plan.terms.sampler].reads_scores),
        "over": protocol.over(plan),
        "held_out": protocol.held_out,
        "metric": plan.metric,
        "configuration": outcome.config.number,
        "is_published": outcome.is_published,
        "params": dict(selected.params),
        "tuned": _values(outcome.figures),
        "published": _values(outcome.published),
        "shared": _values(outcome.nested.shared if outcome.nested else None),
        "groups": _by_group(selected),
        "calibration": asdict(selected.calibration),
        "details": asdict(details(plan, outcome.figures, selected.reported, selected.validated)),
        "lacking": [asdict(each) for each in selected.lacking],
        "corpus": {name: plan.corpus[name] for name in ("name", "utterances", "classes", "groups")},
        "digests": {"plan": plan.digest(), "ledger": config.study["ledger"], "corpus": plan.corpus["digest"]},
        "environment": plan.environment,
    }
    result: dict[str, Any] = plain(found)
    return result


def _by_group(selected: Selected) -> dict[str, dict[str, float]]:
    """The metrics of each group that was tested, over all runs that tested it."""
    found = confusions_by_block(apart(selected.plan, selected.reported), len(selected.plan.classes))
    scores = {block: score_confusion(matrix) for block, matrix in found.items()}
    return {block: {name: float(value) for name, value in own.items()} for block, own in scores.items()}


def _values(figures: Figures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    return {part: {name: asdict(view) for name, view in by.items()} for part, by in parts_view(figures).items()}

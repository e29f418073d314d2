"""The figures of one division: means over its runs, on every test set, with intervals over its speakers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.record.results import spread
from study.report.details import class_recalls
from study.report.metric_view import MetricView
from study.report.predictions import TestedFold
from study.report.variant_view import TestSetView
from study.seeding import derived_seed
from study.training.metrics import METRICS, score_confusion
from study.training.resampling import Confusions, confusions_by_unit, interval, resampled, units_of


@dataclass(frozen=True)
class Counted:
    """The predictions of several runs for the same utterances, as counts by what is resampled ("speaker", "group")."""

    unit: str
    by_unit: Confusions

    @staticmethod
    def of(folds: Sequence[TestedFold], n_classes: int) -> Counted:
        """Those of `folds`, which are runs of one fold."""
        said = folds[0].utterances
        unit, units = units_of([each["speaker"] for each in said], [each.get("home") or each["group"] for each in said])
        predictions = [fold.predictions for fold in folds]
        return Counted(unit, confusions_by_unit(folds[0].labels, predictions, units, n_classes))

    @property
    def n_units(self) -> int:
        """How many speakers or groups there are."""
        return int(self.by_unit.shape[1])

    def scores(self) -> dict[str, tuple[float, ...]]:
        """By metric, the score of each run."""
        return {name: tuple(map(float, values)) for name, values in score_confusion(self.by_unit.sum(1)).items()}


def by_test_set(plan: Plan, folds: Sequence[TestedFold]) -> dict[str, list[TestedFold]]:
    """The predictions of each run for each test set, by its name; the runs are of the one fold of `plan`."""
    return {name: [_of_group(fold, name) for fold in folds] for name in set_names(plan)}


def apart(plan: Plan, folds: Sequence[TestedFold]) -> list[TestedFold]:
    """The predictions with those for every test set by themselves, as pictures and tables by block read them."""
    names = set_names(plan)
    return [_of_group(fold, name) for name in names for fold in folds] if names else list(folds)


def set_names(plan: Plan) -> tuple[str, ...]:
    """The test sets of a study of one division; nothing under other protocols."""
    return tuple(plan.folds[0]["test"]) if PROTOCOLS[plan.terms.protocol].one_division else ()


def part_view(plan: Plan, folds: Sequence[TestedFold], part: str) -> dict[str, MetricView]:
    """The view of the runs' scores on all utterances of a part, with intervals over its speakers."""
    return _metrics(plan, Counted.of(folds, len(plan.classes)), part)


def views_by_set(plan: Plan, tested: Sequence[TestedFold]) -> dict[str, TestSetView]:
    """What the runs of a setting reach on each test set."""
    return {name: _test_set(plan, name, own) for name, own in by_test_set(plan, tested).items()}


def _test_set(plan: Plan, name: str, folds: Sequence[TestedFold]) -> TestSetView:
    found = Counted.of(folds, len(plan.classes))
    recalls = class_recalls(folds, plan.classes)
    return TestSetView(len(folds[0].labels), _metrics(plan, found, name), recalls, found.unit, found.n_units)


def _metrics(plan: Plan, found: Counted, part: str) -> dict[str, MetricView]:
    """Mean, deviation and value of the runs, and the interval of the mean; none with fewer than two speakers."""
    views = {name: MetricView.of(spread(values)) for name, values in found.scores().items()}
    if found.n_units < 2:
        return {name: replace(view, low=math.nan, high=math.nan) for name, view in views.items()}
    [drawn] = resampled([found.by_unit], derived_seed(plan.terms.seed, "speakers", part))
    ends = {name: interval(drawn[name]) for name in METRICS}
    return {name: replace(view, low=ends[name][0], high=ends[name][1]) for name, view in views.items()}


def _of_group(fold: TestedFold, group: str) -> TestedFold:
    """The part of a run's predictions that is of one group."""
    places = np.flatnonzero([each["group"] == group for each in fold.utterances])
    utterances = tuple(fold.utterances[place] for place in places)
    return TestedFold(fold.run, group, utterances, fold.labels[places], fold.probabilities[places])

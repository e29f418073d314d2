"""Two systems on the same test sets of one division, compared over the speakers of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from study.plurals import counted
from study.record.plan import Plan
from study.report.evidence import Evidence
from study.report.predictions import TestedFold
from study.report.systems import untuned
from study.report.t_model import ROPE
from study.report.test_sets import Counted, by_test_set
from study.report.verdict import difference_in_words
from study.report.view import ComparisonView
from study.seeding import derived_seed
from study.training.metrics import METRICS
from study.training.resampling import interval, resampled

NOT_TESTED = "not tested"
# A name, and the counts of its predictions for one test set.
System = tuple[str, Counted]


@dataclass(frozen=True)
class Predicted:
    """A system as the tables call it, with its runs' predictions for the test part of one division."""

    name: str
    tested: Sequence[TestedFold]


def predicted(evidence: Evidence, system: str) -> Predicted:
    """The predictions of a tuned variant, or of its untuned setting."""
    settings = {**evidence.tested, **{untuned(name): folds for name, folds in evidence.published.items()}}
    return Predicted(system, settings[system])


def compare_by_speaker(plan: Plan, first: Predicted, second: Predicted) -> dict[str, list[ComparisonView]]:
    """By metric, the comparison on each test set."""
    found: dict[str, list[ComparisonView]] = {metric: [] for metric in METRICS}
    sets = by_test_set(plan, first.tested), by_test_set(plan, second.tested)
    for name in sets[0]:
        one, other = (Counted.of(own[name], len(plan.classes)) for own in sets)
        on = name if len(sets[0]) > 1 else ""
        for metric, view in _compared(plan, (first.name, one), (second.name, other), on).items():
            found[metric].append(view)
    return found


def _compared(plan: Plan, first: System, second: System, on: str) -> dict[str, ComparisonView]:
    (one, mine), (other, theirs) = first, second
    ends = dict.fromkeys(METRICS, (math.nan, math.nan))
    if mine.n_units > 1:
        drawn = resampled([mine.by_unit, theirs.by_unit], derived_seed(plan.terms.seed, "pair", one, other, on))
        ends = {metric: interval(drawn[0][metric] - drawn[1][metric]) for metric in METRICS}
    runs = " and ".join(map(str, dict.fromkeys((len(mine.by_unit), len(theirs.by_unit)))))
    over = f"{counted(mine.n_units, mine.unit)} and {runs} training runs of each"
    return {metric: _view(first, second, metric, ends[metric], on, over) for metric in METRICS}


def _view(first: System, second: System, metric: str, ends: tuple[float, float], on: str, over: str) -> ComparisonView:
    """The comparison in one metric. There is one division and no test, so there is no p, whatever the interval."""
    (one, mine), (other, theirs) = ((name, found.scores()[metric]) for name, found in (first, second))
    mean = fmean(mine) - fmean(theirs)
    where = f" on {on}" if on else ""
    return ComparisonView(
        first=one,
        second=other,
        metric=metric,
        differences=tuple(a - b for a, b in zip(mine, theirs, strict=True)) if len(mine) == len(theirs) else (mean,),
        mean=mean,
        luck=math.nan,
        low=None if math.isnan(ends[0]) else ends[0],
        high=None if math.isnan(ends[1]) else ends[1],
        p=None,
        p_holm=None,
        smallest=None,
        worse=None,
        equal=None,
        better=None,
        rope=ROPE,
        decision=NOT_TESTED,
        sentence=f"{difference_in_words(one, other, mean, *ends)}{where}; over {over}, without the luck of the search",
        on=on,
        over=over,
    )

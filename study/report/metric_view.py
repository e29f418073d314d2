"""The view of figures over folds, which other views are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from study.record.results import Spread


@dataclass(frozen=True)
class MetricView:
    """One metric over folds: mean, standard deviation (n - 1), the folds' values, and the 95 % interval of the mean.

    The interval ends within 0 and 1, as every score does.
    """

    mean: float
    std: float
    folds: tuple[float, ...]
    low: float
    high: float

    @staticmethod
    def of(spread: Spread) -> MetricView:
        """The view of a spread."""
        low, high = spread.interval()
        # An end that is not a number stays one: it comes first.
        return MetricView(spread.mean, spread.std, spread.folds, max(low, 0.0), min(high, 1.0))


# By part ("validation" or "test"), then by metric.
PartsView = Mapping[str, Mapping[str, MetricView]]


def parts_view(figures: Mapping[str, Mapping[str, Spread]]) -> PartsView:
    """The view of figures by part and metric."""
    return {part: metric_views(by) for part, by in figures.items()}


def metric_views(figures: Mapping[str, Spread]) -> dict[str, MetricView]:
    """The view of figures by metric."""
    return {name: MetricView.of(value) for name, value in figures.items()}

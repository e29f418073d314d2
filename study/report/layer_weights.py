"""The weights of encoder layers that the reported models have learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from study.plurals import counted
from study.record.events import EpochDone, FoldRun
from study.record.outcome import Outcome
from study.record.results import ConfigResult
from study.report.formats import format_score
from study.report.variant_view import LayerWeightsView, VariantView


def layer_weight_views(configs: Sequence[ConfigResult], outcome: Outcome) -> tuple[LayerWeightsView, ...]:
    """The weights after the epochs that are reported, for each stream and division into bands; none without a mix."""
    runs = {run.run: run.epochs for config in configs for run in config.runs()}
    found: dict[tuple[str, tuple[str, ...]], list[tuple[float, ...]]] = {}
    for use in outcome.uses:
        for stream, weights in (_epoch(runs[use.run], use.epoch, use.run).layer_weights or {}).items():
            found.setdefault((stream, tuple(weights)), []).append(tuple(weights.values()))
    return tuple(
        LayerWeightsView(stream, bands, tuple(map(fmean, zip(*own, strict=True))), tuple(own))
        for (stream, bands), own in found.items()
    )


def layer_weight_lines(variant: VariantView) -> Iterator[str]:
    """Each stream's weights as a sentence."""
    for view in variant.layer_weights:
        weights = ", ".join(
            f"{shown_band(band)} {format_score(weight)}" for band, weight in zip(view.bands, view.means, strict=True)
        )
        yield (
            f"Learned weights of the {view.stream} encoder's layers, mean over {counted(len(view.runs), 'run')}: "
            f"{weights} (equal: {format_score(1 / len(view.bands))})."
        )


def shown_band(band: str) -> str:
    """A band's name as it is shown: of a single layer, its number."""
    first, _, last = band.partition("-")
    return first if first == last else band


def _epoch(epochs: Sequence[EpochDone], number: int, run: FoldRun) -> EpochDone:
    found = next((epoch for epoch in epochs if epoch.epoch == number), None)
    assert found is not None, f"{run.name} has no epoch {number}"
    return found

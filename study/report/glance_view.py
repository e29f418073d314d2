"""What a report shows of all systems at a glance, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from study.report.metric_view import MetricView
from study.report.variant_view import WITHOUT_SEARCH, in_words


@dataclass(frozen=True)
class GlanceRow:
    """A system: its modalities and its role (see `VariantView`), its test score, and what it cost.

    `n_parameters` and `epoch_seconds` are those of the selected configuration, the largest where there were several
    searches; `epochs` are all that its searches trained. What no search has trained has no cost.
    """

    name: str
    modalities: tuple[str, ...]
    role: str
    test: MetricView
    n_parameters: int | None = None
    epoch_seconds: float | None = None
    epochs: int = 0

    @property
    def reads(self) -> str:
        """Its modalities in words."""
        return in_words(self.modalities)

    @property
    def is_trained(self) -> bool:
        """Whether a search has trained it."""
        return self.role not in WITHOUT_SEARCH


@dataclass(frozen=True)
class GlanceView:
    """The tuned systems, the guess and the probe, the highest mean test score first.

    `groups` has, by letter, the tuned systems that are not told apart; it is empty where no pair has a verdict. Of
    `n_pairs` pairs of tuned systems, `n_confirmed` differ after Holm's adjustment over all of them.
    """

    rows: tuple[GlanceRow, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    n_pairs: int = 0
    n_confirmed: int = 0

"""The table of systems that can be studied. A new one is a model file, a space file and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

import search_spaces.fusion
from models.cross_attention import CrossAttention
from models.fusion import FusionConfig
from models.self_attention import SelfAttention
from search_spaces import recipe
from search_spaces.recipe import Recipe

if TYPE_CHECKING:  # workers read this table without importing the search library
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class Variant:
    """One system: what it is called, what it learns with, what may vary, what it hears and reads.

    `config` is a frozen dataclass whose defaults are the published setting. `model(config, dims, n_classes)`
    builds the module. `suggest_config(trial)` draws a config; its parameters bear the names of config fields.
    `reference_row` is the system's name in the published result table.
    """

    title: str
    config: type[Any]
    model: Callable[[Any, Mapping[str, int], int], nn.Module]
    suggest_config: Callable[[BaseTrial], Any]
    modalities: tuple[str, ...]
    reference_row: str

    def suggest(self, trial: BaseTrial) -> tuple[Any, Recipe]:
        """A config and a recipe drawn by `trial`: the only way from parameters to a configuration."""
        return self.suggest_config(trial), recipe.suggest(trial)

    def published(self) -> dict[str, Any]:
        """The published value of every field of config and recipe, by name."""
        return {**asdict(self.config()), **asdict(Recipe())}


VARIANTS: dict[str, Variant] = {
    "self": Variant(
        title="self-attention within each modality",
        config=FusionConfig,
        model=SelfAttention,
        suggest_config=search_spaces.fusion.suggest,
        modalities=("audio", "text"),
        reference_row="Self-MHA",
    ),
    "cross": Variant(
        title="cross-attention between the modalities",
        config=FusionConfig,
        model=CrossAttention,
        suggest_config=search_spaces.fusion.suggest,
        modalities=("audio", "text"),
        reference_row="Cross-MHA",
    ),
}

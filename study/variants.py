"""The table of systems that can be studied. A new one is a model file, a space file and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import nn

import search_spaces.fusion
import search_spaces.mdre
from models.cross_attention import CrossAttention
from models.fusion import FusionConfig
from models.mdre import MDRE, MDREConfig
from models.self_attention import SelfAttention
from models.unimodal import Unimodal
from search_spaces import recipe
from search_spaces.recipe import Recipe

if TYPE_CHECKING:  # workers read this table without importing the search library
    from optuna.trial import BaseTrial

# What a variant can take in, and the modality whose feature pack holds it. "sentence" is the text encoder's one
# vector per utterance (BERT: CLS) as a stream of a single frame.
INPUTS = {"audio": "audio", "text": "text", "sentence": "text"}


PUBLISHED_RECIPE = Recipe()


@dataclass(frozen=True)
class Variant:
    """One system: what it is called, what it learns with, what may vary, what it hears and reads.

    `inputs` are names of INPUTS. `model(config, dims, n_classes)` builds the module; None learns nothing.
    `suggest_config(trial)` draws a config of the same class as `config`, the published setting; its parameters
    bear the names of config fields. `reference_row` is the system's name in the published result table. Of several
    `frame_rates` the search chooses; the published setting has the first.
    """

    title: str
    reference_row: str
    inputs: tuple[str, ...] = ()
    model: Callable[[Any, Mapping[str, int], int], nn.Module] | None = None
    config: Any = None
    suggest_config: Callable[[BaseTrial], Any] | None = None
    recipe: Recipe = PUBLISHED_RECIPE
    frame_rates: tuple[str, ...] = ()

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities whose feature packs it needs."""
        return tuple(dict.fromkeys(INPUTS[name] for name in self.inputs))

    def suggest(self, trial: BaseTrial) -> tuple[Any, Recipe]:
        """A config and a recipe drawn by `trial`: the only way from parameters to a configuration."""
        assert self.suggest_config is not None
        return self.suggest_config(trial), recipe.suggest(trial, self.frame_rates)

    def published(self) -> dict[str, Any]:
        """The published value of every field of config and recipe, by name."""
        rate = {"frame_rate": self.frame_rates[0]} if self.frame_rates else {}
        return {**asdict(self.config), **asdict(self.recipe), **rate}

    def at(self, frame_rates: Sequence[str]) -> Variant:
        """The variant with a choice of `frame_rates`, if it hears and there is a choice."""
        return (
            replace(self, frame_rates=tuple(frame_rates)) if "audio" in self.inputs and len(frame_rates) > 1 else self
        )

    def rebuilt(self, fields: Mapping[str, Any]) -> Any:
        """The config with these fields."""
        return type(self.config)(**fields)


WITHOUT_POOLING = FusionConfig(stream_pooling="concatenate")

VARIANTS: dict[str, Variant] = {
    "random": Variant(title="a uniform guess", reference_row="Random"),
    "audio": Variant(
        title="self-attention over speech alone",
        reference_row="Audio",
        inputs=("audio",),
        model=Unimodal,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "text": Variant(
        title="self-attention over words alone",
        reference_row="Text",
        inputs=("text",),
        model=Unimodal,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "mdre": Variant(
        title="two recurrent encoders, concatenated",
        reference_row="MDRE",
        inputs=("audio", "text"),
        model=MDRE,
        config=MDREConfig(),
        suggest_config=search_spaces.mdre.suggest,
        recipe=Recipe(batch_size=128),
    ),
    "self": Variant(
        title="self-attention within each modality",
        reference_row="Self-MHA",
        inputs=("audio", "text"),
        model=SelfAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "cross": Variant(
        title="cross-attention between the modalities",
        reference_row="Cross-MHA",
        inputs=("audio", "text"),
        model=CrossAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "self-nosp": Variant(
        title="self without statistical pooling",
        reference_row="Self-noSP",
        inputs=("audio", "text"),
        model=SelfAttention,
        config=WITHOUT_POOLING,
        suggest_config=search_spaces.fusion.suggest_without_pooling,
    ),
    "self-cls": Variant(
        title="self with one vector for the sentence",
        reference_row="Self-CLS",
        inputs=("audio", "sentence"),
        model=SelfAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "cross-nosp": Variant(
        title="cross without statistical pooling",
        reference_row="Cross-noSP",
        inputs=("audio", "text"),
        model=CrossAttention,
        config=WITHOUT_POOLING,
        suggest_config=search_spaces.fusion.suggest_without_pooling,
    ),
    "cross-cls": Variant(
        title="cross with one vector for the sentence",
        reference_row="Cross-CLS",
        inputs=("audio", "sentence"),
        model=CrossAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
}
# What is trained: a guess has nothing to tune.
TRAINED = tuple(name for name, variant in VARIANTS.items() if variant.model is not None)

"""The table of systems that can be studied. A new one is a model file, a space file and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

import search_spaces.concatenation
import search_spaces.fusion
import search_spaces.mdre
import search_spaces.transformers
import search_spaces.vectors
from models.bottleneck import Bottleneck, BottleneckConfig
from models.concatenation import Concatenation, ConcatenationConfig
from models.cross_attention import CrossAttention
from models.crossmodal import Crossmodal, CrossmodalConfig
from models.fusion import FusionConfig
from models.gated import Gated
from models.late import Late
from models.low_rank import LowRank, LowRankConfig
from models.mdre import MDRE, MDREConfig
from models.self_attention import SelfAttention
from models.tensor import TensorConfig, TensorFusion
from models.unimodal import Unimodal
from models.utterance_vectors import VectorConfig
from search_spaces import recipe
from search_spaces.losses import LOSS
from search_spaces.modality_dropout import MODALITY_DROPOUT
from search_spaces.recipe import FEATURES, Recipe
from study.features.inputs import input_of

if TYPE_CHECKING:  # workers read this table without importing the search library
    from optuna.trial import BaseTrial

PUBLISHED_RECIPE = Recipe()
# What the report does with a system: a guess is not trained; every fusion is compared with the best baseline; an
# ablation takes one part away from the systems that it is `compared_with`.
Role = Literal["guess", "baseline", "fusion", "ablation"]


@dataclass(frozen=True)
class PublishedRow:
    """A system's row in the published result table of seven-class IEMOCAP: mean and deviation of each metric.

    Source: Attention-based Multimodal Speech Emotion Recognition (student project, 2022). Its own limitation is
    suboptimal tuning; its random baseline is an average over draws.
    """

    wa: float
    wa_std: float
    uwa: float
    uwa_std: float
    wf1: float
    wf1_std: float
    uwf1: float
    uwf1_std: float

    def figures(self) -> dict[str, tuple[float, float]]:
        """Mean and deviation by metric."""
        return {
            name.upper(): (getattr(self, name), getattr(self, f"{name}_std")) for name in ("wa", "uwa", "wf1", "uwf1")
        }


@dataclass(frozen=True)
class Variant:
    """One system: what it is called, what it learns with, what may vary, its inputs, and its part in the report.

    `inputs` are streams as in `study.features.inputs`. `model(config, dims, n_classes)` builds the module; None learns
    nothing. `suggest_config(trial)` draws a config of the same class as `config`, the setting to start from; its
    parameters bear the names of config fields. `published` is the system's row in the published result table, None for
    one that is not in it. `choices` are what the search chooses from: by modality the labels of features, under "loss"
    the losses, and under "modality_dropout" probabilities; configuration 0 has the first.
    """

    title: str
    role: Role = "fusion"
    compared_with: tuple[str, ...] = ()
    published: PublishedRow | None = None
    inputs: tuple[str, ...] = ()
    model: Callable[[Any, Mapping[str, int], int], nn.Module] | None = None
    config: Any = None
    suggest_config: Callable[[BaseTrial], Any] | None = None
    recipe: Recipe = PUBLISHED_RECIPE
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities whose feature packs it needs."""
        return tuple(dict.fromkeys(input_of(name).modality for name in self.inputs))

    @property
    def start_word(self) -> str:
        """What its configuration 0 is called beside the tuned one: a setting that was published, or just untuned."""
        return "untuned" if self.published is None else "published"

    def suggest(self, trial: BaseTrial) -> tuple[Any, Recipe]:
        """A config and a recipe drawn by `trial`: the only way from parameters to a configuration."""
        assert self.suggest_config is not None
        return self.suggest_config(trial), recipe.suggest(trial, self.choices)

    def starts(self) -> list[dict[str, Any]]:
        """The value of every field of config and recipe in the first configurations, by name.

        They are the setting to start from with each choice in turn, the first of each in configuration 0.
        """
        fields = {**asdict(self.config), **asdict(self.recipe)}
        of_recipe = (LOSS, MODALITY_DROPOUT)
        named = {name if name in of_recipe else name + FEATURES: labels for name, labels in self.choices.items()}
        return [
            {**fields, **{name: labels[turn if turn < len(labels) else 0] for name, labels in named.items()}}
            for turn in range(max(map(len, named.values()), default=1))
        ]

    def choosing(self, labels: Mapping[str, Sequence[str]]) -> Variant:
        """The variant in a study with these `labels` of features, by modality, and of a recipe's choices, by field.

        It chooses where there are several; a loss or a modality dropout that is the only one is a parameter too, since
        it is not the usual. A model of one input drops none.
        """
        several = {name: tuple(labels[name]) for name in self.modalities if len(labels.get(name, ())) > 1}
        of_recipe = (LOSS, MODALITY_DROPOUT) if len(self.inputs) > 1 else (LOSS,)
        given = {name: tuple(labels[name]) for name in of_recipe if labels.get(name)}
        return replace(self, choices={**several, **given})

    def rebuilt(self, fields: Mapping[str, Any]) -> Any:
        """The config with these fields."""
        return type(self.config)(**fields)


WITHOUT_POOLING = FusionConfig(stream_pooling="concatenate")

VARIANTS: dict[str, Variant] = {
    "random": Variant(
        title="a uniform guess",
        role="guess",
        published=PublishedRow(0.138, 0.002, 0.135, 0.004, 0.151, 0.002, 0.126, 0.002),
    ),
    "audio": Variant(
        title="self-attention over speech alone",
        role="baseline",
        published=PublishedRow(0.398, 0.018, 0.342, 0.006, 0.367, 0.016, 0.335, 0.007),
        inputs=("audio",),
        model=Unimodal,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "text": Variant(
        title="self-attention over words alone",
        role="baseline",
        published=PublishedRow(0.506, 0.027, 0.492, 0.029, 0.498, 0.025, 0.475, 0.022),
        inputs=("text",),
        model=Unimodal,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "mdre": Variant(
        title="two recurrent encoders, concatenated",
        role="baseline",
        published=PublishedRow(0.491, 0.039, 0.466, 0.056, 0.482, 0.035, 0.470, 0.041),
        inputs=("audio", "text"),
        model=MDRE,
        config=MDREConfig(),
        suggest_config=search_spaces.mdre.suggest,
        recipe=Recipe(batch_size=128),
    ),
    "self": Variant(
        title="self-attention within each modality",
        compared_with=("cross",),
        published=PublishedRow(0.522, 0.014, 0.486, 0.020, 0.519, 0.016, 0.488, 0.014),
        inputs=("audio", "text"),
        model=SelfAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "cross": Variant(
        title="cross-attention between the modalities",
        published=PublishedRow(0.509, 0.009, 0.477, 0.027, 0.509, 0.009, 0.478, 0.024),
        inputs=("audio", "text"),
        model=CrossAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "self-nosp": Variant(
        title="self without statistical pooling",
        role="ablation",
        compared_with=("self",),
        published=PublishedRow(0.514, 0.022, 0.464, 0.042, 0.507, 0.027, 0.473, 0.046),
        inputs=("audio", "text"),
        model=SelfAttention,
        config=WITHOUT_POOLING,
        suggest_config=search_spaces.fusion.suggest_without_pooling,
    ),
    "self-cls": Variant(
        title="self with one vector for the sentence",
        role="ablation",
        compared_with=("self",),
        published=PublishedRow(0.505, 0.008, 0.461, 0.019, 0.504, 0.009, 0.468, 0.021),
        inputs=("audio", "sentence"),
        model=SelfAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "cross-nosp": Variant(
        title="cross without statistical pooling",
        role="ablation",
        compared_with=("cross",),
        published=PublishedRow(0.498, 0.005, 0.442, 0.021, 0.493, 0.005, 0.448, 0.024),
        inputs=("audio", "text"),
        model=CrossAttention,
        config=WITHOUT_POOLING,
        suggest_config=search_spaces.fusion.suggest_without_pooling,
    ),
    "cross-cls": Variant(
        title="cross with one vector for the sentence",
        role="ablation",
        compared_with=("cross",),
        published=PublishedRow(0.518, 0.011, 0.451, 0.020, 0.512, 0.010, 0.456, 0.022),
        inputs=("audio", "sentence"),
        model=CrossAttention,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "concat": Variant(
        title="statistics over time, concatenated",
        inputs=("audio", "text"),
        model=Concatenation,
        config=ConcatenationConfig(),
        suggest_config=search_spaces.concatenation.suggest,
    ),
    "gated": Variant(
        title="a gated multimodal unit",
        compared_with=("concat",),
        inputs=("audio", "text"),
        model=Gated,
        config=VectorConfig(),
        suggest_config=search_spaces.vectors.suggest_gated,
    ),
    "tfn": Variant(
        title="tensor fusion, the whole outer product",
        compared_with=("concat",),
        inputs=("audio", "text"),
        model=TensorFusion,
        config=TensorConfig(),
        suggest_config=search_spaces.vectors.suggest_tensor,
    ),
    "lmf": Variant(
        title="low-rank fusion of the outer product",
        compared_with=("tfn",),
        inputs=("audio", "text"),
        model=LowRank,
        config=LowRankConfig(),
        suggest_config=search_spaces.vectors.suggest_low_rank,
    ),
    "late": Variant(
        title="the mean of two unimodal models",
        compared_with=("concat",),
        inputs=("audio", "text"),
        model=Late,
        config=FusionConfig(),
        suggest_config=search_spaces.fusion.suggest,
    ),
    "mult": Variant(
        title="crossmodal transformers",
        compared_with=("cross",),
        inputs=("audio", "text"),
        model=Crossmodal,
        config=CrossmodalConfig(),
        suggest_config=search_spaces.transformers.suggest_crossmodal,
        recipe=Recipe(learning_rate=2e-3),
    ),
    "bottleneck": Variant(
        title="attention bottlenecks",
        compared_with=("concat",),
        inputs=("audio", "text"),
        model=Bottleneck,
        config=BottleneckConfig(),
        suggest_config=search_spaces.transformers.suggest_bottleneck,
    ),
}
# What is trained: a guess has nothing to tune.
TRAINED = tuple(name for name, variant in VARIANTS.items() if variant.model is not None)
# What `--variant` takes besides names of systems: those of the published result table, and all of them.
VARIANT_GROUPS: dict[str, tuple[str, ...]] = {
    "all": tuple(name for name, variant in VARIANTS.items() if variant.published is not None),
    "every": tuple(VARIANTS),
}

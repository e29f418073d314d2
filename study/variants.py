"""The table of systems that can be studied. A new one is a model file, a space file and a row here."""

from __future__ import annotations

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
from search_spaces.recipe import Recipe
from study.variant import PublishedRow, Variant

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
    "video": Variant(
        title="self-attention over pictures alone",
        role="baseline",
        inputs=("video",),
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
# Every fusion of two modalities with the third one beside them: cross+video has six ordered pairs.
WITH_VIDEO = "+video"
VARIANTS |= {
    f"{name}{WITH_VIDEO}": row.with_stream(name, "video") for name, row in VARIANTS.items() if row.role == "fusion"
}
# What is trained: a guess has nothing to tune.
TRAINED = tuple(name for name, variant in VARIANTS.items() if variant.model is not None)
# What `--variant` takes besides names of systems: those of the published result table; all of audio and words; and
# those that see, which only a corpus with films has.
_SEES = {name for name, variant in VARIANTS.items() if "video" in variant.inputs}
VARIANT_GROUPS: dict[str, tuple[str, ...]] = {
    "all": tuple(name for name, variant in VARIANTS.items() if variant.published is not None),
    "every": tuple(name for name in VARIANTS if name not in _SEES),
    "seeing": tuple(name for name in VARIANTS if name in _SEES),
}

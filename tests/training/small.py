"""Systems to train, and small configurations of theirs, so that training of every system takes seconds."""

from typing import Any

from models.bottleneck import BottleneckConfig
from models.crossmodal import CrossmodalConfig
from models.fusion import FusionConfig
from models.mdre import MDREConfig
from study.variants import TRAINED, VARIANT_GROUPS

CONFIG = FusionConfig(n_heads=2, width_per_head=8)
SMALL: dict[type, Any] = {
    FusionConfig: CONFIG,
    MDREConfig: MDREConfig(n_units=20),
    CrossmodalConfig: CrossmodalConfig(n_heads=2, width_per_head=8, n_layers=1, n_self_layers=1, dropout=0.1),
    BottleneckConfig: BottleneckConfig(n_heads=2, width_per_head=8, n_layers=0),
}
# All systems of audio and words, and a fast one of three streams: for laws of what all streams share.
SYSTEMS = tuple(name for name in TRAINED if name in (*VARIANT_GROUPS["every"], "concat+video"))


def small_config(config: Any) -> Any:
    """The small configuration of the class of `config`; itself where it is small already."""
    return SMALL.get(type(config), config)

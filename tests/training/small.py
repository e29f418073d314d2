"""A small configuration for each class of them, so that training of every system takes seconds."""

from typing import Any

from models.bottleneck import BottleneckConfig
from models.crossmodal import CrossmodalConfig
from models.fusion import FusionConfig
from models.mdre import MDREConfig

CONFIG = FusionConfig(n_heads=2, width_per_head=8)
SMALL: dict[type, Any] = {
    FusionConfig: CONFIG,
    MDREConfig: MDREConfig(n_units=20),
    CrossmodalConfig: CrossmodalConfig(n_heads=2, width_per_head=8, n_layers=1, n_self_layers=1, dropout=0.1),
    BottleneckConfig: BottleneckConfig(n_heads=2, width_per_head=8, n_layers=0),
}


def small_config(config: Any) -> Any:
    """The small configuration of the class of `config`; itself where it is small already."""
    return SMALL.get(type(config), config)

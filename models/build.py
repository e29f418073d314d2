"""Builds the module of any system: the model, behind what every model may have at its entrance."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from torch import nn

from models.layer_mix import BehindLayerMix
from models.missing import WithMissing


def build(
    model: Callable[[Any, Mapping[str, int], int], nn.Module],
    config: Any,
    dims: Mapping[str, int],
    bands: Mapping[str, Sequence[str]],
    n_classes: int,
    missing: Collection[str] = (),
) -> nn.Module:
    """The module of `model(config, dims, n_classes)`, behind the mix of every stream that has `bands`.

    `dims` are those of one band. In front of the mix, the streams that are `missing` in some utterances have a learned
    vector, as wide as all bands.
    """
    module = model(config, dims, n_classes)
    mixed = BehindLayerMix(module, bands) if bands else module
    widths = {name: dims[name] * max(1, len(bands.get(name, ()))) for name in dims if name in missing}
    return WithMissing(mixed, widths) if widths else mixed

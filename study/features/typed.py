"""How features are typed: encoders, their layers, frame rates, and where they are."""

from __future__ import annotations

import re
from pathlib import Path

from study.features.frame_rate import FRAME_RATES
from study.features.spec import LAYER, canonical_layer

LAYERS_LAW = "last, numbers, mean:a-b and weighted:K, several with commas for the search to choose from"
PATHS_LAW = "places with features, several with commas for the search to choose from"
MAX_RATE_HZ = 1000.0
ENCODERS_LAW = (
    "encoders, several with commas for the search to choose from, each with a layer where it has its own: "
    "A:last,A:6,B:mean:3-5"
)


def rates_of(text: str) -> tuple[float, ...]:
    """The rates of "50,25".

    Raises:
        ValueError: one is none that frames are averaged to.
    """
    rates = tuple(rate.strip() for rate in text.split(","))
    if not set(rates) <= set(FRAME_RATES):
        raise ValueError(text)
    return tuple(map(float, rates))


def layers_of(text: str) -> tuple[str, ...]:
    """The layers of "last,6".

    Raises:
        ValueError: one is none.
    """
    return tuple(canonical_layer(each.strip()) for each in text.split(","))


def encoders_of(text: str) -> tuple[str, ...]:
    """The encoders of "A:last,A:6,B".

    Raises:
        ValueError: one has no name.
    """
    if _is_folder(text):  # whatever the folder's name has in it
        return (text,)
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise ValueError(text)
    return tuple(name if layer is None else f"{name}:{layer}" for name, layer in map(name_and_layer, items))


def name_and_layer(item: str) -> tuple[str, str | None]:
    """An encoder's name, and the layer behind it if it has its own."""
    found = re.fullmatch(rf"(.+?):({LAYER})", item)
    if found is None or _is_folder(item):
        return item, None
    return found[1], canonical_layer(found[2])


def _is_folder(text: str) -> bool:
    try:
        return Path(text).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # a text that no path can be, or a home that nothing is
        return False

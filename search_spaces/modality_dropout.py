"""The probabilities of losing a modality that can be chosen. Imports nothing, as the command line reads it at once."""

from __future__ import annotations

from collections.abc import Sequence

# How the parameter that chooses one is named; its values are texts, as those of features are.
MODALITY_DROPOUT = "modality_dropout"
MOST_DROPOUT = 0.5


def dropouts_of(text: str) -> tuple[str, ...]:
    """The probabilities that a text names, as short texts of numbers.

    Raises:
        ValueError: one of them is no number.
    """
    return tuple(f"{float(each):g}" for each in text.split(","))


def are_dropouts(names: Sequence[str]) -> bool:
    """Whether each of the names is a probability of losing a modality."""
    try:
        return all(0 <= float(name) <= MOST_DROPOUT for name in names)
    except (TypeError, ValueError):
        return False

"""Pairs of classes that are often confused: those that are known, and those that a study is given. Pure."""

from __future__ import annotations

from collections.abc import Sequence

# Classes that listeners take for each other: of 2,507 IEMOCAP utterances without a majority, 28 % have votes for both
# classes of the first pair, and 32 % of the second.
CONFUSED_PAIRS = (("angry", "frustrated"), ("happy", "excited"))


def pairs_named(text: str) -> tuple[str, ...]:
    """The pairs that a text names, each as "one/other"."""
    return tuple("/".join(name.strip() for name in each.split("/")) for each in text.split(","))


def are_pairs(names: Sequence[str]) -> bool:
    """Whether each of the names is a pair of classes, and no class is in two of them."""
    if not all(isinstance(name, str) and name.count("/") == 1 for name in names):
        return False
    classes = [each for name in names for each in name.split("/")]
    return all(classes) and len(set(classes)) == len(classes)


def confused_pairs(classes: Sequence[str], given: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """The pairs of classes that are `given` as "one/other"; without any, those known to be confused that there are."""
    if given:
        return tuple((one, other) for one, other in (name.split("/") for name in given))
    return tuple((one, other) for one, other in CONFUSED_PAIRS if one in classes and other in classes)
